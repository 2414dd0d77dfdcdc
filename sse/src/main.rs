//! # Lesson 4: Server-Sent Events
//!
//! `cargo run -p sse`
//!
//! The browser sends one request, and the response never ends: the server writes each update into it
//! as an event. `EventSource` in the browser reads the events. When the connection breaks, it
//! reconnects by itself and sends the id of the last event that it has received.
//!
//! On the wire, an event is a few lines of text and an empty line (WHATWG HTML, 9.2.6):
//!
//! ```text
//! id: 1790000000007
//! event: users
//! data: {"version":1790000000007,"users":[{"id":1,"username":"张三"}]}
//!
//! ```

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use bytestring::ByteString;
use chrono::Local;
use futures_util::{Stream, StreamExt as _, future, stream};
use shared::{Lesson, Settings, clock, cut::Cut, users::Users};
use tokio::time::{self, Instant, MissedTickBehavior};

/// This lesson. `name` selects the port and the title in `shared::catalog`; the files of `static/`
/// are served from `folder`.
const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

/// How long a browser waits before it reconnects, in milliseconds. Each response has a random
/// time, so that after a restart of the server not all browsers reconnect at the same moment.
const RETRY_MILLISECONDS: RangeInclusive<u32> = 1_500..=3_000;

/// The largest id: the largest integer that JavaScript can represent exactly
/// (`Number.MAX_SAFE_INTEGER`).
const MAX_ID: u64 = (1 << 53) - 1;

#[actix_web::main]
async fn main() -> ExitCode {
    shared::serve(LESSON, |app| {
        app.route("/users", web::get().to(users))
            .route("/clock", web::get().to(clock));
    })
    .await
}

/// Handles `GET /users`: sends the list after each change, and also at once, unless the client has the
/// latest one already.
async fn users(
    request: HttpRequest,
    store: web::Data<Users>,
    settings: web::Data<Settings>,
    cut: web::Data<Cut>,
) -> HttpResponse {
    let last_seen_id = last_event_id(&request);
    let updates = store
        .watch()
        // Only the first list can be one that the client has already.
        .skip_while(move |snapshot| future::ready(Some(snapshot.version) == last_seen_id))
        .map(|snapshot| {
            let id = Some(snapshot.version);
            encode_event(EventName::Users, id, &snapshot.json())
        });
    event_stream(updates, settings.heartbeat, &cut)
}

/// Handles `GET /clock`: sends the time at each full second. The events have no name, so the browser
/// passes them to `onmessage`. Each server decides what its ids mean: here an id is the number of
/// seconds that the client has received.
async fn clock(
    request: HttpRequest,
    settings: web::Data<Settings>,
    cut: web::Data<Cut>,
) -> HttpResponse {
    let first_id = last_event_id(&request).unwrap_or(0) + 1;
    let updates = clock::ticks()
        .zip(stream::iter(first_id..))
        .map(|(second, id)| encode_event(EventName::Message, Some(id), &clock::format(second)));
    event_stream(updates, settings.heartbeat, &cut)
}

/// Returns a response whose body never ends: the retry time at once, then the `updates`, and a ping
/// each `heartbeat`. It ends only when the server cuts its streams (`take_until`: see lesson 3).
fn event_stream(
    updates: impl Stream<Item = ByteString> + 'static,
    heartbeat: Duration,
    cut: &Cut,
) -> HttpResponse {
    let retry = format!("retry: {}\n\n", rand::random_range(RETRY_MILLISECONDS));
    let body = stream::once(future::ready(retry.into()))
        .chain(stream::select(updates, pings(heartbeat)))
        .take_until(cut.cancelled());
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        // Without this header, nginx collects the events until its buffer is full.
        .insert_header(("X-Accel-Buffering", "no"))
        // actix expects items that may be errors. This stream has none: `Infallible` has no values.
        .streaming(body.map(|event| Ok::<_, Infallible>(event.into_bytes())))
}

/// Returns a stream of one ping each `period` (`stream::unfold`: see lesson 3). A ping shows the page,
/// and each proxy in between, that the connection is alive. The server does not need it, because TCP
/// keep-alive finds browsers that have vanished (`shared/src/serve/sockets.rs`). But the page and the
/// proxies cannot see TCP keep-alive.
fn pings(period: Duration) -> impl Stream<Item = ByteString> {
    let mut interval = time::interval_at(Instant::now() + period, period);
    // A client that has not read for ten periods gets one ping afterwards, not ten.
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold(interval, |mut interval| async move {
        interval.tick().await;
        let time = clock::format(Local::now());
        let ping = encode_event(EventName::Ping, None, &format!(r#"{{"time":"{time}"}}"#));
        Some((ping, interval))
    })
}

/// Returns the id of the last event that the client has received.
///
/// When the browser reconnects by itself, it sends the id as a header. A page that opens a new
/// `EventSource` cannot set headers, so it sends the id in the URL. An id that is not a number, or is
/// too large, was not sent by this server. It is ignored.
fn last_event_id(request: &HttpRequest) -> Option<u64> {
    let id: u64 = if let Some(header) = request.headers().get("Last-Event-ID") {
        header.to_str().ok()?.parse().ok()?
    } else {
        let query = request.query_string();
        let query = web::Query::<HashMap<String, String>>::from_query(query).ok()?;
        query.get("lastEventId")?.parse().ok()?
    };
    (id <= MAX_ID).then_some(id)
}

/// The name of an event. The browser passes the event to the listeners for that name. This is an enum
/// and not a text, because a line break in a name would end the field.
#[derive(Debug, Clone, Copy)]
enum EventName {
    /// This event has no name on the wire, so the browser passes it to `onmessage`.
    Message,
    Users,
    Ping,
}

/// How many bytes the fields of an event add to its data, at most, if the data has one line.
const FIELD_OVERHEAD: usize = 64;

/// Encodes an event for the wire. Each line of the data becomes a field of its own, because a line
/// break ends a field. The browser joins the lines with `\n`. It sends the `id` back as
/// `Last-Event-ID` when it reconnects.
fn encode_event(name: EventName, id: Option<u64>, data: &str) -> ByteString {
    // With this capacity, the text is allocated once and does not have to grow.
    let mut text = String::with_capacity(data.len() + FIELD_OVERHEAD);
    if let Some(id) = id {
        text += "id: ";
        text += &id.to_string();
        text += "\n";
    }
    text += match name {
        EventName::Message => "",
        EventName::Users => "event: users\n",
        EventName::Ping => "event: ping\n",
    };
    // A line break is CRLF, CR or LF. Split at CRLF first, or it would count as two line breaks.
    for line in data.split("\r\n").flat_map(|part| part.split(['\r', '\n'])) {
        text += "data: ";
        text += line;
        text += "\n";
    }
    text += "\n";
    text.into()
}

#[cfg(test)]
mod tests;
