//! The promises of this lesson, checked over real sockets against the real binary. The first test is
//! the whole lesson as a short story.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken promise ends the test"
)]

mod raw;

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _, future::join_all};
use raw::RawClient;
use reqwest::header;
use serde_json::{Value, json};
use testing::{Server, Signal, TEST_TIMEOUT, conformance, eventually};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

/// A WebSocket client that is not actix. It answers pings while it waits for the next message.
struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn open(server: &Server, path: &str) -> Self {
        let address = format!("ws://{}{path}", server.address());
        let opening = timeout(TEST_TIMEOUT, connect_async(address)).await;
        Self(opening.unwrap().unwrap().0)
    }

    async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    /// Returns the next message that is not a ping.
    async fn next(&mut self) -> Message {
        loop {
            let message = timeout(TEST_TIMEOUT, self.0.next())
                .await
                .expect("a message in time");
            match message
                .expect("the connection is open")
                .expect("a well-formed frame")
            {
                Message::Ping(_) => {}
                message => return message,
            }
        }
    }

    /// Returns the data of the next event, which must have this `name`. Events with the name `ping` are skipped.
    async fn event(&mut self, name: &str) -> Value {
        loop {
            let message = self.next().await;
            let event: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
            if event["event"] == name {
                return event["data"].clone();
            }
            assert_eq!(event["event"], "ping", "{event}");
        }
    }

    /// Returns the number of users in the next event.
    async fn count(&mut self) -> usize {
        self.event("users").await["users"].as_array().unwrap().len()
    }

    /// Waits for a Close frame and returns its code.
    async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.next().await {
                return frame.expect("a close code").code.into();
            }
        }
    }
}

#[tokio::test]
async fn two_clients_get_each_change_and_can_send_messages() {
    let server = Server::start(BINARY, &[]);
    // Two tabs open a WebSocket. Both get the list at once.
    let mut tabs = [
        Client::open(&server, "/users").await,
        Client::open(&server, "/users").await,
    ];
    for tab in &mut tabs {
        assert_eq!(tab.count().await, 2);
    }
    // Add a user: both get the new list, without another request.
    let id = server.add_user("李四").await;
    for tab in &mut tabs {
        let snapshot = tab.event("users").await;
        assert_eq!(snapshot["users"][2], json!({"id": id, "username": "李四"}));
    }
    // The first tab adds a user with a message. It needs no request for that. Both get the new list.
    let message = Message::text(r#"{"username":" Bob "}"#);
    tabs[0].send(message).await;
    for tab in &mut tabs {
        assert_eq!(tab.event("users").await["users"][3]["username"], "Bob");
    }
}

#[tokio::test]
async fn streams_beyond_the_limit_of_files_wait() {
    let server = conformance::start_with_few_files(BINARY, &[]);
    let change = async |server: &Server, name: &str| {
        server.add_user(name).await;
    };
    let request = RawClient::handshake("/users");
    conformance::streams_beyond_the_limit_of_files_wait(server, &request, change).await;
}

#[tokio::test]
async fn a_bad_message_gets_an_error_and_the_connection_stays_open() {
    let server = Server::start(BINARY, &[]);
    let mut client = Client::open(&server, "/users").await;
    assert_eq!(client.count().await, 2);
    for text in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"username":7}"#,
        r#"{"username":" "}"#,
        r#"{"name":"x"}"#,
        r#"["x"]"#,
    ] {
        client.send(Message::text(text)).await;
        let error = client.event("error").await;
        assert!(
            error["error"].as_str().unwrap().len() > 15,
            "{text}: {error}"
        );
    }
    client.send(Message::binary(vec![0, 255])).await;
    client.event("error").await;
    client.send(Message::text(r#"{"username":"Bob"}"#)).await;
    assert_eq!(client.count().await, 3, "nothing of that added a user");
}

/// The README shows the events in this form. `json!` would sort the keys and write the data first.
#[tokio::test]
async fn an_event_starts_with_its_name() {
    let server = Server::start(BINARY, &[]);
    let mut users = Client::open(&server, "/users").await;
    let list = users.next().await;
    users.send(Message::text("{}")).await;
    let mut clock = Client::open(&server, "/clock").await;
    for (event, start) in [
        (list, r#"{"event":"users","data":{"version":"#),
        (users.next().await, r#"{"event":"error","data":{"error":""#),
        (clock.next().await, r#"{"event":"clock","data":{"time":""#),
    ] {
        assert!(event.to_text().unwrap().starts_with(start), "{event}");
    }
}

#[tokio::test]
async fn the_clock_sends_each_second() {
    let server = Server::start(BINARY, &[]);
    let mut client = Client::open(&server, "/clock").await;
    let mut times = Vec::new();
    for _ in 0..3 {
        times.push(
            client.event("clock").await["time"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let digits = times[0].replace(|letter: char| letter.is_ascii_digit(), "0");
    assert_eq!(digits, "0000-00-00 00:00:00");
    assert!(
        times.is_sorted() && times[0] != times[1] && times[1] != times[2],
        "{times:?}"
    );
}

#[tokio::test]
async fn the_echo_adds_a_prefix_to_text_but_not_to_bytes() {
    let server = Server::start(BINARY, &[]);
    for (query, prefix) in [
        ("", "Server: "),
        ("?prefix=", ""),
        ("?prefix=%E4%BD%A0%20", "你 "),
    ] {
        let mut client = Client::open(&server, &format!("/echo{query}")).await;
        for text in ["x", "", "李四", &"y".repeat(60_000)] {
            client.send(Message::text(text)).await;
            assert_eq!(
                client.next().await,
                Message::text(format!("{prefix}{text}"))
            );
        }
        for bytes in [vec![], vec![0, 255, 128], vec![7; 65_536]] {
            client.send(Message::binary(bytes.clone())).await;
            assert_eq!(client.next().await, Message::binary(bytes));
        }
    }
}

#[tokio::test]
async fn a_request_without_a_good_handshake_is_refused() {
    let server = Server::start(BINARY, &[]);
    for path in ["/users", "/clock", "/echo"] {
        let response = server.get(path).await;
        assert_eq!(response.status(), 426, "{path}");
        assert_eq!(response.headers()[header::UPGRADE], "websocket");
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_VERSION], "13");
        let error: Value = response.json().await.unwrap();
        assert!(error["error"].as_str().unwrap().contains("WebSocket"));
    }
    let head = server
        .client
        .head(server.url("/echo"))
        .header(header::UPGRADE, "websocket");
    assert_eq!(
        head.send().await.unwrap().status(),
        426,
        "HEAD is no handshake"
    );
    let handshake = |version: &str, key: &str| {
        let request = server
            .client
            .get(server.url("/echo"))
            .header(header::UPGRADE, "websocket");
        let request = request.header(header::CONNECTION, "upgrade");
        request
            .header("Sec-WebSocket-Version", version)
            .header("Sec-WebSocket-Key", key)
            .send()
    };
    assert_eq!(
        handshake("8", "dGhlIHNhbXBsZSBub25jZQ==")
            .await
            .unwrap()
            .status(),
        426
    );
    assert_eq!(handshake("13", "short").await.unwrap().status(), 400);
}

/// With a body before the frames, a proxy might read the frames as requests.
#[tokio::test]
async fn a_handshake_with_a_body_or_a_long_prefix_is_refused() {
    let server = Server::start(BINARY, &[]);
    let with_chunks = "\r\nTransfer-Encoding: chunked\r\n\r\n";
    let with_body = "\r\nContent-Length: 6\r\n\r\n";
    let too_long = format!("/echo?prefix={}", "x".repeat(257));
    let handshakes = [
        RawClient::handshake("/echo").replace("\r\n\r\n", with_chunks),
        RawClient::handshake("/echo").replace("\r\n\r\n", with_body),
        RawClient::handshake(&too_long),
    ];
    for handshake in handshakes {
        let mut connection = server.send_raw(&handshake).await;
        let response = testing::read_until(&mut connection, |text| text.contains('}')).await;
        assert!(
            response.starts_with("HTTP/1.1 400"),
            "{handshake}: {response}"
        );
    }
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_and_disconnected() {
    let server = Server::start(BINARY, &[]);
    let handshake = RawClient::handshake("/users")
        .replace("\r\n\r\n", "\r\nOrigin: http://evil.example\r\n\r\n");
    let mut connection = server.send_raw(&handshake).await;
    let response = testing::read_until(&mut connection, |text| text.contains('}')).await;
    assert!(response.starts_with("HTTP/1.1 403"), "{response}");
    // The client does not close the connection, so the server must.
    eventually("the connection is closed", TEST_TIMEOUT, || {
        server.connections() == 0
    })
    .await;
}

#[tokio::test]
async fn a_close_frame_gets_the_same_code_and_ends_the_connection() {
    let server = Server::start(BINARY, &[]);
    for code in [1000_u16, 1001, 3000, 4999] {
        let mut client = Client::open(&server, "/echo").await;
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: "bye".into(),
        };
        client.send(Message::Close(Some(frame))).await;
        assert_eq!(client.close_code().await, code);
        // The client does not close the connection, and the server must not wait for that.
        let limit = Duration::from_millis(800);
        eventually("the connection is closed", limit, || {
            server.connections() == 0
        })
        .await;
    }
}

/// Bad frames: the error, the bytes, and the close code that the server must send. The masks are zero.
const BAD_FRAMES: &[(&str, &[u8], u16)] = &[
    ("a frame without a mask", b"\x81\x01x", 1002),
    ("a reserved bit", b"\xC1\x81\0\0\0\0x", 1002),
    ("an unknown opcode", b"\x83\x81\0\0\0\0x", 1002),
    ("a fragment without a start", b"\x80\x81\0\0\0\0x", 1002),
    ("a ping in two fragments", b"\x09\x81\0\0\0\0x", 1002),
    ("a close code of one byte", b"\x88\x81\0\0\0\0x", 1002),
    ("the close code 1005", b"\x88\x82\0\0\0\0\x03\xED", 1002),
    (
        "a text within a text",
        b"\x01\x81\0\0\0\0x\x81\x81\0\0\0\0y",
        1002,
    ),
    ("bad UTF-8", b"\x81\x82\0\0\0\0\xC3\x28", 1007),
    (
        "bad UTF-8 in two fragments",
        b"\x01\x81\0\0\0\0\xC3\x80\x81\0\0\0\0\x28",
        1007,
    ),
    (
        "300 MiB announced",
        b"\x82\xFF\0\0\0\0\x12\xC0\0\0\0\0\0\0",
        1009,
    ),
    (
        "64 KiB and one byte announced",
        b"\x82\xFF\0\0\0\0\0\x01\0\x01\0\0\0\0",
        1009,
    ),
    (
        "2^63 bytes announced",
        b"\x82\xFF\x80\0\0\0\0\0\0\0\0\0\0\0",
        1009,
    ),
];

/// Returns all of `BAD_FRAMES`, and a message that is too long.
fn bad_frames() -> impl Iterator<Item = (&'static str, Vec<u8>, u16)> {
    let half = vec![0; 35_000];
    let halves = [RawClient::frame(0x02, &half), RawClient::frame(0x80, &half)].concat();
    let bad_frames = BAD_FRAMES
        .iter()
        .map(|(what, bytes, code)| (*what, bytes.to_vec(), *code));
    bad_frames.chain([("70 KB in two fragments", halves, 1009)])
}

#[tokio::test]
async fn a_bad_frame_gets_one_close_frame_with_the_right_code() {
    let server = Server::start(BINARY, &[]);
    let clients = bad_frames().map(async |(what, bytes, code)| {
        // A connection that lingers does so each time. A busy machine makes one of three slow, but not all.
        let mut times = Vec::new();
        for _ in 0..3 {
            let mut client = RawClient::open(&server, "/echo").await;
            client.send(&bytes).await;
            let (frames, elapsed) = client.read_to_end().await;
            assert_eq!(frames, [(0x88, code.to_be_bytes().to_vec())], "{what}");
            times.push(elapsed);
        }
        let fastest = times.iter().min().unwrap();
        assert!(*fastest < Duration::from_secs(1), "{what}: {times:?}");
    });
    join_all(clients).await;
    eventually("all are released", TEST_TIMEOUT, || {
        server.connections() == 0
    })
    .await;
}

/// actix-ws decodes all frames that have arrived together. Without the frame guard, a bad frame would make it drop the
/// good frames before.
#[tokio::test]
async fn messages_before_a_bad_frame_are_answered() {
    let server = Server::start(BINARY, &[]);
    let clients = bad_frames().map(async |(what, bad, code)| {
        let mut client = RawClient::open(&server, "/echo?prefix=").await;
        let good = [
            RawClient::frame(0x81, b"one"),
            RawClient::frame(0x82, b"two"),
        ]
        .concat();
        client.send(&[good, bad].concat()).await;
        let (frames, _) = client.read_to_end().await;
        let close = (0x88, code.to_be_bytes().to_vec());
        let expected = [(0x81, b"one".to_vec()), (0x82, b"two".to_vec()), close];
        assert_eq!(frames, expected, "{what}");
    });
    join_all(clients).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_frame_that_announces_300_mib_costs_less_than_2_mib() {
    let server = Server::start(BINARY, &[]);
    let mut client = RawClient::open(&server, "/echo").await;
    client.send(&RawClient::frame(0x81, b"warm")).await;
    client.read_frame().await;
    let before = server.memory();
    client.send(&RawClient::frame_header(0x82, 300 << 20)).await;
    // The server must end the connection long before the 300 MiB are sent.
    for _ in 0..300 {
        if !client.try_send(&vec![0; 1 << 20]).await {
            break;
        }
    }
    let cost = server.memory().saturating_sub(before);
    assert!(cost < 2 << 20, "{cost} bytes");
    eventually("the connection is closed", TEST_TIMEOUT, || {
        server.connections() == 0
    })
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_that_disconnect_are_released_within_200_milliseconds() {
    let server = Server::start(BINARY, &[]);
    let mut clients = Vec::new();
    for path in ["/users", "/echo"].repeat(50) {
        clients.push(RawClient::open(&server, path).await);
    }
    assert_eq!(server.connections(), 100);
    drop(clients);
    let limit = Duration::from_millis(200);
    eventually("all are released", limit, || server.connections() == 0).await;
}

#[tokio::test]
async fn a_client_that_answers_pings_stays_connected() {
    let server = Server::start(BINARY, &["--heartbeat", "0.1"]);
    let mut client = Client::open(&server, "/echo").await;
    let mut pings = 0;
    while pings < 10 {
        match timeout(TEST_TIMEOUT, client.0.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
        {
            Message::Ping(_) => pings += 1,
            other => panic!("{other:?}"),
        }
    }
}

/// A browser answers the protocol's pings by itself, and its page does not see them. The page needs an event to know
/// whether the server is alive.
#[tokio::test]
async fn a_page_gets_a_ping_event_with_each_ping() {
    let server = Server::start(BINARY, &["--heartbeat", "0.3"]);
    for path in ["/users", "/clock"] {
        let mut client = RawClient::open(&server, path).await;
        for _ in 0..3 {
            while client.read_frame().await.expect("a frame").0 != 0x89 {}
            let time = loop {
                let (first, body) = client.read_frame().await.expect("a frame");
                assert_eq!(first, 0x81, "{path}: no event before the next ping");
                let event: Value = serde_json::from_slice(&body).unwrap();
                if event["event"] == "ping" {
                    break event["data"]["time"].as_str().unwrap().to_owned();
                }
            };
            assert_eq!(time.len(), "2020-09-24 22:51:02".len(), "{path}: {time}");
            client.send(&RawClient::frame(0x8A, b"")).await;
        }
    }
}

/// For example, the server's laptop was asleep. The server has not yet read what the clients have sent meanwhile.
#[tokio::test]
async fn a_server_that_was_suspended_drops_no_client() {
    let server = Server::start(BINARY, &["--heartbeat", "0.4"]);
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(Client::open(&server, "/echo").await);
    }
    server.signal(Signal::STOP);
    sleep(Duration::from_millis(1_500)).await;
    server.signal(Signal::CONT);
    let pinged = clients.iter_mut().map(async |client| {
        for _ in 0..4 {
            let frame = timeout(TEST_TIMEOUT, client.0.next()).await.unwrap();
            assert!(matches!(frame, Some(Ok(Message::Ping(_)))), "{frame:?}");
        }
    });
    join_all(pinged).await;
}

/// Thousands of frames arrive together. The tempting wrong answer handles all of them before it handles other clients.
#[tokio::test]
async fn clients_that_send_without_a_pause_delay_nobody() {
    let server = Server::start(BINARY, &[]);
    let pongs = RawClient::frame(0x8A, b"").repeat(10_000);
    let mut floods = JoinSet::new();
    for _ in 0..4 {
        let (mut client, pongs) = (RawClient::open(&server, "/echo").await, pongs.clone());
        floods.spawn(async move {
            loop {
                client.send(&pongs).await;
            }
        });
    }
    let mut client = Client::open(&server, "/echo?prefix=").await;
    let mut times = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        client.send(Message::text("hello")).await;
        assert_eq!(client.next().await, Message::text("hello"));
        times.push(start.elapsed());
    }
    times.sort_unstable();
    assert!(times[10] < Duration::from_millis(300), "{times:?}");
}

/// The tempting wrong answer checks for a cut only when there is nothing to read.
#[tokio::test]
async fn a_client_that_sends_without_a_pause_can_be_cut() {
    let server = Server::start(BINARY, &[]);
    let mut client = RawClient::open(&server, "/echo").await;
    let pongs = RawClient::frame(0x8A, b"").repeat(10_000);
    client.send(&pongs).await;
    let flooding = async { while client.try_send(&pongs).await {} };
    let (flooded, ()) = tokio::join!(timeout(TEST_TIMEOUT, flooding), server.cut());
    assert!(flooded.is_ok(), "the connection has ended");
}

/// Without `TCP_NODELAY`, a small frame waits until the client has acknowledged the frame before. A client
/// that has just sent something delays that by 40 ms.
#[tokio::test]
async fn a_client_that_has_sent_something_gets_updates_without_delay() {
    let server = Server::start(BINARY, &[]);
    let mut client = Client::open(&server, "/users").await;
    assert_eq!(client.count().await, 2);
    let mut slow = 0;
    for _ in 0..20 {
        client.send(Message::text(r#"{"username":"own"}"#)).await;
        client.count().await;
        let start = Instant::now();
        server.add_user("another's").await;
        client.count().await;
        slow += usize::from(start.elapsed() > Duration::from_millis(25));
    }
    assert!(slow < 10, "{slow} of 20 came late");
}

/// The client reads everything but sends nothing, either from the start or after its first pong.
#[tokio::test]
async fn a_silent_client_is_dropped_after_two_heartbeats() {
    let server = Server::start(BINARY, &["--heartbeat", "0.4"]);
    for answers_one in [false, true] {
        let mut client = RawClient::open(&server, "/echo").await;
        if answers_one {
            assert_eq!(client.read_frame().await, Some((0x89, vec![])));
            client.send(&RawClient::frame(0x8A, b"")).await;
        }
        let (frames, elapsed) = client.read_to_end().await;
        assert!(
            frames.iter().all(|(first, _)| *first == 0x89),
            "only pings: {frames:?}"
        );
        assert!(!frames.is_empty() || answers_one, "at least one ping");
        let in_time = Duration::from_millis(700)..Duration::from_millis(1_100);
        assert!(in_time.contains(&elapsed), "{answers_one}: {elapsed:?}");
    }
}

/// A client cannot answer a ping while it sends a frame.
#[tokio::test]
async fn a_client_that_sends_a_frame_slowly_is_not_silent() {
    let server = Server::start(BINARY, &["--heartbeat", "0.3"]);
    let mut client = RawClient::open(&server, "/echo?prefix=").await;
    let mut pieces = tokio::time::interval(Duration::from_millis(200));
    for piece in RawClient::frame(0x81, &[b'x'; 90]).chunks(10) {
        pieces.tick().await;
        client.send(piece).await;
    }
    loop {
        match client.read_frame().await.expect("the connection is open") {
            (0x89, _) => {}
            echo => break assert_eq!(echo, (0x81, vec![b'x'; 90])),
        }
    }
}

/// Frames for the client are still queued. The tempting wrong answer sends them before it ends the connection.
#[tokio::test]
async fn a_stalled_client_is_dropped_after_two_heartbeats() {
    let server = Server::start(BINARY, &["--heartbeat", "0.4"]);
    let _stalled = RawClient::open_with_small_window(&server, "/users").await;
    let opened = Instant::now();
    for _ in 0..35 {
        server.add_user(&"三".repeat(32)).await;
    }
    // The connection that adds users stays open.
    let one_left = || server.connections() == 1;
    eventually("the client is dropped", TEST_TIMEOUT, one_left).await;
    // The system counts from when the client took the last bytes, and looks less often the longer it waits.
    let in_time = Duration::from_millis(700)..Duration::from_millis(2_500);
    assert!(
        in_time.contains(&opened.elapsed()),
        "{:?}",
        opened.elapsed()
    );
}

/// Meanwhile the other client gets a megabyte of updates. The tempting wrong answer sends to one client after the other.
#[tokio::test]
async fn a_stalled_client_delays_nobody() {
    let server = Server::start(BINARY, &[]);
    let _stalled = RawClient::open_with_small_window(&server, "/users").await;
    let slowest = a_megabyte_of_changes(&server).await;
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

/// With so many bytes to send, only the system can end the connection (`shared/src/serve/sockets.rs`).
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_that_does_not_read_a_megabyte_is_dropped_after_two_heartbeats() {
    let server = Server::start(BINARY, &["--heartbeat", "1"]);
    let _stalled = RawClient::open_with_small_window(&server, "/users").await;
    a_megabyte_of_changes(&server).await;
    // The connection that added the users stays.
    let one_left = || server.connections() == 1;
    eventually("the client is dropped", Duration::from_secs(4), one_left).await;
}

/// Adds 150 users. Returns how long the slowest of these changes took to reach a client that reads.
async fn a_megabyte_of_changes(server: &Server) -> Duration {
    let mut reader = Client::open(server, "/users").await;
    assert_eq!(reader.count().await, 2);
    let mut slowest = Duration::ZERO;
    for number in 1..=150 {
        let start = Instant::now();
        server.add_user(&"三".repeat(32)).await;
        while reader.count().await < 2 + number {}
        slowest = slowest.max(start.elapsed());
    }
    slowest
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_that_do_not_read_hold_little() {
    let request = &RawClient::handshake("/users");
    conformance::lesson_clients_that_do_not_read_hold_little(BINARY, request).await;
}

#[tokio::test]
async fn a_thousand_clients_all_get_one_change() {
    let server = Server::start(BINARY, &[]);
    let mut clients = Vec::new();
    for _ in 0..1_000 {
        clients.push(Client::open(&server, "/users").await);
    }
    for client in &mut clients {
        assert_eq!(client.count().await, 2);
    }
    server.add_user("Bob").await;
    for client in &mut clients {
        assert_eq!(client.count().await, 3);
    }
}

#[tokio::test]
async fn a_cut_sends_going_away_and_later_connections_stay_open() {
    let server = Server::start(BINARY, &[]);
    let mut open = [
        Client::open(&server, "/users").await,
        Client::open(&server, "/echo").await,
    ];
    server.cut().await;
    for client in &mut open {
        assert_eq!(client.close_code().await, 1001);
    }
    let mut next = Client::open(&server, "/users").await;
    assert_eq!(next.count().await, 2);
    server.add_user("Bob").await;
    assert_eq!(next.count().await, 3);
}

/// Here a hundred connections are open, and one more whose client has stopped reading.
#[tokio::test]
async fn a_stop_is_quick_and_sends_going_away() {
    let server = Server::start(BINARY, &[]);
    let mut clients = Vec::new();
    for path in ["/users", "/clock"].repeat(50) {
        clients.push(Client::open(&server, path).await);
    }
    // The server has to answer each message. It cannot send the answers, so it stops reading the messages, too.
    let mut stalled = RawClient::open_with_small_window(&server, "/echo").await;
    let message = RawClient::frame(0x82, &vec![0; 60_000]);
    while timeout(Duration::from_millis(200), stalled.send(&message))
        .await
        .is_ok()
    {}
    server.signal(Signal::TERM);
    for client in &mut clients {
        assert_eq!(client.close_code().await, 1001);
    }
    let exit = server.wait();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(exit.elapsed < conformance::STOP_LIMIT, "{:?}", exit.elapsed);
}

/// The same for all lessons: adding users, errors, limits, origins, flags, saving, stopping.
#[tokio::test]
async fn keeps_the_common_promises() {
    conformance::check_all(BINARY).await;
}
