//! The URL that the phone opens, and its QR code.

use qrcode::{QrCode, render::svg::Color};
use shared::{error::Error, host::Host};

use super::secret::Secret;

/// Returns the URL of the phone's page for the ticket `id`. The browser has reached the server under the
/// name `host`, so the phone can probably reach it under this name, too.
pub(super) fn phone_url(scheme: &str, host: &Host, id: Secret) -> String {
    format!("{scheme}://{}/login/{id}/phone", host.as_str())
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
    use shared::host::MAX_HOST_BYTES;

    use super::svg;

    #[test]
    fn the_longest_host_has_a_qr_code() {
        let url = format!(
            "https://{}/login/{}/phone",
            "a".repeat(MAX_HOST_BYTES),
            "0".repeat(32)
        );
        assert!(svg(&url).is_ok());
    }
}
