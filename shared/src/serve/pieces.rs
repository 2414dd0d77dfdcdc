//! Sends long responses in pieces, so that a client that does not read holds little memory.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::Error;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Bytes;

/// How many bytes wait for a client in actix-http's write buffer before it asks the response's body for more. By
/// default it is 32 KiB.
pub(super) const WRITE_BUFFER: usize = 8 * 1024;

/// The most bytes that a body gives to the write buffer at once. actix-http copies whatever it is given, so the buffer
/// holds less than `WRITE_BUFFER + PIECE` bytes, and its capacity, which doubles, is 16 KiB at most.
const PIECE: usize = 7 * 1024;

/// Sends the body of each response in pieces.
pub(super) async fn send_in_pieces<B: MessageBody + Unpin>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Pieces<B>>, Error> {
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| Pieces {
        body,
        rest: Bytes::new(),
    }))
}

/// A body that gives out [`PIECE`] bytes at most at once. A long list of users is not copied for that: the pieces are
/// parts of the same bytes.
pub(super) struct Pieces<B> {
    body: B,
    /// What is left of the last bytes that `body` gave.
    rest: Bytes,
}

impl<B: MessageBody + Unpin> MessageBody for Pieces<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(bytes)) => self.rest = bytes,
                end => return Poll::Ready(end),
            }
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        Poll::Ready(Some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use actix_web::body::BodyStream;
    use futures_util::{FutureExt as _, future, stream};

    use super::*;

    fn pieces<B: MessageBody + Unpin>(body: B) -> Vec<usize> {
        let mut pieces = Pieces {
            body,
            rest: Bytes::new(),
        };
        let mut lengths = Vec::new();
        let next = |pieces: &mut Pieces<B>| {
            future::poll_fn(|context| Pin::new(&mut *pieces).poll_next(context)).now_or_never()
        };
        while let Some(Some(Ok(piece))) = next(&mut pieces) {
            lengths.push(piece.len());
        }
        lengths
    }

    #[test]
    fn a_long_body_comes_in_pieces_and_a_short_one_as_it_is() {
        assert_eq!(pieces(Bytes::from(vec![0; PIECE])), [PIECE]);
        assert_eq!(
            pieces(Bytes::from(vec![0; 2 * PIECE + 1])),
            [PIECE, PIECE, 1]
        );
        let chunks = [1, PIECE + 2, 3].map(|length| Ok::<_, Infallible>(vec![0; length].into()));
        assert_eq!(
            pieces(BodyStream::new(stream::iter(chunks))),
            [1, PIECE, 2, 3]
        );
    }

    /// In a stream, a chunk without bytes would be the end (RFC 9112 §7.1). actix leaves such chunks out by itself.
    #[test]
    fn the_length_stays_what_it_was() {
        let body = Bytes::from_static(b"twelve bytes");
        let pieces = Pieces {
            body,
            rest: Bytes::new(),
        };
        assert_eq!(pieces.size(), BodySize::Sized(12));
    }
}
