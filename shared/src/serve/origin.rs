//! The same-origin rule: pages of other sites may not change anything here.
//!
//! A browser lets any page send a POST to any server, with that server's cookies, and open a WebSocket to any server.
//! But the browser adds the `Origin` header with the page's origin (RFC 6454 §7), so the server can refuse such a
//! request.

use std::str::FromStr;

use actix_cors::Cors;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::{Condition, Next};
use actix_web::{Error, web};

use crate::error;
use crate::host::scheme;

/// The origin of a page, such as `https://example.org`, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin(String);

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let origin = text.to_ascii_lowercase();
        let host = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        // The origin becomes a part of headers, so it may hold nothing that separates their parts.
        let is_in_host = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
        let is_host = |host: &str| !host.is_empty() && host.chars().all(is_in_host);
        if host.is_some_and(is_host) {
            Ok(Self(origin))
        } else {
            Err(
                "an origin is a scheme, a host and perhaps a port, such as https://example.org"
                    .into(),
            )
        }
    }
}

/// The other origins whose pages may send changes, open a WebSocket, and show the timeline in a frame. The server's own
/// origin is always allowed.
#[derive(Debug)]
pub(super) struct AllowedOrigins(pub(super) Vec<Origin>);

impl AllowedOrigins {
    /// Returns the origins as a text, separated by spaces.
    pub(super) fn to_text(&self) -> String {
        let origins: Vec<_> = self.0.iter().map(|origin| &*origin.0).collect();
        origins.join(" ")
    }
}

/// Refuses a request with 403 if it could change something and comes from a page of another origin. The handler does
/// not run then.
pub(super) async fn same_origin(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if is_safe(&request) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    match foreign_origin(&request) {
        Some(origin) => Ok(request.error_response(foreign_origin_error(&origin))),
        None => Ok(next.call(request).await?.map_into_boxed_body()),
    }
}

fn foreign_origin_error(origin: &str) -> error::Error {
    error::Error::forbidden(format!(
        "This request comes from a page of {origin}, which may not change anything here. Start the \
         server with --allow-origin to allow it."
    ))
    .because("origin")
}

/// Returns the middleware that allows pages of the allowed origins to send requests and read the responses (CORS,
/// WHATWG Fetch 3.3). It also responds to preflights, the requests by which a browser asks before it sends JSON or a
/// DELETE.
pub(super) fn cors(AllowedOrigins(allowed): &AllowedOrigins) -> Condition<Cors> {
    let cors = Cors::default()
        .allowed_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_any_header()
        .block_on_origin_mismatch(false);
    let cors = allowed
        .iter()
        .fold(cors, |cors, origin| cors.allowed_origin(&origin.0));
    Condition::new(!allowed.is_empty(), cors)
}

/// Returns whether a request only reads (a "safe" method, RFC 9110 §9.2.1). Pages of other origins may send such a
/// request, because the browser does not let them read the response. An upgrade to a WebSocket is not safe, although it
/// is a GET: every page can read and write over its WebSocket.
fn is_safe(request: &ServiceRequest) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    reads && !request.headers().contains_key(header::UPGRADE)
}

/// Returns the request's `Origin` if it is neither the server's own nor allowed. A request without `Origin` is not from
/// a page of another origin, because for such a page browsers always send the header.
fn foreign_origin(request: &ServiceRequest) -> Option<String> {
    let headers = request.headers();
    let raw_origin = headers.get(header::ORIGIN)?;
    let Some(origin) = single_header(headers, header::ORIGIN).map(str::to_ascii_lowercase) else {
        return Some(String::from_utf8_lossy(raw_origin.as_bytes()).into_owned());
    };
    let own = single_header(headers, header::HOST)
        .is_some_and(|host| is_same_origin(&origin, scheme(headers), host));
    let allowed = request.app_data::<web::Data<AllowedOrigins>>();
    let allowed = allowed.is_some_and(|allowed| allowed.0.contains(&Origin(origin.clone())));
    (!own && !allowed).then_some(origin)
}

/// Returns whether `origin` is the server's own, which consists of the `scheme` and the request's `Host`. Both may omit
/// the scheme's default port.
fn is_same_origin(origin: &str, scheme: &str, host: &str) -> bool {
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let strip_default_port = |host: &str| {
        host.strip_suffix(default_port)
            .unwrap_or(host)
            .to_ascii_lowercase()
    };
    origin.split_once("://").is_some_and(|(own, origin_host)| {
        own == scheme && strip_default_port(origin_host) == strip_default_port(host)
    })
}

/// Returns the value of a header if the request has it exactly once.
fn single_header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name);
    let value = values.next().map(HeaderValue::to_str)?.ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::{Origin, is_same_origin};

    #[test]
    fn origins_are_the_same_if_scheme_host_and_port_are() {
        for (origin, host) in [
            ("http://localhost:8004", "localhost:8004"),
            ("http://example.org", "Example.org:80"),
            ("http://example.org:80", "example.org"),
            ("http://[::1]:8004", "[::1]:8004"),
        ] {
            assert!(is_same_origin(origin, "http", host), "{origin} {host}");
        }
        for (origin, host) in [
            ("https://localhost:8446", "localhost:8446"),
            ("https://example.org", "example.org"),
            ("https://example.org", "Example.org:443"),
        ] {
            assert!(is_same_origin(origin, "https", host), "{origin} {host}");
            // A page that came without TLS may have been changed on its way.
            let plain = origin.replace("https:", "http:");
            assert!(!is_same_origin(&plain, "https", host), "{plain} {host}");
        }
        for (origin, host) in [
            ("https://example.org", "example.org"),
            ("http://example.org:8004", "example.org"),
            ("http://example.org", "example.org:8080"),
            ("http://example.org:443", "example.org"),
            ("http://evil.example", "example.org"),
            ("null", "null"),
            ("", ""),
        ] {
            assert!(!is_same_origin(origin, "http", host), "{origin} {host}");
        }
    }

    #[test]
    fn only_an_origin_is_parsed_as_an_origin() {
        let origin = |text: &str| text.parse::<Origin>().ok().map(|origin| origin.0);
        let lower_case = Some("https://example.org:444".to_owned());
        assert_eq!(origin("HTTPS://Example.org:444"), lower_case);
        for text in [
            "",
            "example.org",
            "https://",
            "https://a/",
            "https://a/b",
            "https://a;b",
            "https://a b",
            "https://a'",
            "ftp://a",
            "null",
        ] {
            assert_eq!(origin(text), None, "{text:?}");
        }
    }
}
