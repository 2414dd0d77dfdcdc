//! # Lesson 2: long polling
//!
//! `cargo run -p long-polling`
//!
//! The browser asks once and says which version it has. If the server has a newer one it answers at
//! once; if not, it keeps the request and answers when there is news. After each answer the browser
//! asks again. So news arrives as it happens, and silence costs one request every 25 seconds.

use std::{process::ExitCode, time::Duration};

use actix_web::{
    HttpResponse,
    http::header::{self, ContentType},
    web,
};
use chrono::Local;
use futures_util::{StreamExt as _, future};
use serde::Deserialize;
use serde_json::json;
use shared::{
    Lesson, clock,
    cut::Cut,
    error::Error,
    users::{Snapshot, Users},
};

const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

/// How many seconds a request is kept if it does not say. Proxies commonly give up after 30 to 60.
const DEFAULT_WAIT: u64 = 25;

/// The most seconds that a request may ask to be kept.
const MAX_WAIT: u64 = 60;

#[actix_web::main]
async fn main() -> ExitCode {
    shared::serve(LESSON, |app| {
        app.route("/users", web::get().to(users))
            .route("/clock", web::get().to(clock));
    })
    .await
}

/// `?version=7&wait=25`: the version that the client has, and for how many seconds it will wait.
#[derive(Deserialize)]
struct Poll {
    version: Option<u64>,
    wait: Option<u64>,
}

/// `GET /users`: the list as soon as its version is not the one that the client has, or 204 if that
/// does not happen in time.
async fn users(
    poll: web::Query<Poll>,
    users: web::Data<Users>,
    cut: web::Data<Cut>,
) -> Result<HttpResponse, Error> {
    let wait = poll.wait.unwrap_or(DEFAULT_WAIT);
    if wait > MAX_WAIT {
        let sentence = format!("wait is a number of seconds, {MAX_WAIT} at most.");
        return Err(Error::BadRequest(sentence));
    }
    let Some(version) = poll.version else {
        return Ok(news(&users.snapshot()));
    };
    tokio::select! {
        // In this order: news that is there already is told even if the wait is 0.
        biased;
        snapshot = users.changed_since(version) => Ok(news(&snapshot)),
        () = cut.wait() => Ok(no_news()),
        () = tokio::time::sleep(Duration::from_secs(wait)) => Ok(no_news()),
    }
}

/// `?after=2020-09-24 22:51:02`: the time that the client shows.
#[derive(Deserialize)]
struct ClockPoll {
    after: Option<String>,
}

/// `GET /clock`: the time, as soon as it is not the one that the client shows.
async fn clock(poll: web::Query<ClockPoll>, cut: web::Data<Cut>) -> HttpResponse {
    let shown = poll.into_inner().after;
    let is_new = |time: &String| Some(time) != shown.as_ref();
    // Listen first, look second: a second that begins between the two is not missed.
    let ticks = clock::ticks().map(clock::format);
    let mut times = Box::pin(ticks.filter(|time| future::ready(is_new(time))));
    let now = clock::format(Local::now());
    let time = if is_new(&now) {
        Some(now)
    } else {
        tokio::select! {
            time = times.next() => time,
            () = cut.wait() => None,
        }
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
