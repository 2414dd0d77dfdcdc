//! # Lesson 4: Server-Sent Events
//!
//! `cargo run -p sse`
//!
//! The browser asks once, and the response never ends: whenever there is news, the server writes
//! another event into it. `EventSource` in the browser reads the events, and when the connection
//! breaks it comes back by itself and says which event it saw last.
//!
//! On the wire an event is a few lines of text and an empty line (WHATWG HTML, 9.2.6):
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

/// The name decides the port and the title, the folder where `static/` is.
const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

/// How long a browser waits before it comes back, in milliseconds. Each is told a time of its own,
/// so that after a restart of the server not all of them return at the same moment.
const RETRY: RangeInclusive<u32> = 1_500..=3_000;

/// The largest id: what a JavaScript number can hold exactly (`Number.MAX_SAFE_INTEGER`).
const MAX_ID: u64 = (1 << 53) - 1;

#[actix_web::main]
async fn main() -> ExitCode {
    shared::serve(LESSON, |app| {
        app.route("/users", web::get().to(users))
            .route("/clock", web::get().to(clock));
    })
    .await
}

/// `GET /users`: the list at once, unless the client has already seen it, and after each change.
async fn users(
    request: HttpRequest,
    users: web::Data<Users>,
    settings: web::Data<Settings>,
    cut: web::Data<Cut>,
) -> HttpResponse {
    let seen = last_event_id(&request);
    let news = users
        .watch()
        // A list that the client has seen can only be the first.
        .skip_while(move |snapshot| future::ready(Some(snapshot.version) == seen))
        .map(|snapshot| event(Name::Users, Some(snapshot.version), &snapshot.json()));
    event_stream(news, settings.heartbeat, &cut)
}

/// `GET /clock`: the time, every full second. The events have no name, so `onmessage` hears them.
/// What an id means is for the server to say: here it counts the seconds that the client was told.
async fn clock(
    request: HttpRequest,
    settings: web::Data<Settings>,
    cut: web::Data<Cut>,
) -> HttpResponse {
    let seen = last_event_id(&request);
    let first_id = seen.map_or(1, |seen| seen + 1);
    let news = clock::ticks()
        .zip(stream::iter(first_id..))
        .map(|(second, id)| event(Name::Message, Some(id), &clock::format(second)));
    event_stream(news, settings.heartbeat, &cut)
}

/// The response that never ends: the retry time at once, then the news as it comes and a ping every
/// `heartbeat`. It does end when the server cuts its streams.
fn event_stream(
    news: impl Stream<Item = ByteString> + 'static,
    heartbeat: Duration,
    cut: &Cut,
) -> HttpResponse {
    let retry = format!("retry: {}\n\n", rand::random_range(RETRY));
    let body = stream::once(future::ready(retry.into()))
        .chain(stream::select(news, pings(heartbeat)))
        .take_until(cut.wait());
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        // nginx would collect the events until its buffer is full.
        .insert_header(("X-Accel-Buffering", "no"))
        // A body of actix may fail, this one cannot.
        .streaming(body.map(|event| Ok::<_, Infallible>(event.into_bytes())))
}

/// A ping every `period`. It tells the page, and every proxy between, that the connection is alive.
/// Whether the browser is still there, TCP keep-alive finds out without it
/// (`shared/src/serve/sockets.rs`), but of that neither the page nor a proxy knows anything.
fn pings(period: Duration) -> impl Stream<Item = ByteString> {
    let mut interval = time::interval_at(Instant::now() + period, period);
    // After a stall, send one ping and not one for each period that was missed.
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold(interval, |mut interval| async move {
        interval.tick().await;
        let time = clock::format(Local::now());
        let ping = event(Name::Ping, None, &format!(r#"{{"time":"{time}"}}"#));
        Some((ping, interval))
    })
}

/// The id of the last event that the client has seen. The browser sends it when it comes back by
/// itself; a page that opens a new `EventSource` can only put it into the address. An id that is not
/// a number, or too large a one, did not come from this server and counts as none.
fn last_event_id(request: &HttpRequest) -> Option<u64> {
    let id: u64 = if let Some(header) = request.headers().get("Last-Event-ID") {
        header.to_str().ok()?.parse().ok()?
    } else {
        let query =
            web::Query::<HashMap<String, String>>::from_query(request.query_string()).ok()?;
        query.get("lastEventId")?.parse().ok()?
    };
    (id <= MAX_ID).then_some(id)
}

/// What an event is called, which decides who hears it in the browser. An enum, because a line break
/// in a name would end the field.
#[derive(Debug, Clone, Copy)]
enum Name {
    /// No name on the wire: `onmessage` hears it.
    Message,
    Users,
    Ping,
}

/// How many bytes the fields of an event take besides its data, at most, if that is one line.
const FIELDS: usize = 64;

/// One event as it goes over the wire. Each line of the data is a field of its own, because a line
/// break ends a field; the browser puts the lines together again with `\n`. `id` is what it sends
/// back as `Last-Event-ID`.
fn event(name: Name, id: Option<u64>, data: &str) -> ByteString {
    // Room for the fields around the data, so that it need not grow for each client and event.
    let mut wire = String::with_capacity(data.len() + FIELDS);
    if let Some(id) = id {
        wire += "id: ";
        wire += &id.to_string();
        wire += "\n";
    }
    wire += match name {
        Name::Message => "",
        Name::Users => "event: users\n",
        Name::Ping => "event: ping\n",
    };
    // CRLF first, or it would count as two line breaks.
    for line in data.split("\r\n").flat_map(|part| part.split(['\r', '\n'])) {
        wire += "data: ";
        wire += line;
        wire += "\n";
    }
    wire += "\n";
    wire.into()
}

#[cfg(test)]
mod tests;
