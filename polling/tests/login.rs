//! The promises of the login with a QR code, checked over real sockets against the real binary. The
//! transitions of a ticket have unit tests in `src/login/ticket/tests.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken promise ends the test"
)]

#[path = "login/qr_code.rs"]
mod qr_code;
#[path = "login/rejections.rs"]
mod rejections;

use reqwest::{Method, RequestBuilder, Response, header};
use serde_json::{Value, json};
use testing::Server;

const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

/// A browser or a phone. It stores one cookie at most, without a cookie jar, so that a test can see
/// and replace what is sent.
struct Client<'server> {
    server: &'server Server,
    cookie: String,
}

impl<'server> Client<'server> {
    fn new(server: &'server Server) -> Self {
        let cookie = String::new();
        Self { server, cookie }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.server.client.request(method, self.server.url(path));
        request.header(header::COOKIE, &self.cookie)
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// Sends a POST and stores the cookie of the response.
    async fn post(&mut self, path: &str) -> Response {
        let response = self.request(Method::POST, path).send().await.unwrap();
        if let Some(cookie) = response.headers().get(header::SET_COOKIE) {
            let (cookie, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            cookie.clone_into(&mut self.cookie);
        }
        response
    }

    async fn new_ticket(&mut self) -> Value {
        let response = self.post("/login").await;
        assert_eq!(response.status(), 201);
        response.json().await.unwrap()
    }

    /// Creates a ticket and returns its path, `/login/…`.
    async fn new_path(&mut self) -> String {
        let ticket = self.new_ticket().await;
        format!("/login/{}", ticket["id"].as_str().unwrap())
    }

    async fn poll(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        response.json().await.unwrap()
    }

    async fn confirm(&self, path: &str, username: &str) -> Response {
        let request = self.request(Method::POST, &format!("{path}/confirm"));
        let request = request.json(&json!({ "username": username }));
        request.send().await.unwrap()
    }

    /// Returns a phone that has scanned the code of `path`.
    async fn that_scanned(server: &'server Server, path: &str) -> Self {
        let mut phone = Self::new(server);
        let response = phone.post(&format!("{path}/scan")).await;
        assert_eq!(response.status(), 204);
        phone
    }
}

fn status(name: &str) -> Value {
    json!({ "status": name })
}

/// Checks that the response has this status and an error message. `request` names the
/// request in the failure message.
async fn is_error(response: Response, status: u16, request: &str) {
    assert_eq!(response.status(), status, "{request}");
    let body: Value = response.json().await.unwrap();
    let message = body["error"].as_str().unwrap();
    assert!(
        message.contains(' ') && message.ends_with('.'),
        "{request}: {message}"
    );
}

#[tokio::test]
async fn a_login_goes_from_the_qr_code_to_the_username() {
    let server = Server::start(BINARY, &[]);
    // The browser creates a ticket and shows its URL as a QR code.
    let mut browser = Client::new(&server);
    let ticket = browser.new_ticket().await;
    assert_eq!(ticket["expires_in"], 120);
    let id = ticket["id"].as_str().unwrap();
    let hexadecimal = |letter: char| matches!(letter, '0'..='9' | 'a'..='f');
    assert!(id.len() == 32 && id.chars().all(hexadecimal), "{id}");
    let path = format!("/login/{id}");
    assert_eq!(ticket["url"], server.url(&format!("{path}/phone")));
    assert_eq!(browser.poll(&path).await, status("waiting"));

    // The phone scans the code, and a person confirms.
    let phone = Client::that_scanned(&server, &path).await;
    assert_eq!(browser.poll(&path).await, status("scanned"));
    assert_eq!(phone.confirm(&path, " 张三 ").await.status(), 204);
    // The next poll gets the name, and so does a repeat, because a response may be lost. For phones the
    // ticket is used up.
    let confirmed = json!({ "status": "confirmed", "username": "张三" });
    for _ in 0..3 {
        assert_eq!(browser.poll(&path).await, confirmed);
    }
    let again = phone.confirm(&path, "Eve").await;
    is_error(again, 404, "used up").await;
}

/// The cookie could come from another server on this host, whose owner would share the login.
#[tokio::test]
async fn a_cookie_that_this_server_did_not_give_out_is_replaced() {
    let server = Server::start(BINARY, &[]);
    let mut browser = Client::new(&server);
    let planted = format!("login={}", "a".repeat(32));
    browser.cookie.clone_from(&planted);
    let path = browser.new_path().await;
    assert_ne!(browser.cookie, planted);
    let mut thief = Client::new(&server);
    thief.cookie = planted;
    is_error(thief.get(&path).await, 404, "the planted cookie").await;
    let own = browser.cookie.clone();
    browser.new_path().await;
    assert_eq!(browser.cookie, own, "one that it did give out stays");
}

/// With a cookie that scripts can read, or that is sent to other sites or paths, somebody else could
/// take over the login.
#[tokio::test]
async fn the_cookie_is_another_secret_and_is_sent_only_to_the_login() {
    let server = Server::start(BINARY, &[]);
    let response = Client::new(&server).post("/login").await;
    let cookie = response.headers()[header::SET_COOKIE]
        .to_str()
        .unwrap()
        .to_owned();
    let ticket = response.text().await.unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    let secret = pair.strip_prefix("login=").unwrap();
    assert_eq!(secret.len(), 32, "{pair}");
    assert!(!ticket.contains(secret));
    let mut attributes: Vec<_> = attributes.split("; ").collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Path=/login", "SameSite=Strict"]);
}

/// The phone must not leave TLS, and neither must the cookie.
#[tokio::test]
async fn behind_tls_the_link_is_https_and_the_cookie_secure() {
    let server = Server::start(BINARY, &[]);
    let request = Client::new(&server).request(Method::POST, "/login");
    let request = request.header("X-Forwarded-Proto", "https");
    let response = request.send().await.unwrap();
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("; Secure"), "{cookie}");
    let ticket: Value = response.json().await.unwrap();
    let url = ticket["url"].as_str().unwrap();
    let start = format!("https://{}/login/", server.address());
    assert!(url.starts_with(&start), "{url}");
}

/// Each tab creates a ticket of its own, and both tabs have the same cookies.
#[tokio::test]
async fn two_tabs_of_one_browser_do_not_disturb_each_other() {
    let server = Server::start(BINARY, &[]);
    let mut browser = Client::new(&server);
    let (first, second) = (browser.new_path().await, browser.new_path().await);
    let phone = Client::that_scanned(&server, &first).await;
    assert_eq!(browser.poll(&first).await, status("scanned"));
    assert_eq!(browser.poll(&second).await, status("waiting"));
    phone.confirm(&first, "Alice").await;
    assert_eq!(browser.poll(&second).await, status("waiting"));
    assert_eq!(browser.poll(&first).await["username"], "Alice");
}

/// A messenger fetches a link to show a preview of it, with GET or with HEAD.
#[tokio::test]
async fn fetching_the_link_does_not_scan() {
    let server = Server::start(BINARY, &[]);
    let mut browser = Client::new(&server);
    let path = browser.new_path().await;
    for method in [Method::GET, Method::HEAD] {
        let preview = Client::new(&server).request(method, &format!("{path}/phone"));
        let response = preview.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert!(!response.headers().contains_key(header::SET_COOKIE));
        assert_eq!(browser.poll(&path).await, status("waiting"));
    }
}

#[tokio::test]
async fn a_poll_with_head_does_not_consume_the_ticket() {
    let server = Server::start(BINARY, &[]);
    let mut browser = Client::new(&server);
    let path = browser.new_path().await;
    let phone = Client::that_scanned(&server, &path).await;
    phone.confirm(&path, "Alice").await;
    for _ in 0..3 {
        let head = browser.request(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(head.status(), 200);
    }
    assert_eq!(browser.poll(&path).await["username"], "Alice");
    let again = phone.confirm(&path, "Eve").await;
    is_error(again, 404, "used up").await;
}

/// Even if many polls arrive at the same moment.
#[tokio::test]
async fn every_poll_of_the_browser_gets_the_same_outcome() {
    let server = Server::start(BINARY, &[]);
    let mut browser = Client::new(&server);
    let path = browser.new_path().await;
    let phone = Client::that_scanned(&server, &path).await;
    phone.confirm(&path, "Alice").await;
    let polls: Vec<_> = (0..50)
        .map(|_| tokio::spawn(browser.request(Method::GET, &path).send()))
        .collect();
    let confirmed = json!({ "status": "confirmed", "username": "Alice" });
    for poll in polls {
        let body: Value = poll.await.unwrap().unwrap().json().await.unwrap();
        assert_eq!(body, confirmed);
    }
}

/// The QR code is a `data:` image, which the policy of the other pages does not allow.
#[tokio::test]
async fn the_page_may_show_the_qr_code_and_must_not_be_framed() {
    let server = Server::start(BINARY, &[]);
    let response = server.get("/login").await;
    let policies: Vec<_> = response
        .headers()
        .get_all(header::CONTENT_SECURITY_POLICY)
        .iter()
        .collect();
    assert_eq!(policies.len(), 1);
    let policy = policies[0].to_str().unwrap();
    for rule in [
        "default-src 'self';",
        "img-src 'self' data:;",
        "frame-ancestors 'none';",
    ] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(response.text().await.unwrap().contains("role=\"status\""));
}
