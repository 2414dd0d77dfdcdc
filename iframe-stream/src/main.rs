//! # Lesson 3: iframe streaming (Comet)
//!
//! `cargo run -p iframe-stream`
//!
//! Before browsers could read a response while it was still coming, they could already *run* one: a
//! page that is still loading runs each script as soon as it is there. So the page opens a hidden
//! iframe on a document that never ends, and each piece of news is one more script in it:
//!
//! ```text
//! <script nonce="5f0c…">parent.setUsers({"version":7,"users":[…]});document.currentScript.remove()</script>
//! ```

use std::{convert::Infallible, process::ExitCode, time::Duration};

use actix_web::{
    HttpResponse,
    http::header::{self, ContentType},
    web::{self, Bytes},
};
use futures_util::{Stream, StreamExt as _, future, stream};
use shared::{Lesson, Settings, clock, cut::Cut, users::Users};
use tokio::time::{self, Instant, MissedTickBehavior};

const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

/// How long the head of the document is, in bytes. Browsers look at the first kilobyte to find out
/// what the document is (WHATWG HTML, 13.2.3.2) and some show nothing of it before they have it.
const HEAD_LENGTH: usize = 1024;

#[actix_web::main]
async fn main() -> ExitCode {
    shared::serve(LESSON, |app| {
        app.route("/users", web::get().to(users))
            .route("/clock", web::get().to(clock));
    })
    .await
}

/// `GET /users`: a document that calls `parent.setUsers` with the list at once and after each change.
async fn users(
    users: web::Data<Users>,
    settings: web::Data<Settings>,
    cut: web::Data<Cut>,
) -> HttpResponse {
    let calls = users
        .watch()
        .map(|snapshot| format!("parent.setUsers({})", script_safe(&snapshot.json())));
    document(calls, settings.heartbeat, &cut)
}

/// `GET /clock`: a document that calls `parent.setTime` at each full second.
async fn clock(settings: web::Data<Settings>, cut: web::Data<Cut>) -> HttpResponse {
    let calls =
        clock::ticks().map(|second| format!(r#"parent.setTime("{}")"#, clock::format(second)));
    document(calls, settings.heartbeat, &cut)
}

/// A document that never ends: its head, then a script for each of the `calls`, and one that says
/// "still alive" each `heartbeat`. It does end when the server is told to cut its streams.
fn document(
    calls: impl Stream<Item = String> + 'static,
    heartbeat: Duration,
    cut: &Cut,
) -> HttpResponse {
    // Only scripts that carry this number may run, and nobody can guess it: a script that came with
    // a user's name would not (CSP Level 3, 7.1).
    let nonce = format!("{:032x}", rand::random::<u128>());
    let policy = format!("default-src 'none'; script-src 'nonce-{nonce}'; frame-ancestors 'self'");
    let scripts =
        stream::select(calls, heartbeats(heartbeat)).map(move |call| script(&nonce, &call));
    let body = stream::once(future::ready(head()))
        .chain(scripts)
        .take_until(cut.wait());
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        // nginx would collect the scripts until its buffer is full.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(body.map(Ok::<_, Infallible>))
}

/// The document's head, padded with a comment.
fn head() -> Bytes {
    let start = r#"<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>news</title>"#;
    let end = "</head><body>";
    let padding = HEAD_LENGTH.saturating_sub(start.len() + end.len() + "<!---->".len());
    format!("{start}<!--{}-->{end}", " ".repeat(padding)).into()
}

/// One piece of news. The script takes itself away when it has run, and there is no line break after
/// it, which would stay as text: the document is as small after a million scripts as after one.
fn script(nonce: &str, call: &str) -> Bytes {
    format!(r#"<script nonce="{nonce}">{call};document.currentScript.remove()</script>"#).into()
}

/// JSON as it may stand in a script in HTML. `</script>` in a user's name would end the script,
/// and before ES2019 the two line separators could not stand in a string. In JSON these characters
/// can only be inside strings, and there `\u003c` means the same as `<`.
fn script_safe(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' => safe += r"\u003c",
            '>' => safe += r"\u003e",
            '&' => safe += r"\u0026",
            '\u{2028}' => safe += r"\u2028",
            '\u{2029}' => safe += r"\u2029",
            character => safe.push(character),
        }
    }
    safe
}

/// A call that says "still alive" each `period`. A connection that breaks makes no event at all in
/// an iframe, so silence is all that the page can notice.
fn heartbeats(period: Duration) -> impl Stream<Item = String> {
    let mut interval = time::interval_at(Instant::now() + period, period);
    // A reader that was away for ten periods is owed one heartbeat, not ten.
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold(interval, |mut interval| async move {
        interval.tick().await;
        Some(("parent.alive()".to_owned(), interval))
    })
}

#[cfg(test)]
mod tests;
