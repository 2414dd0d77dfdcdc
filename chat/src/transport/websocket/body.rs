//! Merges frames, which are the same for many readers, into the body of each response.

use std::{pin::Pin, task::Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodyStream, BoxBody, MessageBody as _};
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt as _, future, stream};

/// A Close frame with code 1011, an error in the server (RFC 6455 §7.4.1).
const INTERNAL_ERROR: Bytes = Bytes::from_static(&[0x88, 2, 0x03, 0xF3]);

/// Merges `frames` with the frames that a session sends, which are the body of `response`. So `frames` need not pass
/// through the task, the queue and the encoder of the connection. The connection ends when the session ends, or with
/// close code 1011 when `frames` ends.
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
