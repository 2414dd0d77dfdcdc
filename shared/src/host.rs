//! [`Host`] and [`scheme`]: under which name a browser has reached the server, and whether over TLS.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::uri::Authority;

use crate::error::Error;

/// The longest `Host` header in bytes: a name of 253 characters (RFC 1035 §2.3.4), a colon and a port of five digits.
pub const MAX_HOST_BYTES: usize = 259;

/// The header in which a proxy says by which scheme the browser has reached it.
const FORWARDED_PROTO: &str = "X-Forwarded-Proto";

/// The `Host` header of a request (RFC 9110 §7.2): a name or an IP address, and a port unless it is the default one.
///
/// A link needs this name. The address that the server listens on does not always work in a link: it may be 0.0.0.0, or
/// a proxy may be in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// Reads the `Host` header.
    ///
    /// # Errors
    /// 400 if the header is missing, occurs twice, or is not a host.
    pub fn of(request: &HttpRequest) -> Result<Self, Error> {
        let mut hosts = request.headers().get_all(header::HOST);
        let host = hosts.next().map(HeaderValue::to_str);
        let is_only = hosts.next().is_none();
        match host {
            Some(Ok(host)) if is_only && is_host(host) => Ok(Self(host.to_owned())),
            _ => Err(Error::bad_request(
                "The request must have one Host header, with a host name and perhaps a port.",
            )),
        }
    }

    /// Returns the host with its port, such as `localhost:8001`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the host without its port, such as `localhost` or `[::1]`.
    #[must_use]
    pub fn name(&self) -> &str {
        let bracket = self.0.rfind(']').unwrap_or(0);
        match self.0.rfind(':') {
            Some(colon) if colon > bracket => self.0.split_at(colon).0,
            _ => &self.0,
        }
    }
}

/// Returns the scheme of the page's own address: `https` if a proxy says so in `X-Forwarded-Proto`, otherwise `http`,
/// because the server itself has no TLS.
///
/// Every client can send this header, but it can deceive nobody else with it: a page cannot add a header to a request
/// to another site unless that site allows it.
#[must_use]
pub fn scheme(headers: &HeaderMap) -> &'static str {
    let is_https = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"https");
    let mut values = headers.get_all(FORWARDED_PROTO);
    match (values.next(), values.next()) {
        (Some(value), None) if is_https(value) => "https",
        _ => "http",
    }
}

/// Returns whether `text` is a host name or an IP address, with or without a port.
fn is_host(text: &str) -> bool {
    let is_host_char = |letter: char| letter.is_ascii_alphanumeric() || "-.:[]".contains(letter);
    if text.len() > MAX_HOST_BYTES || !text.chars().all(is_host_char) {
        return false;
    }
    let Ok(authority) = text.parse::<Authority>() else {
        return false;
    };
    // The parser accepts a colon without a port after it.
    let has_port = authority.host().len() < text.len();
    !authority.host().is_empty() && has_port == authority.port_u16().is_some()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::{FORWARDED_PROTO, Host, MAX_HOST_BYTES, is_host, scheme};

    #[test]
    fn the_scheme_is_https_only_if_a_proxy_says_so() {
        for (values, expected) in [
            (&[][..], "http"),
            (&["http"], "http"),
            (&["https"], "https"),
            (&["HTTPS"], "https"),
            (&["http, https"], "http"),
            (&["https", "https"], "http"),
        ] {
            let add = |request: TestRequest, value: &&str| {
                request.append_header((FORWARDED_PROTO, *value))
            };
            let request = values.iter().fold(TestRequest::default(), add);
            let request = request.to_http_request();
            assert_eq!(scheme(request.headers()), expected, "{values:?}");
        }
    }

    #[test]
    fn only_a_name_or_an_address_is_a_host() {
        for (host, name) in [
            ("localhost", "localhost"),
            ("localhost:8001", "localhost"),
            ("192.168.1.20:8001", "192.168.1.20"),
            ("[::1]:8001", "[::1]"),
            ("[fe80::1]", "[fe80::1]"),
            ("Example.org", "Example.org"),
            ("xn--bcher-kva.example:65535", "xn--bcher-kva.example"),
        ] {
            assert!(is_host(host), "{host}");
            assert_eq!(Host(host.to_owned()).name(), name);
        }
        let too_long = "a".repeat(MAX_HOST_BYTES + 1);
        for host in [
            "",
            ":",
            ":80",
            "a:",
            "a:b",
            "a:65536",
            "a:1:2",
            "[::1",
            "::1",
            "[]x",
            "a b",
            "a/b",
            "user@host",
            "a?b",
            "a#b",
            "a\"b",
            "<b>",
            "a%41",
            "bücher.example",
            &too_long,
        ] {
            assert!(!is_host(host), "{host:?}");
        }
    }
}
