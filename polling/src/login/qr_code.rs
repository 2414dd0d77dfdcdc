//! The URL that the phone opens, and its QR code.

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::http::uri::Authority;
use qrcode::{QrCode, render::svg::Color};
use shared::error::Error;

use super::secret::Secret;

/// The longest `Host` header in bytes: a name of 253 characters (RFC 1035 §2.3.4), a colon and a
/// port of five digits.
const MAX_HOST: usize = 259;

/// Returns the host and port of the request's URL, from the `Host` header. The browser has reached the
/// server under this name, so the phone can probably do so, too. The address that the server listens
/// on would be of no use: it may be 0.0.0.0, or hidden behind a proxy.
pub(super) fn host(request: &HttpRequest) -> Result<&str, Error> {
    let mut hosts = request.headers().get_all(header::HOST);
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let is_only = hosts.next().is_none();
    match host {
        Some(host) if is_only && is_host(host) => Ok(host),
        _ => Err(Error::bad_request(
            "The request must say in its Host header which host and port it is for.",
        )),
    }
}

/// Returns the URL of the phone's page for the ticket `id`.
pub(super) fn phone_url(host: &str, id: Secret) -> String {
    format!("http://{host}/login/{id}/phone")
}

/// Returns whether `text` is a host name or an IP address, with or without a port.
fn is_host(text: &str) -> bool {
    let is_host_char = |letter: char| letter.is_ascii_alphanumeric() || "-.:[]".contains(letter);
    if text.len() > MAX_HOST || !text.chars().all(is_host_char) {
        return false;
    }
    let Ok(authority) = text.parse::<Authority>() else {
        return false;
    };
    // A colon needs a port behind it. The parser does not check that.
    let has_port = authority.host().len() < text.len();
    !authority.host().is_empty() && has_port == authority.port_u16().is_some()
}

/// Draws the QR code of `url` as an SVG image: black squares on white, with the empty margin of four
/// squares that a scanner needs (ISO/IEC 18004). A square is one unit wide; the page scales the image.
pub(super) fn svg(url: &str) -> Result<String, Error> {
    let too_long = |_| Error::bad_request("The host is too long for a QR code.");
    let code = QrCode::new(url).map_err(too_long)?;
    Ok(code.render::<Color<'_>>().module_dimensions(1, 1).build())
}

#[cfg(test)]
mod tests {
    use super::{MAX_HOST, is_host, svg};

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in [
            "localhost",
            "localhost:8001",
            "192.168.1.20:8001",
            "[::1]:8001",
            "[fe80::1]",
            "Example.org",
            "xn--bcher-kva.example:65535",
        ] {
            assert!(is_host(host), "{host}");
        }
        let too_long = "a".repeat(MAX_HOST + 1);
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

    #[test]
    fn the_longest_host_has_a_qr_code() {
        let url = format!(
            "http://{}/login/{}/phone",
            "a".repeat(MAX_HOST),
            "0".repeat(32)
        );
        assert!(svg(&url).is_ok());
    }
}
