//! The end of a WebSocket: with which close code, or without any.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use actix_ws::{CloseCode, CloseReason, ProtocolError};

use super::frame_guard::parse_frame_header;
use super::heartbeat::Heartbeat;
use super::send_queue::SendQueue;

/// How a conversation ends.
#[derive(Debug)]
pub enum Ending {
    /// With a Close frame: our own, or the reply to the peer's.
    Close(Option<CloseReason>),
    /// Without one, because it would reach nobody: the connection is broken, or the peer is silent or does not read.
    Disconnected,
}

/// Finds the close code for what a peer did wrong (RFC 6455 §7.4.1).
impl From<ProtocolError> for Ending {
    fn from(error: ProtocolError) -> Self {
        close_code(&error).map_or(Self::Disconnected, |code| Self::Close(Some(code.into())))
    }
}

/// Returns the close code for a mistake, or `None` if the connection itself is broken.
fn close_code(error: &ProtocolError) -> Option<CloseCode> {
    let error = match error {
        ProtocolError::Overflow => return Some(CloseCode::Size),
        ProtocolError::Io(error) => error,
        _ => return Some(CloseCode::Protocol),
    };
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<PayloadError>());
    match cause {
        // From the frame guard.
        Some(PayloadError::Overflow) => Some(CloseCode::Size),
        Some(_) => None,
        None => Some(close_code_by_message(error)),
    }
}

/// Returns the close code for errors that actix-ws 0.4 distinguishes only by their message.
fn close_code_by_message(error: &std::io::Error) -> CloseCode {
    let message = error.to_string();
    if message.contains("utf-8") {
        CloseCode::Invalid
    } else if message.contains("continuation size") {
        CloseCode::Size
    } else {
        CloseCode::Protocol
    }
}

/// Guards the `response` to a handshake, whose body is what the `Session` sends.
///
/// It ends the connection as soon as the `Session` is dropped without a Close frame. Without this, actix-http would
/// first send all that is queued, and a peer that does not read never takes it. So the response's body fails instead of
/// ending, which makes actix-http drop the connection.
///
/// It also lets [`Heartbeat::limit`] know when the connection has taken a frame. While actix-http has 8 KiB of its own
/// to send, it does not look at the body. If the peer does not take them, the system ends the connection
/// (`TCP_USER_TIMEOUT`, in `serve/sockets.rs`).
#[must_use]
pub fn guard_response(response: HttpResponse, heartbeat: &Heartbeat) -> HttpResponse {
    let send_queue = Rc::clone(&heartbeat.send_queue);
    response.map_body(|_, body| {
        BoxBody::new(SessionBody {
            body,
            is_closed: false,
            send_queue,
        })
    })
}

/// What a `Session` sends, as the body of the response to its handshake.
struct SessionBody {
    body: BoxBody,
    /// A Close frame was sent; actix-ws sends nothing after it.
    is_closed: bool,
    send_queue: Rc<SendQueue>,
}

/// The error of a body whose session was dropped without a Close frame.
#[derive(Debug, thiserror::Error)]
#[error("the WebSocket ended without a Close frame")]
struct NotClosed;

impl MessageBody for SessionBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let Poll::Ready(frames) = Pin::new(&mut self.body).poll_next(context) else {
            self.send_queue.set_empty();
            return Poll::Pending;
        };
        match frames {
            Some(Ok(frames)) => {
                self.is_closed = ends_with_close(&frames);
                Poll::Ready(Some(Ok(frames)))
            }
            None if !self.is_closed => Poll::Ready(Some(Err(NotClosed.into()))),
            end => Poll::Ready(end),
        }
    }
}

/// Returns whether the last of these `frames` is a Close frame. All of them are whole.
fn ends_with_close(mut frames: &[u8]) -> bool {
    /// The part of a frame's first byte that says what it is, and what it says for a Close frame (RFC 6455 §5.2).
    const OPCODE: u8 = 0x0F;
    const CLOSE: u8 = 0x08;
    let mut is_close = false;
    while let Some(header) = parse_frame_header(frames) {
        is_close = header.first & OPCODE == CLOSE;
        frames = frames.get(header.frame_length()..).unwrap_or_default();
    }
    is_close
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use actix_web::body::BodyStream;
    use futures_util::{FutureExt as _, future::poll_fn, stream};
    use tokio::time::Instant;

    use super::*;

    /// A text frame of `length` bytes that look like Close frames.
    fn text(length: u8) -> Vec<u8> {
        let header = match length {
            0..126 => vec![0x81, length],
            _ => vec![0x81, 126, 0, length],
        };
        [header, vec![0x88; length.into()]].concat()
    }

    const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xE9];

    /// What comes out of the guarded body: whether each chunk is data or the error.
    fn polled(chunks: Vec<Vec<u8>>) -> Vec<bool> {
        let chunks = chunks
            .into_iter()
            .map(|chunk| Ok::<_, NotClosed>(Bytes::from(chunk)));
        let response = HttpResponse::Ok().body(BoxBody::new(BodyStream::new(stream::iter(chunks))));
        let last_received = Rc::new(Cell::new(Instant::now()));
        let heartbeat = Heartbeat::new(Duration::from_secs(15), last_received);
        let mut body = guard_response(response, &heartbeat).into_body();
        let mut next = || {
            let item = poll_fn(|context| Pin::new(&mut body).poll_next(context));
            item.now_or_never().expect("ready").map(|item| item.is_ok())
        };
        let mut seen = Vec::new();
        while let Some(is_data) = next() {
            seen.push(is_data);
            if !is_data {
                break;
            }
        }
        seen
    }

    #[tokio::test]
    async fn a_body_that_ends_after_a_close_frame_just_ends() {
        assert_eq!(polled(vec![CLOSE.to_vec()]), [true]);
        assert_eq!(polled(vec![text(3), CLOSE.to_vec()]), [true, true]);
        assert_eq!(polled(vec![[&text(200)[..], &CLOSE].concat()]), [true]);
    }

    #[tokio::test]
    async fn a_body_that_ends_without_one_is_an_error() {
        assert_eq!(polled(vec![]), [false]);
        assert_eq!(polled(vec![text(3)]), [true, false]);
        assert_eq!(polled(vec![text(4), text(200)]), [true, true, false]);
    }

    #[test]
    fn what_the_peer_did_wrong_decides_the_close_code() {
        let io = |error| ProtocolError::Io(std::io::Error::other(error));
        for (error, expected) in [
            (ProtocolError::Overflow, Some(CloseCode::Size)),
            (ProtocolError::UnmaskedFrame, Some(CloseCode::Protocol)),
            (io(PayloadError::Overflow), Some(CloseCode::Size)),
            (io(PayloadError::Incomplete(None)), None),
        ] {
            assert_eq!(close_code(&error), expected, "{error}");
        }
    }
}
