//! [`FrameGuard`]: looks at the header of each frame before the rest of it is let in.
//!
//! It makes up for three habits of actix-ws 0.4:
//!
//! - It checks a frame's length only when it has the whole frame. A client that announces 300 MiB makes the server
//!   hold 250 MiB of them.
//! - It decodes all that has arrived in one go. A bad frame takes the good ones before it along.
//! - It keeps each fragment of a message in an allocation of its own.
//!
//! So the guard lets frames in one by one. It refuses a frame that announces too much, and one that belongs to a
//! message in too many fragments, before it lets any of it in.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::error::PayloadError;
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{FromRequest as _, HttpRequest};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::time::Instant;

/// How many bytes a fragment of the largest message must have on average: 65,536 fragments of one byte each would
/// cost the server 8 MB. The Autobahn test suite sends fragments as small as this.
const MIN_AVERAGE_FRAGMENT: usize = 64;

/// How many fragments a message may have in any case, however small its largest size is.
const BASE_FRAGMENTS: usize = 16;

/// Bytes from the network, as they come.
type BoxedBytes = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// The bytes that a client sends after the handshake, cut at the borders of frames.
pub(super) struct FrameGuard {
    bytes: BoxedBytes,
    /// What has arrived and was not let in yet: at most what one read brings.
    buffer: BytesMut,
    /// How many bytes of the current frame are still to be let in.
    remaining: usize,
    /// Set after each whole frame: `Pending` makes actix-ws decode what it has before it asks for more.
    yield_next: bool,
    /// How many fragments of an unfinished message were let in.
    fragments: usize,
    /// The most bytes a frame may hold.
    max_frame: usize,
    /// When the last bytes arrived, for the heartbeat: a peer that sends a long frame cannot answer a ping
    /// meanwhile, and is alive all the same.
    last_received: Rc<Cell<Instant>>,
}

impl FrameGuard {
    /// Wraps the `body` of a request, on its way to actix-ws.
    pub(super) fn wrap(
        request: &HttpRequest,
        body: Payload,
        max_frame: usize,
        last_received: Rc<Cell<Instant>>,
    ) -> Option<Payload> {
        let payload: BoxedBytes = Box::pin(Self::new(Box::pin(body), max_frame, last_received));
        let mut body = actix_web::dev::Payload::Stream { payload };
        // The only way to make the type that actix-ws takes; it is ready at once and cannot fail.
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

    /// Counts the fragments of the current message, and returns whether this frame is within the limit. A finished
    /// data frame ends its message, and control frames may come in between (RFC 6455 §5.4).
    fn accept_fragment(&mut self, header: &FrameHeader) -> bool {
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
            // Brings actix-ws straight back for the next frame.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if self.remaining == 0
                && let Some(header) = parse_frame_header(&self.buffer)
            {
                if header.body > self.max_frame as u64 || !self.accept_fragment(&header) {
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

/// What the header of a frame says (RFC 6455 §5.2).
pub(super) struct FrameHeader {
    /// The first byte: what kind of frame it is.
    pub(super) first: u8,
    /// How long the header itself is, in bytes.
    header: usize,
    /// How long the rest is, in bytes.
    body: u64,
}

impl FrameHeader {
    /// Returns how long the whole frame is, in bytes.
    pub(super) fn frame_length(&self) -> usize {
        let body = usize::try_from(self.body).unwrap_or(usize::MAX);
        body.saturating_add(self.header)
    }

    /// Returns whether it is a Close, ping or pong.
    fn is_control(&self) -> bool {
        self.first & 0x08 != 0
    }

    /// Returns whether it is the last frame of its message.
    fn is_final(&self) -> bool {
        self.first & 0x80 != 0
    }
}

/// Reads the header of the frame at the start of `bytes`. Returns `None` if not all of it is there.
pub(super) fn parse_frame_header(bytes: &[u8]) -> Option<FrameHeader> {
    /// Set in the second byte if four bytes of masking key follow, as from every client.
    const MASK: u8 = 0x80;
    let [first, second, rest @ ..] = bytes else {
        return None;
    };
    let (length_bytes, body) = match second & !MASK {
        126 => (2, u64::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (8, u64::from_be_bytes(*rest.first_chunk()?)),
        short => (0, u64::from(short)),
    };
    let key_bytes = if second & MASK == 0 { 0 } else { 4 };
    Some(FrameHeader {
        first: *first,
        header: 2 + length_bytes + key_bytes,
        body,
    })
}

#[cfg(test)]
mod tests {
    use actix_web::{test::TestRequest, web};
    use futures_util::stream;

    use super::*;

    /// Lets the `chunks` through and returns what each poll gave: bytes, a pause, or an error.
    fn let_in(chunks: Vec<Vec<u8>>, max_frame: usize) -> Vec<Result<Vec<u8>, &'static str>> {
        let bytes = stream::iter(chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk))));
        let last_received = Rc::new(Cell::new(Instant::now()));
        let mut frames = FrameGuard::new(Box::pin(bytes), max_frame, last_received);
        let mut seen = Vec::new();
        loop {
            match frames.next().now_or_never() {
                None => seen.push(Err("pause")),
                Some(None) => return seen,
                Some(Some(Ok(bytes))) => seen.push(Ok(bytes.to_vec())),
                Some(Some(Err(_))) => {
                    seen.push(Err("too long"));
                    return seen;
                }
            }
        }
    }

    /// A masked text frame with a body of `length` bytes.
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
    fn frames_that_came_together_are_let_in_one_by_one() {
        let (short, empty, long) = (frame(3), frame(0), frame(70_000));
        let together = [short.clone(), empty.clone(), long.clone()].concat();
        let seen = let_in(vec![together], 70_000);
        let one_by_one = [
            Ok(short),
            Err("pause"),
            Ok(empty),
            Err("pause"),
            Ok(long),
            Err("pause"),
        ];
        assert_eq!(seen, one_by_one);
    }

    /// However the network cuts them up, the bytes come out as they went in.
    #[test]
    fn a_frame_that_comes_byte_by_byte_is_let_in() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            let frame = frame(length);
            let seen = let_in(frame.iter().map(|byte| vec![*byte]).collect(), 65_536);
            let bytes: Vec<u8> = seen.into_iter().flatten().flatten().collect();
            assert!(bytes == frame, "{length}");
        }
    }

    #[test]
    fn a_frame_that_announces_too_much_is_refused_at_its_head() {
        for length in [65_537, 300 << 20] {
            let head = frame(length)[..14].to_vec();
            assert_eq!(let_in(vec![head], 65_536), [Err("too long")]);
        }
        let mut endless = vec![0x82, 128 + 127];
        endless.extend(u64::MAX.to_be_bytes());
        assert_eq!(
            let_in(vec![frame(1), endless], 10),
            [Ok(frame(1)), Err("pause"), Err("too long")]
        );
    }

    #[test]
    fn a_message_in_too_many_fragments_is_refused_and_pings_in_between_do_not_count() {
        let most = max_fragments(10);
        let (first, next) = ([0x01, 128, 0, 0, 0, 0], [0x00, 128, 0, 0, 0, 0]);
        let (ping, last) = ([0x89, 128, 0, 0, 0, 0], [0x80, 128, 0, 0, 0, 0]);
        let whole = [&first[..], &next.repeat(most - 1), &ping, &last].concat();
        let seen = let_in(vec![[whole.clone(), whole].concat()], 10);
        assert!(
            seen.last() == Some(&Err("pause")),
            "two messages that just fit"
        );
        let seen = let_in(vec![[&first[..], &next.repeat(most)].concat()], 10);
        assert!(seen.last() == Some(&Err("too long")));
    }

    #[actix_web::test]
    async fn it_can_stand_in_for_a_body() {
        let last_received = Rc::new(Cell::new(Instant::now()));
        let request = TestRequest::default().to_http_request();
        let body = web::Payload::from_request(&request, &mut actix_web::dev::Payload::None);
        let mut body = FrameGuard::wrap(&request, body.await.unwrap(), 10, last_received).unwrap();
        assert!(body.next().await.is_none());
    }
}
