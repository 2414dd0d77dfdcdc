//! # Lesson 3: iframe streaming (Comet)
//!
//! `cargo run -p iframe-stream`
//!
//! Before browsers could read a response while it was still coming, they could already *run* one: a
//! page that is still loading runs each script as soon as it is there. So the page opens a hidden
//! iframe on a document that never ends, and each piece of news is one more script in it:
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

/// The name decides the port and the title, the folder where `static/` is.
const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

/// How long the head of the document is, in bytes. A browser may hold a document back until it has its
/// first kilobyte, to find out how it is encoded (WHATWG HTML, 13.2.3.2). Chromium 156 does not.
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
    let news = users.watch().map(|snapshot| ("setUsers", snapshot.json()));
    document(news, settings.heartbeat, &cut)
}

/// `GET /clock`: a document that calls `parent.setTime` at each full second.
async fn clock(settings: web::Data<Settings>, cut: web::Data<Cut>) -> HttpResponse {
    let news = clock::ticks().map(|second| {
        let time = format!(r#""{}""#, clock::format(second));
        ("setTime", time.into())
    });
    document(news, settings.heartbeat, &cut)
}

/// Which function of the page is to be called, and with what, as JSON.
type Call = (&'static str, ByteString);

/// A document that never ends: its head, then a script for each of the `news`, and one that says
/// "still alive" each `heartbeat`. It does end when the server cuts its streams.
fn document(
    news: impl Stream<Item = Call> + 'static,
    heartbeat: Duration,
    cut: &Cut,
) -> HttpResponse {
    // Only scripts that carry this number may run, and nobody can guess it: a script that got in with
    // a user's name would not run (CSP Level 3, 7.1).
    let nonce = format!("{:032x}", rand::random::<u128>());
    let policy = format!("default-src 'none'; script-src 'nonce-{nonce}'; frame-ancestors 'self'");
    let scripts = stream::select(news, heartbeats(heartbeat))
        .map(move |(function, json)| script(&nonce, function, &json));
    let body = stream::once(future::ready(head()))
        .chain(scripts)
        .take_until(cut.wait());
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        // nginx would collect the scripts until its buffer is full.
        .insert_header(("X-Accel-Buffering", "no"))
        // A body of actix may fail, this one cannot.
        .streaming(body.map(Ok::<_, Infallible>))
}

/// The document's head, padded with a comment.
fn head() -> Bytes {
    let start = r#"<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>news</title>"#;
    let end = "</head><body>";
    let padding = HEAD_LENGTH.saturating_sub(start.len() + end.len() + "<!---->".len());
    format!("{start}<!--{}-->{end}", " ".repeat(padding)).into()
}

/// One piece of news. The script first takes itself away, so that it does so even if the page's function
/// fails, and there is no line break after it, which would stay as text: the document is as small after
/// a million scripts as after one.
fn script(nonce: &str, function: &str, json: &str) -> Bytes {
    let start = format!(r#"<script nonce="{nonce}">document.currentScript.remove();parent."#);
    let json = script_safe(json);
    [&start, function, "(", &json, ")</script>"].concat().into()
}

/// JSON as it may stand in a script in HTML. `</script>` in a user's name would end the script, and
/// before ES2019 the two line separators could not stand in a string. In JSON these characters can
/// only be inside strings, and there `\u003c` means the same as `<`.
fn script_safe(json: &str) -> Cow<'_, str> {
    if !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return json.into(); // Nearly always: a long list need not be copied.
    }
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
    safe.into()
}

/// A call that says "still alive" each `period`. A connection that breaks raises no event in the page,
/// so silence is all that it can notice.
fn heartbeats(period: Duration) -> impl Stream<Item = Call> {
    let mut interval = time::interval_at(Instant::now() + period, period);
    // A client that did not read for ten periods is owed one heartbeat, not ten.
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold(interval, |mut interval| async move {
        interval.tick().await;
        Some((("alive", ByteString::new()), interval))
    })
}

#[cfg(test)]
mod tests;
