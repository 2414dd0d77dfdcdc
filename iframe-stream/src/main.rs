//! # Lesson 3: iframe streaming (Comet)
//!
//! `cargo run -p iframe-stream`
//!
//! Before JavaScript could read a response that was still arriving, browsers could already *run* one:
//! while a page is loading, each script in it runs as soon as it has arrived. So the page opens a
//! hidden iframe with a document that never ends, and each update is one more script in it:
//!
//! ```text
//! <script nonce="5f0c…">document.currentScript.remove();parent.setUsers({"version":7,"users":[…]})</script>
//! ```

use std::{borrow::Cow, convert::Infallible, process::ExitCode, time::Duration};

use actix_web::HttpResponse;
use actix_web::http::header::{self, ContentType};
use actix_web::web::{self, Bytes};
use bytestring::ByteString;
use futures_util::{Stream, StreamExt as _, future, stream};
use shared::{Lesson, Settings, clock, cut::Cut, users::Users};
use tokio::time::{self, Instant, MissedTickBehavior};

/// This lesson. `name` selects the port and the title in `shared::catalog`; the files of `static/`
/// are served from `folder`.
const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

/// The length of the document's start, in bytes. A browser may wait for the first kilobyte of a
/// document to find out its encoding (WHATWG HTML, 13.2.3.2). Chromium 156 does not.
const START_LENGTH: usize = 1024;

#[actix_web::main]
async fn main() -> ExitCode {
    shared::serve(LESSON, |app| {
        app.route("/users", web::get().to(users))
            .route("/clock", web::get().to(clock));
    })
    .await
}

/// Handles `GET /users`: returns a document that calls `parent.setUsers` with the list, at once and
/// after each change.
async fn users(
    store: web::Data<Users>,
    settings: web::Data<Settings>,
    cut: web::Data<Cut>,
) -> HttpResponse {
    let calls = store.watch().map(|snapshot| ScriptCall {
        function: "setUsers",
        argument: snapshot.json(),
    });
    document(calls, settings.heartbeat, &settings.frame_ancestors(), &cut)
}

/// Handles `GET /clock`: returns a document that calls `parent.setTime` at each full second.
async fn clock(settings: web::Data<Settings>, cut: web::Data<Cut>) -> HttpResponse {
    let calls = clock::ticks().map(|second| ScriptCall {
        function: "setTime",
        argument: format!(r#""{}""#, clock::format(second)).into(),
    });
    document(calls, settings.heartbeat, &settings.frame_ancestors(), &cut)
}

/// A call of one of the page's functions.
struct ScriptCall {
    function: &'static str,
    /// JSON, or nothing for a call without an argument.
    argument: ByteString,
}

/// Returns a response whose body never ends: the document's start, a script for each of the `calls`,
/// and a heartbeat each `heartbeat`. It ends only when the server cuts its streams. Only pages of the
/// `frame_ancestors`, first of all the lesson's own page, may show it in a frame.
fn document(
    calls: impl Stream<Item = ScriptCall> + 'static,
    heartbeat: Duration,
    frame_ancestors: &str,
    cut: &Cut,
) -> HttpResponse {
    // The browser runs only scripts that carry this number (CSP Level 3, 7.1). Nobody can guess it, so
    // a script that an attacker puts into a user's name would not run.
    let nonce = format!("{:032x}", rand::random::<u128>());
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; frame-ancestors {frame_ancestors}"
    );
    // `stream::select` merges two streams: it takes an item from whichever has one, in turn if both do.
    let scripts =
        stream::select(calls, heartbeats(heartbeat)).map(move |call| script(&nonce, &call));
    let body = stream::once(future::ready(document_start()))
        .chain(scripts)
        // `take_until` ends the stream as soon as this future is ready.
        .take_until(cut.cancelled());
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        // Without this header, nginx collects the scripts until its buffer is full.
        .insert_header(("X-Accel-Buffering", "no"))
        // actix expects items that may be errors. This stream has none: `Infallible` has no values.
        .streaming(body.map(Ok::<_, Infallible>))
}

/// Returns the start of the document, padded with a comment to `START_LENGTH`.
fn document_start() -> Bytes {
    let start = r#"<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>news</title>"#;
    let end = "</head><body>";
    let padding = START_LENGTH.saturating_sub(start.len() + end.len() + "<!---->".len());
    format!("{start}<!--{}-->{end}", " ".repeat(padding)).into()
}

/// Returns a script that makes one call.
///
/// The script removes its element, and no line break follows, because it would stay in the document as
/// text. So after a million scripts the document is as small as after one. The script removes its
/// element first, because the page's function may throw an error.
fn script(nonce: &str, call: &ScriptCall) -> Bytes {
    let start = format!(r#"<script nonce="{nonce}">document.currentScript.remove();parent."#);
    let argument = escape_for_script(&call.argument);
    [&start, call.function, "(", &argument, ")</script>"]
        .concat()
        .into()
}

/// Escapes JSON for a script in HTML. `</script>` in a user's name would end the script, and before
/// ES2019 a string could not contain the two line separators. In JSON these characters can only be
/// inside strings, and there `\u003c` means the same as `<`.
fn escape_for_script(json: &str) -> Cow<'_, str> {
    if !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return json.into(); // This is the usual case, and it needs no copy of a long list.
    }
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' => escaped += r"\u003c",
            '>' => escaped += r"\u003e",
            '&' => escaped += r"\u0026",
            '\u{2028}' => escaped += r"\u2028",
            '\u{2029}' => escaped += r"\u2029",
            character => escaped.push(character),
        }
    }
    escaped.into()
}

/// Returns a stream that calls `parent.alive()` once each `period`. The page needs it, because a
/// connection that breaks raises no event: the page can only notice that nothing arrives any more.
fn heartbeats(period: Duration) -> impl Stream<Item = ScriptCall> {
    let mut interval = time::interval_at(Instant::now() + period, period);
    // A client that has not read for ten periods gets one heartbeat afterwards, not ten.
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // `stream::unfold` makes a stream of a state, here the interval, and a closure. For each item it
    // calls the closure with the state. The closure returns the item, and the state for the next call
    // (or `None` to end the stream).
    stream::unfold(interval, |mut interval| async move {
        interval.tick().await;
        let heartbeat = ScriptCall {
            function: "alive",
            argument: ByteString::new(),
        };
        Some((heartbeat, interval))
    })
}

#[cfg(test)]
mod tests;
