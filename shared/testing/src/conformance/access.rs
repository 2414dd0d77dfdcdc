//! Access: the files that are served, the limits for other origins and other machines, and hostile names.

use reqwest::{Method, Response, header};
use serde_json::{Value, json};

use super::{JSON, Server, Target, add_probe, expect_error, send};
use crate::read_until;

/// Files of every page, and their content types.
const FILES: &[(&str, &str)] = &[
    ("/shared/style.css", "text/css; charset=utf-8"),
    ("/shared/icon.svg", "image/svg+xml"),
];

/// Paths of folders, hidden files and missing files.
const NO_FILES: &[&str] = &[
    "/static/",
    "/static",
    "/shared/",
    "/static/none.js",
    "/static/.gitignore",
];

/// Paths of files outside the folder. They are sent without an HTTP library, because a library would normalise them.
const ESCAPES: &[&str] = &[
    "/static/../Cargo.toml",
    "/static/%2e%2e/Cargo.toml",
    "/static/..%2fCargo.toml",
    "/static//etc/passwd",
    "/shared/%2e%2e/%2e%2e/Cargo.toml",
    "/static/%00",
    "/static/%ff",
];

pub(super) async fn files_are_served_and_folders_are_not_listed(target: Target) {
    let server = target.start(&[]);
    for (path, kind) in FILES.iter().chain(target.files) {
        let response = server.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_TYPE], *kind, "{path}");
        assert_eq!(
            headers[header::CACHE_CONTROL],
            "no-cache",
            "an edit shows on reload: {path}"
        );
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(headers[header::REFERRER_POLICY], "same-origin", "{path}");
        let policy = headers[header::CONTENT_SECURITY_POLICY]
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
        let response = read_until(&mut server.send_raw(&request).await, |_| false).await;
        let refused = response.starts_with("HTTP/1.1 404") || response.starts_with("HTTP/1.1 400");
        assert!(
            refused && response.contains(r#"{"error":""#),
            "{path}: {response}"
        );
    }
}

/// Returns origins that are not `own`. Some of them differ only a little.
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
    let similar = [
        own.replace("http:", "https:"),
        format!("{own}0"),
        format!("{own}/"),
    ];
    foreign
        .into_iter()
        .map(str::to_owned)
        .chain(similar)
        .collect()
}

pub(super) async fn another_site_may_not_change_anything(target: Target) {
    let server = target.start(&[]);
    let own = format!("http://{}", server.address());
    let evil = "http://evil.example";
    for foreign in foreign_origins(&own) {
        let response = send_from(&server, Method::POST, target.post, &foreign).await;
        expect_error(response, 403, &foreign).await;
    }
    for (method, path) in [(Method::POST, "/cut"), (Method::PUT, "/x")] {
        expect_error(send_from(&server, method, path, evil).await, 403, path).await;
    }
    let twice = send_upgrade(&server, Method::POST, target.post, &own, evil).await;
    expect_error(twice, 403, "two origins").await;
    let upgrade = send_upgrade(&server, Method::GET, "/", "null", "null").await;
    expect_error(upgrade, 403, "a foreign WebSocket").await;
    let response = send_from(&server, Method::POST, target.post, &own).await;
    assert_ne!(response.status(), 403, "the server's own page");
}

pub(super) async fn another_site_changes_nothing(binary: &str) {
    let server = Server::start(binary, &[]);
    for foreign in foreign_origins(&format!("http://{}", server.address())) {
        send_from(&server, Method::POST, "/users", &foreign).await;
        let response = send_from(&server, Method::DELETE, "/users/1", &foreign).await;
        expect_error(response, 403, &foreign).await;
    }
    assert_eq!(add_probe(&server).await, 3, "nothing of that added a user");
}

pub(super) async fn a_site_that_a_flag_allows_may_change_things(target: Target) {
    let allow = [
        "--allow-origin",
        "https://friend.example",
        "--allow-origin",
        "http://a.example:1",
    ];
    let server = target.start(&allow);
    for friend in [
        "https://friend.example",
        "http://a.example:1",
        "HTTP://A.example:1",
    ] {
        let response = send_from(&server, Method::POST, target.post, friend).await;
        assert_ne!(response.status(), 403, "{friend}");
    }
    // Before a page of another origin may POST JSON, the browser sends a preflight.
    let preflight = server
        .client
        .request(Method::OPTIONS, server.url(target.post));
    let preflight = preflight.header(header::ORIGIN, "https://friend.example");
    let preflight = preflight.header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
    let preflight = preflight.header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type");
    let response = preflight.send().await.expect("a response");
    let headers = response.headers();
    assert_eq!(
        headers[header::ACCESS_CONTROL_ALLOW_ORIGIN],
        "https://friend.example"
    );
    let methods = headers[header::ACCESS_CONTROL_ALLOW_METHODS].to_str();
    assert!(methods.expect("text").contains("POST"));
    for foreign in foreign_origins(&format!("http://{}", server.address())) {
        let response = send_from(&server, Method::POST, target.post, &foreign).await;
        expect_error(response, 403, &foreign).await;
    }
}

/// A page that came without TLS may have been changed on its way, although its host is the server's own.
pub(super) async fn behind_tls_only_the_page_that_came_over_tls_is_the_own_one(target: Target) {
    let server = target.start(&[]);
    let plain = format!("http://{}", server.address());
    let over_tls = plain.replace("http:", "https:");
    for (origin, is_own) in [
        (&*over_tls, true),
        (&*plain, false),
        ("https://evil.example", false),
    ] {
        let request = server.client.post(server.url(target.post));
        let request = request
            .header(header::ORIGIN, origin)
            .header("X-Forwarded-Proto", "https");
        let response = request.json(&json!({})).send().await.expect("a response");
        if is_own {
            assert_ne!(response.status(), 403, "{origin}");
        } else {
            expect_error(response, 403, origin).await;
        }
    }
}

/// Sends a request with two origins and an upgrade. No browser sends such a request.
async fn send_upgrade(
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
    request.send().await.expect("a response")
}

/// Sends a request as a page of `origin` could.
async fn send_from(server: &Server, method: Method, path: &str, origin: &str) -> Response {
    let request = server
        .client
        .request(method, server.url(path))
        .header(header::ORIGIN, origin);
    request
        .json(&json!({"username": "Mallory"}))
        .send()
        .await
        .expect("a response")
}

pub(super) async fn a_hostile_name_is_only_text(binary: &str) {
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
    assert_eq!(user["username"], name, "stored as it was typed");
    let page = server.get("/").await.text().await.expect("text");
    assert!(!page.contains(name), "the page's HTML holds no names");

    let request = format!("GET / HTTP/1.1\r\nHost: \"><{name}\r\nConnection: close\r\n\r\n");
    let page = read_until(&mut server.send_raw(&request).await, |_| false).await;
    assert!(
        page.contains("</html>") && !page.contains(name),
        "nor a hostile host"
    );
}

pub(super) async fn only_the_local_machine_may_cut(target: Target) {
    let cut = |server: &Server| {
        let url = format!("http://127.0.0.1:{}/cut", server.address().port());
        server.client.post(url).send()
    };
    let local = target.start(&[]);
    assert_eq!(cut(&local).await.expect("a response").status(), 204);
    for header in ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Proto"] {
        let through_proxy = local.client.post(local.url("/cut"));
        let through_proxy = through_proxy.header(header, "203.0.113.9").send();
        let response = through_proxy.await.expect("a response");
        expect_error(response, 403, header).await;
    }
    let switched_off = target.start(&["--no-cut"]);
    let response = cut(&switched_off).await.expect("a response");
    expect_error(response, 403, "--no-cut").await;
    let public = target.start(&["--host", "0.0.0.0"]);
    expect_error(
        cut(&public).await.expect("a response"),
        403,
        "POST /cut, open to others",
    )
    .await;
}

/// The page contains the length of the headers of its request, for the wire, but not the headers themselves.
pub(super) async fn the_page_contains_no_secret_of_its_request(binary: &str) {
    let server = Server::start(binary, &[]);
    let request = server.client.get(server.url("/"));
    let request = request
        .header("Authorization", "Bearer t0ken")
        .header("X-Api-Key", "k3y")
        .header("User-Agent", "a \"quoted\" <b>");
    let with_cookie = request.try_clone().expect("a request without a body");
    let mut lengths = Vec::new();
    for request in [request, with_cookie.header("Cookie", "login=c00kie")] {
        let page = request.send().await.expect("a response").text().await;
        let page = page.expect("text");
        for secret in ["c00kie", "t0ken", "k3y", "quoted"] {
            assert!(!page.contains(secret), "{secret}");
        }
        let (_, length) = page.split_once("&#34;every&#34;:").expect("a length");
        let digits = length.split(|letter: char| !letter.is_ascii_digit()).next();
        lengths.push(digits.and_then(|digits| digits.parse().ok()).unwrap_or(0));
    }
    let cookie = "Cookie: login=c00kie\r\n".len();
    assert_eq!(lengths[1], lengths[0] + cookie, "the cookie counts");
}

/// The page reduced to its timeline may be shown in a frame by the pages of allowed origins, and the whole page by none.
pub(super) async fn only_allowed_sites_may_frame_the_timeline(binary: &str) {
    const ORIGIN: &str = "http://127.0.0.1:9";
    for (flags, ancestors) in [
        (&[][..], "'self'".to_owned()),
        (&["--allow-origin", ORIGIN][..], format!("'self' {ORIGIN}")),
    ] {
        let server = Server::start(binary, flags);
        for (path, ancestors) in [("/", "'self'"), ("/?view=timeline", &*ancestors)] {
            let response = server.get(path).await;
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str();
            let policy = policy.expect("text");
            assert!(
                policy.contains(&format!("frame-ancestors {ancestors};")),
                "{path}: {policy}"
            );
            assert!(policy.starts_with("default-src 'self';"), "{policy}");
        }
    }
}
