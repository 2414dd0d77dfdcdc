//! # Lesson 1: polling
//!
//! `cargo run -p polling`
//!
//! The browser asks every second whether there is news. Mostly there is none, so the answer should
//! cost little: the browser says which version it has (`If-None-Match`), and if that is still the
//! newest it is told so in a head without a body (`304 Not Modified`, RFC 9110 §13.1.2).

use std::process::ExitCode;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType, ETag, EntityTag, Header as _, IfNoneMatch},
    web,
};
use chrono::Local;
use serde_json::json;
use shared::{Lesson, clock, users::Users};

const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

#[actix_web::main]
async fn main() -> ExitCode {
    shared::serve(LESSON, |app| {
        app.route("/users", web::get().to(users))
            .route("/clock", web::get().to(clock));
    })
    .await
}

/// `GET /users`: the list, or 304 if the client has the newest version already.
async fn users(request: HttpRequest, users: web::Data<Users>) -> HttpResponse {
    let snapshot = users.snapshot();
    let tag = EntityTag::new_strong(snapshot.version.to_string());
    if has_seen(&request, &tag) {
        return HttpResponse::NotModified()
            .insert_header(ETag(tag))
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .finish();
    }
    HttpResponse::Ok()
        .insert_header(ETag(tag))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .content_type(ContentType::json())
        .body(snapshot.json())
}

/// `GET /clock`: what time it is, `{"time":"2020-09-24 22:51:02"}`. It is different each time, so
/// nobody should keep it.
async fn clock() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "time": clock::format(Local::now()) }))
}

/// Whether the client says that it has what `tag` stands for. It may name several tags, or `*` for
/// whatever there is.
fn has_seen(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|seen| seen.weak_eq(tag)),
        Err(_) => false,
    }
}
