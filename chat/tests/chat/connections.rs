//! Tests of how connections end: by the client, by silence, by a cut, and with the server.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use serde_json::{Value, json};
use testing::{Server, Signal, TEST_TIMEOUT, conformance, eventually, read_until};
use tokio::{net::TcpStream, time::timeout};

use crate::client::{BINARY, Client, LOBBY, Person, Socket, TRANSPORTS, database, start};

/// Returns the bytes of a request in the lobby, with the headers of a handshake if `path` is that of the WebSocket.
pub(crate) fn request(person: &Person, path: &str) -> String {
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let upgrade = if path.starts_with("ws") { upgrade } else { "" };
    let token = &person.token;
    format!(
        "GET {LOBBY}/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{upgrade}\r\n"
    )
}

/// Opens a connection, reads the roster, and then reads no more.
pub(crate) async fn open_stalled(server: &Server, person: &Person, path: &str) -> TcpStream {
    let request = request(person, path);
    let mut connection = server.send_raw_small_window(&request).await;
    read_until(&mut connection, |text| text.contains("roster")).await;
    connection
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_that_vanish_are_released_within_200_milliseconds() {
    let server = start(&["--connections", "200"]);
    let ann = Person::join(&server, "Ann").await;
    let quiet: Value = ann
        .get(&server, &format!("{LOBBY}/messages"))
        .await
        .json()
        .await
        .unwrap();
    let poll = format!("messages?after={}", quiet["cursor"].as_str().unwrap());
    let before = server.connections();
    let mut clients = Vec::new();
    for path in ["ws", "events"].repeat(33) {
        clients.push(open_stalled(&server, &ann, path).await);
    }
    for _ in 0..34 {
        clients.push(server.send_raw(&request(&ann, &poll)).await);
    }
    let all = before + clients.len();
    eventually("all are connected", TEST_TIMEOUT, || {
        server.connections() == all
    })
    .await;
    drop(clients);
    let limit = Duration::from_millis(200);
    eventually("all are released", limit, || server.connections() <= before).await;
}

/// The tempting wrong answer sends to one client after the other and waits for each.
#[tokio::test]
async fn a_reader_that_stalls_delays_nobody() {
    let server = start(&["--rate", "0", "--heartbeat", "1"]);
    let (ann, bob) = (
        Person::join(&server, "Ann").await,
        Person::join(&server, "Bob").await,
    );
    let mut reader = Socket::open(&server, &ann, &format!("{LOBBY}/ws")).await;
    let (_socket, _stream) = (
        open_stalled(&server, &bob, "ws").await,
        open_stalled(&server, &bob, "events").await,
    );
    let opened = Instant::now();
    let padding = "三".repeat(1_900);
    let mut slowest = Duration::ZERO;
    let mut number = 0;
    while opened.elapsed() < Duration::from_millis(2_500) {
        let start = Instant::now();
        ann.post_text(&server, &format!("{number} {padding}"), None)
            .await;
        let message = reader.event("message").await;
        assert!(
            message["data"]["text"]
                .as_str()
                .unwrap()
                .starts_with(&format!("{number} "))
        );
        slowest = slowest.max(start.elapsed());
        number += 1;
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

/// A silent client answers no ping. A client that reads also answers, and stays connected.
#[tokio::test]
async fn a_socket_that_is_silent_is_dropped_after_two_heartbeats() {
    let server = start(&["--heartbeat", "0.4"]);
    let ann = Person::join(&server, "Ann").await;
    let mut reader = Socket::open(&server, &ann, &format!("{LOBBY}/ws")).await;
    let opened = Instant::now();
    let _silent = open_stalled(&server, &ann, "ws").await;
    let reading = async {
        loop {
            reader
                .0
                .next()
                .await
                .expect("the connection is open")
                .expect("a frame");
        }
    };
    // That of the reader, and the HTTP connection with which Ann got her name.
    let two_connections = || server.connections() == 2;
    tokio::select! {
        () = reading => {}
        _ = eventually("the silent one is dropped", TEST_TIMEOUT, two_connections) => {}
    }
    let in_time = Duration::from_millis(700)..Duration::from_millis(1_200);
    assert!(
        in_time.contains(&opened.elapsed()),
        "{:?}",
        opened.elapsed()
    );
}

#[tokio::test]
async fn streams_beyond_the_limit_of_files_wait_and_nobody_else_notices() {
    for path in ["ws", "events"] {
        let flags = ["--database", ":memory:", "--connections", "400"];
        let server = conformance::start_with_few_files(BINARY, &flags);
        let ann = Person::join(&server, "Ann").await;
        let post = async |server: &Server, text: &str| {
            ann.post_text(server, text, None).await;
        };
        let request = request(&ann, path);
        conformance::streams_beyond_the_limit_of_files_wait(server, &request, post).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_that_do_not_read_hold_little() {
    for path in ["ws", "events"] {
        // A database in memory would be counted, too.
        let folder = tempfile::tempdir().unwrap();
        let flags = ["--rate", "0", "--connections", "100", "--database"];
        let file = database(&folder);
        let server = Server::start(BINARY, &[&flags[..], &[&file]].concat());
        let ann = Person::join(&server, "Ann").await;
        let text = "三".repeat(2_000);
        let post = async |server: &Server| {
            join_all((0..20).map(|_| ann.post_text(server, &text, None))).await;
            20 * text.len()
        };
        let request = request(&ann, path);
        conformance::clients_that_do_not_read_hold_little(&server, &request, post).await;
    }
}

/// JSON needs six bytes for each of these characters. The tempting wrong answer encodes a whole page at once.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn stalled_readers_that_catch_up_use_little_memory() {
    let server = start(&["--rate", "0", "--connections", "100"]);
    let ann = Person::join(&server, "Ann").await;
    let text = "\u{1}".repeat(2_000);
    for _ in 0..200 {
        ann.post_text(&server, &text, None).await;
    }
    let before = server.memory();
    let mut readers = Vec::new();
    for path in ["ws?after=0", "events?after=0"].repeat(20) {
        readers.push(open_stalled(&server, &ann, path).await);
    }
    let each = server.memory().saturating_sub(before) / 40;
    assert!(each < 500_000, "{each} bytes a reader");
}

/// The slow readers miss far more events than the buffer has, and get the messages from the log.
#[tokio::test]
async fn a_reader_that_was_too_slow_gets_everything_in_the_end() {
    let server = start(&["--rate", "0"]);
    let (ann, bob) = (
        Person::join(&server, "Ann").await,
        Person::join(&server, "Bob").await,
    );
    let mut slow = Vec::new();
    for transport in TRANSPORTS {
        let mut client = Client::open(transport, &server, &bob, Some("0")).await;
        client.event("roster").await;
        slow.push(client);
    }
    let padding = "三".repeat(1_900);
    let mut sent = Vec::new();
    for part in 0..13 {
        let texts: Vec<_> = (0..100)
            .map(|number| format!("{} {padding}", part * 100 + number))
            .collect();
        let posting = texts.iter().map(|text| ann.post_text(&server, text, None));
        futures_util::future::join_all(posting).await;
        sent.extend(texts);
    }
    ann.post_text(&server, "end", None).await;
    for client in &mut slow {
        let texts = timeout(TEST_TIMEOUT, client.texts_to("end")).await.unwrap();
        let [mut texts, mut sent] = [texts, sent.clone()];
        texts.pop();
        texts.sort();
        sent.sort();
        assert!(texts == sent, "{} of {}", texts.len(), sent.len());
    }
}

/// Reads all events that are there. Then starts a task with a poll that waits. Returns the task and the cursor.
async fn start_poll(server: &Server, person: &Person) -> (tokio::task::JoinHandle<Value>, String) {
    let mut cursor = "0".to_owned();
    loop {
        let path = format!("{LOBBY}/messages?wait=0&after={cursor}");
        let page: Value = person.get(server, &path).await.json().await.unwrap();
        page["cursor"].as_str().unwrap().clone_into(&mut cursor);
        if page["events"].as_array().unwrap().is_empty() {
            break;
        }
    }
    let url = server.url(&format!("{LOBBY}/messages?wait=60&after={cursor}"));
    let polling = person.authorize(server.client.get(url)).send();
    let poll = tokio::spawn(async {
        let response = polling.await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    });
    (poll, cursor)
}

/// Open connections of each transport.
struct Connections {
    sockets: Vec<Socket>,
    streams: Vec<reqwest::Response>,
    poll: tokio::task::JoinHandle<Value>,
    cursor: String,
}

impl Connections {
    /// Opens 50 connections by WebSocket, 50 by SSE, and a poll.
    async fn open(server: &Server, person: &Person) -> Self {
        let (mut sockets, mut streams) = (Vec::new(), Vec::new());
        for _ in 0..50 {
            sockets.push(Socket::open(server, person, &format!("{LOBBY}/ws")).await);
            streams.push(person.get(server, &format!("{LOBBY}/events")).await);
        }
        let (poll, cursor) = start_poll(server, person).await;
        server.settle().await;
        Self {
            sockets,
            streams,
            poll,
            cursor,
        }
    }

    /// Checks that each connection ends as its transport requires.
    async fn assert_clean_end(self) {
        // All at once, because a stop waits for a second only.
        let close_codes = join_all(
            self.sockets
                .into_iter()
                .map(async |mut socket| socket.close_code().await),
        );
        let bodies = join_all(
            self.streams
                .into_iter()
                .map(|stream| timeout(TEST_TIMEOUT, stream.text())),
        );
        let (close_codes, bodies) = tokio::join!(close_codes, bodies);
        assert_eq!(close_codes, [1001; 50]);
        for body in bodies {
            body.unwrap().expect("a clean end");
        }
        let response = timeout(TEST_TIMEOUT, self.poll).await.unwrap().unwrap();
        assert_eq!(response, json!({ "events": [], "cursor": self.cursor }));
    }
}

#[tokio::test]
async fn a_cut_ends_everything_cleanly_and_the_next_connections_stay() {
    let server = start(&["--connections", "200", "--rate", "0"]);
    let ann = Person::join(&server, "Ann").await;
    let connections = Connections::open(&server, &ann).await;
    server.cut().await;
    connections.assert_clean_end().await;
    let mut next = Client::open(TRANSPORTS[0], &server, &ann, None).await;
    ann.post_text(&server, "still here", None).await;
    assert_eq!(next.texts_to("still here").await, ["still here"]);
}

#[tokio::test]
async fn a_stop_with_stalled_connections_is_quick_and_clean() {
    // A hundred long messages, private to Ann, stall her readers. The second signal is tested without them, because that is faster.
    for (signal, messages) in [(Signal::TERM, 100), (Signal::INT, 0)] {
        let server = start(&["--connections", "200", "--rate", "0"]);
        let ann = Person::join(&server, "Ann").await;
        let bob = Person::join(&server, "Bob").await;
        let _stalled = (
            open_stalled(&server, &ann, "ws").await,
            open_stalled(&server, &ann, "events").await,
        );
        let padding = "三".repeat(1_900);
        let posting = (0..messages).map(|number| format!("{number} {padding}"));
        let posting: Vec<_> = posting.collect();
        for part in posting.chunks(100) {
            let part = part
                .iter()
                .map(|text| ann.post_text(&server, text, Some("Ann")));
            join_all(part).await;
        }
        let connections = Connections::open(&server, &bob).await;
        server.signal(signal);
        connections.assert_clean_end().await;
        let exit = server.wait();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        assert!(exit.elapsed < conformance::STOP_LIMIT, "{:?}", exit.elapsed);
    }
}

/// The test of the rooms themselves is in `src/room/tests.rs`, with ten thousand joins.
#[tokio::test]
async fn two_thousand_polls_do_not_use_up_memory() {
    let server = start(&["--connections", "1000", "--rate", "0"]);
    let ann = Person::join(&server, "Ann").await;
    let visit = async |count: usize| {
        for number in 0..count {
            let path = format!("/rooms/room-{}/messages?wait=0", number % 10);
            assert_eq!(ann.get(&server, &path).await.status(), 200);
        }
    };
    visit(200).await;
    let before = server.memory();
    join_all((0..20).map(|_| visit(100))).await;
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 1 << 20, "{grown} bytes");
}
