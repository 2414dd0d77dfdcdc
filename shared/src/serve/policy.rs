//! What this server adds to every response: security headers, JSON for every error, and a line in the log.

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::{DefaultHeaders, Next};

use crate::error;

/// A page may load only what this server sends: no script in the HTML, nothing from another address, and no page of
/// another site may show it in a frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; \
                                       frame-ancestors 'self'; object-src 'none'";

/// Returns the policy of a page that pages of the origins `frame_ancestors` may show in a frame.
pub(crate) fn policy_for_frames(frame_ancestors: &str) -> String {
    let in_frames = format!("frame-ancestors {frame_ancestors}");
    CONTENT_SECURITY_POLICY.replace("frame-ancestors 'self'", &in_frames)
}

/// The headers of every response, unless the handler has set its own.
const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    // A browser may keep a file, but has to ask each time whether it has changed: a student who edits client.js and
    // reloads must see the edit.
    (header::CACHE_CONTROL, "no-cache"),
];

/// Returns the middleware that sets these headers.
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

/// Logs each request with the status of its response, if `RUST_LOG=shared=debug` asks for it. actix's own logger also
/// counts the bytes of each body, for which it needs a kilobyte for every open stream.
pub(super) async fn log_requests(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let method = request.method().clone();
    let response = next.call(request).await?;
    log::debug!(
        "{method} {} → {}",
        response.request().uri(),
        response.status()
    );
    Ok(response)
}

/// Gives every error a JSON body, also those of actix and actix-files.
pub(super) async fn json_errors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut response = next.call(request).await?;
    let status = response.status();
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return Ok(response.map_into_boxed_body());
    }
    let mut message = error::Error::for_status(status).to_string();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let methods = allowed_methods(response.headers());
        message = format!("This address does not take that method, only {methods}.");
        let methods = HeaderValue::try_from(methods)?;
        response.headers_mut().insert(header::ALLOW, methods);
    }
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    let body = serde_json::json!({ "error": message }).to_string();
    Ok(response.map_body(|_, _| BoxBody::new(body)))
}

/// Returns the methods that an address takes, such as `GET, HEAD`. The `Allow` of a `web::resource` lists the methods
/// with a route; files and addresses with a single route have no `Allow` and take GET. HEAD has no route of its own:
/// `head_as_get` in `http1.rs` handles it wherever there is GET.
fn allowed_methods(headers: &HeaderMap) -> String {
    let allow = headers.get(header::ALLOW);
    let methods = allow.and_then(|methods| methods.to_str().ok());
    methods.unwrap_or("GET").replace("GET", "GET, HEAD")
}
