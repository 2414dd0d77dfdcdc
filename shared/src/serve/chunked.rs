//! What to do about a request whose body comes in chunks: such a body need not end. Browsers never send one.

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

/// Refuses a GET whose body comes in chunks. No handler reads it, and a response that does not end would hold what
/// has come of it: 160 KiB.
pub(super) async fn refuse_chunked_get(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if request.method() == Method::GET && is_chunked(&request) {
        let error = error::Error::bad_request("A GET or HEAD has no body.");
        return Ok(request.error_response(error));
    }
    next.call(request).await
}

/// The body of a request. The handler reads it, and it is dropped with the response.
#[derive(Clone)]
struct Body(Rc<RefCell<Payload>>);

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// The body of a response, and that of the request that it answers, if it is kept.
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

/// Keeps a request's body until the response has been sent, if the body comes in chunks.
///
/// After a response, actix-http closes the connection if the body has not ended. But if the body comes in chunks and
/// has been dropped, it reads on and throws away what comes, for as long as it comes
/// (`should_close_for_unread_payload`, actix-http 3.20).
///
/// It has to be the outermost middleware, because another one may replace the response's body.
pub(super) async fn keep_chunked_body(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<WithRequestBody>, Error> {
    let mut kept = None;
    if is_chunked(&request) {
        let body = Body(Rc::new(RefCell::new(request.take_payload())));
        let payload = Box::pin(body.clone());
        request.set_payload(Payload::Stream { payload });
        kept = Some(body);
    }
    match next.call(request).await {
        Ok(answer) => Ok(answer.map_body(|_, response| WithRequestBody {
            response,
            _request: kept,
        })),
        Err(error) if kept.is_some() => {
            let answer = error.error_response().map_body(|_, response| {
                BoxBody::new(WithRequestBody {
                    response,
                    _request: kept,
                })
            });
            Err(InternalError::from_response(error, answer).into())
        }
        Err(error) => Err(error),
    }
}

fn is_chunked(request: &ServiceRequest) -> bool {
    request.headers().contains_key(header::TRANSFER_ENCODING)
}
