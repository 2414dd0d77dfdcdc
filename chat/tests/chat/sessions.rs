//! Tests of names, tokens and cookies over HTTP.

use reqwest::header;
use serde_json::{Value, json};
use testing::{Server, Signal};

use crate::client::{BINARY, LOBBY, Person, Socket, database, expect_error, start, take_name};

#[tokio::test]
async fn only_the_token_gets_a_name_that_is_taken() {
    let server = start(&[]);
    let ann = Person::join(&server, "Ann").await;
    expect_error(take_name(&server, " aNN ", None).await, 409, "no token").await;
    let bob = Person::join(&server, "Bob").await;
    let stolen = take_name(&server, "Ann", Some(&bob.token)).await;
    expect_error(stolen, 409, "the token of another user").await;
    let back = take_name(&server, "ANN", Some(&ann.token)).await;
    assert_eq!(back.status(), 200);
    let back: Value = back.json().await.unwrap();
    assert_eq!(back, json!({ "name": "Ann", "token": ann.token }));
}

/// A browser refuses a cookie that is `Secure` if it comes without TLS, so the server may not always add it.
#[tokio::test]
async fn the_cookie_is_secure_if_the_page_came_over_tls() {
    let server = start(&[]);
    let request = |scheme: &str| {
        let request = server.client.post(server.url("/session"));
        let request = request.header("X-Forwarded-Proto", scheme);
        request.json(&json!({ "name": scheme })).send()
    };
    for (scheme, is_secure) in [("https", true), ("http", false)] {
        let response = request(scheme).await.unwrap();
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        assert_eq!(cookie.contains("; Secure"), is_secure, "{cookie}");
    }
    let response = take_name(&server, "Ann", None).await;
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(!cookie.contains("Secure"), "without a proxy: {cookie}");
}

#[tokio::test]
async fn the_cookie_works_like_the_token_for_this_site_only() {
    let server = start(&[]);
    let response = take_name(&server, "张三", None).await;
    let cookie = response.headers()[header::SET_COOKIE]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let session: Value = response.json().await.unwrap();
    let (pair, _) = cookie.split_once(';').unwrap();
    assert_eq!(
        pair,
        format!("chat-session={}", session["token"].as_str().unwrap())
    );

    let path = server.url(&format!("{LOBBY}/messages?wait=0"));
    let get = || server.client.get(&path);
    let with_cookie = get().header(header::COOKIE, format!("login=x; {pair}"));
    assert_eq!(with_cookie.send().await.unwrap().status(), 200);
    for bad in [
        get(),
        get().header(header::COOKIE, "chat-session=0"),
        get().bearer_auth("0").header(header::COOKIE, pair),
        get().header(header::AUTHORIZATION, "Basic eDp5"),
    ] {
        let response = bad.send().await.unwrap();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
        expect_error(response, 401, "no session").await;
    }
}

#[tokio::test]
async fn every_route_of_a_room_needs_a_session() {
    let server = start(&[]);
    for path in [
        "ws",
        "events",
        "messages",
        "messages?after=0",
        "messages?before=9",
    ] {
        expect_error(server.get(&format!("{LOBBY}/{path}")).await, 401, path).await;
    }
    let nobody = Person {
        token: "none".into(),
    };
    let body = json!({ "key": "k", "text": "x" });
    for path in ["messages", "typing"] {
        let response = nobody
            .post(&server, &format!("{LOBBY}/{path}"), &body)
            .await;
        expect_error(response, 401, path).await;
    }
    assert!(
        Socket::try_open(&server, &nobody, &format!("{LOBBY}/ws"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_restart_keeps_names_and_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--database", &database(&folder)];
    let server = Server::start(BINARY, &flags);
    let ann = Person::join(&server, "Ann").await;
    server.signal(Signal::KILL);
    assert_eq!(server.wait().code, None);

    let server = Server::start(BINARY, &flags);
    expect_error(take_name(&server, "ann", None).await, 409, "still taken").await;
    ann.post_text(&server, "still me", None).await;
    assert_eq!(
        take_name(&server, "Ann", Some(&ann.token)).await.status(),
        200
    );
}

/// The scheme may be in upper or lower case (RFC 9110 §11.1). `Last-Event-ID` is empty if there was no event yet.
#[tokio::test]
async fn headers_mean_what_their_standards_say() {
    let server = start(&[]);
    let ann = Person::join(&server, "Ann").await;
    let poll = server.url(&format!("{LOBBY}/messages?wait=0"));
    for (scheme, status) in [("bearer", 200), ("BEARER", 200), ("Basic", 401)] {
        let request = server.client.get(&poll).header("Last-Event-ID", "");
        let request = request.header("Authorization", format!("{scheme} {}", ann.token));
        assert_eq!(request.send().await.unwrap().status(), status, "{scheme}");
    }
}
