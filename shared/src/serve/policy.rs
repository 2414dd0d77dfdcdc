//! What the server does for every response: it adds security headers, gives every error a JSON body, and logs a line.

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::{DefaultHeaders, Next};

use crate::error;

/// The policy of every page (CSP Level 3). The browser loads only files of this server, runs no script in the HTML, and
/// shows the page in a frame only inside a page of this server.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; \
                                       frame-ancestors 'self'; object-src 'none'";

/// The headers of every response. A handler may set another value.
const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    // A browser may cache a file, but has to ask each time whether the file has changed. So a student who edits
    // client.js and reloads the page sees the edit.
    (header::CACHE_CONTROL, "no-cache"),
];

/// Returns the middleware that sets the security headers.
pub(super) fn security_headers() -> DefaultHeaders {
    let add = |all: DefaultHeaders, header| all.add(header);
    SECURITY_HEADERS
        .into_iter()
        .fold(DefaultHeaders::new(), add)
}

/// Returns the length of the security headers in bytes. A page cannot see the headers of a stream, but shows their
/// length.
pub(crate) fn security_header_bytes() -> usize {
    let line =
        |(name, value): (HeaderName, &str)| name.as_str().len() + value.len() + ": \r\n".len();
    SECURITY_HEADERS.into_iter().map(line).sum()
}

/// Logs each request with the status of its response, if the environment variable is `RUST_LOG=shared=debug`. actix has
/// a logger, too, but that also counts the bytes of each body, and needs a kilobyte for each open stream.
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

/// Gives every error a JSON body, including the errors of actix and actix-files.
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

/// Returns the methods that an address allows, such as `GET, HEAD`, from the response's `Allow` header. Only a
/// `web::resource` sets that header, with the methods that have a route. Files, and addresses with a single route,
/// allow GET. HEAD has no route: `head_as_get` in `http1.rs` handles it like GET.
fn allowed_methods(headers: &HeaderMap) -> String {
    let allow = headers.get(header::ALLOW);
    let methods = allow.and_then(|methods| methods.to_str().ok());
    methods.unwrap_or("GET").replace("GET", "GET, HEAD")
}
