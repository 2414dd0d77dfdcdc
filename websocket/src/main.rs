//! # Lesson 5: WebSocket
//!
//! `cargo run -p websocket`
//!
//! One HTTP request turns its connection into one that carries messages in both directions, each in a
//! frame of its own with a header of 2 to 14 bytes (RFC 6455 §5.2). The server sends an update as soon as there
//! is one; the browser can send at any time, too, without a request:
//!
//! ```text
//! server: {"event":"users","data":{"version":7,"users":[{"id":1,"username":"张三"}]}}
//! client: {"username":"李四"}
//! server: {"event":"users","data":{"version":8,"users":[…]}}
//! ```
//!
//! Each handler says what is pushed to the client, and what is answered to a message. `upgrade` answers the
//! handshake. `converse` is the loop that every WebSocket server needs, whatever it sends.

use std::{fmt::Display, process::ExitCode};

use actix_web::{HttpRequest, HttpResponse, rt, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, Message, Session};
use bytestring::ByteString;
use chrono::{DateTime, Local};
use futures_util::{SinkExt as _, Stream, StreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;
use shared::users::{NewUser, Username, Users};
use shared::websocket::{self, Beat, Ending, Heartbeat, Stalled};
use shared::{JsonObject, Lesson, clock, cut::Cut, error::Error};
use tokio::{select, task::coop::consume_budget};

/// `name` selects port and title in `shared::catalog`; `folder` is where `static/` is served from.
const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

/// The most bytes that a message from a client may have. A username needs a five-hundredth of that.
const MAX_MESSAGE: usize = 64 * 1024;

/// The longest prefix of the echo in bytes. It is sent back with each message, so that a client could
/// make the server send far more than it sends itself.
const MAX_PREFIX: usize = 256;

#[actix_web::main]
async fn main() -> ExitCode {
    shared::serve(LESSON, |app| {
        app.route("/users", web::get().to(users))
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
    users: web::Data<Users>,
) -> Result<HttpResponse, Error> {
    let updates = users
        .watch()
        .map(|snapshot| event("users", snapshot.json()));
    let respond = async move |message| {
        let error = add_user(&users, message).await.err()?;
        let data = json!({ "error": error.to_string() });
        Some(Message::Text(event("error", data)))
    };
    upgrade(&request, body, updates, Some(ping_event), respond)
}

/// `GET /clock`, upgraded: the time, every full second. What the client sends is ignored.
async fn clock(request: HttpRequest, body: web::Payload) -> Result<HttpResponse, Error> {
    let updates = clock::ticks().map(|second| time_event("clock", second));
    upgrade(&request, body, updates, Some(ping_event), async |_| None)
}

/// `?prefix=Server:%20`: what the echo puts in front of a text.
#[derive(Deserialize)]
struct EchoQuery {
    prefix: Option<String>,
}

/// `GET /echo`, upgraded: each text comes back with a prefix, each binary message as it was.
async fn echo(
    request: HttpRequest,
    body: web::Payload,
    query: web::Query<EchoQuery>,
) -> Result<HttpResponse, Error> {
    let prefix = query.into_inner().prefix.unwrap_or("Server: ".into());
    if prefix.len() > MAX_PREFIX {
        let message = format!("A prefix has {MAX_PREFIX} bytes at most.");
        return Err(Error::bad_request(message));
    }
    let respond = async move |message| match message {
        AggregatedMessage::Text(text) => Some(Message::Text(format!("{prefix}{text}").into())),
        AggregatedMessage::Binary(bytes) => Some(Message::Binary(bytes)),
        _ => None,
    };
    upgrade(&request, body, stream::pending(), None, respond)
}

/// Answers the handshake (RFC 6455 §4.2). When the response, `101 Switching Protocols`, is sent, the connection
/// carries frames, and a task of its own talks to the client: see [`converse`].
///
/// actix-ws does the work. It lacks the guards of `shared::websocket`: without them this server works, too, until
/// somebody announces a frame of 300 MiB, or stops reading.
fn upgrade(
    request: &HttpRequest,
    body: web::Payload,
    updates: impl Stream<Item = ByteString> + 'static,
    ping_event: Option<fn() -> ByteString>,
    respond: impl AsyncFn(AggregatedMessage) -> Option<Message> + 'static,
) -> Result<HttpResponse, Error> {
    let cut: &web::Data<Cut> = request.app_data().ok_or_else(Error::internal)?;
    let (body, heartbeat) = websocket::guard(request, body, MAX_MESSAGE)?;
    let (response, session, messages) = actix_ws::handle(request, body)
        .map_err(|error| Error::bad_request(format!("No WebSocket handshake: {error}.")))?;
    // A message may come in several frames. They are put together here.
    let messages = messages
        .max_frame_size(MAX_MESSAGE)
        .aggregate_continuations()
        .max_continuation_size(MAX_MESSAGE);
    let response = websocket::guard_response(response, &heartbeat);
    let mut socket = (session, messages, heartbeat);
    // Pinned, because `select!` waits for them again and again.
    let (mut cut, mut updates) = (Box::pin(cut.cancelled()), Box::pin(updates));
    rt::spawn(async move {
        let ending = converse(&mut socket, &mut cut, &mut updates, ping_event, &respond).await;
        if let Ending::Close(reason) = ending {
            // If the client does not take the frame, the connection ends without it.
            let (session, _, heartbeat) = socket;
            heartbeat.limit(session.close(reason)).await.ok();
        }
    });
    Ok(response)
}

/// Talks to one client until there is a reason to stop, and returns how to end. It pushes the `updates`, sends what
/// `respond` answers to a message, and pings; where a page reads, `ping_event` is sent with each ping.
///
/// `select!` waits for all its branches at once and runs the one that is ready (see lesson 2). With `biased` it
/// looks at them from top to bottom, so that what has arrived is read before the heartbeat calls the client silent.
async fn converse(
    (session, messages, heartbeat): &mut (Session, AggregatedMessageStream, Heartbeat),
    mut cut: impl Future<Output = ()> + Unpin,
    mut updates: impl Stream<Item = ByteString> + Unpin,
    ping_event: Option<fn() -> ByteString>,
    respond: impl AsyncFn(AggregatedMessage) -> Option<Message>,
) -> Ending {
    loop {
        // A client may send thousands of tiny frames at once. After some of them it is the other clients' turn.
        consume_budget().await;
        let frame = select! {
            biased;
            // First, or a client that sends without a pause would never be cut.
            () = &mut cut => return Ending::Close(Some(CloseCode::Away.into())),
            message = messages.next() => match message {
                Some(Ok(AggregatedMessage::Ping(bytes))) => Some(Message::Pong(bytes)),
                Some(Ok(AggregatedMessage::Pong(_))) => None, // Any byte that arrives counts for the heartbeat.
                Some(Ok(AggregatedMessage::Close(reason))) => return Ending::Close(reason),
                Some(Ok(message)) => respond(message).await,
                Some(Err(error)) => return Ending::from(error),
                None => return Ending::Disconnected,
            },
            beat = heartbeat.next() => match beat {
                // A browser answers a ping by itself, and its page does not see it; so the page gets an event, too.
                Beat::Ping => match heartbeat.limit(session.ping(b"")).await {
                    Ok(()) => ping_event.map(|event| Message::Text(event())),
                    Err(Stalled) => return Ending::Disconnected,
                },
                Beat::Silent => return Ending::Disconnected,
            },
            update = updates.next() => match update {
                Some(update) => Some(Message::Text(update)),
                None => return Ending::Close(Some(CloseCode::Away.into())),
            },
        };
        let Some(frame) = frame else { continue };
        if heartbeat.limit(session.send(frame)).await.is_err() {
            return Ending::Disconnected; // The client has stopped reading.
        }
    }
}

/// Adds the user that a message asks for.
async fn add_user(users: &Users, message: AggregatedMessage) -> Result<(), Error> {
    let AggregatedMessage::Text(text) = message else {
        return Err(Error::bad_request("Send text, not bytes."));
    };
    let new: NewUser = JsonObject::parse(&text)?;
    users.add(Username::parse(&new.username)?).await?;
    Ok(())
}

/// Tells a page that the server is alive.
fn ping_event() -> ByteString {
    time_event("ping", Local::now())
}

fn time_event(name: &str, time: DateTime<Local>) -> ByteString {
    event(name, json!({ "time": clock::format(time) }))
}

/// Writes an event as it goes over the wire, its name first; `json!` would sort by key. `data` is JSON.
fn event(name: &str, data: impl Display) -> ByteString {
    format!(r#"{{"event":"{name}","data":{data}}}"#).into()
}
