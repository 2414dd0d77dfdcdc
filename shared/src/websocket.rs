//! Guards around actix-ws: what a WebSocket server needs besides the conversation itself.
//!
//! The conversation is the lesson: `websocket/src/main.rs` has it, and the chat has one of its own. Each uses
//! actix-ws directly, with these guards around it:
//!
//! - [`guard()`] checks the handshake, and lets no frame in that is too long.
//! - [`Heartbeat`] knows when to ping, when a peer is dead, and when a send has waited for too long.
//! - [`Ending`] has the right close code for each mistake of a peer.
//! - [`guard_response()`] ends a connection at once if a Close frame would reach nobody, and keeps the queue of frames
//!   for a client short.

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

/// Checks what actix-ws does not check about a handshake (RFC 6455 §4.2.1), and wraps the request's `body`, so that no
/// frame of more than `max_frame` bytes reaches actix-ws. Returns the wrapped body and the connection's heartbeat.
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

fn check_handshake(request: &HttpRequest) -> Result<(), Error> {
    let is = |name, expected: &[u8]| {
        let value = request.headers().get(name);
        value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(expected))
    };
    if !is(header::UPGRADE, b"websocket") || !is(header::SEC_WEBSOCKET_VERSION, b"13") {
        return Err(Error::upgrade_required());
    }
    // A body before the frames, or chunks around them, is how requests are smuggled past a proxy.
    let length = request.headers().get(header::CONTENT_LENGTH);
    let has_body = length.is_some_and(|length| length != "0");
    if has_body || request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Err(Error::bad_request("An upgrade has no body."));
    }
    Ok(())
}
