//! What must not get lost in the proxy, as it is on the wire.

use reqwest::StatusCode;
use serde_json::json;
use testing::Server;
use testing::redis::Redis;

use super::{Proxy, start_chat};

/// How many names one address may take at once: one, and the `burst` of the file.
const NAMES: usize = 31;

/// The headers of a WebSocket handshake (RFC 6455 §1.2).
const HANDSHAKE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

fn start() -> (Redis, Vec<Server>, Proxy) {
    let redis = Redis::start();
    let chats: Vec<_> = (0..3).map(|_| start_chat(0, &redis)).collect();
    let proxy = Proxy::start(&[], &chats);
    (redis, chats, proxy)
}

#[tokio::test]
#[ignore = "needs nginx and redis-server"]
async fn only_the_own_page_over_tls_may_change_anything_and_its_cookie_is_secure() {
    let (_redis, _chats, proxy) = start();
    let own = proxy.url("localhost", 6);
    let own = own.trim_end_matches('/');
    for foreign in [
        "https://evil.example",
        "null",
        &own.replace("https:", "http:"),
    ] {
        let origin = format!("Origin: {foreign}");
        let body = r#"{"name":"Eve"}"#;
        let head = proxy.head(6, "POST /session", &[&origin], body).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{foreign}: {head}");
        let headers = [&HANDSHAKE[..], &[&origin]].concat();
        let head = proxy.head(6, "GET /rooms/lobby/ws", &headers, "").await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{foreign}: {head}");
    }
    let origin = format!("Origin: {own}");
    // To the server, every client seems to be on its own machine now.
    let head = proxy.head(6, "POST /cut", &[&origin], "").await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    let body = r#"{"name":"Ann"}"#;
    let head = proxy.head(6, "POST /session", &[&origin], body).await;
    assert!(head.starts_with("HTTP/1.1 201 "), "{head}");
    let cookie = head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.expect("a cookie");
    assert!(cookie.contains("; Secure"), "{cookie}");
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    let headers = [&HANDSHAKE[..], &[&origin, &cookie]].concat();
    let head = proxy.head(6, "GET /rooms/lobby/ws", &headers, "").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
}

#[tokio::test]
#[ignore = "needs nginx and redis-server"]
async fn one_address_cannot_take_all_names() {
    let (_redis, chats, proxy) = start();
    let client = &chats[0].client;
    let url = format!("http://{}/session", proxy.plain_address());
    let take = async |number: usize| {
        let name = json!({ "name": format!("name {number}") });
        let response = client.post(&url).json(&name).send().await;
        response.unwrap().status()
    };
    for number in 0..NAMES {
        assert_eq!(take(number).await, StatusCode::CREATED, "{number}");
    }
    // While these were sent, some seconds may have passed, and each allows one more.
    let mut number = NAMES;
    let refused = loop {
        match take(number).await {
            StatusCode::CREATED => number += 1,
            status => break status,
        }
        assert!(number < 2 * NAMES, "no limit");
    };
    assert_eq!(refused, StatusCode::TOO_MANY_REQUESTS);
    let page = client.get(url.replace("session", "")).send().await;
    assert_eq!(page.unwrap().status(), StatusCode::OK, "the page itself");
}
