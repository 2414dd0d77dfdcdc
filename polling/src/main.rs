//! # Lesson 1: polling
//!
//! `cargo run -p polling`
//!
//! The browser asks every second whether there is news. Mostly there is none, so the answer should
//! cost little: the browser says which version it has (`If-None-Match`), and if that is still the
//! newest, the server answers with headers only (`304 Not Modified`, RFC 9110 §13.1.2).
//!
//! Where polling is still right is in `login.rs`: a login with a QR code.

mod login;

use std::process::ExitCode;

use actix_web::http::header::{self, ContentType, ETag, EntityTag, Header as _, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::Local;
use serde_json::json;
use shared::{Lesson, clock, users::Users};

/// The name decides the port and the title, the folder where `static/` is.
const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

#[actix_web::main]
async fn main() -> ExitCode {
    let tickets = web::Data::default();
    shared::serve_with_flags(LESSON, move |app, flags: &login::Flags| {
        app.route("/users", web::get().to(users))
            .route("/clock", web::get().to(clock));
        login::routes(app, flags, &tickets);
    })
    .await
}

/// `GET /users`: the list, or 304 if the client has the newest version already.
async fn users(request: HttpRequest, users: web::Data<Users>) -> HttpResponse {
    let snapshot = users.snapshot();
    let tag = EntityTag::new_strong(snapshot.version.to_string());
    let seen = has_seen(&request, &tag);
    let mut answer = if seen {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    // "no-cache" means: keep it if you like, but ask each time whether it is still the newest.
    answer
        .insert_header(ETag(tag))
        .insert_header((header::CACHE_CONTROL, "no-cache"));
    if seen {
        return answer.finish();
    }
    answer
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

/// Whether `If-None-Match` names `tag`: the client already has this version. It may name several
/// tags, or `*` for any. The comparison is the weak one, because a proxy that compresses the answer
/// may have marked the tag as weak on its way.
fn has_seen(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|seen| seen.weak_eq(tag)),
        Err(_) => false,
    }
}
