//! The exercises of this lesson. Each test fails until its exercise is solved:
//!
//! `cargo test -p chat --test exercises exercise_1 -- --ignored`
//!
//! `README.md` has a hint for each, and `solutions/` has the answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "an exercise that is not solved ends the test"
)]

#[allow(dead_code, reason = "the exercises need a part of it only")]
#[path = "chat/client.rs"]
mod client;

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use testing::{Server, TEST_TIMEOUT};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, client_async};

use client::{Client, LOBBY, Person, Socket, Transport, start};

/// How many lines the small chat has to keep.
const STORED: usize = 100;

/// The text of a line, so long that the lines that are kept do not fit into the buffers of a connection.
const LONG: usize = 20_000;

/// Exercise 1: The small chat remembers
///
/// A page that opens the small chat late, or again, does not get the earlier lines. Number the lines from 1,
/// and keep the last 100. A line is then `17 2020-09-24 22:51:02 Ann: Hi`. The address `/ws?after=16` gets the kept
/// lines after line 16 and then the new ones; `/ws` gets all kept lines first. No page may miss a line or get one
/// twice, however slowly it reads and whatever others write meanwhile. The only exception is as before: a page that is
/// 100 lines behind gets nothing more.
///
/// Begin with `talk` in `examples/small.rs`. There are two steps whose order matters. `src/reader.rs` has the same two.
#[tokio::test]
#[ignore = "exercise 1"]
async fn exercise_1_the_small_chat_remembers() {
    let server = Server::start_with(build_small_chat().to_str().unwrap(), &[("PORT", "0")]);
    let mut ann = open_small(&server, "/ws").await;
    for number in 1..=3 {
        write(&mut ann, "Hi", number).await;
    }
    let mut bob = open_small(&server, "/ws?after=1").await;
    expect_lines(&mut bob, 2..=3, "/ws?after=1 gets the lines after line 1").await;
    let mut eve = open_small(&server, "/ws").await;
    expect_lines(&mut eve, 1..=3, "/ws gets all lines that are kept").await;

    let long = "x".repeat(LONG);
    let stored = 4..=3 + STORED;
    for number in stored.clone() {
        write(&mut ann, &long, number).await;
    }
    // Eve opens a connection that she does not read, so the server cannot finish with the kept lines. Ann goes on.
    let mut eve = open_small(&server, "/ws").await;
    let new = stored.end() + 1..=stored.end() + 10;
    for number in new.clone() {
        write(&mut ann, "meanwhile", number).await;
    }
    expect_lines(&mut eve, stored, "the last 100 lines are kept").await;
    expect_lines(&mut eve, new, "what is written meanwhile comes after them").await;
}

/// Builds the example as it is now, and returns its path. Cargo builds no examples for `cargo test --test`.
fn build_small_chat() -> PathBuf {
    // target/debug/deps/exercises-0123456789abcdef
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", "chat", "--example", "small"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", target)
        .status();
    assert!(status.unwrap().success(), "examples/small.rs compiles");
    target.join("debug/examples/small")
}

/// Opens a WebSocket with a small window, so that only what the client reads can be sent.
async fn open_small(server: &Server, path: &str) -> Socket {
    let stream = server.send_raw_small_window("").await;
    let url = format!("ws://{}{path}", server.address());
    let handshake = client_async(url, MaybeTlsStream::Plain(stream));
    let opening = timeout(TEST_TIMEOUT, handshake).await;
    let (socket, _) = opening.expect("a response in time").expect("a handshake");
    Socket(socket)
}

/// Writes a line as Ann, and waits until it comes back with this number.
async fn write(ann: &mut Socket, text: &str, number: usize) {
    ann.send(format!("Ann: {text}")).await;
    expect_lines(ann, number..=number, "each line has the next number").await;
}

/// Checks that the next lines have these numbers.
async fn expect_lines(socket: &mut Socket, numbers: impl Iterator<Item = usize>, promise: &str) {
    for number in numbers {
        let line = timeout(TEST_TIMEOUT / 5, socket.next_frame()).await;
        let Ok(Message::Text(line)) = line else {
            panic!("exercise 1: {promise}; line {number} does not come")
        };
        let start: String = line.chars().take(40).collect();
        assert!(
            line.starts_with(&format!("{number} 20")),
            "exercise 1: {promise}; expected line {number}, got {start:?}"
        );
    }
}

/// Exercise 3: A new event
///
/// Let a client greet the others. `{"event":"wave"}` over the WebSocket sends `{"event":"wave","data":{"name":"Ann"}}`
/// to everybody else in the room, over every transport. There is no reply, except an `error` when the client may not:
/// a wave counts against the rate, as a message does. The page must be able to listen to it, also over SSE.
///
/// Begin with `dispatch` in `src/transport/websocket.rs`, and follow `typing` from there. But do not send a wave as
/// seldom as `typing` is sent. One server is enough: leave out `Cluster`, which is for many servers with Redis.
#[tokio::test]
#[ignore = "exercise 3"]
async fn exercise_3_a_new_event() {
    let server = start(&[]);
    let (ann, bob) = (
        Person::join(&server, "Ann").await,
        Person::join(&server, "Bob").await,
    );
    let mut from_ann = Socket::open(&server, &ann, &format!("{LOBBY}/ws")).await;
    let mut readers = Vec::new();
    for transport in [Transport::WebSocket, Transport::Sse] {
        readers.push(Client::open(transport, &server, &bob, None).await);
    }
    for frame in [
        r#"{"event":"typing"}"#,
        r#"{"event":"wave","ack":1}"#,
        r#"{"event":"wave","ack":2}"#,
        r#"{"event":"message","ack":3,"data":{"key":"k","text":"end"}}"#,
    ] {
        from_ann.send(frame).await;
    }
    let own = events_to_message(async || from_ann.next().await).await;
    let refused = own.iter().find(|event| event["event"] == "error");
    assert!(
        refused.is_none(),
        "exercise 3: the server must accept a wave, not reply with {refused:?}; see `dispatch`"
    );
    assert_eq!(waves(&own), 0, "exercise 3: Ann must not get her own wave");
    for (mut reader, transport) in readers.into_iter().zip(["WebSocket", "SSE"]) {
        let events = events_to_message(async || reader.next().await).await;
        let count = waves(&events);
        assert_eq!(
            count, 2,
            "exercise 3: Bob must get both waves over {transport}, also right after `typing`"
        );
    }
    expect_limit(&mut from_ann).await;
    let list = server.get("/static/events.js").await.text().await.unwrap();
    assert!(
        list.contains(r#""wave""#),
        "exercise 3: a page can listen only to events that are in static/events.js"
    );
}

/// Reads events up to the message `end`, and returns them.
async fn events_to_message(mut next: impl AsyncFnMut() -> Value) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let event = next().await;
        if event["event"] == "message" {
            return events;
        }
        events.push(event);
    }
}

/// Counts the waves of Ann.
fn waves(events: &[Value]) -> usize {
    let wave = json!({ "event": "wave", "data": { "name": "Ann" } });
    events.iter().filter(|event| **event == wave).count()
}

/// Checks that 30 waves at once are too many, because the burst is 20.
async fn expect_limit(socket: &mut Socket) {
    for number in 10..40 {
        socket
            .send(json!({ "event": "wave", "ack": number }).to_string())
            .await;
    }
    socket.send(r#"{"event":"nonsense","ack":99}"#).await;
    loop {
        let reply = socket.next().await;
        assert_ne!(
            reply["ack"], 99,
            "exercise 3: a wave must count against the rate, see `check_rate`"
        );
        if reply["data"]["retry_after"].is_number() {
            return;
        }
    }
}
