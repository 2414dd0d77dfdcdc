//! Who may do what: files, foreign sites, hostile names, the own machine.

use reqwest::{Method, Response, header};
use serde_json::{Value, json};

use super::{JSON, Server, Subject, add_probe, expect_error, send};
use crate::read_until;

/// Files of every page.
const FILES: &[(&str, &str)] = &[
    ("/shared/style.css", "text/css; charset=utf-8"),
    ("/shared/icon.svg", "image/svg+xml"),
];

/// Folders, hidden files and files that are not there.
const NO_FILES: &[&str] = &[
    "/static/",
    "/static",
    "/shared/",
    "/static/none.js",
    "/static/.gitignore",
];

/// Ways out of the folder, which an HTTP library would tidy up before it sends them.
const ESCAPES: &[&str] = &[
    "/static/../Cargo.toml",
    "/static/%2e%2e/Cargo.toml",
    "/static/..%2fCargo.toml",
    "/static//etc/passwd",
    "/shared/%2e%2e/%2e%2e/Cargo.toml",
    "/static/%00",
    "/static/%ff",
];

pub(super) async fn files_are_served_and_folders_are_not_listed(subject: Subject) {
    let server = subject.start(&[]);
    for (path, kind) in FILES.iter().chain(subject.files) {
        let response = server.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let head = response.headers();
        assert_eq!(head[header::CONTENT_TYPE], *kind, "{path}");
        assert_eq!(
            head[header::CACHE_CONTROL],
            "no-cache",
            "an edit shows on reload: {path}"
        );
        assert_eq!(head[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(head[header::REFERRER_POLICY], "same-origin", "{path}");
        let policy = head[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .expect("text");
        assert!(
            policy.starts_with("default-src 'self'") && policy.contains("frame-ancestors 'self'"),
            "{policy}"
        );
    }
    for path in NO_FILES {
        let response = server.get(path).await;
        let status = response.status().as_u16();
        assert!(status == 404 || status == 400, "{path}: {status}");
        expect_error(response, status, path).await;
    }
    for path in ESCAPES {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = read_until(&mut server.send_raw(&request).await, |_| false).await;
        let refused = answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400");
        assert!(
            refused && answer.contains(r#"{"error":""#),
            "{path}: {answer}"
        );
    }
}

/// Origins that are not `own`, however much they look like it.
fn foreign_origins(own: &str) -> Vec<String> {
    let foreign = [
        "http://evil.example",
        "null",
        "",
        "file://",
        "http://127.0.0.1",
        "https://friend.example.evil.example",
        "http://friend.example",
        "http://a.example",
    ];
    let alike = [
        own.replace("http:", "https:"),
        format!("{own}0"),
        format!("{own}/"),
    ];
    foreign
        .into_iter()
        .map(str::to_owned)
        .chain(alike)
        .collect()
}

pub(super) async fn another_site_may_not_change_anything(subject: Subject) {
    let server = subject.start(&[]);
    let own = format!("http://{}", server.address());
    let evil = "http://evil.example";
    for foreign in foreign_origins(&own) {
        let response = mallory(&server, Method::POST, subject.post, &foreign).await;
        expect_error(response, 403, &foreign).await;
    }
    for (method, path) in [(Method::POST, "/cut"), (Method::PUT, "/x")] {
        expect_error(mallory(&server, method, path, evil).await, 403, path).await;
    }
    let twice = unusual(&server, Method::POST, subject.post, &own, evil).await;
    expect_error(twice, 403, "two origins").await;
    let upgrade = unusual(&server, Method::GET, "/", "null", "null").await;
    expect_error(upgrade, 403, "a foreign WebSocket").await;
    let response = mallory(&server, Method::POST, subject.post, &own).await;
    assert_ne!(response.status(), 403, "the own page");
}

pub(super) async fn another_site_changes_nothing(binary: &str) {
    let server = Server::start(binary, &[]);
    for foreign in foreign_origins(&format!("http://{}", server.address())) {
        mallory(&server, Method::POST, "/users", &foreign).await;
        let response = mallory(&server, Method::DELETE, "/users/1", &foreign).await;
        expect_error(response, 403, &foreign).await;
    }
    assert_eq!(add_probe(&server).await, 3, "nothing of that added a user");
}

pub(super) async fn another_site_may_if_a_flag_says_so(subject: Subject) {
    let allow = [
        "--allow-origin",
        "https://friend.example",
        "--allow-origin",
        "http://a.example:1",
    ];
    let server = subject.start(&allow);
    for friend in [
        "https://friend.example",
        "http://a.example:1",
        "HTTP://A.example:1",
    ] {
        let response = mallory(&server, Method::POST, subject.post, friend).await;
        assert_ne!(response.status(), 403, "{friend}");
    }
    // Before a POST of JSON or a DELETE a browser asks whether the page may.
    let preflight = server
        .client
        .request(Method::OPTIONS, server.url(subject.post));
    let preflight = preflight.header(header::ORIGIN, "https://friend.example");
    let preflight = preflight.header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
    let preflight = preflight.header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type");
    let head = preflight.send().await.expect("an answer").headers().clone();
    assert_eq!(
        head[header::ACCESS_CONTROL_ALLOW_ORIGIN],
        "https://friend.example"
    );
    assert!(
        head[header::ACCESS_CONTROL_ALLOW_METHODS]
            .to_str()
            .expect("text")
            .contains("POST")
    );
    for foreign in foreign_origins(&format!("http://{}", server.address())) {
        let response = mallory(&server, Method::POST, subject.post, &foreign).await;
        expect_error(response, 403, &foreign).await;
    }
}

/// A request that no well-behaved page sends: with two origins, and with an upgrade.
async fn unusual(
    server: &Server,
    method: Method,
    path: &str,
    first: &str,
    second: &str,
) -> Response {
    let mut request = server.client.request(method, server.url(path));
    for origin in [first, second] {
        request = request.header(header::ORIGIN, origin);
    }
    let request = request.header(header::UPGRADE, "websocket");
    request.send().await.expect("an answer")
}

/// What a page of `origin` could send.
async fn mallory(server: &Server, method: Method, path: &str, origin: &str) -> Response {
    let request = server
        .client
        .request(method, server.url(path))
        .header(header::ORIGIN, origin);
    request
        .json(&json!({"username": "Mallory"}))
        .send()
        .await
        .expect("an answer")
}

pub(super) async fn a_hostile_name_stays_data(binary: &str) {
    let server = Server::start(binary, &[]);
    let name = "<script>alert(1)</script>";
    let body = json!({"username": name}).to_string();
    let response = send(&server, Method::POST, "/users", JSON, &body).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], JSON);
    assert_eq!(
        response.headers()[header::X_CONTENT_TYPE_OPTIONS],
        "nosniff"
    );
    let user: Value = response.json().await.expect("JSON");
    assert_eq!(user["username"], name, "kept as it was typed");
    let page = server.get("/").await.text().await.expect("text");
    assert!(!page.contains(name), "the page's HTML holds no names");

    let request = format!("GET / HTTP/1.1\r\nHost: \"><{name}\r\nConnection: close\r\n\r\n");
    let page = read_until(&mut server.send_raw(&request).await, |_| false).await;
    assert!(
        page.contains("</html>") && !page.contains(name),
        "nor the host that was asked for"
    );
}

pub(super) async fn only_the_own_machine_may_cut(subject: Subject) {
    let cut = |server: &Server| {
        let url = format!("http://127.0.0.1:{}/cut", server.address().port());
        server.client.post(url).send()
    };
    let local = subject.start(&[]);
    assert_eq!(cut(&local).await.expect("an answer").status(), 204);
    let public = subject.start(&["--host", "0.0.0.0"]);
    expect_error(
        cut(&public).await.expect("an answer"),
        403,
        "POST /cut, open to others",
    )
    .await;
}

/// The page tells its scripts what the browser has sent, for the wire. What else came may be a secret.
pub(super) async fn the_page_gives_no_secret_away(binary: &str) {
    let server = Server::start(binary, &[]);
    let request = server.client.get(server.url("/"));
    let request = request
        .header("Cookie", "login=c00kie")
        .header("Authorization", "Bearer t0ken")
        .header("X-Api-Key", "k3y")
        .header("User-Agent", "a \"quoted\" <b>");
    let page = request.send().await.expect("an answer").text().await;
    let page = page.expect("text");
    for secret in ["c00kie", "t0ken", "k3y", "<b>\""] {
        assert!(!page.contains(secret), "{secret}");
    }
    assert!(
        page.contains("cookie: ************\n"),
        "its length is there"
    );
    assert!(page.contains("user-agent: a &#34;quoted&#34; &#60;b&#62;"));
}
