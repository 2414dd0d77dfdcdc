//! # Lesson 2: long polling
//!
//! `cargo run -p long-polling`
//!
//! The browser asks once and says which version it has. If the server has a newer one it answers at
//! once; if not, it keeps the request and answers when there is news. After each answer the browser
//! asks again. So news arrives as it happens, and silence costs one request in 25 seconds.

use std::{pin::pin, process::ExitCode, time::Duration};

use actix_web::http::header::{self, ContentType};
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, web};
use chrono::Local;
use futures_util::{StreamExt as _, future, stream};
use serde::Deserialize;
use serde_json::json;
use shared::cut::Cut;
use shared::error::Error;
use shared::users::{Snapshot, Users};
use shared::{Lesson, clock};
use tokio::time;

/// The name decides the port and the title, the folder where `static/` is.
const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

/// For how many seconds a request is held if it does not say. The least patient proxies give up on
/// a request after 30 s, and their error would look like a server that is gone.
const DEFAULT_WAIT: u64 = 25;

/// The most seconds that a request may ask for: few proxies have the patience for more.
const MAX_WAIT: u64 = 60;

#[actix_web::main]
async fn main() -> ExitCode {
    shared::serve(LESSON, |app| {
        // A request that is held needs its headers no more: a browser's take 6 to 7 KiB, a quarter of
        // what it would cost.
        let forget = || from_fn(shared::forget_headers);
        app.route("/users", web::get().to(users).wrap(forget()))
            .route("/clock", web::get().to(clock).wrap(forget()));
    })
    .await
}

/// `?version=1790000000000&wait=25`: the version that the client has, if it has one, and for how many
/// seconds it is willing to wait.
#[derive(Deserialize)]
struct Poll {
    version: Option<u64>,
    wait: Option<u64>,
}

/// `GET /users`: the list as soon as its version is not the one that the client has; 204 if that
/// does not happen in time.
async fn users(
    poll: Option<web::Query<Poll>>,
    users: web::Data<Users>,
    cut: web::Data<Cut>,
) -> Result<HttpResponse, Error> {
    // `None` is a query that cannot be read, such as `?wait=soon`.
    let poll = poll.ok_or_else(bad_poll)?;
    let wait = poll.wait.unwrap_or(DEFAULT_WAIT);
    if wait > MAX_WAIT {
        return Err(bad_poll());
    }
    let Some(version) = poll.version else {
        return Ok(news(&users.snapshot()));
    };
    Ok(tokio::select! {
        // From top to bottom: news that is there already is told even if the wait is 0.
        biased;
        // It subscribes first and reads second, so that a change between the two is not lost. And it
        // asks for another version, not for a larger one: after a restart it may be smaller.
        snapshot = users.changed_since(version) => news(&snapshot),
        () = cut.wait() => no_news(),
        () = time::sleep(Duration::from_secs(wait)) => no_news(),
    })
}

/// `?after=2020-09-24 22:51:02`: the time that the client shows, if it shows one.
#[derive(Deserialize)]
struct ClockPoll {
    after: Option<String>,
}

/// `GET /clock`: the time, `{"time":"2020-09-24 22:51:03"}`, as soon as it is not the one that the
/// client shows.
async fn clock(poll: web::Query<ClockPoll>, cut: web::Data<Cut>) -> HttpResponse {
    let shown = poll.into_inner().after;
    // Here, too, listen first and look second: a second that begins between the two is not missed.
    let ticks = clock::ticks();
    let now = stream::once(future::ready(Local::now()));
    let times = now.chain(ticks).map(clock::format);
    let mut unseen = pin!(times.filter(|time| future::ready(Some(time) != shown.as_ref())));
    let time = tokio::select! {
        biased;
        time = unseen.next() => time,
        () = cut.wait() => None,
    };
    time.map_or_else(no_news, |time| {
        HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .json(json!({ "time": time }))
    })
}

/// 200 and the list. Nobody may keep it: the same address has another answer next time.
fn news(snapshot: &Snapshot) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(ContentType::json())
        .body(snapshot.json())
}

/// 204: nothing has happened; ask again.
fn no_news() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// 400, and what the query should have been.
fn bad_poll() -> Error {
    Error::bad_request(format!(
        "version is a number that this server has sent, wait a number of whole seconds from 0 to \
         {MAX_WAIT}; each may be given once or not at all."
    ))
}

#[cfg(test)]
mod tests;
