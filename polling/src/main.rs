//! # Lesson 1: polling
//!
//! `cargo run -p polling`
//!
//! The browser cannot know when the list changes, so it sends a request every second. Mostly nothing
//! has changed, and then the response should be small: the browser sends the version that it has
//! (`If-None-Match`), and if that is still the latest, the server responds with headers only
//! (`304 Not Modified`, RFC 9110 §13.1.2).
//!
//! `login.rs` shows where polling is still the right choice: a login with a QR code.

mod login;

use std::process::ExitCode;

use actix_web::http::header::{self, ContentType, ETag, EntityTag, Header as _, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::Local;
use serde_json::json;
use shared::{Lesson, clock, users::Users};

/// This lesson. `name` selects the port and the title in `shared::catalog`; the files of `static/`
/// are served from `folder`.
const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

#[actix_web::main]
async fn main() -> ExitCode {
    // actix starts one worker thread for each processor core, and calls the closure below once in
    // each of them. The tickets are created here, outside, so that all threads share them.
    let tickets = web::Data::<login::TicketStore>::default();
    shared::serve_with_flags(LESSON, move |app, flags: &login::Flags| {
        app.route("/users", web::get().to(users))
            .route("/clock", web::get().to(clock));
        login::routes(app, flags, &tickets);
    })
    .await
}

/// Handles `GET /users`: returns the list, or 304 if the client has the latest version already.
async fn users(request: HttpRequest, store: web::Data<Users>) -> HttpResponse {
    let snapshot = store.snapshot();
    let etag = EntityTag::new_strong(snapshot.version.to_string());
    let not_modified = is_not_modified(&request, &etag);
    let mut response = if not_modified {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    // "no-cache" allows a cache to store the response, but not to use it again before it has asked
    // the server whether this is still the latest.
    response
        .insert_header(ETag(etag))
        .insert_header((header::CACHE_CONTROL, "no-cache"));
    if not_modified {
        return response.finish();
    }
    response
        .content_type(ContentType::json())
        .body(snapshot.json())
}

/// Handles `GET /clock`: returns the time, `{"time":"2020-09-24 22:51:02"}`. The time differs in each
/// response, so no cache may store it.
async fn clock() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "time": clock::format(Local::now()) }))
}

/// Returns whether `If-None-Match` contains `etag`: the client has this version already.
///
/// The header may hold several tags, or `*`, which stands for any. The comparison is the weak one
/// (RFC 9110 §8.8.3.2), because a proxy that compresses the response may mark its tag as weak.
fn is_not_modified(request: &HttpRequest, etag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|tag| tag.weak_eq(etag)),
        Err(_) => false,
    }
}
