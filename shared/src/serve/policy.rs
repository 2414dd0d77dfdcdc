//! What the server does for every response: it adds security headers, gives every error a sentence, and logs a line.

use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::{DefaultHeaders, Next};
use actix_web::{Error, web};
use askama::Template as _;
use log::Level;

use super::error_page::{self, ErrorPage};
use crate::error;
use crate::sentences::Sentences;
use crate::settings::Settings;

/// The policy of every page (CSP Level 3). The browser loads only files of this server, runs no script in the HTML, and
/// shows the page in a frame only inside a page of this server.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; \
                                       frame-ancestors 'self'; object-src 'none'";

/// Returns the policy of a page that pages of the origins `frame_ancestors` may show in a frame.
pub(crate) fn policy_for_frames(frame_ancestors: &str) -> String {
    let in_frames = format!("frame-ancestors {frame_ancestors}");
    CONTENT_SECURITY_POLICY.replace("frame-ancestors 'self'", &in_frames)
}

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

/// Logs each request, if the environment variable is `RUST_LOG=debug` or `RUST_LOG=shared=debug`:
/// `method=GET path=/users status=200 seconds=0.001 bytes=57`. The query is left out, because it may contain what nobody
/// else should read. The time ends with the headers of the response, and the bytes are those of its body. A stream has no
/// `bytes`, because its length is not known yet.
///
/// actix has a logger, too, but that counts the bytes of each body, and needs a kilobyte for each open stream.
pub(super) async fn log_requests(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if !log::log_enabled!(Level::Debug) {
        return next.call(request).await;
    }
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let start = Instant::now();
    let outcome = next.call(request).await;
    let (status, bytes) = match &outcome {
        Ok(response) => (response.status(), response.response().body().size()),
        Err(error) => (error.as_response_error().status_code(), BodySize::Stream),
    };
    let bytes = match bytes {
        BodySize::None => " bytes=0".to_owned(),
        BodySize::Sized(bytes) => format!(" bytes={bytes}"),
        BodySize::Stream => String::new(),
    };
    let (status, seconds) = (status.as_u16(), start.elapsed().as_secs_f64());
    log::debug!("method={method} path={path} status={status} seconds={seconds:.6}{bytes}");
    outcome
}

/// A function that the server calls with the reason of each refused request ([`error::Error::reason`]). An app
/// that counts them adds one as `web::Data`.
pub struct OnRefusal(Box<dyn Fn(&'static str) + Send + Sync>);

impl OnRefusal {
    /// Creates one that calls `observe`.
    pub fn new(observe: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self(Box::new(observe))
    }
}

/// Gives every error a body with a sentence, including the errors of actix and actix-files: a page for a person who has
/// opened the address in a browser, and JSON for a program.
pub(super) async fn readable_errors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut response = next.call(request).await?.map_into_boxed_body();
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return Ok(response);
    }
    let own = response.response().error();
    let own = own.and_then(|error| error.as_error::<error::Error>());
    let message = own.map_or_else(|| message_for(&response), ToString::to_string);
    if let Some(OnRefusal(observe)) = response.request().app_data().map(web::Data::get_ref) {
        observe(own.map_or_else(|| error::reason_of(status), error::Error::reason));
    }
    let headers = response.headers_mut();
    // A cache must not send the page to a program.
    headers.append(header::VARY, HeaderValue::from_static("Accept"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let methods = HeaderValue::try_from(allowed_methods(headers))?;
        headers.insert(header::ALLOW, methods);
    }
    let page = error_page::is_preferred(response.request()).then(|| render(&response, &message));
    let (kind, body) = match page.flatten() {
        Some(page) => ("text/html; charset=utf-8", page),
        None => (
            "application/json",
            serde_json::json!({ "error": message }).to_string(),
        ),
    };
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response.map_body(|_, _| BoxBody::new(body)))
}

/// Returns the sentence for an error that has none, such as actix's own.
fn message_for(response: &ServiceResponse<BoxBody>) -> String {
    let status = response.status();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let methods = allowed_methods(response.headers());
        return format!("This address does not take that method, only {methods}.");
    }
    error::Error::for_status(status).to_string()
}

fn render(response: &ServiceResponse<BoxBody>, message: &str) -> Option<String> {
    let settings = response.request().app_data::<web::Data<Settings>>()?;
    let sentences = Sentences::shared(response.request());
    let lesson = settings.lesson.info();
    let title = sentences.translated(&lesson.title);
    let back = match lesson.number {
        0 => title.to_owned(),
        number => sentences
            .text("header.number-and-title")
            .with("number", number)
            .with("title", title)
            .to_string(),
    };
    let page = ErrorPage {
        sentences,
        lesson,
        back,
        status: response.status(),
        message,
    };
    page.render().ok()
}

/// Returns the methods that an address allows, such as `GET, HEAD`, from the response's `Allow` header. Only a
/// `web::resource` sets that header, with the methods that have a route. Files, and addresses with a single route,
/// allow GET. HEAD has no route: `head_as_get` in `http1.rs` handles it like GET.
fn allowed_methods(headers: &HeaderMap) -> String {
    let allow = headers.get(header::ALLOW);
    let methods = allow.and_then(|methods| methods.to_str().ok());
    methods.unwrap_or("GET").replace("GET", "GET, HEAD")
}
