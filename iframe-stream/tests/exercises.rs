//! The exercise of this lesson that is tested over a socket. The test fails until the exercise is solved:
//!
//! `cargo test -p iframe-stream --test exercises exercise_1 -- --ignored`
//!
//! `README.md` has a hint for each exercise, and `solutions/` has the answers.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "an exercise that is not solved ends the test"
)]

use std::time::Duration;

use reqwest::{Response, header};
use testing::{Server, TEST_TIMEOUT};
use tokio::time::timeout;

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

/// How long a script may take. The clock needs a second, and a busy machine some more.
const LIMIT: Duration = Duration::from_secs(8);

/// Exercise 1: One document for both
///
/// A page that shows the users and the clock has two frames, which take two of the six connections that a browser opens
/// to a server. Let `GET /news` return one document that does the work of both: it calls `parent.setUsers` with the
/// list, at once and after each change, and `parent.setTime` at each second. Heartbeats, the policy with its nonce and
/// the end after a cut are as in the other documents.
///
/// Begin with `users` and `clock` in `src/main.rs`. Both make a stream of `ScriptCall`. How does `document` put the
/// heartbeats between other calls?
#[tokio::test]
#[ignore = "exercise 1"]
async fn exercise_1_one_document_for_both() {
    let server = Server::start(BINARY, &["--heartbeat", "1"]);
    let mut document = Document::open(&server).await;
    document
        .expect("setUsers({", "the list comes at once")
        .await;
    document
        .expect("setTime(", "the time comes without a change of the list")
        .await;
    document.expect("alive(", "heartbeats come, too").await;
    server.add_user("李四").await;
    document
        .expect("李四", "a change of the list comes between the seconds")
        .await;
    document.expect("setTime(", "the clock goes on").await;
    server.cut().await;
    document.expect_end().await;
}

/// The document of `GET /news`, as far as it has been received.
struct Document {
    response: Response,
    /// How each script must begin, so that the browser runs it.
    start: String,
    /// The bytes after the last script that was read.
    received: Vec<u8>,
}

impl Document {
    async fn open(server: &Server) -> Self {
        let response = server.get("/news").await;
        assert_eq!(
            response.status(),
            200,
            "exercise 1: GET /news must return a document; add a route in `main`, in src/main.rs"
        );
        let policy = response.headers().get(header::CONTENT_SECURITY_POLICY);
        let policy = policy.unwrap().to_str().unwrap();
        let nonce = policy.split_once("script-src 'nonce-");
        let Some((nonce, _)) = nonce.and_then(|(_, rest)| rest.split_once('\'')) else {
            panic!("exercise 1: the policy has no nonce, so no script would run: {policy}")
        };
        let start = format!(r#"<script nonce="{nonce}">document.currentScript.remove();parent."#);
        Self {
            response,
            start,
            received: Vec::new(),
        }
    }

    /// Reads until the call of a script has this text.
    async fn expect(&mut self, wanted: &str, promise: &str) {
        let reading = async {
            loop {
                let call = self.next_call().await;
                let call = call
                    .unwrap_or_else(|| panic!("exercise 1: {promise}, but the document has ended"));
                if call.contains(wanted) {
                    return;
                }
            }
        };
        let result = timeout(LIMIT, reading).await;
        assert!(
            result.is_ok(),
            "exercise 1: {promise}; nothing with {wanted:?} comes. Are the streams one after the other?"
        );
    }

    /// Returns the call of the next script; `None` at the end of the document.
    async fn next_call(&mut self) -> Option<String> {
        loop {
            // The last character may be incomplete. It is not a part of a whole script then.
            let text = String::from_utf8_lossy(&self.received);
            if let Some((script, _)) = text.split_once("</script>") {
                let Some((_, call)) = script.split_once(&self.start) else {
                    panic!(
                        "exercise 1: a script must begin with {}, not: {script}",
                        self.start
                    )
                };
                let (call, length) = (call.to_owned(), script.len() + "</script>".len());
                self.received.drain(..length);
                return Some(call);
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.received.extend_from_slice(&chunk);
        }
    }

    /// Reads until the end of the document.
    async fn expect_end(&mut self) {
        let reading = async { while self.response.chunk().await.unwrap().is_some() {} };
        let result = timeout(TEST_TIMEOUT, reading).await;
        assert!(
            result.is_ok(),
            "exercise 1: the document must end after a cut; `document` in src/main.rs does that"
        );
    }
}
