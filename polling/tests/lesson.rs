//! The promises of this lesson, checked over real sockets against the real binary. The first test is
//! the whole lesson as a short story.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a broken promise ends the test"
)]

use std::time::{Duration, Instant};

use reqwest::{Response, header};
use serde_json::{Value, json};
use testing::{Server, conformance, eventually, read_until};

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

/// Polls like a browser that has the version in `etag` already.
async fn poll(server: &Server, etag: &str) -> Response {
    let request = server
        .client
        .get(server.url("/users"))
        .header(header::IF_NONE_MATCH, etag);
    request.send().await.unwrap()
}

fn etag_of(response: &Response) -> String {
    response.headers()[header::ETAG]
        .to_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_client_gets_the_list_again_only_after_a_change() {
    let server = Server::start(BINARY, &[]);
    // Poll for the first time: the list comes, with an ETag for its version.
    let response = server.get("/users").await;
    assert_eq!(response.status(), 200);
    let first = etag_of(&response);
    // Poll again with the ETag: nothing has changed.
    assert_eq!(poll(&server, &first).await.status(), 304);
    // Add a user. The next poll gets the new list, with another ETag.
    server.add_user("李四").await;
    let response = poll(&server, &first).await;
    assert_eq!(response.status(), 200);
    let second = etag_of(&response);
    let snapshot: Value = response.json().await.unwrap();
    assert_eq!(snapshot["users"][2]["username"], "李四");
    // Poll with the new ETag: again nothing has changed.
    assert_eq!(poll(&server, &second).await.status(), 304);
}

#[tokio::test]
async fn the_first_poll_gets_the_list_and_its_etag() {
    let server = Server::start(BINARY, &[]);
    let response = server.get("/users").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
    let etag = etag_of(&response);
    let snapshot: Value = response.json().await.unwrap();
    assert_eq!(etag, format!("\"{}\"", snapshot["version"]));
    assert_eq!(snapshot["users"][0], json!({"id": 1, "username": "张三"}));
}

#[tokio::test]
async fn a_poll_with_the_latest_version_gets_304_without_a_body() {
    let server = Server::start(BINARY, &[]);
    let etag = etag_of(&server.get("/users").await);
    for known in [
        etag.clone(),
        format!("W/{etag}"),
        format!("\"1\", {etag}"),
        "*".to_owned(),
    ] {
        let response = poll(&server, &known).await;
        assert_eq!(response.status(), 304, "{known}");
        assert_eq!(etag_of(&response), etag);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
        assert!(response.bytes().await.unwrap().is_empty());
    }
    for other in ["\"1\"", "", "abc", "\"", "\u{e9}"] {
        assert_eq!(poll(&server, other).await.status(), 200, "{other:?}");
    }
}

/// One user is removed and another is added, so the number of users is the same as before. If a version
/// were only this number, a client would miss the change.
#[tokio::test]
async fn each_client_gets_a_change_with_its_next_poll() {
    let server = Server::start(BINARY, &[]);
    let etag = etag_of(&server.get("/users").await);
    server
        .client
        .delete(server.url("/users/1"))
        .send()
        .await
        .unwrap();
    server.add_user("李四").await;
    for client in 1..=2 {
        let response = poll(&server, &etag).await;
        assert_eq!(response.status(), 200, "client {client}");
        let snapshot: Value = response.json().await.unwrap();
        let names: Vec<_> = snapshot["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| &user["username"])
            .collect();
        assert_eq!(names, ["Alice", "李四"]);
    }
}

#[tokio::test]
async fn no_cache_may_store_the_time() {
    let server = Server::start(BINARY, &[]);
    let response = server.get("/clock").await;
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let body: Value = response.json().await.unwrap();
    let time = body["time"].as_str().unwrap();
    let digits = time.replace(|letter: char| letter.is_ascii_digit(), "0");
    assert_eq!(digits, "0000-00-00 00:00:00");
}

/// A new connection for each poll would cost more than the poll itself.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn polls_share_one_connection() {
    let server = Server::start(BINARY, &[]);
    let request = "GET /users HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut connection = server.send_raw(request).await;
    // The page polls every second. The connection must stay open for a little longer than that.
    let mut next_poll = tokio::time::interval(Duration::from_millis(1100));
    next_poll.tick().await;
    for _ in 0..2 {
        let response = read_until(&mut connection, |text| text.ends_with("]}")).await;
        assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
        next_poll.tick().await;
        assert_eq!(server.connections(), 1, "still open");
        tokio::io::AsyncWriteExt::write_all(&mut connection, request.as_bytes())
            .await
            .unwrap();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_that_disconnect_are_released_within_200_milliseconds() {
    let server = Server::start(BINARY, &[]);
    let mut clients = Vec::new();
    for _ in 0..100 {
        let request = "GET /users HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut client = server.send_raw(request).await;
        read_until(&mut client, |text| text.ends_with("]}")).await;
        clients.push(client);
    }
    assert_eq!(server.connections(), 100);
    drop(clients);
    let limit = Duration::from_millis(200);
    eventually("all are released", limit, || server.connections() == 0).await;
}

/// One client sends a thousand requests and reads no response. The server still responds to another
/// client within a second.
#[tokio::test]
async fn a_client_that_stops_reading_delays_nobody() {
    let server = Server::start(BINARY, &[]);
    for _ in 0..300 {
        server.add_user(&"三".repeat(32)).await;
    }
    let requests = "GET /users HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let _stalled = server.send_raw(&requests).await;
    for _ in 0..50 {
        let start = Instant::now();
        assert_eq!(server.get("/users").await.status(), 200);
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
    }
}

/// The same for all lessons: adding users, errors, limits, origins, flags, saving, stopping.
#[tokio::test]
async fn keeps_the_common_promises() {
    conformance::check_all(BINARY).await;
}
