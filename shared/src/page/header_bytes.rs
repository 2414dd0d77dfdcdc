//! [`HeaderBytes`]: how long the headers are that a page cannot see, for the wire.

use actix_web::HttpRequest;
use serde::Serialize;

use crate::serve::security_header_bytes;

/// Lengths of header lines in bytes, from which `shared/static/wire/headers.js` estimates all headers that a page cannot
/// see. A browser repeats most lines of its request for the page in each later request.
#[derive(Debug, Default, Serialize)]
pub(super) struct HeaderBytes {
    /// Lines of every request, such as `Host`, `User-Agent` and `Cookie`.
    every: usize,
    /// `Sec-CH-…`, the client hints. A WebSocket's handshake does not have them.
    hints: usize,
    /// `Sec-Fetch-…`. Later requests have other values of about the same length.
    purpose: usize,
    /// Lines of requests for a page or a frame: `Accept` and `Upgrade-Insecure-Requests`.
    document: usize,
    /// Lines of every response.
    response: usize,
}

impl HeaderBytes {
    /// Measures the headers of the `request` for the page.
    pub(super) fn of(request: &HttpRequest) -> Self {
        let mut bytes = Self {
            response: security_header_bytes() + "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n".len(),
            ..Self::default()
        };
        for (name, value) in request.headers() {
            let line = name.as_str().len() + value.len() + ": \r\n".len();
            match name.as_str() {
                // They depend on how the page was opened: by its address, by a link or by a reload.
                "cache-control" | "pragma" | "referer" | "sec-fetch-user" => {}
                "accept" | "upgrade-insecure-requests" => bytes.document += line,
                name if name.starts_with("sec-ch-") => bytes.hints += line,
                name if name.starts_with("sec-fetch-") => bytes.purpose += line,
                _ => bytes.every += line,
            }
        }
        bytes
    }

    /// Returns the length of the lines of the request for the page that are repeated.
    pub(super) fn repeated(&self) -> usize {
        self.every + self.hints + self.purpose
    }
}
