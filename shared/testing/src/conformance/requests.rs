//! Valid and invalid requests to the common routes.

use std::{ffi::OsStr, path::Path};

use futures_util::future::join_all;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, time::timeout};

use super::{JSON, Server, Target, add_probe, expect_error, send};
use crate::{TEST_TIMEOUT, eventually, read_until};
use shared::catalog::LESSONS;

pub(super) async fn users_are_added_and_removed(binary: &str) {
    let server = Server::start(binary, &[]);
    let kind = "application/json; charset=utf-8";
    let response = send(
        &server,
        Method::POST,
        "/users",
        kind,
        r#"{"username":" 李四 "}"#,
    )
    .await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()[header::LOCATION], "/users/3");
    let user: Value = response.json().await.expect("JSON");
    assert_eq!(user, json!({"id": 3, "username": "李四"}), "trimmed");

    let remove = || server.client.delete(server.url("/users/3")).send();
    let response = remove().await.expect("a response");
    assert_eq!(response.status(), 204);
    expect_error(
        remove().await.expect("a response"),
        404,
        "DELETE /users/3 again",
    )
    .await;
    assert_eq!(add_probe(&server).await, 4, "an id is never used again");
}

/// Bodies of `POST /users` that are refused: content type, body and status.
const BAD_BODIES: &[(&str, &str, u16)] = &[
    (JSON, "", 400),
    (JSON, "{", 400),
    (JSON, "\u{feff}{}", 400),
    (JSON, "[]", 400),
    (JSON, r#"["Bob"]"#, 400),
    (JSON, "null", 400),
    (JSON, "{}", 400),
    (JSON, r#"{"username":7}"#, 400),
    (JSON, r#"{"username":null}"#, 400),
    (JSON, r#"{"name":"Bob"}"#, 400),
    (JSON, r#"{"username":"Bob","admin":true}"#, 400),
    (JSON, r#"{"username":"Ann","username":"Bob"}"#, 400),
    (JSON, r#"{"username":"\ud800"}"#, 400),
    (JSON, r#"{"username":""}"#, 422),
    (JSON, r#"{"username":" \t "}"#, 422),
    (JSON, r#"{"username":"a\nb"}"#, 422),
    (JSON, r#"{"username":"a\u0000b"}"#, 422),
    (
        JSON,
        r#"{"username":"three and thirty characters long."}"#,
        422,
    ),
    ("text/plain", r#"{"username":"Bob"}"#, 415),
    ("application/x-www-form-urlencoded", "username=Bob", 415),
    ("", r#"{"username":"Bob"}"#, 415),
];

/// Requests that no route accepts: method, path, status and the value of `Allow`.
const BAD_ADDRESSES: &[(&str, &str, u16, Option<&str>)] = &[
    ("GET", "/nowhere", 404, None),
    ("POST", "/nowhere", 404, None),
    ("GET", "/users/", 404, None),
    ("DELETE", "/users/99", 404, None),
    ("DELETE", "/users/abc", 400, None),
    ("DELETE", "/users/-1", 400, None),
    ("DELETE", "/users/+1", 400, None),
    ("DELETE", "/users/99999999999999999999", 400, None),
    ("PUT", "/users", 405, Some("GET, HEAD, POST")),
    ("GET", "/users/1", 405, Some("DELETE")),
    ("POST", "/clock", 405, Some("GET, HEAD")),
    ("DELETE", "/", 405, Some("GET, HEAD")),
    ("GET", "/cut", 405, Some("POST")),
    ("PUT", "/static/client.js", 405, Some("GET, HEAD")),
    ("OPTIONS", "/users", 405, Some("GET, HEAD, POST")),
    ("FROBNICATE", "/users", 405, Some("GET, HEAD, POST")),
];

pub(super) async fn bad_input_gets_a_clear_error(binary: &str) {
    let server = Server::start(binary, &[]);
    for (kind, body, status) in BAD_BODIES {
        let response = send(&server, Method::POST, "/users", kind, body).await;
        expect_error(response, *status, &format!("{kind}: {body}")).await;
    }
    for (method, path, status, allow) in BAD_ADDRESSES {
        let request = format!("{method} {path}");
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let response = send(&server, method, path, JSON, "{}").await;
        let allowed = response.headers().get(header::ALLOW);
        assert_eq!(
            allowed.map(|allow| allow.to_str().expect("text")),
            *allow,
            "{request}"
        );
        expect_error(response, *status, &request).await;
    }
    assert_eq!(add_probe(&server).await, 3, "nothing of that added a user");
}

pub(super) async fn a_healthy_server_says_so(target: Target) {
    let server = target.start(&[]);
    let response = server.client.get(server.url("/health")).send().await;
    let response = response.expect("a response");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let body: Value = response.json().await.expect("JSON");
    assert_eq!(body, json!({ "status": "ok" }));
}

pub(super) async fn a_large_or_incomplete_body_changes_nothing(binary: &str) {
    let server = Server::start(binary, &[]);
    let body = format!(r#"{{"username":"Bob"{}}}"#, " ".repeat(4096));
    let response = send(&server, Method::POST, "/users", JSON, &body).await;
    expect_error(response, 413, "5 KB with a length").await;

    let headers = "POST /users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let chunks = format!("Transfer-Encoding: chunked\r\n\r\n1012\r\n{body}");
    let mut connection = server.send_raw(&format!("{headers}{chunks}")).await;
    let response = read_until(&mut connection, |text| text.contains("\r\n\r\n")).await;
    assert!(
        response.starts_with("HTTP/1.1 413"),
        "5 KB in chunks without an end: {response}"
    );

    let huge = format!("{headers}Content-Length: 10000000000\r\n\r\n{{");
    let mut connection = server.send_raw(&huge).await;
    let response = read_until(&mut connection, |text| text.contains("\r\n\r\n")).await;
    assert!(
        response.starts_with("HTTP/1.1 413"),
        "10 GB announced: {response}"
    );

    let before = server.connections();
    let incomplete = format!("{headers}Content-Length: 100\r\n\r\n{{\"username\":\"Bob\"}}");
    drop(server.send_raw(&incomplete).await);
    eventually("an incomplete request is dropped", TEST_TIMEOUT, || {
        server.connections() <= before
    })
    .await;

    let garbage = "\u{1}\u{2}\u{3} / HTTP/9.9\r\n\r\n";
    let response = read_until(&mut server.send_raw(garbage).await, |_| false).await;
    assert!(
        response.starts_with("HTTP/1.1 400") || response.is_empty(),
        "{response}"
    );
    assert_eq!(add_probe(&server).await, 3, "nothing of that added a user");
}

pub(super) async fn a_full_list_refuses_another_user(binary: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("users.json");
    let user = |id| json!({"id": id, "username": format!("user {id}")});
    let users: Vec<_> = (1..1000).map(user).collect();
    std::fs::write(&file, json!({"users": users}).to_string()).expect("a file");
    let server = Server::start(binary, &["--users", file.to_str().expect("UTF-8")]);
    assert_eq!(server.add_user("the last that fits").await, 1000);
    let user = r#"{"username":"one too many"}"#;
    let response = send(&server, Method::POST, "/users", JSON, user).await;
    expect_error(response, 409, "the 1,001st user").await;
    let removing = server.client.delete(server.url("/users/500")).send();
    assert_eq!(removing.await.expect("a response").status(), 204);
    assert_eq!(server.add_user("now there is room").await, 1001);
}

pub(super) async fn head_is_get_without_a_body(target: Target) {
    let server = target.start(&[]);
    let page = server.get("/").await;
    let head = server
        .client
        .head(server.url("/"))
        .send()
        .await
        .expect("a response");
    assert_eq!(head.status(), 200);
    assert_eq!(
        head.headers()[header::CONTENT_LENGTH],
        page.headers()[header::CONTENT_LENGTH]
    );
}

/// The response to HEAD ends, and the next request on the connection gets its response.
pub(super) async fn head_of_a_stream_ends(binary: &str) {
    let server = Server::start(binary, &[]);
    let requests = "HEAD /users HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut connection = server.send_raw(requests).await;
    read_until(&mut connection, |text| text.contains("</html>")).await;
}

/// A student's copy of a lesson is not in the catalog, so its page shows no command.
pub(super) async fn the_page_shows_a_curl_command_if_it_works(binary: &str) {
    let server = Server::start(binary, &[]);
    let page = server.get("/").await.text().await.expect("text");
    let shown = page.contains(&format!("curl -iN {}", server.url("/users")));
    let works = server.get("/users").await.status() == StatusCode::OK;
    let name = Path::new(binary).file_name();
    let known = LESSONS
        .iter()
        .any(|lesson| name == Some(OsStr::new(lesson.name)));
    assert_eq!(shown, works && known, "{page}");
}

pub(super) async fn a_thousand_concurrent_requests_all_get_a_response(target: Target) {
    let server = target.start(&[]);
    let requests: Vec<_> = (0..1000)
        .map(|_| tokio::spawn(server.client.get(server.url("/shared/icon.svg")).send()))
        .collect();
    for response in requests {
        assert_eq!(
            response
                .await
                .expect("no panic")
                .expect("a response")
                .status(),
            StatusCode::OK
        );
    }
}

pub(super) async fn an_http_1_0_client_gets_no_chunks(target: Target) {
    let server = target.start(&["--heartbeat", "0.05"]);
    for path in target.pages {
        let mut connection = server
            .send_raw(&format!("GET {path} HTTP/1.0\r\n\r\n"))
            .await;
        let has_body = |text: &str| {
            text.split_once("\r\n\r\n")
                .is_some_and(|(_, body)| !body.is_empty())
        };
        let response = read_until(&mut connection, has_body).await;
        assert!(
            !response.contains("transfer-encoding"),
            "{path}: {response}"
        );
    }
}

/// Returns the headers of a request whose body arrives in chunks.
fn chunked_headers(method: &str, path: &str) -> String {
    let json = "Content-Type: application/json\r\nTransfer-Encoding: chunked";
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{json}\r\n\r\n")
}

/// The client sends chunks until the server closes the connection.
pub(super) async fn an_endless_body_is_not_read_for_ever(target: Target) {
    let server = target.start(&[]);
    let post = target.post;
    let mut requests = vec![("POST", post), ("POST", "/nowhere"), ("POST", "/cut")];
    requests.extend(target.pages.iter().map(|page| ("GET", *page)));
    let sending = requests.into_iter().map(async |(method, path)| {
        let mut connection = server.send_raw(&chunked_headers(method, path)).await;
        let chunks = "3\r\nabc\r\n".repeat(1000);
        let sending = async { while connection.write_all(chunks.as_bytes()).await.is_ok() {} };
        let ended = timeout(TEST_TIMEOUT, sending).await;
        assert!(ended.is_ok(), "{method} {path}: the server reads on");
    });
    join_all(sending).await;
}

/// The tempting wrong answer closes the connection after every body in chunks.
pub(super) async fn a_complete_chunked_body_leaves_the_connection_open(target: Target) {
    let server = target.start(&[]);
    let request = chunked_headers("POST", target.post) + "2\r\n{}\r\n0\r\n\r\n";
    let mut connection = server.send_raw(&request).await;
    let response = read_until(&mut connection, |text| text.ends_with('}')).await;
    assert!(response.starts_with("HTTP/1.1 400"), "{response}");
    let next = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
    let written = connection.write_all(next).await;
    written.expect("an open connection");
    let response = read_until(&mut connection, |text| text.ends_with("\r\n\r\n")).await;
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}

/// The client sends an incomplete body, waits for the response, and does not close the connection. The server must
/// close it.
pub(super) async fn an_unread_body_does_not_keep_its_connection(target: Target) {
    let server = target.start(&[]);
    let length = "Content-Length: 10000000000\r\n\r\n{";
    let chunks = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let requests = [
        ("GET", "/", length),
        ("GET", "/", chunks),
        ("GET", target.post, chunks),
        ("POST", target.post, length),
        ("POST", target.post, chunks),
        ("POST", "/nowhere", chunks),
        ("POST", "/cut", chunks),
    ];
    let sending = requests.map(async |(method, path, body)| {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{body}");
        let mut connection = server.send_raw(&request).await;
        let response = read_until(&mut connection, |_| false).await;
        let status = if method == "GET" {
            "HTTP/1.1 400 "
        } else {
            "HTTP/1.1 "
        };
        assert!(response.starts_with(status), "{request}: {response}");
    });
    join_all(sending).await;
}
