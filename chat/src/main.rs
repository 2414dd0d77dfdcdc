//! # Lesson 6: chat
//!
//! `cargo run -p chat`
//!
//! A chat room that loses no message and shows none twice. The idea: **a room is a log, and WebSocket, SSE and long
//! polling are three ways to read it from a cursor.** A client remembers the id of the last message that it has seen.
//! When it connects again, over any transport, it sends that id and gets the messages after it.
//!
//! ```text
//! POST ──────┐                                   ┌─ WebSocket ─┐
//!            ├→ backend: stores in the log, ─────┼─ SSE ───────┼ each has a `Reader`: first the log
//! WebSocket ─┘  then publishes to the room       └─ long poll ─┘ after its cursor, then live events
//! ```
//!
//! Read next: `log.rs` (what a log is), `room.rs` (who is in a room), `reader.rs` (the log first, then live events),
//! and the three transports in `transport/`. The trait in `backend.rs` hides how messages and names are stored.

mod backend;
mod event;
mod input;
mod log;
mod metrics;
mod page;
mod rate_limit;
mod reader;
mod room;
mod session;
mod state;
mod transport;
mod user;

use std::process::ExitCode;

use actix_web::web::{self, ServiceConfig};
use shared::Lesson;

use state::ChatState;
use transport::{long_poll, post, sse, websocket};

/// This lesson. `name` selects the port and the title in `shared::catalog`; the files of `static/` are served from
/// `folder`.
const LESSON: Lesson = Lesson {
    name: env!("CARGO_PKG_NAME"),
    folder: env!("CARGO_MANIFEST_DIR"),
};

#[actix_web::main]
async fn main() -> ExitCode {
    // The flags are in `state.rs`: `serve_app` takes their type from `ChatState::open`.
    shared::serve_app(LESSON, ChatState::open, routes, ChatState::close).await
}

/// Adds the routes. A `web::resource` responds to other methods with 405.
fn routes(app: &mut ServiceConfig, chat: &web::Data<ChatState>) {
    let room = web::scope("/rooms/{room}")
        .app_data(shared::json_config(transport::MAX_BODY.into()))
        .route("/ws", web::get().to(websocket::upgrade))
        .route("/events", web::get().to(sse::stream))
        .service(
            web::resource("/messages")
                .route(web::get().to(long_poll::poll))
                .route(web::post().to(post::message)),
        )
        .service(web::resource("/typing").route(web::post().to(post::typing)));
    app.app_data(chat.clone())
        .app_data(web::Data::new(chat.metrics.on_refusal()))
        .route("/", web::get().to(page::page))
        .route("/health", web::get().to(state::health))
        .service(web::resource("/session").route(web::post().to(session::create_session)))
        .route("/names/{name}", web::get().to(session::find_holder))
        .service(room);
}
