//! # Lesson 5: WebSocket
//!
//! `cargo run -p websocket`
//!
//! One HTTP request turns its connection into one that carries messages in both directions, each in a
//! frame of its own with a head of 2 to 14 bytes (RFC 6455 §5.2). The server sends news as it comes;
//! the browser can send at any time, too, without a request:
//!
//! ```text
//! server: {"event":"users","data":{"version":7,"users":[{"id":1,"username":"张三"}]}}
//! client: {"username":"李四"}
//! server: {"event":"users","data":{"version":8,"users":[…]}}
//! ```

use std::{ops::RangeInclusive, process::ExitCode};

use actix_web::{HttpRequest, HttpResponse, web};
use bytestring::ByteString;
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;
use shared::error::Error;
use shared::users::{NewUser, Username, Users};
use shared::websocket::{Message, Socket};
use shared::{JsonObject, Lesson, clock};

/// The name decides the port and the title, the folder where `static/` is.
const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

/// The largest message in bytes unless a flag says otherwise. A username needs a five-hundredth.
const MAX_MESSAGE: u32 = 64 * 1024;

/// What the flag may make of it. A Close frame or a ping of 125 bytes must fit (RFC 6455 §5.5), and a
/// frame is held in memory as a whole.
const MESSAGE_LIMITS: RangeInclusive<i64> = 125..=16 * 1024 * 1024;

/// The flags of this lesson.
#[derive(Debug, Clone, clap::Args)]
struct Flags {
    /// The largest message that a client may send, in bytes
    #[arg(long, env, value_name = "BYTES", default_value_t = MAX_MESSAGE)]
    #[arg(value_parser = clap::value_parser!(u32).range(MESSAGE_LIMITS))]
    max_message: u32,
}

#[actix_web::main]
async fn main() -> ExitCode {
    shared::serve_with_flags(LESSON, |app, flags: &Flags| {
        app.app_data(web::Data::new(flags.clone()))
            .route("/users", web::get().to(users))
            .route("/clock", web::get().to(clock))
            .route("/echo", web::get().to(echo));
    })
    .await
}

/// `GET /users`, upgraded: the list at once and after each change. A text `{"username":"…"}` from the
/// client adds a user, and everybody, the client included, gets the new list.
async fn users(
    request: HttpRequest,
    body: web::Payload,
    flags: web::Data<Flags>,
    users: web::Data<Users>,
) -> Result<HttpResponse, Error> {
    let (response, socket) = Socket::open(&request, body, flags.max_message)?;
    let news = users
        .watch()
        .map(|snapshot| event("users", &snapshot.json()));
    socket.run(news, async move |message| {
        match add_user(&users, message).await {
            Ok(()) => None,
            Err(error) => {
                let error = json!({ "error": error.to_string() });
                Some(Message::Text(event("error", &error.to_string())))
            }
        }
    });
    Ok(response)
}

/// Adds the user that a message asks for, or says why not.
async fn add_user(users: &Users, message: Message) -> Result<(), Error> {
    let Message::Text(text) = message else {
        return Err(Error::bad_request("Send text, not bytes."));
    };
    let JsonObject(new): JsonObject<NewUser> =
        serde_json::from_str(&text).map_err(|error| Error::bad_json(&error))?;
    users.add(Username::parse(&new.username)?).await?;
    Ok(())
}

/// `GET /clock`, upgraded: the time, every full second. What the client sends is ignored.
async fn clock(
    request: HttpRequest,
    body: web::Payload,
    flags: web::Data<Flags>,
) -> Result<HttpResponse, Error> {
    let (response, socket) = Socket::open(&request, body, flags.max_message)?;
    let news = clock::ticks().map(|second| {
        let time = json!({ "time": clock::format(second) });
        event("clock", &time.to_string())
    });
    socket.run(news, async |_| None);
    Ok(response)
}

/// An event as it goes over the wire, its name first; `json!` would sort by key. `data` is JSON.
fn event(name: &str, data: &str) -> ByteString {
    format!(r#"{{"event":"{name}","data":{data}}}"#).into()
}

/// The longest prefix of the echo in bytes. It comes back with each message, so that a client could
/// make the server send far more than it sends itself.
const MAX_PREFIX: usize = 256;

/// `?prefix=Server:%20`: what the echo puts in front of a text.
#[derive(Deserialize)]
struct Echo {
    #[serde(default = "default_prefix")]
    prefix: String,
}

fn default_prefix() -> String {
    "Server: ".into()
}

/// `GET /echo`, upgraded: each text comes back with a prefix, each binary message as it was.
async fn echo(
    request: HttpRequest,
    body: web::Payload,
    flags: web::Data<Flags>,
    echo: web::Query<Echo>,
) -> Result<HttpResponse, Error> {
    if echo.prefix.len() > MAX_PREFIX {
        let sentence = format!("The prefix is too long: {MAX_PREFIX} bytes at most.");
        return Err(Error::bad_request(sentence));
    }
    let (response, socket) = Socket::open(&request, body, flags.max_message)?;
    socket.run(stream::pending(), async move |message| match message {
        Message::Text(text) => Some(Message::Text(format!("{}{text}", echo.prefix).into())),
        Message::Binary(bytes) => Some(Message::Binary(bytes)),
    });
    Ok(response)
}
