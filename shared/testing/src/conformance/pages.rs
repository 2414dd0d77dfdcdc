//! The promise to a person who opens an address that is wrong or used up: a page, and not JSON in tiny type.

use reqwest::{Method, header};

use super::{Server, Target, expect_error};

/// What Firefox accepts when a person opens an address.
const PERSON: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Requests that are refused: method, path, status and the value of `Allow`.
const REFUSED: [(Method, &str, u16, Option<&str>); 5] = [
    (Method::GET, "/nowhere", 404, None),
    (Method::GET, "/static/nothing.js", 404, None),
    (Method::GET, "/shared/nothing.css", 404, None),
    (Method::GET, "/cut", 405, Some("POST")),
    (Method::PUT, "/static/client.js", 405, Some("GET, HEAD")),
];

/// Checks that the same request gets a page or JSON, depending on who asks.
pub(super) async fn a_person_gets_a_page_and_a_program_json(target: Target) {
    let server = target.start(&[]);
    for (method, path, status, allow) in REFUSED {
        let request = || server.client.request(method.clone(), server.url(path));
        for accept in ["*/*", "application/json"] {
            let response = request().header(header::ACCEPT, accept).send();
            expect_error(response.await.expect("a response"), status, path).await;
        }
        let response = request().header(header::ACCEPT, PERSON).send();
        let response = response.await.expect("a response");
        assert_eq!(response.status(), status, "{path}");
        let headers = response.headers().clone();
        let text = |name| headers.get(name).map(|value| value.to_str().expect("text"));
        assert_eq!(text(header::CONTENT_TYPE), Some("text/html; charset=utf-8"));
        assert_eq!(text(header::ALLOW), allow, "{path}");
        let varies = headers.get_all(header::VARY).iter();
        assert!(
            varies
                .into_iter()
                .any(|names| names.as_bytes().ends_with(b"Accept")),
            "{headers:?}"
        );
        let policy = text(header::CONTENT_SECURITY_POLICY).expect("a policy");
        assert!(policy.starts_with("default-src 'self'"), "{policy}");
        let page = response.text().await.expect("text");
        assert!(
            page.contains("<h1") && page.contains("<a href=\"/\">"),
            "{page}"
        );
    }
    a_hostile_address_is_not_repeated(&server).await;
}

async fn a_hostile_address_is_not_repeated(server: &Server) {
    let url = server.url("/<script>alert(1)</script>");
    let request = server.client.get(url).header(header::ACCEPT, PERSON);
    let page = request.send().await.expect("a response").text();
    let page = page.await.expect("text");
    assert!(!page.contains("alert"), "{page}");
}
