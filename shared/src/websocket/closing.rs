//! The end of a WebSocket: the close code, or the end without a Close frame.

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
    /// With a Close frame. The server ends the conversation, or answers the client's Close frame.
    Close(Option<CloseReason>),
    /// Without a Close frame, because the client would not read it: the connection is broken, or the client is silent
    /// or has stopped reading.
    Disconnected,
}

/// Chooses the close code for a client's error (RFC 6455 §7.4.1).
impl From<ProtocolError> for Ending {
    fn from(error: ProtocolError) -> Self {
        close_code(&error).map_or(Self::Disconnected, |code| Self::Close(Some(code.into())))
    }
}

/// Returns the close code for an error, or `None` if the connection itself is broken.
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
        // `FrameGuard` returns this error for a frame that is too long.
        Some(PayloadError::Overflow) => Some(CloseCode::Size),
        Some(_) => None,
        None => Some(close_code_by_message(error)),
    }
}

/// Returns the close code for an error that actix-ws 0.4 describes only in its message.
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

/// Guards the `response` to a handshake. Its body is the frames that the `Session` sends.
///
/// The guard ends the connection at once when the `Session` is dropped without a Close frame. Otherwise actix-http
/// would first send all frames that are queued, and a client that has stopped reading never takes them. The guarded
/// body ends with an error, and then actix-http drops the connection.
///
/// The guard also tells [`Heartbeat::limit`] when the connection has taken a frame.
///
/// There is one exception: while actix-http's own buffer holds 8 KiB or more, actix-http does not poll the body. If
/// the client still does not read, the system ends the connection (`TCP_USER_TIMEOUT`, see `serve/sockets.rs`).
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

/// The frames that a `Session` sends. They are the body of the response to the handshake.
struct SessionBody {
    body: BoxBody,
    /// Whether a Close frame was sent. actix-ws sends nothing after a Close frame.
    is_closed: bool,
    send_queue: Rc<SendQueue>,
}

/// The error at the end of a body whose session was dropped without a Close frame.
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

/// Returns whether the last of these `frames` is a Close frame. All frames must be complete.
fn ends_with_close(mut frames: &[u8]) -> bool {
    /// The bits of a frame's first byte that hold the opcode (RFC 6455 §5.2).
    const OPCODE_BITS: u8 = 0x0F;
    /// The opcode of a Close frame.
    const CLOSE: u8 = 0x08;
    let mut is_close = false;
    while let Some(header) = parse_frame_header(frames) {
        is_close = header.first_byte & OPCODE_BITS == CLOSE;
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

    /// Returns a text frame whose body is `length` bytes that look like the start of a Close frame.
    fn text_frame(length: u8) -> Vec<u8> {
        let header = match length {
            0..126 => vec![0x81, length],
            _ => vec![0x81, 126, 0, length],
        };
        [header, vec![0x88; length.into()]].concat()
    }

    /// A Close frame with the code 1001.
    const CLOSE_FRAME: [u8; 4] = [0x88, 2, 0x03, 0xE9];

    /// Polls the changed body until its end. Returns true for each chunk of data, and false for an error.
    fn poll_all(chunks: Vec<Vec<u8>>) -> Vec<bool> {
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
        let mut outcomes = Vec::new();
        while let Some(is_data) = next() {
            outcomes.push(is_data);
            if !is_data {
                break;
            }
        }
        outcomes
    }

    #[tokio::test]
    async fn a_body_with_a_close_frame_ends_without_an_error() {
        let close = CLOSE_FRAME.to_vec();
        assert_eq!(poll_all(vec![close.clone()]), [true]);
        assert_eq!(poll_all(vec![text_frame(3), close.clone()]), [true, true]);
        assert_eq!(poll_all(vec![[text_frame(200), close].concat()]), [true]);
    }

    #[tokio::test]
    async fn a_body_without_a_close_frame_ends_with_an_error() {
        assert_eq!(poll_all(vec![]), [false]);
        assert_eq!(poll_all(vec![text_frame(3)]), [true, false]);
        let frames = vec![text_frame(4), text_frame(200)];
        assert_eq!(poll_all(frames), [true, true, false]);
    }

    #[test]
    fn each_error_of_a_client_has_its_close_code() {
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
