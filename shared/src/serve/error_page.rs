//! [`ErrorPage`]: an error for a person who has opened an address in a browser, such as a link that is used up.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{Accept, Header as _};
use askama::Template;

use crate::catalog::LessonInfo;
use crate::sentences::Sentences;

/// What the template `shared/templates/error.html` shows. Askama escapes each value for HTML.
#[derive(Template)]
#[template(path = "error.html")]
pub(super) struct ErrorPage<'error> {
    pub(super) sentences: Sentences,
    pub(super) lesson: LessonInfo,
    /// The text of the link to the lesson's page.
    pub(super) back: String,
    pub(super) status: StatusCode,
    pub(super) message: &'error str,
}

/// Returns whether the client prefers a page to JSON: `Accept` names `text/html`, and not `application/json` before it
/// (RFC 9110 §12.5.1). A browser that opens an address does so; `fetch` and curl accept anything and get JSON.
pub(super) fn is_preferred(request: &HttpRequest) -> bool {
    let Ok(accept) = Accept::parse(request) else {
        return false;
    };
    let ranked = accept.ranked();
    let mut kinds = ranked.iter().map(AsRef::<str>::as_ref);
    let known = kinds.find(|kind| matches!(*kind, "text/html" | "application/json"));
    known == Some("text/html")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn gets_a_page(accept: &str) -> bool {
        let request = TestRequest::default().insert_header(("accept", accept));
        is_preferred(&request.to_http_request())
    }

    #[test]
    fn a_browser_that_opens_an_address_gets_a_page() {
        let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,\
                        image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7";
        let firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for accept in [
            chromium,
            firefox,
            "text/html",
            "application/json;q=0.5, text/html",
        ] {
            assert!(gets_a_page(accept), "{accept}");
        }
    }

    #[test]
    fn a_program_gets_json() {
        for accept in [
            "*/*",
            "",
            "application/json",
            "application/json, text/html;q=0.9",
            "text/*",
            "image/*",
            "?",
        ] {
            assert!(!gets_a_page(accept), "{accept}");
        }
        assert!(!is_preferred(&TestRequest::default().to_http_request()));
    }
}
