//! [`NetworkPanel`]: the timeline and the wire, for a page besides the lesson's own.

use actix_web::HttpRequest;
use askama::{Template, filters::HtmlSafe};

use super::header_bytes::HeaderBytes;

/// What the script `/shared/wire.js` needs in the page: the timeline and the wire, from `shared/templates/network.html`.
/// The page also needs the style sheets `/shared/timeline.css` and `/shared/style.css`.
#[derive(Debug, Template)]
#[template(path = "network.html")]
pub struct NetworkPanel {
    /// From which the wire estimates the headers that a page cannot see: as JSON, and their sum.
    header_bytes: String,
    repeated_bytes: usize,
    /// What to ask for without a browser.
    curl_url: Option<String>,
    /// Whether the page shows users and the server's clock.
    has_clock: bool,
}

impl NetworkPanel {
    /// Creates it for the page that `request` asks for.
    #[must_use]
    pub fn new(request: &HttpRequest) -> Self {
        let header_bytes = HeaderBytes::of(request);
        Self {
            header_bytes: serde_json::json!(header_bytes).to_string(),
            repeated_bytes: header_bytes.repeated(),
            curl_url: None,
            has_clock: false,
        }
    }
}

/// It is HTML already: its own template escapes every value.
impl HtmlSafe for NetworkPanel {}
