//! The same-origin rule: pages of other sites may not change anything here.
//!
//! A browser lets any page send a POST to any address, with that address's cookies, and open any
//! WebSocket; it only says in `Origin` (RFC 6454 §7) which page it was. So the server has to look.

use std::str::FromStr;

use actix_cors::Cors;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::{Condition, Next};
use actix_web::{Error, web};

use super::settings::Settings;
use crate::error;

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
        let named = |host: &str| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']);
        if host.is_some_and(named) {
            Ok(Self(origin))
        } else {
            Err(
                "an origin is a scheme, a host and perhaps a port, such as https://example.org"
                    .into(),
            )
        }
    }
}

/// Answers 403 to what could change something and was sent by a page of another origin, before
/// anything happens.
pub(super) async fn same_origin(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if harmless(&request) {
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
}

/// Tells browsers that pages of the allowed origins may send what they want to send and read the
/// answers (WHATWG Fetch, 3.3): before a POST of JSON or a DELETE they ask.
pub(super) fn cross_origin(allowed: &[Origin]) -> Condition<Cors> {
    let cors = Cors::default()
        .allowed_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_any_header()
        .block_on_origin_mismatch(false);
    let cors = allowed
        .iter()
        .fold(cors, |cors, origin| cors.allowed_origin(&origin.0));
    Condition::new(!allowed.is_empty(), cors)
}

/// A GET or HEAD only reads, and the browser does not show the answer to a page of another origin.
/// An upgrade is a GET too, but the browser lets every page read and write what it opens.
fn harmless(request: &ServiceRequest) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    reads && !request.headers().contains_key(header::UPGRADE)
}

/// The origin of the page that sent the request, if it is not one that may. A request without
/// `Origin` does not come from a page of another origin: browsers always send it then.
fn foreign_origin(request: &ServiceRequest) -> Option<String> {
    let headers = request.headers();
    let named = headers.get(header::ORIGIN)?;
    let Some(origin) = only(headers, header::ORIGIN).map(str::to_ascii_lowercase) else {
        return Some(String::from_utf8_lossy(named.as_bytes()).into_owned());
    };
    let own = only(headers, header::HOST).is_some_and(|host| is_own(&origin, host));
    let settings = request.app_data::<web::Data<Settings>>();
    let allowed =
        settings.is_some_and(|settings| settings.allowed_origins.contains(&Origin(origin.clone())));
    (!own && !allowed).then_some(origin)
}

/// Whether `origin` is this server's, as the client knows it: `http` and the request's `Host`. A
/// browser leaves out the port in both if it is 80.
fn is_own(origin: &str, host: &str) -> bool {
    origin.strip_prefix("http://").is_some_and(|origin_host| {
        let without_80 = |host: &str| {
            host.strip_suffix(":80")
                .unwrap_or(host)
                .to_ascii_lowercase()
        };
        without_80(origin_host) == without_80(host)
    })
}

/// The value of a header that stands there exactly once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name);
    let value = values.next().map(HeaderValue::to_str)?.ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::{Origin, is_own};

    #[test]
    fn an_origin_is_the_own_one_if_scheme_host_and_port_are() {
        for (origin, host) in [
            ("http://localhost:8004", "localhost:8004"),
            ("http://example.org", "Example.org:80"),
            ("http://example.org:80", "example.org"),
            ("http://[::1]:8004", "[::1]:8004"),
        ] {
            assert!(is_own(origin, host), "{origin} {host}");
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
            assert!(!is_own(origin, host), "{origin} {host}");
        }
    }

    #[test]
    fn a_flag_takes_an_origin_and_nothing_more() {
        let origin = |text: &str| text.parse::<Origin>().ok().map(|origin| origin.0);
        let lower_case = Some("https://example.org:444".to_owned());
        assert_eq!(origin("HTTPS://Example.org:444"), lower_case);
        for text in [
            "",
            "example.org",
            "https://",
            "https://a/",
            "https://a/b",
            "ftp://a",
            "null",
        ] {
            assert_eq!(origin(text), None, "{text:?}");
        }
    }
}
