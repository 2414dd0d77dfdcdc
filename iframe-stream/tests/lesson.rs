//! The promises of this lesson, checked over real sockets against the real binary. The first test is
//! the whole lesson as a short story.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken promise ends the test"
)]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use reqwest::{Response, header};
use serde_json::{Value, json};
use testing::{Server, Signal, TEST_TIMEOUT, conformance, eventually, read_until};
use tokio::time::timeout;

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

/// The length of a document's start, in bytes.
const START_LENGTH: usize = 1024;

/// A document as a browser reads it: its start, and then scripts that carry the nonce of its policy. A
/// test fails if the document contains anything else.
struct Document {
    response: Response,
    nonce: String,
    received: Vec<u8>,
}

impl Document {
    async fn open(server: &Server, path: &str) -> Self {
        let response = server.get(path).await;
        assert_eq!(response.status(), 200);
        let nonce = nonce_of(&response);
        let received = Vec::new();
        let mut document = Self {
            response,
            nonce,
            received,
        };
        while document.received.len() < START_LENGTH {
            assert!(document.read().await, "the start is complete");
        }
        document.received.drain(..START_LENGTH);
        document
    }

    /// Waits for more bytes. Returns false at the clean end of the body.
    async fn read(&mut self) -> bool {
        let chunk = timeout(TEST_TIMEOUT, self.response.chunk()).await;
        let chunk = chunk.expect("a chunk in time").expect("a clean end");
        self.received
            .extend_from_slice(chunk.as_deref().unwrap_or_default());
        chunk.is_some()
    }

    /// Returns the call of the next script, such as `parent.alive()`; `None` at the end of the document.
    async fn next_call(&mut self) -> Option<String> {
        let start = format!(
            r#"<script nonce="{}">document.currentScript.remove();"#,
            self.nonce
        );
        loop {
            // The last character may be incomplete.
            let text = self.received.utf8_chunks().next();
            let text = text.map_or("", |chunk| chunk.valid());
            if let Some((script, _)) = text.split_once("</script>") {
                let call = script
                    .strip_prefix(&start)
                    .expect("a script that removes itself");
                let call = call.to_owned();
                let length = script.len() + "</script>".len();
                self.received.drain(..length);
                return Some(call);
            }
            if !self.read().await {
                assert!(self.received.is_empty(), "it ends between two scripts");
                return None;
            }
        }
    }

    /// Returns the argument of the next call of `parent.FUNCTION`; `None` at the end of the document.
    async fn next(&mut self, function: &str) -> Option<String> {
        loop {
            let call = self.next_call().await?;
            if call != "parent.alive()" {
                let argument = call.strip_prefix(&format!("parent.{function}("));
                let argument = argument.and_then(|rest| rest.strip_suffix(')'));
                return Some(argument.expect(function).to_owned());
            }
        }
    }

    /// Returns the users of the next list.
    async fn users(&mut self) -> Vec<Value> {
        let argument = self.next("setUsers").await.expect("a list");
        let snapshot: Value = serde_json::from_str(&argument).expect("JSON");
        assert!(snapshot["version"].is_u64());
        snapshot["users"].as_array().unwrap().clone()
    }
}

/// Returns the nonce of the response's policy. The browser runs only scripts that carry it.
fn nonce_of(response: &Response) -> String {
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    let nonce = policy
        .split_once("script-src 'nonce-")
        .and_then(|(_, rest)| rest.split_once("';"));
    nonce.expect("a nonce and nothing else").0.to_owned()
}

#[tokio::test]
async fn two_clients_get_the_list_at_once_and_then_each_change() {
    let server = Server::start(BINARY, &[]);
    // Two tabs open the document. Both get the list at once.
    let mut tabs = [
        Document::open(&server, "/users").await,
        Document::open(&server, "/users").await,
    ];
    for tab in &mut tabs {
        assert_eq!(tab.users().await.len(), 2);
    }
    // Add a user: both get the new list, without another request.
    let id = server.add_user("李四").await;
    for tab in &mut tabs {
        let user = json!({"id": id, "username": "李四"});
        assert_eq!(tab.users().await[2], user);
    }
    // Remove the user: both get the list without it.
    let user = server.url(&format!("/users/{id}"));
    server.client.delete(user).send().await.unwrap();
    for tab in &mut tabs {
        assert_eq!(tab.users().await.len(), 2);
    }
}

#[tokio::test]
async fn streams_beyond_the_limit_of_files_wait() {
    let server = conformance::start_with_few_files(BINARY, &[]);
    let change = async |server: &Server, name: &str| {
        server.add_user(name).await;
    };
    let request = "GET /users HTTP/1.1\r\nHost: x\r\n\r\n";
    conformance::streams_beyond_the_limit_of_files_wait(server, request, change).await;
}

#[tokio::test]
async fn the_response_is_html_with_the_right_headers() {
    let server = Server::start(BINARY, &[]);
    for path in ["/users", "/clock"] {
        let response = server.get(path).await;
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers["X-Accel-Buffering"], "no");
        assert_eq!(headers[header::TRANSFER_ENCODING], "chunked");
        // With two policies the browser would apply both, and the policy of the page forbids inline scripts.
        let policies = headers.get_all(header::CONTENT_SECURITY_POLICY);
        let policies: Vec<_> = policies.iter().collect();
        let nonce = nonce_of(&response);
        let policy =
            format!("default-src 'none'; script-src 'nonce-{nonce}'; frame-ancestors 'self'");
        assert_eq!(policies, [policy.as_str()]);
    }
}

/// `Document` checks that the scripts carry the nonce of their response.
#[tokio::test]
async fn each_response_has_a_nonce_that_nobody_can_guess() {
    let server = Server::start(BINARY, &[]);
    let mut nonces = HashSet::new();
    for _ in 0..50 {
        let nonce = Document::open(&server, "/users").await.nonce;
        assert_eq!(nonce.len(), 32, "128 bits in hexadecimal");
        assert!(nonces.insert(nonce));
    }
}

#[tokio::test]
async fn the_first_chunk_has_one_kibibyte_and_comes_at_once() {
    let server = Server::start(BINARY, &[]);
    for path in ["/users", "/clock"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut connection = server.send_raw(&request).await;
        let text = read_until(&mut connection, |text| text.contains("<body>\r\n")).await;
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        let (length, rest) = body.split_once("\r\n").unwrap();
        assert_eq!(usize::from_str_radix(length, 16), Ok(START_LENGTH));
        let (start, _) = rest.split_once("\r\n").unwrap();
        assert_eq!(start.len(), START_LENGTH);
        assert!(start.starts_with("<!DOCTYPE html>"), "{start}");
    }
}

/// A server that puts JSON into the script without escaping fails here: the first of these names ends
/// the script and starts another one.
#[tokio::test]
async fn no_name_can_end_its_string() {
    let server = Server::start(BINARY, &[]);
    let mut document = Document::open(&server, "/users").await;
    document.users().await;
    for name in [
        "</script><script>pwned=1//",
        "</SCRIPT ><script>pwned=1</a",
        "<!--<script>",
        "-->]]>&lt;&#60;",
        r#"\"});pwned=1//"#,
        r"\u003c \\ \",
        "');pwned=1//`${pwned=1}`",
    ] {
        server.add_user(name).await;
        let argument = document.next("setUsers").await.unwrap();
        let raw = argument.contains(['<', '>', '&', '\u{2028}', '\u{2029}']);
        assert!(!raw, "{argument}");
        let snapshot: Value = serde_json::from_str(&argument).unwrap();
        let latest = snapshot["users"].as_array().unwrap().last().unwrap();
        assert_eq!(latest["username"], name);
    }
}

#[tokio::test]
async fn the_clock_sends_each_second() {
    let server = Server::start(BINARY, &[]);
    let mut document = Document::open(&server, "/clock").await;
    let mut times = Vec::new();
    for _ in 0..3 {
        let argument = document.next("setTime").await.unwrap();
        let digits = argument.replace(|letter: char| letter.is_ascii_digit(), "0");
        assert_eq!(digits, r#""0000-00-00 00:00:00""#);
        times.push((argument, Instant::now()));
    }
    for pair in times.windows(2) {
        assert_ne!(pair[0].0, pair[1].0);
        let apart = pair[1].1 - pair[0].1;
        assert!(apart < Duration::from_millis(1900), "{apart:?}");
    }
}

#[tokio::test]
async fn a_document_without_updates_sends_heartbeats() {
    let server = Server::start(BINARY, &["--heartbeat", "0.05"]);
    for path in ["/users", "/clock"] {
        let mut document = Document::open(&server, path).await;
        let mut heartbeats = 0;
        while heartbeats < 3 {
            let call = document.next_call().await.unwrap();
            heartbeats += u32::from(call == "parent.alive()");
        }
    }
}

/// With actix's default settings this fails: actix then treats a closed connection as one whose client
/// has only finished sending.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_that_disconnect_are_released_within_200_milliseconds() {
    let server = Server::start(BINARY, &[]);
    let mut clients = Vec::new();
    for path in ["/users", "/clock"].repeat(50) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut client = server.send_raw(&request).await;
        read_until(&mut client, |text| text.contains("<body>")).await;
        clients.push(client);
    }
    // The system's list of sockets may change while it is read, because other tests run. Then a socket may
    // be counted twice.
    eventually("all are counted", TEST_TIMEOUT, || {
        server.connections() == 100
    })
    .await;
    drop(clients);
    let limit = Duration::from_millis(200);
    eventually("all are released", limit, || server.connections() == 0).await;
}

/// A server that sends to one client after the other and waits for each fails here.
#[tokio::test]
async fn a_stalled_client_delays_nobody_and_skips_to_the_latest_list() {
    let server = Server::start(BINARY, &[]);
    let request = "GET /users HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut stalled = server.send_raw_small_window(request).await;
    let mut reader = Document::open(&server, "/users").await;
    assert_eq!(reader.users().await.len(), 2);

    // All lists together are longer than 1 MB. The buffers between server and client are much smaller.
    let (long_name, changes) = ("三".repeat(32), 150);
    let (mut slowest, mut latest) = (Duration::ZERO, 0);
    for number in 1..=changes {
        let start = Instant::now();
        latest = server.add_user(&long_name).await;
        while reader.users().await.len() < 2 + number {}
        slowest = slowest.max(start.elapsed());
    }
    assert!(
        slowest < Duration::from_secs(1),
        "a change took {slowest:?}"
    );

    let latest = format!("\"id\":{latest},");
    let received = read_until(&mut stalled, |text| text.contains(&latest)).await;
    let lists = received.matches("setUsers").count();
    assert!(
        lists < changes / 2,
        "it received {lists} lists of {changes}"
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_that_do_not_read_hold_little() {
    let request = "GET /users HTTP/1.1\r\nHost: x\r\n\r\n";
    conformance::lesson_clients_that_do_not_read_hold_little(BINARY, request).await;
}

#[tokio::test]
async fn a_thousand_clients_all_get_one_change() {
    let server = Server::start(BINARY, &[]);
    let mut clients = Vec::new();
    for _ in 0..1_000 {
        clients.push(Document::open(&server, "/users").await);
    }
    for client in &mut clients {
        assert_eq!(client.users().await.len(), 2);
    }
    server.add_user("Bob").await;
    for client in &mut clients {
        assert_eq!(client.users().await.len(), 3);
    }
}

#[tokio::test]
async fn a_cut_ends_open_documents_cleanly_and_later_ones_stay_open() {
    let server = Server::start(BINARY, &[]);
    let mut open = [
        Document::open(&server, "/users").await,
        Document::open(&server, "/clock").await,
    ];
    server.cut().await;
    for document in &mut open {
        while document.next_call().await.is_some() {}
    }
    let mut next = Document::open(&server, "/users").await;
    assert_eq!(next.users().await.len(), 2);
    server.add_user("Bob").await;
    assert_eq!(next.users().await.len(), 3);
}

/// Here a hundred documents are open, and one more whose client has stopped reading.
#[tokio::test]
async fn a_stop_is_quick_and_ends_open_documents_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::start(BINARY, &[]);
        let mut documents = Vec::new();
        for path in ["/users", "/clock"].repeat(50) {
            documents.push(Document::open(&server, path).await);
        }
        let _stalled = server
            .send_raw_small_window("GET /users HTTP/1.1\r\nHost: x\r\n\r\n")
            .await;
        for _ in 0..100 {
            server.add_user(&"三".repeat(32)).await;
        }
        server.signal(signal);
        for document in &mut documents {
            while document.next_call().await.is_some() {}
        }
        let exit = server.wait();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        assert!(exit.elapsed < conformance::STOP_LIMIT, "{:?}", exit.elapsed);
    }
}

/// The same for all lessons: adding users, errors, limits, origins, flags, saving, stopping.
#[tokio::test]
async fn keeps_the_common_promises() {
    conformance::check_all(BINARY).await;
}
