//! # Lesson 2: long polling
//!
//! `cargo run -p long-polling`
//!
//! The browser sends a request with the version that it has. If the server has another version, it
//! responds at once. If not, it holds the request and responds after the next change. After each
//! response the browser sends the next request. So a change arrives as soon as it happens, and while
//! nothing happens there is one request in 25 seconds.

use std::{pin::pin, process::ExitCode, time::Duration};

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, ContentType, HeaderMap};
use actix_web::middleware::{Next, from_fn};
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

/// This lesson. `name` selects the port and the title in `shared::catalog`; the files of `static/`
/// are served from `folder`.
const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

/// How many seconds a request without `wait` is held. Some proxies give up on a request after 30 s and
/// respond with an error, and then the page would report that the server is down.
const DEFAULT_WAIT: u64 = 25;

/// The largest `wait` that a request may have, in seconds. Few proxies wait longer than that.
const MAX_WAIT: u64 = 60;

#[actix_web::main]
async fn main() -> ExitCode {
    shared::serve(LESSON, |app| {
        app.route("/users", web::get().to(users).wrap(from_fn(drop_headers)))
            .route("/clock", web::get().to(clock).wrap(from_fn(drop_headers)));
    })
    .await
}

/// The query `?version=1790000000000&wait=25`: the version that the client has, if it has one, and how
/// many seconds the server may hold the request.
#[derive(Deserialize)]
struct UsersQuery {
    version: Option<u64>,
    wait: Option<u64>,
}

/// Handles `GET /users`: returns the list as soon as its version is not the client's. Returns 204 when
/// that does not happen within `wait` seconds.
async fn users(
    query: Option<web::Query<UsersQuery>>,
    store: web::Data<Users>,
    cut: web::Data<Cut>,
) -> Result<HttpResponse, Error> {
    // `None` is a query that could not be parsed, such as `?wait=soon`.
    let query = query.ok_or_else(bad_query)?;
    let wait = query.wait.unwrap_or(DEFAULT_WAIT);
    if wait > MAX_WAIT {
        return Err(bad_query());
    }
    let Some(version) = query.version else {
        return Ok(snapshot_response(&store.snapshot()));
    };
    // `select!` waits for several futures at the same time. When the first of them is ready, the code
    // behind its `=>` runs. The other futures are dropped, which cancels them. `select!` checks the
    // futures in a random order, and with `biased` from top to bottom. Here the order matters: with
    // `wait=0` the sleep is over at once, and a change that has happened already must still win.
    // https://docs.rs/tokio/latest/tokio/macro.select.html
    Ok(tokio::select! {
        biased;
        // `changed_since` subscribes first and reads second, so it cannot miss a change in between. It
        // waits for another version, not for a larger one: after a restart the version may be smaller.
        snapshot = store.changed_since(version) => snapshot_response(&snapshot),
        // The server stops, or somebody presses the page's "Cut all connections" button.
        () = cut.cancelled() => no_content(),
        () = time::sleep(Duration::from_secs(wait)) => no_content(),
    })
}

/// The query `?after=2020-09-24 22:51:02`: the time that the client shows, if it shows one.
#[derive(Deserialize)]
struct ClockQuery {
    after: Option<String>,
}

/// Handles `GET /clock`: returns the time, `{"time":"2020-09-24 22:51:03"}`, as soon as it is not the
/// one that the client shows.
async fn clock(query: web::Query<ClockQuery>, cut: web::Data<Cut>) -> HttpResponse {
    let shown = query.into_inner().after;
    // Here, too, the handler subscribes first and reads second, so it cannot miss a second that begins
    // in between.
    let ticks = clock::ticks();
    let now = stream::once(future::ready(Local::now())); // A stream with one item.
    let times = now.chain(ticks).map(clock::format);
    // `filter` expects a future; `ready` makes one of a value that is known already.
    let new_times = times.filter(|time| future::ready(Some(time) != shown.as_ref()));
    // `next` needs a stream that cannot move to another address. `pin!` guarantees that.
    let mut new_times = pin!(new_times);
    let time = tokio::select! {
        biased;
        time = new_times.next() => time,
        () = cut.cancelled() => None,
    };
    let Some(time) = time else {
        return no_content();
    };
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "time": time }))
}

/// Returns 200 with the list. No cache may store it, because the next response for the same URL
/// differs.
fn snapshot_response(snapshot: &Snapshot) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(ContentType::json())
        .body(snapshot.json())
}

/// Returns 204: nothing has changed, and the client should send the next request.
fn no_content() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// Returns 400 with a message that says what the query may contain.
fn bad_query() -> Error {
    Error::bad_request(format!(
        "version is a number that this server has sent, wait a number of whole seconds from 0 to \
         {MAX_WAIT}; each may be given once or not at all."
    ))
}

/// Drops a request's headers before its handler runs, because the handler does not read them. Otherwise a
/// held request needs 6 to 7 KiB more memory for the headers of a browser, a quarter of the total.
async fn drop_headers(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    *request.headers_mut() = HeaderMap::new();
    next.call(request).await
}

#[cfg(test)]
mod tests;
