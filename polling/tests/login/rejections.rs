//! Requests that are rejected and must change nothing.

use std::time::{Duration, Instant};

use reqwest::{Method, header};
use serde_json::json;
use testing::{Server, TEST_TIMEOUT, run};

use super::{BINARY, Client, is_error, status};

#[tokio::test]
async fn another_browser_does_not_get_the_outcome() {
    let server = Server::start(BINARY, &[]);
    let (mut browser, mut other) = (Client::new(&server), Client::new(&server));
    let path = browser.new_path().await;
    let other_path = other.new_path().await;
    let phone = Client::that_scanned(&server, &path).await;
    phone.confirm(&path, "Alice").await;
    let own_id = format!("login={}", &path[7..]);
    for cookie in [&other.cookie, "", "login=", "login=\"", &own_id] {
        let thief = Client {
            server: &server,
            cookie: cookie.into(),
        };
        is_error(thief.get(&path).await, 404, cookie).await;
    }
    is_error(browser.get(&other_path).await, 404, "the other's").await;
    assert_eq!(browser.poll(&path).await["username"], "Alice");
}

#[tokio::test]
async fn a_ticket_is_not_confirmed_before_it_is_scanned() {
    let server = Server::start(BINARY, &[]);
    let mut browser = Client::new(&server);
    let path = browser.new_path().await;
    let early = Client::new(&server).confirm(&path, "Eve").await;
    is_error(early, 409, "not scanned").await;
    assert_eq!(browser.poll(&path).await, status("waiting"));
    let mut phone = Client::that_scanned(&server, &path).await;
    // The page of the phone may be reloaded.
    assert_eq!(phone.post(&format!("{path}/scan")).await.status(), 204);
    assert_eq!(phone.confirm(&path, "Alice").await.status(), 204);
}

#[tokio::test]
async fn a_refused_login_stays_refused() {
    let server = Server::start(BINARY, &[]);
    let mut browser = Client::new(&server);
    let (unscanned, path) = (browser.new_path().await, browser.new_path().await);
    let mut phone = Client::that_scanned(&server, &path).await;
    let responses = [
        Client::new(&server)
            .post(&format!("{unscanned}/refuse"))
            .await,
        phone.post(&format!("{path}/refuse")).await,
    ];
    for (response, path) in responses.iter().zip([unscanned, path]) {
        assert_eq!(response.status(), 204);
        assert_eq!(browser.poll(&path).await, status("refused"));
        is_error(phone.confirm(&path, "Alice").await, 409, "confirm").await;
        for request in ["scan", "refuse"] {
            is_error(phone.post(&format!("{path}/{request}")).await, 409, request).await;
        }
        assert_eq!(browser.poll(&path).await, status("refused"));
    }
}

/// 409 while the ticket is confirmed, 404 when it is used up or has never existed.
#[tokio::test]
async fn repeated_and_guessed_requests_are_rejected() {
    let server = Server::start(BINARY, &[]);
    let mut browser = Client::new(&server);
    let path = browser.new_path().await;
    let mut phone = Client::that_scanned(&server, &path).await;
    phone.confirm(&path, "Alice").await;
    is_error(phone.confirm(&path, "Eve").await, 409, "confirmed").await;
    is_error(
        phone.post(&format!("{path}/refuse")).await,
        409,
        "confirmed",
    )
    .await;
    assert_eq!(browser.poll(&path).await["username"], "Alice");

    let guesses = [
        "0".repeat(32),
        path[7..].to_uppercase(),
        "1".into(),
        "%00".into(),
        "a".repeat(33),
    ];
    for path in guesses
        .map(|id| format!("/login/{id}"))
        .iter()
        .chain([&path])
    {
        is_error(phone.get(&format!("{path}/phone")).await, 404, path).await;
        is_error(phone.confirm(path, "Eve").await, 404, path).await;
        for request in ["scan", "refuse"] {
            is_error(phone.post(&format!("{path}/{request}")).await, 404, path).await;
        }
    }
    is_error(
        browser.get(&format!("/login/{}", "0".repeat(32))).await,
        404,
        "a guess",
    )
    .await;
    assert_eq!(browser.poll(&path).await["status"], "confirmed");
}

#[tokio::test]
async fn an_expired_code_cannot_be_used() {
    let server = Server::start(BINARY, &["--ticket-seconds", "0.3"]);
    let mut browser = Client::new(&server);
    // The time starts before the ticket does, so a ticket that expires too early is noticed.
    let start = Instant::now();
    let ticket = browser.new_ticket().await;
    assert_eq!(ticket["expires_in"], 1, "rounded up");
    let path = format!("/login/{}", ticket["id"].as_str().unwrap());
    let mut phone = Client::that_scanned(&server, &path).await;
    while browser.poll(&path).await != status("expired") {
        assert!(start.elapsed() < TEST_TIMEOUT, "it does not expire");
    }
    assert!(start.elapsed() >= Duration::from_millis(300), "too early");
    is_error(phone.get(&format!("{path}/phone")).await, 404, "the link").await;
    is_error(phone.confirm(&path, "Alice").await, 404, "confirm").await;
    for request in ["scan", "refuse"] {
        is_error(phone.post(&format!("{path}/{request}")).await, 404, request).await;
    }
    assert_eq!(browser.poll(&path).await, status("expired"));
}

#[tokio::test]
async fn the_server_does_not_start_with_an_invalid_lifetime() {
    for seconds in ["0", "-1", "3601", "inf", "NaN", "two", ""] {
        let exit = run(
            BINARY,
            &["--port", "0", &format!("--ticket-seconds={seconds}")],
        );
        assert_eq!(exit.code, Some(2), "{seconds}");
        assert!(exit.stderr.contains("--ticket-seconds"), "{}", exit.stderr);
    }
    let server = Server::start_with(BINARY, &[("TICKET_SECONDS", "3600")]);
    assert_eq!(Client::new(&server).new_ticket().await["expires_in"], 3600);
}

#[tokio::test]
async fn an_invalid_name_confirms_nothing_and_a_hostile_name_stays_text() {
    let server = Server::start(BINARY, &[]);
    let mut browser = Client::new(&server);
    let path = browser.new_path().await;
    let phone = Client::that_scanned(&server, &path).await;
    for name in ["", "  ", "a\nb", &"三".repeat(33)] {
        is_error(phone.confirm(&path, name).await, 422, name).await;
    }
    for body in [
        "",
        "{",
        "[\"Alice\"]",
        "{\"username\":1}",
        "{\"username\":\"a\",\"b\":1}",
    ] {
        let request = phone.request(Method::POST, &format!("{path}/confirm"));
        let request = request
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        is_error(request.send().await.unwrap(), 400, body).await;
    }
    let request = phone
        .request(Method::POST, &format!("{path}/confirm"))
        .body("username=a");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 415);
    assert_eq!(browser.poll(&path).await, status("scanned"));
    let hostile = "</script><img src=x onerror=1>";
    phone.confirm(&path, hostile).await;
    assert_eq!(browser.poll(&path).await["username"], hostile);
}

#[tokio::test]
async fn a_page_of_another_site_is_rejected() {
    let server = Server::start(BINARY, &[]);
    let mut browser = Client::new(&server);
    let path = browser.new_path().await;
    let phone = Client::that_scanned(&server, &path).await;
    let foreign = |path: &str| {
        let request = phone.request(Method::POST, path);
        request.header(header::ORIGIN, "http://evil.example")
    };
    for path in ["/login", &format!("{path}/scan"), &format!("{path}/refuse")] {
        is_error(foreign(path).send().await.unwrap(), 403, path).await;
    }
    let confirm = foreign(&format!("{path}/confirm")).json(&json!({ "username": "Eve" }));
    is_error(confirm.send().await.unwrap(), 403, "confirm").await;
    assert_eq!(browser.poll(&path).await, status("scanned"));
}

#[tokio::test]
async fn each_url_names_the_methods_that_it_allows() {
    let server = Server::start(BINARY, &[]);
    for (path, allowed) in [
        ("/login", "GET, HEAD, POST"),
        ("/login/1", "GET, HEAD"),
        ("/login/1/phone", "GET, HEAD"),
        ("/login/1/scan", "POST"),
        ("/login/1/confirm", "POST"),
        ("/login/1/refuse", "POST"),
    ] {
        let request = Client::new(&server).request(Method::DELETE, path);
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()[header::ALLOW], allowed, "{path}");
        assert_eq!(response.status(), 405, "{path}");
        if allowed == "POST" {
            is_error(server.get(path).await, 405, path).await;
        }
    }
}
