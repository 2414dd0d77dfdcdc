//! # Lesson 5: WebSocket
//!
//! `cargo run -p websocket`
//!
//! One HTTP request, the handshake, turns its connection into a WebSocket. From then on both sides can send messages
//! at any time. Each message needs only a frame header of 2 to 14 bytes (RFC 6455 §5.2), not the headers of a request.
//! The server sends an update as soon as there is one:
//!
//! ```text
//! server: {"event":"users","data":{"version":7,"users":[{"id":1,"username":"张三"}]}}
//! client: {"username":"李四"}
//! server: {"event":"users","data":{"version":8,"users":[…]}}
//! ```
//!
//! The handlers `users`, `clock` and `echo` define the updates, and the answers to the client's messages. `upgrade`
//! answers the handshake. `converse` is the loop that every WebSocket server needs, whatever it sends.

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

/// This lesson. `name` selects the port and the title in `shared::catalog`; the files of `static/`
/// are served from `folder`.
const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

/// The largest message from a client, in bytes. The server holds a whole message in memory. If a client sends a larger
/// one, the connection ends with the close code 1009.
const MAX_MESSAGE: usize = 64 * 1024;

/// The longest prefix of the echo, in bytes. With a very long prefix, a client that sends a few bytes would make the
/// server send many.
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

/// Handles `GET /users`: sends the list at once and after each change. The text `{"username":"…"}` from a client adds a
/// user, and then all clients get the new list. The answer to any other message is an event `error`.
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

/// Handles `GET /clock`: sends the time at each full second. Messages from the client are ignored.
async fn clock(request: HttpRequest, body: web::Payload) -> Result<HttpResponse, Error> {
    let updates = clock::ticks().map(|second| time_event("clock", second));
    upgrade(&request, body, updates, Some(ping_event), async |_| None)
}

/// The query `?prefix=Server:%20`: the text that the echo puts before each text message.
#[derive(Deserialize)]
struct EchoQuery {
    prefix: Option<String>,
}

/// Handles `GET /echo`: sends each text message back with a prefix, and each binary message unchanged.
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

/// Answers the handshake with `101 Switching Protocols` (RFC 6455 §4.2), and starts a task that talks to the client.
/// The task runs [`converse`], which explains `updates`, `ping_event` and `respond`.
///
/// actix-ws encodes and decodes the frames. `shared::websocket` adds two guards: a limit for each frame, and a
/// [`Heartbeat`], whose period is set by the flag `--heartbeat` (`shared/src/serve/flags.rs`). Without the first, a
/// client that announces a frame of 300 MiB could use up the memory. Without the second, a client that no longer
/// answers would keep its connection.
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
    // A message may arrive in several frames. `aggregate_continuations` joins them.
    let messages = messages
        .max_frame_size(MAX_MESSAGE)
        .aggregate_continuations()
        .max_continuation_size(MAX_MESSAGE);
    let response = websocket::guard_response(response, &heartbeat);
    let mut socket = (session, messages, heartbeat);
    // `select!` polls these two in every round of the loop, so they must not move in memory.
    let (cancelled, updates) = (Box::pin(cut.cancelled()), Box::pin(updates));
    rt::spawn(async move {
        let ending = converse(&mut socket, cancelled, updates, ping_event, respond).await;
        if let Ending::Close(reason) = ending {
            // A client that has stopped reading does not take the Close frame. Then the connection ends without it.
            let (session, _, heartbeat) = socket;
            heartbeat.limit(session.close(reason)).await.ok();
        }
    });
    // When the task ends without a Close frame, the connection ends at once.
    Ok(response)
}

/// Talks to one client until the conversation is over, and returns how to end the connection. It sends the `updates`,
/// the answer of `respond` to each message, and pings. A browser answers a ping by itself, and its page does not see
/// it. So a page gets `ping_event` with each ping, which shows that the server is alive.
///
/// `select!` waits for all its branches at the same time and runs the first one that is ready (see lesson 2). With
/// `biased` it checks them from top to bottom, and the order matters here.
async fn converse(
    (session, messages, heartbeat): &mut (Session, AggregatedMessageStream, Heartbeat),
    mut cancelled: impl Future<Output = ()> + Unpin,
    mut updates: impl Stream<Item = ByteString> + Unpin,
    ping_event: Option<fn() -> ByteString>,
    respond: impl AsyncFn(AggregatedMessage) -> Option<Message>,
) -> Ending {
    loop {
        // One client may send thousands of small frames. Every now and then, this lets the other clients' tasks run.
        consume_budget().await;
        let frame = select! {
            biased;
            // Somebody presses the button "Cut all connections", or the server stops. This branch is the first, because
            // the next one is always ready while a client sends without a pause.
            () = &mut cancelled => return Ending::Close(Some(CloseCode::Away.into())),
            // This branch comes before the heartbeat, because a client that has sent something is not silent.
            message = messages.next() => match message {
                Some(Ok(AggregatedMessage::Ping(bytes))) => Some(Message::Pong(bytes)),
                // Nothing to do: the heartbeat counts every byte that arrives.
                Some(Ok(AggregatedMessage::Pong(_))) => None,
                // The answer to a Close frame is a Close frame with the same code (RFC 6455 §5.5.1).
                Some(Ok(AggregatedMessage::Close(reason))) => return Ending::Close(reason),
                Some(Ok(message)) => respond(message).await,
                // A bad frame: `Ending::from` chooses the close code (`shared/src/websocket/closing.rs`).
                Some(Err(error)) => return Ending::from(error),
                None => return Ending::Disconnected,
            },
            beat = heartbeat.next() => match beat {
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

/// Adds the user whose name is in the message.
async fn add_user(users: &Users, message: AggregatedMessage) -> Result<(), Error> {
    let AggregatedMessage::Text(text) = message else {
        return Err(Error::bad_request("Send text, not bytes."));
    };
    let new: NewUser = JsonObject::parse(&text)?;
    users.add(Username::parse(&new.username)?).await?;
    Ok(())
}

/// Returns the event that a page gets with each ping.
fn ping_event() -> ByteString {
    time_event("ping", Local::now())
}

/// Returns an event whose data is a time.
fn time_event(name: &str, time: DateTime<Local>) -> ByteString {
    event(name, json!({ "time": clock::format(time) }))
}

/// Encodes an event for the wire. `data` is JSON already. The name stands first; `json!` would sort the keys, and then
/// the name would follow after a long list.
fn event(name: &str, data: impl Display) -> ByteString {
    format!(r#"{{"event":"{name}","data":{data}}}"#).into()
}
