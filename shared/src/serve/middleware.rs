//! What happens to every request and every answer.

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode, Version};
use actix_web::middleware::{DefaultHeaders, Next};
use actix_web::{Error, HttpMessage as _, HttpRequest};

use crate::error::{self, REQUEST_TIMEOUT};

/// A page may load what this server sends and nothing else: no script in the HTML, no foreign
/// address, nobody else's frame around it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; \
                                       frame-ancestors 'self'; object-src 'none'";

/// The headers of every answer, unless the handler has set its own.
const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    // A browser may keep a file but has to ask each time whether it has changed: a student who
    // edits client.js and reloads must see the edit.
    (header::CACHE_CONTROL, "no-cache"),
];

/// Puts them on every answer.
pub(super) fn security_headers() -> DefaultHeaders {
    let add = |all: DefaultHeaders, header| all.add(header);
    SECURITY_HEADERS
        .into_iter()
        .fold(DefaultHeaders::new(), add)
}

/// Returns the length of these header lines, for the page, which does not see the headers of a stream.
pub(crate) fn security_header_bytes() -> usize {
    let line =
        |(name, value): (HeaderName, &str)| name.as_str().len() + value.len() + ": \r\n".len();
    SECURITY_HEADERS.into_iter().map(line).sum()
}

/// Logs each request with the status of its answer, if `RUST_LOG=shared=debug` asks for it. actix's own logger
/// also counts each body's bytes, for which it keeps a kilobyte for every open stream.
pub(super) async fn log_requests(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let method = request.method().clone();
    let answer = next.call(request).await?;
    log::debug!("{method} {} → {}", answer.request().uri(), answer.status());
    Ok(answer)
}

/// Gives every error a JSON body, also those that actix and actix-files answer by themselves.
pub(super) async fn json_errors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut answer = next.call(request).await?;
    let status = answer.status();
    let is_json = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return Ok(answer.map_into_boxed_body());
    }
    let mut message = error::Error::for_status(status).to_string();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let methods = allowed_methods(answer.headers());
        message = format!("This address does not take that method, only {methods}.");
        let methods = HeaderValue::try_from(methods)?;
        answer.headers_mut().insert(header::ALLOW, methods);
    }
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    let body = serde_json::json!({ "error": message }).to_string();
    Ok(answer.map_body(|_, _| BoxBody::new(body)))
}

/// Returns the methods that an address takes, such as `GET, HEAD`. The `Allow` of a `web::resource` lists the methods
/// with a route; files and addresses with a single route have no `Allow` and take GET. HEAD has no route of its own:
/// [`head_as_get`] answers it wherever there is GET.
fn allowed_methods(headers: &HeaderMap) -> String {
    let allow = headers.get(header::ALLOW);
    let methods = allow.and_then(|methods| methods.to_str().ok());
    methods.unwrap_or("GET").replace("GET", "GET, HEAD")
}

/// Left on a request by [`head_as_get`].
struct AskedWithHead;

/// Whether a GET that a handler sees was a HEAD, whose answer nobody will read: a handler that hands
/// something out once must not count it.
#[must_use]
pub fn was_head(request: &HttpRequest) -> bool {
    request.extensions().contains::<AskedWithHead>()
}

/// Answers HEAD as GET without the body (RFC 9110 §9.3.2), so that `curl -I` works everywhere. A
/// body without end is dropped, or the answer to HEAD would have none either.
pub(super) async fn head_as_get(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_head = request.method() == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
        // An upgraded connection has no answer without a body.
        request.headers_mut().remove(header::UPGRADE);
        request.extensions_mut().insert(AskedWithHead);
    }
    let answer = next.call(request).await?.map_into_boxed_body();
    if is_head && answer.response().body().size() == BodySize::Stream {
        return Ok(answer.map_body(|_, _| BoxBody::new(actix_web::body::None::new())));
    }
    Ok(answer)
}

/// Sends a stream to an HTTP/1.0 client, such as an old proxy, as it is, and closes the connection
/// after it: such a client knows no chunks (RFC 9112 §6.1) and would take their sizes for text.
pub(super) async fn no_chunks_for_http_1_0(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let knows_chunks = request.version() >= Version::HTTP_11;
    let mut answer = next.call(request).await?;
    if !knows_chunks && answer.response().body().size() == BodySize::Stream {
        let head = answer.response_mut().head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(answer)
}

/// Lets go of a request's headers before its handler runs, for a route that holds its requests and does
/// not look at their headers: those of a browser take 6 to 7 KiB as long as the request is held.
///
/// # Errors
/// Those of the handler.
pub async fn forget_headers(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    *request.headers_mut() = header::HeaderMap::new();
    next.call(request).await
}

/// Answers 408 to a request that takes longer than [`REQUEST_TIMEOUT`]. A GET may take as long as it
/// likes: a long poll or a WebSocket lives on it.
pub(super) async fn time_limit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if request.method() == Method::GET {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    match tokio::time::timeout(REQUEST_TIMEOUT, next.call(request)).await {
        Ok(answer) => Ok(answer?.map_into_boxed_body()),
        // The request is gone with the future that held it, so this cannot be an answer to it with
        // all the usual headers; actix makes a bare one of the error.
        Err(_) => Err(error::Error::request_timeout().into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{future, time::Duration};

    use actix_web::{App, HttpResponse, http::Method, middleware::from_fn, test, web};
    use tokio::time::Instant;

    use super::*;

    /// Time is paused: it moves only while everything waits, and then at once.
    #[tokio::test(start_paused = true)]
    async fn a_request_that_takes_too_long_is_ended_and_a_get_may_wait() {
        async fn never() -> HttpResponse {
            future::pending().await
        }
        let app = App::new()
            .default_service(web::to(never))
            .wrap(from_fn(time_limit));
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
            StatusCode::REQUEST_TIMEOUT
        );
        assert_eq!(start.elapsed().as_secs(), REQUEST_TIMEOUT.as_secs());

        let get = test::TestRequest::default().to_request();
        let minutes = Duration::from_secs(600);
        let waiting = tokio::time::timeout(minutes, test::try_call_service(&app, get));
        assert!(waiting.await.is_err(), "still waiting after ten minutes");
    }
}
