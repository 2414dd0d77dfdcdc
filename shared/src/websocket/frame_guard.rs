//! [`FrameGuard`]: checks the header of each frame before it passes the frame on to actix-ws.
//!
//! It makes up for three weaknesses of actix-ws 0.4:
//!
//! - actix-ws checks a frame's length only when it has the whole frame. A client that announces 300 MiB makes the
//!   server hold 250 MiB of them.
//! - actix-ws decodes all bytes that have arrived together. If one of the frames is bad, the good frames before it are
//!   lost.
//! - actix-ws stores each fragment of a message in an allocation of its own.
//!
//! So the guard passes the frames on one by one. It refuses a frame whose header announces too many bytes, and a
//! message that has too many fragments.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::error::PayloadError;
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{FromRequest as _, HttpRequest};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::time::Instant;

/// How many bytes a fragment of the largest message must have on average. Without this limit, 65,536 fragments of one
/// byte each would cost the server 8 MB. The Autobahn test suite sends fragments of 64 bytes.
const MIN_AVERAGE_FRAGMENT: usize = 64;

/// How many fragments a message may have even if the largest message is very small.
const BASE_FRAGMENTS: usize = 16;

/// Bytes as they arrive from the network.
type BoxedBytes = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// A stream of the bytes that a client sends after the handshake. No item holds bytes of two frames.
pub(super) struct FrameGuard {
    bytes: BoxedBytes,
    /// The bytes that have arrived and were not passed on yet. They come from one read of the socket.
    buffer: BytesMut,
    /// How many bytes of the current frame were not passed on yet.
    remaining: usize,
    /// Whether the next poll returns `Pending`. That makes actix-ws decode the frame that it has before it polls again.
    yield_next: bool,
    /// How many fragments of an unfinished message were passed on.
    fragments: usize,
    /// The largest body of a frame, in bytes.
    max_frame: usize,
    /// When the last bytes arrived. The heartbeat needs this time, because a client cannot answer a ping while it sends
    /// a long frame.
    last_received: Rc<Cell<Instant>>,
}

impl FrameGuard {
    /// Returns a body for actix-ws that reads from `body` through a frame guard.
    pub(super) fn wrap(
        request: &HttpRequest,
        body: Payload,
        max_frame: usize,
        last_received: Rc<Cell<Instant>>,
    ) -> Option<Payload> {
        let payload: BoxedBytes = Box::pin(Self::new(Box::pin(body), max_frame, last_received));
        let mut body = actix_web::dev::Payload::Stream { payload };
        // actix-ws needs this type of payload, and only an extractor can create it. The future is ready at once.
        Payload::from_request(request, &mut body)
            .now_or_never()?
            .ok()
    }

    fn new(bytes: BoxedBytes, max_frame: usize, last_received: Rc<Cell<Instant>>) -> Self {
        Self {
            bytes,
            buffer: BytesMut::new(),
            remaining: 0,
            yield_next: false,
            fragments: 0,
            max_frame,
            last_received,
        }
    }

    /// Counts the fragments of the current message, and returns whether the limit allows this frame. Control frames may
    /// come between two fragments and do not count (RFC 6455 §5.4).
    fn count_fragment(&mut self, header: &FrameHeader) -> bool {
        match (header.is_control(), header.is_final()) {
            (false, false) => self.fragments += 1,
            (false, true) => self.fragments = 0,
            (true, _) => {}
        }
        self.fragments <= max_fragments(self.max_frame)
    }
}

impl Stream for FrameGuard {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.yield_next) {
            // actix-ws polls again at once, for the next frame.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if self.remaining == 0
                && let Some(header) = parse_frame_header(&self.buffer)
            {
                if header.body_length > self.max_frame as u64 || !self.count_fragment(&header) {
                    return Poll::Ready(Some(Err(PayloadError::Overflow)));
                }
                self.remaining = header.frame_length();
            }
            let ready = self.remaining.min(self.buffer.len());
            if ready > 0 {
                self.remaining -= ready;
                self.yield_next = self.remaining == 0;
                return Poll::Ready(Some(Ok(self.buffer.split_to(ready).freeze())));
            }
            match ready!(self.bytes.poll_next_unpin(context)) {
                Some(Ok(bytes)) => {
                    self.last_received.set(Instant::now());
                    self.buffer.extend_from_slice(&bytes);
                }
                end => return Poll::Ready(end),
            }
        }
    }
}

/// Returns how many fragments a message of `max_message` bytes may have.
fn max_fragments(max_message: usize) -> usize {
    BASE_FRAGMENTS + max_message / MIN_AVERAGE_FRAGMENT
}

/// The header of a frame (RFC 6455 §5.2).
pub(super) struct FrameHeader {
    /// The first byte. It holds the opcode (text, binary, Close, ping, pong), and whether this is the last fragment.
    pub(super) first_byte: u8,
    /// The length of the header itself, in bytes.
    header_length: usize,
    /// The length of the rest of the frame, in bytes.
    body_length: u64,
}

impl FrameHeader {
    /// Returns the length of the whole frame, in bytes.
    pub(super) fn frame_length(&self) -> usize {
        let body = usize::try_from(self.body_length).unwrap_or(usize::MAX);
        body.saturating_add(self.header_length)
    }

    /// Returns whether the frame is a Close, ping or pong.
    fn is_control(&self) -> bool {
        self.first_byte & 0x08 != 0
    }

    /// Returns whether the frame is the last one of its message.
    fn is_final(&self) -> bool {
        self.first_byte & 0x80 != 0
    }
}

/// Parses the header of the frame at the start of `bytes`. Returns `None` if the header is incomplete.
pub(super) fn parse_frame_header(bytes: &[u8]) -> Option<FrameHeader> {
    /// This bit of the second byte is set if the header ends with a masking key of four bytes. All clients send one.
    const MASK: u8 = 0x80;
    let [first_byte, second, rest @ ..] = bytes else {
        return None;
    };
    let (length_bytes, body_length) = match second & !MASK {
        126 => (2, u64::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (8, u64::from_be_bytes(*rest.first_chunk()?)),
        short => (0, u64::from(short)),
    };
    let key_bytes = if second & MASK == 0 { 0 } else { 4 };
    Some(FrameHeader {
        first_byte: *first_byte,
        header_length: 2 + length_bytes + key_bytes,
        body_length,
    })
}

#[cfg(test)]
mod tests {
    use actix_web::{test::TestRequest, web};
    use futures_util::stream;

    use super::*;

    /// Passes the `chunks` through a frame guard and returns the result of each poll: bytes, a pause, or an error.
    fn pass(chunks: Vec<Vec<u8>>, max_frame: usize) -> Vec<Result<Vec<u8>, &'static str>> {
        let bytes = stream::iter(chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk))));
        let last_received = Rc::new(Cell::new(Instant::now()));
        let mut frames = FrameGuard::new(Box::pin(bytes), max_frame, last_received);
        let mut polled = Vec::new();
        loop {
            match frames.next().now_or_never() {
                None => polled.push(Err("pause")),
                Some(None) => return polled,
                Some(Some(Ok(bytes))) => polled.push(Ok(bytes.to_vec())),
                Some(Some(Err(_))) => {
                    polled.push(Err("refused"));
                    return polled;
                }
            }
        }
    }

    /// Returns a masked text frame with a body of `length` bytes.
    fn frame(length: usize) -> Vec<u8> {
        let mut frame = vec![0x81];
        match length {
            0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
            126..65_536 => {
                frame.push(128 + 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(128 + 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([1, 2, 3, 4]);
        frame.extend(vec![b'x'; length]);
        frame
    }

    #[test]
    fn frames_that_arrive_together_are_passed_on_one_by_one() {
        let (short, empty, long) = (frame(3), frame(0), frame(70_000));
        let together = [short.clone(), empty.clone(), long.clone()].concat();
        let polled = pass(vec![together], 70_000);
        let one_by_one = [
            Ok(short),
            Err("pause"),
            Ok(empty),
            Err("pause"),
            Ok(long),
            Err("pause"),
        ];
        assert_eq!(polled, one_by_one);
    }

    #[test]
    fn a_frame_that_arrives_byte_by_byte_is_passed_on() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            let frame = frame(length);
            let polled = pass(frame.iter().map(|byte| vec![*byte]).collect(), 65_536);
            let bytes: Vec<u8> = polled.into_iter().flatten().flatten().collect();
            assert!(bytes == frame, "{length}");
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_by_its_header() {
        for length in [65_537, 300 << 20] {
            let header = frame(length)[..14].to_vec();
            assert_eq!(pass(vec![header], 65_536), [Err("refused")]);
        }
        let mut longest = vec![0x82, 128 + 127];
        longest.extend(u64::MAX.to_be_bytes());
        assert_eq!(
            pass(vec![frame(1), longest], 10),
            [Ok(frame(1)), Err("pause"), Err("refused")]
        );
    }

    #[test]
    fn too_many_fragments_are_refused_and_pings_do_not_count() {
        let most = max_fragments(10);
        let (first, next) = ([0x01, 128, 0, 0, 0, 0], [0x00, 128, 0, 0, 0, 0]);
        let (ping, last) = ([0x89, 128, 0, 0, 0, 0], [0x80, 128, 0, 0, 0, 0]);
        let whole = [&first[..], &next.repeat(most - 1), &ping, &last].concat();
        let polled = pass(vec![[whole.clone(), whole].concat()], 10);
        assert!(
            polled.last() == Some(&Err("pause")),
            "two messages that just fit"
        );
        let polled = pass(vec![[&first[..], &next.repeat(most)].concat()], 10);
        assert!(polled.last() == Some(&Err("refused")));
    }

    #[actix_web::test]
    async fn a_frame_guard_replaces_the_body_of_a_request() {
        let last_received = Rc::new(Cell::new(Instant::now()));
        let request = TestRequest::default().to_http_request();
        let body = web::Payload::from_request(&request, &mut actix_web::dev::Payload::None);
        let mut body = FrameGuard::wrap(&request, body.await.unwrap(), 10, last_received).unwrap();
        assert!(body.next().await.is_none());
    }
}
