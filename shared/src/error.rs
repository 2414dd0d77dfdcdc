//! [`Error`]: every way to refuse a request, and the JSON that says so.

use std::time::Duration;

use actix_web::error::{JsonPayloadError, PayloadError};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};

use crate::users::{ChangeError, UsernameError};

/// The largest request body in bytes unless a route says otherwise; a username needs a twentieth of that.
pub const MAX_BODY: usize = 4 * 1024;

/// How long a request other than GET may take, its body included. A client that sends its body
/// more slowly, or stops halfway, would otherwise hold its connection for as long as it likes.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A request that was refused, as a status and `{"error": "a sentence"}`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// 400: the body, the path or the query is not what the route expects.
    #[error("{0}")]
    BadRequest(String),
    /// 401: only for those who have said who they are, with a sentence about how.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// 403: a page of another origin tried to change something.
    #[error(
        "This request comes from a page of {0}, which may not change anything here. Start the \
         server with --allow-origin to allow it."
    )]
    ForeignOrigin(String),
    /// 403: only for the machine that the server runs on.
    #[error(
        "This works only on the machine that the server runs on, and only while no other machine can \
         reach it (--host 127.0.0.1)."
    )]
    NotLocal,
    /// 404.
    #[error("There is nothing at this address.")]
    NotFound,
    /// 404: no user has this id.
    #[error("There is no user with the id {0}.")]
    NoSuchUser(u64),
    /// 404, with a sentence about what is missing and what to do.
    #[error("{0}")]
    Missing(&'static str),
    /// 408: the request took longer than [`REQUEST_TIMEOUT`].
    #[error("The request took too long: {} seconds at most.", REQUEST_TIMEOUT.as_secs())]
    TooSlow,
    /// 409: not in the state that things are in, with a sentence about what to do.
    #[error("{0}")]
    Conflict(&'static str),
    /// 413: the body is larger than this many bytes.
    #[error("The body is too large: {0} bytes at most.")]
    BodyTooLarge(usize),
    /// 415: the body says that it is something else than JSON.
    #[error("The body must be JSON and say so: Content-Type: application/json")]
    NotJson,
    /// 422: not a username.
    #[error("{0}")]
    BadUsername(#[from] UsernameError),
    /// 422: well-formed, but no such thing can be, with a sentence about what can.
    #[error("{0}")]
    Unprocessable(String),
    /// 409 if the list is full, 500 if the change could not be saved.
    #[error("{0}")]
    NotChanged(#[from] ChangeError),
    /// 426: only a WebSocket of version 13 is spoken here (RFC 9110 §15.5.22, RFC 6455 §4.4).
    #[error("This address speaks WebSocket: the request must ask for an upgrade to it.")]
    UpgradeRequired,
    /// 429: too much of something, with a sentence about it and when to come back.
    #[error("{0}")]
    TooMany(&'static str, Duration),
    /// 500: something failed that is not the client's fault; the log says what.
    #[error("Something went wrong on the server.")]
    Internal,
    /// 503: not now, with a sentence about why.
    #[error("{0}")]
    Unavailable(&'static str),
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::ForeignOrigin(_) | Self::NotLocal => StatusCode::FORBIDDEN,
            Self::NotFound | Self::NoSuchUser(_) | Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::BadUsername(_) | Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany(..) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Conflict(_) | Self::NotChanged(ChangeError::Full) => StatusCode::CONFLICT,
            Self::NotChanged(ChangeError::NotSaved(_)) | Self::Internal => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::NotChanged(ChangeError::NotSaved(error)) = self {
            log::error!("cannot save the users: {error}");
        }
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::UpgradeRequired => {
                response.insert_header((header::UPGRADE, "websocket"));
                response.insert_header((header::SEC_WEBSOCKET_VERSION, "13"));
            }
            Self::Unauthorized(_) => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            // In whole seconds (RFC 9110 §10.2.3), so rounded up.
            Self::TooMany(_, wait) => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                response.insert_header((header::RETRY_AFTER, seconds));
            }
            // What is left of a body that was not read would be taken for the next request.
            Self::TooSlow => {
                response.force_close();
            }
            _ => {}
        }
        response.json(serde_json::json!({ "error": self.to_string() }))
    }
}

/// A message that came some other way than as a body.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::BadRequest(format!("The text is not as expected: {error}."))
    }
}

impl From<JsonPayloadError> for Error {
    fn from(error: JsonPayloadError) -> Self {
        match error {
            JsonPayloadError::OverflowKnownLength { limit, .. }
            | JsonPayloadError::Overflow { limit } => Self::BodyTooLarge(limit),
            JsonPayloadError::Payload(PayloadError::Overflow) => Self::BodyTooLarge(MAX_BODY),
            JsonPayloadError::ContentType => Self::NotJson,
            JsonPayloadError::Deserialize(error) => Self::BadRequest(format!(
                "The body is not the JSON that is expected here: {error}."
            )),
            error => Self::BadRequest(format!("The body could not be read: {error}.")),
        }
    }
}

/// The sentence for an answer that came without one, such as actix's own 404.
pub(crate) fn default_sentence(status: StatusCode) -> String {
    match status {
        StatusCode::NOT_FOUND => Error::NotFound.to_string(),
        StatusCode::BAD_REQUEST => "The request is not one that this address understands.".into(),
        StatusCode::RANGE_NOT_SATISFIABLE => "The file has no such range of bytes.".into(),
        StatusCode::PRECONDITION_FAILED => {
            "The file is not in the state the request asks for.".into()
        }
        _ if status.is_server_error() => Error::Internal.to_string(),
        _ => format!("The request was refused: {status}."),
    }
}
