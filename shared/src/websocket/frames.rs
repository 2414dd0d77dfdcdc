//! [`Frames`]: looks at the head of each frame before the rest of it is let in.
//!
//! actix-ws checks a frame's length only when it has the whole frame, so a client that announces
//! 300 MiB makes the server hold 250 MiB of them. And it decodes all that has arrived in one go, so
//! that a bad frame takes the good ones before it along. It also keeps each fragment of a message in
//! an allocation of its own. Here each frame is let in by itself; one that announces too much, or
//! belongs to a message in too many fragments, is not let in at all.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::error::PayloadError;
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{FromRequest as _, HttpRequest};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::time::Instant;

/// The fewest bytes a fragment may have on average in the largest message: 65,536 fragments of one byte
/// each would cost the server 8 MB. The Autobahn test suite sends them as small as this.
const MIN_FRAGMENT: usize = 64;

/// How many fragments a message may have in any case, however small the limit of its size is.
const FEW_FRAGMENTS: usize = 16;

/// Bytes from the network, as they come.
type BoxedBytes = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// The bytes that a client sends after the handshake, cut at the borders of frames.
pub(super) struct Frames {
    bytes: BoxedBytes,
    /// What has arrived and was not let in yet: at most what one read brings.
    waiting: BytesMut,
    /// How much of the frame whose head was read last is still to be let in, in bytes.
    left: usize,
    /// A frame was let in as a whole. `Pending` makes the decoder stop collecting and decode, and the
    /// waker brings it straight back for the next one.
    pause: bool,
    /// How many fragments of an unfinished message were let in.
    fragments: usize,
    /// The most bytes a frame may hold.
    limit: usize,
    /// When the last bytes arrived, for whoever wants to know whether the peer is alive: while it
    /// sends a long frame it cannot answer a ping.
    heard: Rc<Cell<Instant>>,
}

impl Frames {
    /// Puts itself between a request's body and its decoder.
    pub(super) fn guard(
        request: &HttpRequest,
        body: Payload,
        limit: usize,
        heard: Rc<Cell<Instant>>,
    ) -> Option<Payload> {
        let frames = Self::new(Box::pin(body), limit, heard);
        let payload: BoxedBytes = Box::pin(frames);
        let mut body = actix_web::dev::Payload::Stream { payload };
        // The only way to make the type that actix-ws takes; it is ready at once and cannot fail.
        Payload::from_request(request, &mut body)
            .now_or_never()?
            .ok()
    }
}

impl Frames {
    fn new(bytes: BoxedBytes, limit: usize, heard: Rc<Cell<Instant>>) -> Self {
        let waiting = BytesMut::new();
        Self {
            bytes,
            waiting,
            left: 0,
            pause: false,
            fragments: 0,
            limit,
            heard,
        }
    }

    /// Whether the frame with this first byte may still be let in, as far as fragments go: a finished
    /// data frame ends its message, and control frames may come in between (RFC 6455 §5.4).
    fn counts(&mut self, first: u8) -> bool {
        /// Set in the first byte of a message's last frame.
        const FINISHED: u8 = 0x80;
        /// Set in the first byte of a Close, ping or pong.
        const CONTROL: u8 = 0x08;
        match (first & CONTROL, first & FINISHED) {
            (0, 0) => self.fragments += 1,
            (0, _) => self.fragments = 0,
            _ => {}
        }
        self.fragments <= max_fragments(self.limit)
    }
}

impl Stream for Frames {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.pause) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if self.left == 0
                && let Some((first, length)) = head(&self.waiting)
            {
                if length.body > self.limit as u64 || !self.counts(first) {
                    return Poll::Ready(Some(Err(PayloadError::Overflow)));
                }
                let body = usize::try_from(length.body).unwrap_or(usize::MAX);
                self.left = body.saturating_add(length.head);
            }
            let ready = self.left.min(self.waiting.len());
            if ready > 0 {
                self.left -= ready;
                self.pause = self.left == 0;
                return Poll::Ready(Some(Ok(self.waiting.split_to(ready).freeze())));
            }
            match ready!(self.bytes.poll_next_unpin(context)) {
                Some(Ok(bytes)) => {
                    self.heard.set(Instant::now());
                    self.waiting.extend_from_slice(&bytes);
                }
                end => return Poll::Ready(end),
            }
        }
    }
}

/// The most fragments of one message of `limit` bytes at most.
fn max_fragments(limit: usize) -> usize {
    FEW_FRAGMENTS + limit / MIN_FRAGMENT
}

/// How long a frame's head and body are, in bytes.
struct Length {
    head: usize,
    body: u64,
}

/// The first byte and the length of the frame at the start of `bytes` (RFC 6455 §5.2); `None` while
/// too little of its head is there to say.
fn head(bytes: &[u8]) -> Option<(u8, Length)> {
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
    let head = 2 + length_bytes + key_bytes;
    Some((*first, Length { head, body }))
}

#[cfg(test)]
mod tests {
    use actix_web::{test::TestRequest, web};
    use futures_util::stream;

    use super::*;

    /// Lets the `chunks` through and says what each poll gave: bytes, a pause, or an error.
    fn let_in(chunks: Vec<Vec<u8>>, limit: usize) -> Vec<Result<Vec<u8>, &'static str>> {
        let bytes = stream::iter(chunks.into_iter().map(|chunk| Ok(Bytes::from(chunk))));
        let heard = Rc::new(Cell::new(Instant::now()));
        let mut frames = Frames::new(Box::pin(bytes), limit, heard);
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
        let heard = Rc::new(Cell::new(Instant::now()));
        let request = TestRequest::default().to_http_request();
        let body = web::Payload::from_request(&request, &mut actix_web::dev::Payload::None);
        let mut body = Frames::guard(&request, body.await.unwrap(), 10, heard).unwrap();
        assert!(body.next().await.is_none());
    }
}
