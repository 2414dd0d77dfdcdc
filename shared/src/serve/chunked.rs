//! Request bodies that nobody reads, and bodies that arrive in chunks (RFC 9112 §7.1): such a body has no length, so it
//! may never end. Browsers do not send one.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::{InternalError, PayloadError};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web::Bytes};
use futures_util::Stream;

use crate::error;

/// How many bytes the body of a GET may have. Such a body is allowed, but no handler reads it.
const MAX_GET_BODY: u64 = 4 * 1024;

/// Refuses a GET whose body is long, or arrives in chunks. No handler reads the body, so up to 160 KiB of it would stay
/// in memory for as long as the response is open.
pub(super) async fn refuse_get_body(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let has_body = is_chunked(&request) || length.is_some_and(|length| length > MAX_GET_BODY);
    if request.method() == Method::GET && has_body {
        let error = error::Error::bad_request("A GET or HEAD has no body.");
        return Ok(request.error_response(error));
    }
    next.call(request).await
}

/// The body of a request. Clones share it: the handler reads from one, and the response holds another.
#[derive(Clone)]
struct Body(Rc<RefCell<Payload>>);

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// The body of a response, together with the body of the request, if that arrives in chunks.
pub(super) struct WithRequestBody {
    response: BoxBody,
    _request: Option<Body>,
}

impl MessageBody for WithRequestBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.response.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.response).poll_next(context)
    }
}

/// Keeps the body of a request until the response has been sent, if the body arrives in chunks.
///
/// When a response has been sent and the request's body has not ended, actix-http closes the connection. But if the
/// body arrives in chunks and was dropped before, actix-http continues to read it, perhaps for ever
/// (`should_close_for_unread_payload`, actix-http 3.20).
///
/// This must be outside every middleware that may replace the response's body.
pub(super) async fn keep_chunked_body(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<WithRequestBody>, Error> {
    let mut request_body = None;
    if is_chunked(&request) {
        let body = Body(Rc::new(RefCell::new(request.take_payload())));
        let payload = Box::pin(body.clone());
        request.set_payload(Payload::Stream { payload });
        request_body = Some(body);
    }
    match next.call(request).await {
        Ok(response) => Ok(response.map_body(|_, response| WithRequestBody {
            response,
            _request: request_body,
        })),
        Err(error) if request_body.is_some() => {
            let response = error.error_response().map_body(|_, response| {
                BoxBody::new(WithRequestBody {
                    response,
                    _request: request_body,
                })
            });
            Err(InternalError::from_response(error, response).into())
        }
        Err(error) => Err(error),
    }
}

fn is_chunked(request: &ServiceRequest) -> bool {
    request.headers().contains_key(header::TRANSFER_ENCODING)
}
