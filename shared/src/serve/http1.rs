//! The duties of an HTTP/1 server that actix leaves to the app: HEAD, clients of version 1.0, and slow requests.

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{ConnectionType, Method, Version, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest};

use crate::error::{self, REQUEST_TIMEOUT};

/// Marks a request that [`head_as_get`] has changed.
struct OriginallyHead;

/// Returns whether a request that a handler sees as GET was a HEAD. The client does not get the body of the response.
/// So if the body may be sent only once, such as the outcome of a login, this request must not count.
#[must_use]
pub fn was_head(request: &HttpRequest) -> bool {
    request.extensions().contains::<OriginallyHead>()
}

/// Handles HEAD like GET and drops the body (RFC 9110 §9.3.2), so that `curl -I` works everywhere. actix drops a body
/// of a known length by itself; a stream is dropped here, or the response to HEAD would never end.
pub(super) async fn head_as_get(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_head = request.method() == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
        // A HEAD cannot open a WebSocket.
        request.headers_mut().remove(header::UPGRADE);
        request.extensions_mut().insert(OriginallyHead);
    }
    let response = next.call(request).await?.map_into_boxed_body();
    if is_head && response.response().body().size() == BodySize::Stream {
        return Ok(response.map_body(|_, _| BoxBody::new(actix_web::body::None::new())));
    }
    Ok(response)
}

/// Sends a stream to an HTTP/1.0 client without chunks, and then closes the connection. Such a client does not know
/// chunks (RFC 9112 §6.1): for it, the size before each chunk would be a part of the content. nginx before 1.29.7 is
/// such a client, unless its `proxy_http_version` is 1.1.
pub(super) async fn unchunked_for_http_1_0(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let supports_chunked = request.version() >= Version::HTTP_11;
    let mut response = next.call(request).await?;
    if !supports_chunked && response.response().body().size() == BodySize::Stream {
        let headers = response.response_mut().head_mut();
        headers.no_chunking(true);
        headers.set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

/// Ends a request that takes longer than [`REQUEST_TIMEOUT`] with 408. A GET has no such limit, because a long poll, a
/// stream and a WebSocket are GETs, too.
pub(super) async fn request_timeout(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if request.method() == Method::GET {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    match tokio::time::timeout(REQUEST_TIMEOUT, next.call(request)).await {
        Ok(response) => Ok(response?.map_into_boxed_body()),
        // A `ServiceResponse` needs the request, and the future that timed out owned it. So this returns an error.
        // actix makes a response of the error, but without the security headers.
        Err(_) => Err(error::Error::request_timeout().into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{future, time::Duration};

    use actix_web::{App, HttpResponse, http::Method, middleware::from_fn, test, web};
    use tokio::time::Instant;

    use super::*;

    /// Time is paused: when all tasks wait, tokio's clock jumps to the end of the next wait.
    #[tokio::test(start_paused = true)]
    async fn a_slow_post_gets_408_but_a_get_may_wait() {
        async fn never() -> HttpResponse {
            future::pending().await
        }
        let app = App::new()
            .default_service(web::to(never))
            .wrap(from_fn(request_timeout));
        let app = test::init_service(app).await;
        let start = Instant::now();
        let post = test::TestRequest::default()
            .method(Method::POST)
            .to_request();
        let error = test::try_call_service(&app, post)
            .await
            .expect_err("an end");
        assert_eq!(
            error.as_response_error().status_code(),
            actix_web::http::StatusCode::REQUEST_TIMEOUT
        );
        assert_eq!(start.elapsed().as_secs(), REQUEST_TIMEOUT.as_secs());

        let get = test::TestRequest::default().to_request();
        let minutes = Duration::from_secs(600);
        let waiting = tokio::time::timeout(minutes, test::try_call_service(&app, get));
        assert!(waiting.await.is_err(), "still waiting after ten minutes");
    }
}
