//! [`Error`]: the response to a refused request, a status and `{"error": "a sentence"}`.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::error::{JsonPayloadError, PayloadError};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};

/// The largest request body in bytes, unless a route sets another limit. A username needs less than a tenth of this.
pub const MAX_BODY: usize = 4 * 1024;

/// How long a request other than GET may take, including its body. Without this limit, a client that stops in the
/// middle of its body would keep its connection for ever.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The response to a refused request: a status, and a sentence that a student understands. A handler returns it as
/// `Err(Error::conflict("Somebody else has that name. Choose another."))`.
///
/// The constructors are named after the statuses of RFC 9110 §15. For another status, call [`Error::new`]. A module
/// with an error type of its own has an `impl From<…> for Error` beside that type.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    status: StatusCode,
    message: Cow<'static, str>,
    /// See [`Error::reason`].
    reason: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
    retry_after: Option<Duration>,
}

impl Error {
    /// Creates an error with any status.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            message: message.into(),
            reason: reason_of(status),
            headers: Vec::new(),
            retry_after: None,
        }
    }

    fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// 400: the body, the path or the query is not what the route expects.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401: the client must send a token that identifies it (`WWW-Authenticate: Bearer`, RFC 6750 §3).
    pub fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message).with_header(header::WWW_AUTHENTICATE, "Bearer")
    }

    /// 403: this client may not do that, even if it identifies itself.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404: there is nothing with this address or id.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 408: the request took longer than [`REQUEST_TIMEOUT`].
    #[must_use]
    pub fn request_timeout() -> Self {
        let seconds = REQUEST_TIMEOUT.as_secs();
        let message = format!("The request took too long: {seconds} seconds at most.");
        Self::new(StatusCode::REQUEST_TIMEOUT, message)
    }

    /// 409: the current state does not allow the request.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 413: the body is larger than `limit` bytes.
    #[must_use]
    pub fn payload_too_large(limit: usize) -> Self {
        let message = format!("The body is too large: {limit} bytes at most.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// 415: the request's `Content-Type` is not JSON.
    #[must_use]
    pub fn unsupported_media_type() -> Self {
        let message = "The body must be JSON, with the header Content-Type: application/json.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// 422: the body is valid JSON with an invalid value. The message says what is allowed.
    pub fn unprocessable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// 426: the request must ask for an upgrade to WebSocket version 13 (RFC 9110 §15.5.22, RFC 6455 §4.4).
    #[must_use]
    pub fn upgrade_required() -> Self {
        let message = "This address is for WebSockets: the request must ask for an upgrade.";
        Self::new(StatusCode::UPGRADE_REQUIRED, message)
            .with_header(header::UPGRADE, "websocket")
            .with_header(header::SEC_WEBSOCKET_VERSION, "13")
    }

    /// 429: the client has sent too much, and may try again after `retry_after` (the `Retry-After` header).
    pub fn too_many_requests(message: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, message)
        }
    }

    /// 500: something failed that is not the client's fault. The details are for the log, not for the client.
    #[must_use]
    pub fn internal() -> Self {
        let message = "Something went wrong on the server.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// 503: the request is not possible at the moment.
    pub fn service_unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// Returns an error with a sentence for a status alone, such as actix's own 404.
    pub(crate) fn for_status(status: StatusCode) -> Self {
        let message = match status {
            _ if status.is_server_error() => return Self::new(status, Self::internal().message),
            StatusCode::NOT_FOUND => "There is nothing at this address.",
            StatusCode::BAD_REQUEST => "This address does not understand the request.",
            StatusCode::RANGE_NOT_SATISFIABLE => "The file has no such range of bytes.",
            StatusCode::PRECONDITION_FAILED => "The file is not in the state the request asks for.",
            _ => return Self::new(status, format!("The request was refused: {status}.")),
        };
        Self::new(status, message)
    }

    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns this error with a more exact reason than that of its status.
    #[must_use]
    pub fn because(self, reason: &'static str) -> Self {
        Self { reason, ..self }
    }

    /// Returns why the request was refused, in a word or two: `rate`, `origin`, `name_taken`. It is for metrics, so there
    /// are few different ones, and nothing of the request is in it.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// Returns how long the client has to wait, if the status is 429.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// Returns the reason of an error of which only the status is known.
pub(crate) fn reason_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "bad_request",
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::REQUEST_TIMEOUT => "request_timeout",
        StatusCode::CONFLICT => "conflict",
        StatusCode::PAYLOAD_TOO_LARGE => "payload_too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::UNPROCESSABLE_ENTITY => "unprocessable",
        StatusCode::UPGRADE_REQUIRED => "upgrade_required",
        StatusCode::TOO_MANY_REQUESTS => "rate",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ if status.is_server_error() => "internal",
        _ => "other",
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for (name, value) in &self.headers {
            response.insert_header((name.clone(), value.clone()));
        }
        if let Some(wait) = self.retry_after {
            // In whole seconds (RFC 9110 §10.2.3), so rounded up.
            let seconds = wait.as_millis().div_ceil(1000);
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            // Otherwise actix would read the rest of the body as the next request.
            response.force_close();
        }
        response.json(serde_json::json!({ "error": self.message }))
    }
}

impl From<JsonPayloadError> for Error {
    fn from(error: JsonPayloadError) -> Self {
        match error {
            JsonPayloadError::OverflowKnownLength { limit, .. }
            | JsonPayloadError::Overflow { limit } => Self::payload_too_large(limit),
            JsonPayloadError::Payload(PayloadError::Overflow) => Self::payload_too_large(MAX_BODY),
            JsonPayloadError::ContentType => Self::unsupported_media_type(),
            JsonPayloadError::Deserialize(error) => {
                Self::bad_request(format!("The body is not the expected JSON: {error}."))
            }
            error => Self::bad_request(format!("The body could not be read: {error}.")),
        }
    }
}
