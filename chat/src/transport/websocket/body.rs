//! Merges frames that go to many readers into each response's body: encoded once, and not through the task of each.

use std::{pin::Pin, task::Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodyStream, BoxBody, MessageBody as _};
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt as _, future, stream};

/// A Close frame that says 1011, something went wrong here (RFC 6455 §7.4.1).
const INTERNAL_ERROR: Bytes = Bytes::from_static(&[0x88, 2, 0x03, 0xF3]);

/// Merges `frames` into what a session sends, which is the body of the `response` to its handshake. So they need
/// not pass through the connection's task, its queue and its encoder. The connection ends with either: after the
/// session's own Close frame, or, if there are no more `frames`, after one that says 1011.
pub(super) fn merge_into_body(
    response: HttpResponse,
    frames: impl Stream<Item = Bytes> + 'static,
) -> HttpResponse {
    let frames = frames.chain(stream::once(future::ready(INTERNAL_ERROR)));
    let mut frames = Box::pin(frames);
    response.map_body(|_, mut session_body: BoxBody| {
        BoxBody::new(BodyStream::new(stream::poll_fn(
            move |context| match Pin::new(&mut session_body).poll_next(context) {
                Poll::Pending => frames.poll_next_unpin(context).map(|frame| frame.map(Ok)),
                frame @ Poll::Ready(_) => frame,
            },
        )))
    })
}
