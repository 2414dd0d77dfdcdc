//! Guards around actix-ws: what a WebSocket server needs besides the conversation itself.
//!
//! Lesson 5 and the chat each have a conversation of their own, which uses actix-ws directly. These guards protect it:
//!
//! - [`guard()`] checks the handshake, and refuses frames that are too long.
//! - [`Heartbeat`] decides when to ping, when a client is dead, and when a send has taken too long.
//! - [`Ending`] chooses the close code for each error of a client.
//! - [`guard_response()`] ends a connection at once if the client would not read a Close frame, and keeps the queue of
//!   frames for a client short.

mod closing;
mod frame_guard;
mod heartbeat;
mod send_queue;

use std::{cell::Cell, rc::Rc};

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::{self, Payload};
use tokio::time::Instant;

use crate::error::Error;
use crate::settings::Settings;
pub use closing::{Ending, guard_response};
use frame_guard::FrameGuard;
pub use heartbeat::{Beat, Heartbeat, Stalled};

/// Checks the parts of a handshake that actix-ws does not check (RFC 6455 §4.2.1). Returns a body for actix-ws, which
/// passes on no frame of more than `max_frame` bytes, and the connection's heartbeat.
///
/// # Errors
/// 426 if the request does not ask for a WebSocket, 400 if it has a body.
pub fn guard(
    request: &HttpRequest,
    body: Payload,
    max_frame: usize,
) -> Result<(Payload, Heartbeat), Error> {
    check_handshake(request)?;
    let settings: &web::Data<Settings> = request.app_data().ok_or_else(Error::internal)?;
    let last_received = Rc::new(Cell::new(Instant::now()));
    let heartbeat = Heartbeat::new(settings.heartbeat, Rc::clone(&last_received));
    let body = FrameGuard::wrap(request, body, max_frame, last_received);
    Ok((body.ok_or_else(Error::internal)?, heartbeat))
}

/// Checks that a request asks for a WebSocket of version 13, and that it has no body.
fn check_handshake(request: &HttpRequest) -> Result<(), Error> {
    let has_header = |name, expected: &[u8]| {
        let value = request.headers().get(name);
        value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(expected))
    };
    if !has_header(header::UPGRADE, b"websocket")
        || !has_header(header::SEC_WEBSOCKET_VERSION, b"13")
    {
        return Err(Error::upgrade_required());
    }
    // With a body before the frames, a proxy and this server could disagree about where the frames begin. An attacker
    // uses that to send requests through the proxy unseen (request smuggling).
    let length = request.headers().get(header::CONTENT_LENGTH);
    let has_body = length.is_some_and(|length| length != "0");
    if has_body || request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Err(Error::bad_request("An upgrade has no body."));
    }
    Ok(())
}
