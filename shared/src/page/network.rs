//! [`NetworkPanel`]: what shows the traffic of a page, the timeline and the wire.

use actix_web::HttpRequest;
use askama::{Template, filters::HtmlSafe};

use super::header_bytes::HeaderBytes;
use crate::sentences::Sentences;

/// What the script `/shared/wire.js` needs in a page: the timeline and the wire, from `shared/templates/network.html`.
/// The page also needs the style sheets `/shared/timeline.css` and `/shared/style.css`.
#[derive(Debug, Template)]
#[template(path = "network.html")]
pub struct NetworkPanel {
    sentences: Sentences,
    wire: Wire,
}

impl NetworkPanel {
    /// Creates it for the page that `request` asks for.
    #[must_use]
    pub fn new(request: &HttpRequest) -> Self {
        let wire = Wire::new(request);
        let sentences = Sentences::shared(request);
        Self { sentences, wire }
    }
}

/// The list of everything that has crossed the network, from `shared/templates/wire.html`.
#[derive(Debug, Template)]
#[template(path = "wire.html")]
pub(super) struct Wire {
    sentences: Sentences,
    /// From which the wire estimates the headers that a page cannot see: as JSON, and their sum.
    header_bytes: String,
    repeated_bytes: usize,
    /// What to ask for without a browser, if that is possible.
    curl_url: Option<String>,
    /// Whether the page shows users and the server's clock.
    has_clock: bool,
}

impl Wire {
    fn new(request: &HttpRequest) -> Self {
        let header_bytes = HeaderBytes::of(request);
        Self {
            sentences: Sentences::shared(request),
            header_bytes: serde_json::json!(header_bytes).to_string(),
            repeated_bytes: header_bytes.repeated(),
            curl_url: None,
            has_clock: false,
        }
    }

    /// Creates it for the page of one of lessons 1 to 5.
    pub(super) fn of_lesson(request: &HttpRequest, curl_url: Option<String>) -> Self {
        Self {
            curl_url,
            has_clock: true,
            ..Self::new(request)
        }
    }
}

/// They are HTML already: their own templates escape every value.
impl HtmlSafe for NetworkPanel {}
impl HtmlSafe for Wire {}
