//! The link that the phone opens, and its QR code.

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::http::uri::Authority;
use qrcode::{QrCode, render::svg};
use shared::error::Error;

use super::secret::Secret;

/// The longest `Host` in bytes: a name of 253 characters (RFC 1035 §2.3.4), a colon and a port.
const MAX_HOST: usize = 259;

/// The host that the page was asked by, from the `Host` header. The phone can reach that one as well,
/// while the address that this server listens on may be 0.0.0.0 or hidden behind a proxy.
pub(super) fn host(request: &HttpRequest) -> Result<&str, Error> {
    let mut hosts = request.headers().get_all(header::HOST);
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let only = hosts.next().is_none();
    host.filter(|host| only && is_host(host)).ok_or_else(|| {
        let sentence = "The request must say in its Host header which host and port it is for.";
        Error::bad_request(sentence)
    })
}

/// What the QR code of the ticket `id` opens.
pub(super) fn link(host: &str, id: Secret) -> String {
    format!("http://{host}/login/{id}/phone")
}

/// Whether `text` is a host name or an address, and perhaps a port.
fn is_host(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-.:[]".contains(letter);
    if text.len() > MAX_HOST || !text.chars().all(plain) {
        return false;
    }
    let Ok(authority) = text.parse::<Authority>() else {
        return false;
    };
    // A colon without a number behind it is no port.
    let has_port = authority.host().len() < text.len();
    !authority.host().is_empty() && has_port == authority.port_u16().is_some()
}

/// The QR code of `url` as an SVG picture: black modules on white, with the empty margin of four
/// modules that a reader needs (ISO/IEC 18004). A module is one unit wide, and the page scales it.
pub(super) fn qr_code(url: &str) -> Result<String, Error> {
    let too_long = |_| Error::bad_request("The host is too long for a QR code.");
    let code = QrCode::new(url).map_err(too_long)?;
    Ok(code
        .render::<svg::Color<'_>>()
        .module_dimensions(1, 1)
        .build())
}

#[cfg(test)]
mod tests {
    use super::{MAX_HOST, is_host, qr_code};

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
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
        assert!(qr_code(&url).is_ok());
    }
}
