//! # Lesson 6: chat
//!
//! `cargo run -p chat`
//!
//! A chat room that loses nothing and says nothing twice. The idea: **a room is a log, and WebSocket,
//! SSE and long polling are three ways to read it from a cursor.** A client remembers the id of the last
//! message that it has seen. Whenever it comes back, over whichever transport, it says that id and gets
//! what came after.
//!
//! ```text
//! POST ─┐                                         ┌─ WebSocket
//!       ├→ log: stored, acknowledged, published ──┼─ SSE          each a `Reader` with a cursor
//! ws  ──┘        (database, then broadcast)       └─ long poll
//! ```
//!
//! Read on in `log.rs`, then `room.rs`, then `reader.rs`, then the three in `transport/`. `redis.rs` and its
//! like are for many servers, and only there with the feature `redis`.
#![cfg_attr(
    not(feature = "redis"),
    allow(clippy::unused_async, reason = "for Redis")
)]

mod database;
mod event;
mod input;
mod log;
mod reader;
#[cfg(feature = "redis")]
mod redis;
mod room;
mod session;
mod transport;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Deserialize;
use serde_json::json;
use shared::error::Error;
use shared::page::Header;
use shared::{Lesson, Object, Settings};

use database::{Database, Unfit};
use input::Name;
use log::Log;
use room::{BEHIND, Rooms};
use session::{Session, Sessions};
use transport::{long_poll, sse, websocket};

/// The name decides the port and the title, the folder where `static/` is.
const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

/// The largest body, and the largest WebSocket message, in bytes: 2,000 characters of any script, and
/// most of those that are escaped.
const MAX_BODY: u16 = 16 * 1024;

/// The cookie's name. A browser sends a cookie to all ports of a host, so the other lessons see it.
const COOKIE: &str = "chat-session";

/// For how many seconds a browser keeps the cookie. The server decides how long the name is kept.
const COOKIE_AGE: u32 = 30 * 24 * 60 * 60;

/// The flags of the chat.
#[derive(Debug, Clone, clap::Args)]
struct Flags {
    /// Keep what was said in this file; `:memory:` keeps it until the server stops
    #[arg(long, env, value_name = "FILE", default_value = "chat.db")]
    database: PathBuf,

    /// Keep it in this Redis instead, as any number of servers may: `redis://127.0.0.1/`
    #[cfg(feature = "redis")]
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    redis: Option<String>,

    /// How many messages a second a user may send, in the long run; 0 is no limit
    #[arg(long, env, value_name = "N", default_value_t = 10)]
    rate: u32,

    /// How many connections a user may have open at the same time, in all rooms together
    #[arg(long, env, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
}

/// What a handler makes of a request.
type Answer = Result<HttpResponse, Error>;

/// What all handlers share.
struct Chat {
    sessions: Sessions,
    rooms: Rooms,
    log: Log,
    rate: u32,
}

#[actix_web::main]
async fn main() -> ExitCode {
    shared::serve_app(LESSON, Chat::open, routes).await
}

fn routes(app: &mut ServiceConfig, chat: &web::Data<Chat>) {
    app.app_data(chat.clone())
        .route("/", web::get().to(page))
        .service(web::resource("/session").route(web::post().to(take_name)))
        .service(
            web::scope("/rooms/{room}")
                .app_data(shared::json_config(MAX_BODY.into()))
                .route("/ws", web::get().to(websocket::open))
                .route("/events", web::get().to(sse::stream))
                .service(
                    web::resource("/messages")
                        .route(web::get().to(long_poll::poll))
                        .route(web::post().to(transport::message)),
                )
                .service(web::resource("/typing").route(web::post().to(transport::typing))),
        );
}

impl Chat {
    /// Opens the database, before the server listens.
    async fn open(flags: &Flags) -> Result<web::Data<Self>, Unfit> {
        #[cfg(feature = "redis")]
        if let Some(url) = &flags.redis {
            return redis::open(url, flags).await;
        }
        let database = Arc::new(Database::open(&flags.database).map_err(|error| {
            let file = flags.database.display();
            format!("cannot use the database {file}: {error}. Choose another --database")
        })?);
        let rooms = Rooms::new(flags.connections.into(), BEHIND);
        let told = rooms.clone();
        let publish = Arc::new(move |room: &_, said: &_| told.publish(room, said));
        Ok(web::Data::new(Self {
            sessions: Sessions::load(Arc::clone(&database)).await?,
            rooms,
            log: Log { database, publish },
            rate: flags.rate,
        }))
    }

    /// Who sends this request: `Authorization: Bearer TOKEN`, or else the cookie.
    async fn session(&self, request: &HttpRequest) -> Result<Session, Error> {
        // Without a token, the empty one is nobody's.
        let token = token(request).unwrap_or_default();
        #[cfg(feature = "redis")]
        self.sessions.ask_redis(&token).await?;
        let user = self.sessions.user(&token).ok_or(Error::Unauthorized(
            "Say who you are first: POST /session, then send its cookie, or its token as Bearer.",
        ))?;
        Ok(Session { user, token })
    }
}

/// What the app was given for its handlers, such as [`Settings`].
fn data<T: 'static>(request: &HttpRequest) -> Result<web::Data<T>, Error> {
    request.app_data().cloned().ok_or(Error::Internal)
}

fn token(request: &HttpRequest) -> Option<String> {
    let Some(header) = request.headers().get(header::AUTHORIZATION) else {
        return Some(request.cookie(COOKIE)?.value().to_owned());
    };
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    // RFC 9110 §11.1: the scheme is the same in any case.
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.into())
}

/// `{"name":"…"}`: what somebody wants to be called.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSession {
    name: String,
}

/// `POST /session`: 201 and `{"name","token"}`, or 200 if the name is the sender's already. The cookie
/// is for pages of this server only, and no script can read it.
async fn take_name(request: HttpRequest, new: web::Json<Object<NewSession>>) -> Answer {
    let chat: web::Data<Chat> = data(&request)?;
    let name = Name::parse(&new.into_inner().0.name)?;
    let (mut answer, Session { user, token }) = match chat.session(&request).await {
        Ok(own) if own.user.name.folded == name.folded => (HttpResponse::Ok(), own),
        #[cfg(feature = "redis")]
        Err(error @ Error::Unavailable(_)) => return Err(error),
        other => {
            let taken = chat.sessions.take(name).await?;
            #[cfg(feature = "redis")]
            if let Ok(other) = &other {
                chat.sessions.tell_redis_who_gives_up(&other.user).await;
            }
            other.inspect(|other| other.user.give_up()).ok();
            (HttpResponse::Created(), taken)
        }
    };
    // A server behind TLS adds `Secure`.
    let rest = format!("Path=/; HttpOnly; SameSite=Strict; Max-Age={COOKIE_AGE}");
    Ok(answer
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::SET_COOKIE, format!("{COOKIE}={token}; {rest}")))
        .json(json!({ "name": user.name(), "token": token })))
}

#[derive(Template)]
#[template(path = "index.html")]
struct Page {
    header: Header,
    /// In seconds.
    heartbeat: f64,
}

/// `GET /`
async fn page(request: HttpRequest, settings: web::Data<Settings>) -> Result<web::Html, Error> {
    let page = Page {
        header: Header::new(LESSON.name, &request),
        heartbeat: settings.heartbeat.as_secs_f64(),
    };
    let html = page.render();
    html.map(web::Html::new).map_err(|_| Error::Internal)
}
