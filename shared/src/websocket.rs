//! What every WebSocket of a server needs before it can talk: the handshake, the guard in front of
//! the decoder, and what to say when a peer breaks the protocol.

mod frames;

use std::{cell::Cell, rc::Rc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    error::PayloadError,
    http::header,
    web::{self, Payload},
};
use actix_ws::{AggregatedMessageStream, CloseCode, CloseReason, ProtocolError, Session};
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep, timeout};

use crate::{Connection, Settings, cut::Cut, error::Error};
use frames::Frames;

/// The server's side of a WebSocket after its handshake.
pub struct Opened {
    /// Where to send.
    pub session: Session,
    /// What comes, fragments put together.
    pub messages: AggregatedMessageStream,
    /// To be rid of a peer that does not read.
    pub connection: Connection,
    /// When the last bytes came from the peer, also in the middle of a frame.
    pub heard: Rc<Cell<Instant>>,
    /// Ends all sockets of the server.
    pub cut: Cut,
    /// The settings of this run.
    pub settings: web::Data<Settings>,
}

/// Answers the handshake (RFC 6455 §4.2). No message of more than `max_message` bytes is let in, and
/// no frame that announces more.
///
/// # Errors
/// 426 if the request does not ask for a WebSocket, 400 if it asks wrongly.
pub fn open(
    request: &HttpRequest,
    body: Payload,
    max_message: usize,
) -> Result<(HttpResponse, Opened), Error> {
    let is = |name, expected: &[u8]| {
        let value = request.headers().get(name);
        value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(expected))
    };
    if !is(header::UPGRADE, b"websocket") || !is(header::SEC_WEBSOCKET_VERSION, b"13") {
        return Err(Error::UpgradeRequired);
    }
    // A body before the frames, or chunks around them, is how requests are smuggled.
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        return Err(Error::BadRequest("An upgrade has no body.".into()));
    }
    let connection = request.conn_data::<Connection>().ok_or(Error::Internal)?;
    let cut: &web::Data<Cut> = request.app_data().ok_or(Error::Internal)?;
    let settings: &web::Data<Settings> = request.app_data().ok_or(Error::Internal)?;
    let heard = Rc::new(Cell::new(Instant::now()));
    let body =
        Frames::guard(request, body, max_message, Rc::clone(&heard)).ok_or(Error::Internal)?;
    let (response, session, messages) = actix_ws::handle(request, body)
        .map_err(|error| Error::BadRequest(format!("No WebSocket handshake: {error}.")))?;
    let messages = messages
        .max_frame_size(max_message)
        .aggregate_continuations()
        .max_continuation_size(max_message);
    let opened = Opened {
        session,
        messages,
        connection: connection.clone(),
        heard,
        cut: Cut::clone(cut),
        settings: settings.clone(),
    };
    Ok((response, opened))
}

/// How long a peer has to read a Close frame before the connection is cut, unless it has sent one.
pub const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);

/// Sends a Close frame and gives the peer `grace` to read what is queued before it. After that the
/// connection is of no more use.
pub async fn close(
    session: Session,
    mut messages: AggregatedMessageStream,
    reason: Option<CloseReason>,
    grace: Duration,
) {
    let goodbye = async {
        session.close(reason).await.ok()?;
        // Ends when the body has been sent; after a protocol error it says the same error for ever.
        while messages.next().await?.is_ok() {}
        Some(())
    };
    // Too late, or already gone: the connection is cut in any case.
    timeout(grace, goodbye).await.ok();
    sleep(CLOSE_TIMEOUT).await;
}

/// The close code that RFC 6455 §7.4.1 has for what a peer did wrong; `None` if its connection broke,
/// so that no Close frame would reach it.
#[must_use]
pub fn close_code(error: &ProtocolError) -> Option<CloseCode> {
    let ProtocolError::Io(error) = error else {
        let too_long = matches!(error, ProtocolError::Overflow);
        return Some(if too_long {
            CloseCode::Size
        } else {
            CloseCode::Protocol
        });
    };
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<PayloadError>());
    match cause {
        Some(PayloadError::Overflow) => Some(CloseCode::Size),
        Some(_) => None,
        None => Some(code_of(error)),
    }
}

/// The close code for what actix-ws 0.4 tells apart only by its words.
fn code_of(error: &std::io::Error) -> CloseCode {
    let words = error.to_string();
    if words.contains("utf-8") {
        CloseCode::Invalid
    } else if words.contains("continuation size") {
        CloseCode::Size
    } else {
        CloseCode::Protocol
    }
}
