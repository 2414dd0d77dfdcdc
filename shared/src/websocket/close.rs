//! The end of a WebSocket: the Close frame, its code, and what to do about a peer that does not read it.

use std::time::Duration;

use actix_web::error::PayloadError;
use actix_ws::{AggregatedMessageStream, CloseCode, CloseReason, ProtocolError, Session};
use futures_util::StreamExt as _;
use tokio::time::{sleep, timeout};

/// How long a peer has to read a Close frame before the connection is cut, unless it has sent one.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);

/// Sends a Close frame and gives the peer `grace` to read what is queued before it. After that the
/// connection is of no more use.
pub(super) async fn close(
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
pub(super) fn close_code(error: &ProtocolError) -> Option<CloseCode> {
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
