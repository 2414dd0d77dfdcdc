//! [`keep_chunked_body`]: ends a connection whose client sends a body that does not end.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::{InternalError, PayloadError};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, web::Bytes};
use futures_util::Stream;

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
/// Such a body need not end. After a response, actix-http closes the connection if there is still a body to be read,
/// but not if nobody keeps that body and it comes in chunks: then it reads on and throws away what comes, for as long
/// as it comes (`should_close_for_unread_payload`, actix-http 3.20). Browsers never send such a body.
///
/// It has to be the outermost middleware, because another one may replace the response's body.
pub(super) async fn keep_chunked_body(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<WithRequestBody>, Error> {
    let mut kept = None;
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
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
