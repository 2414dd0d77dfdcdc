//! The exercises of this lesson. Each test fails until its exercise is solved:
//!
//! `cargo test -p websocket --test exercises exercise_1 -- --ignored`
//!
//! `README.md` has a hint for each, and `solutions/` has the answers.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "an exercise that is not solved ends the test"
)]

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use testing::{Server, TEST_TIMEOUT};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

/// Exercise 1: Remove over the socket
///
/// A client adds a user with `{"username":"Bob"}` on `/users`, but needs a request to remove one. Let `{"remove":2}`
/// remove the user with the id 2. As with an added user, the new list is the answer. A user that is not there, and any
/// other message, gets an `error`, and each error must say what is wrong with *this* message: `{"remove":"x"}` needs
/// another sentence than `{"username":7}`, and a message with both fields changes nothing.
///
/// Begin with `add_user` in `src/main.rs`. `remove` of `Users` returns `None` if there is no such user.
#[tokio::test]
#[ignore = "exercise 1"]
async fn exercise_1_remove_over_the_socket() {
    let server = Server::start(BINARY, &[]);
    let mut clients = [Client::open(&server).await, Client::open(&server).await];
    for client in &mut clients {
        client.expect_users(&["张三", "Alice"]).await;
    }
    let [sender, other] = &mut clients;
    sender.send(r#"{"remove":2}"#).await;
    for client in [&mut *sender, &mut *other] {
        client.expect_users(&["张三"]).await;
    }
    for (message, expected) in [
        (r#"{"remove":2}"#, "2"),
        (r#"{"remove":"x"}"#, "expected u64"),
        (r#"{"username":7}"#, "expected a string"),
        (r#"{"username":" "}"#, "A username needs"),
        (r#"{"username":"Eve","remove":1}"#, "remove"),
        (r#"{"rename":1}"#, "rename"),
        ("{}", "remove"),
    ] {
        sender.send(message).await;
        let error = sender.next().await;
        let text = error["data"]["error"].as_str().unwrap_or_default();
        assert!(
            error["event"] == "error" && text.contains(expected),
            "exercise 1: {message} must get an error that says what is wrong, here with {expected:?}, not {error}; \
             see `add_user`"
        );
    }
    sender.send(r#"{"username":"Bob"}"#).await;
    for client in [sender, other] {
        client.expect_users(&["张三", "Bob"]).await;
    }
}

/// A client of `/users`.
struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn open(server: &Server) -> Self {
        let opening = connect_async(format!("ws://{}/users", server.address()));
        let opening = timeout(TEST_TIMEOUT, opening).await;
        Self(opening.expect("a response in time").expect("a handshake").0)
    }

    async fn send(&mut self, text: &str) {
        let sent = self.0.send(Message::text(text)).await;
        sent.expect("an open connection");
    }

    /// Returns the next event that is not a ping.
    async fn next(&mut self) -> Value {
        loop {
            let message = timeout(TEST_TIMEOUT / 5, self.0.next()).await;
            let Ok(Some(Ok(message))) = message else {
                panic!(
                    "exercise 1: each message must be answered with the new list or an error; {message:?}"
                )
            };
            let Message::Text(text) = message else {
                continue; // A ping of the protocol.
            };
            let event: Value = serde_json::from_str(&text).expect("JSON");
            if event["event"] != "ping" {
                return event;
            }
        }
    }

    /// Checks that the next event is the list with these names.
    async fn expect_users(&mut self, names: &[&str]) {
        let event = self.next().await;
        let users = event["data"]["users"].as_array().cloned();
        let users = users.unwrap_or_default();
        let usernames: Vec<_> = users.iter().map(|user| &user["username"]).collect();
        assert_eq!(
            json!(usernames),
            json!(names),
            "exercise 1: everybody must get the list with exactly these names, but {event} came; see `add_user`"
        );
    }
}
