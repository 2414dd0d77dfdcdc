//! What this lesson promises, checked over real sockets against the real binary.
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
use raw::Raw;
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

/// A WebSocket client that is not actix. It answers pings while it is asked for the next message.
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

    /// The next message that is no ping.
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

    /// The data of the next event, which must be called `name`. A ping may come at any time.
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

    /// The number of users in the next event.
    async fn count(&mut self) -> usize {
        self.event("users").await["users"].as_array().unwrap().len()
    }

    /// The close code that the server sends.
    async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.next().await {
                return frame.expect("a close code").code.into();
            }
        }
    }
}

/// The same for all lessons: adding users, errors, limits, origins, flags, saving, stopping.
#[tokio::test]
async fn keeps_the_common_promises() {
    conformance::check_all(BINARY).await;
}

#[tokio::test]
async fn streams_beyond_the_limit_of_files_wait_and_nobody_else_notices() {
    let server = conformance::start_with_few_files(BINARY, &[]);
    let change = async |server: &Server, name: &str| {
        server.add_user(name).await;
    };
    let request = Raw::handshake("/users");
    conformance::streams_beyond_the_limit_of_files_wait(server, &request, change).await;
}

#[tokio::test]
async fn two_clients_both_get_the_list_at_once_and_each_change_unasked() {
    let server = Server::start(BINARY, &[]);
    let mut tabs = [
        Client::open(&server, "/users").await,
        Client::open(&server, "/users").await,
    ];
    for tab in &mut tabs {
        assert_eq!(tab.count().await, 2);
    }
    let id = server.add_user("李四").await;
    for tab in &mut tabs {
        let snapshot = tab.event("users").await;
        assert_eq!(snapshot["users"][2], json!({"id": id, "username": "李四"}));
    }
}

/// The other direction: no request, no head, one frame.
#[tokio::test]
async fn a_client_adds_a_user_over_its_own_connection_and_everybody_hears_of_it() {
    let server = Server::start(BINARY, &[]);
    let mut sender = Client::open(&server, "/users").await;
    let mut other = Client::open(&server, "/users").await;
    assert_eq!((sender.count().await, other.count().await), (2, 2));
    sender.send(Message::text(r#"{"username":" 李四 "}"#)).await;
    for client in [&mut sender, &mut other] {
        assert_eq!(client.event("users").await["users"][2]["username"], "李四");
    }
}

#[tokio::test]
async fn a_bad_message_is_answered_with_an_error_and_the_connection_stays() {
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

/// As the README has it. `json!` would sort by key, and then the name comes after the data.
#[tokio::test]
async fn an_event_says_its_name_first() {
    let server = Server::start(BINARY, &[]);
    let mut users = Client::open(&server, "/users").await;
    let list = users.next().await;
    users.send(Message::text("{}")).await;
    let mut clock = Client::open(&server, "/clock").await;
    for (event, begin) in [
        (list, r#"{"event":"users","data":{"version":"#),
        (users.next().await, r#"{"event":"error","data":{"error":""#),
        (clock.next().await, r#"{"event":"clock","data":{"time":""#),
    ] {
        assert!(event.to_text().unwrap().starts_with(begin), "{event}");
    }
}

#[tokio::test]
async fn the_clock_tells_each_second() {
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
async fn the_echo_puts_a_prefix_before_text_and_returns_bytes_as_they_are() {
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
async fn a_request_without_an_upgrade_gets_426_and_the_protocol_to_use() {
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

/// A body before the frames is how a proxy is made to take them for requests.
#[tokio::test]
async fn a_handshake_with_a_body_or_a_long_prefix_is_refused() {
    let server = Server::start(BINARY, &[]);
    let with_chunks = "\r\nTransfer-Encoding: chunked\r\n\r\n";
    let with_body = "\r\nContent-Length: 6\r\n\r\n";
    let too_long = format!("/echo?prefix={}", "x".repeat(257));
    let handshakes = [
        Raw::handshake("/echo").replace("\r\n\r\n", with_chunks),
        Raw::handshake("/echo").replace("\r\n\r\n", with_body),
        Raw::handshake(&too_long),
    ];
    for handshake in handshakes {
        let mut connection = server.send_raw(&handshake).await;
        let answer = testing::read_until(&mut connection, |text| text.contains('}')).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{handshake}: {answer}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_connect_and_is_not_kept_waiting() {
    let server = Server::start(BINARY, &[]);
    let handshake =
        Raw::handshake("/users").replace("\r\n\r\n", "\r\nOrigin: http://evil.example\r\n\r\n");
    let mut connection = server.send_raw(&handshake).await;
    let answer = testing::read_until(&mut connection, |text| text.contains('}')).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    // It keeps its end open; the server must not.
    eventually("it is released", TEST_TIMEOUT, || server.connections() == 0).await;
}

#[tokio::test]
async fn a_close_is_answered_with_the_same_code_and_the_connection_ends_at_once() {
    let server = Server::start(BINARY, &[]);
    for code in [1000_u16, 1001, 3000, 4999] {
        let mut client = Client::open(&server, "/echo").await;
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: "bye".into(),
        };
        client.send(Message::Close(Some(frame))).await;
        assert_eq!(client.close_code().await, code);
        // The client keeps its half open; the server must not wait for it.
        let limit = Duration::from_millis(800);
        eventually("it is released", limit, || server.connections() == 0).await;
    }
}

/// What breaks the protocol, the bytes that do, and the close code that says so. The masks are zero.
const BAD_FRAMES: &[(&str, &[u8], u16)] = &[
    ("a frame without a mask", b"\x81\x01x", 1002),
    ("a reserved bit", b"\xC1\x81\0\0\0\0x", 1002),
    ("an unknown opcode", b"\x83\x81\0\0\0\0x", 1002),
    ("a continuation of nothing", b"\x80\x81\0\0\0\0x", 1002),
    ("a ping in two parts", b"\x09\x81\0\0\0\0x", 1002),
    ("a close code of one byte", b"\x88\x81\0\0\0\0x", 1002),
    ("the close code 1005", b"\x88\x82\0\0\0\0\x03\xED", 1002),
    (
        "a text within a text",
        b"\x01\x81\0\0\0\0x\x81\x81\0\0\0\0y",
        1002,
    ),
    ("bad UTF-8", b"\x81\x82\0\0\0\0\xC3\x28", 1007),
    (
        "bad UTF-8 in parts",
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

fn bad_frames() -> impl Iterator<Item = (&'static str, Vec<u8>, u16)> {
    let half = vec![0; 35_000];
    let halves = [Raw::frame(0x02, &half), Raw::frame(0x80, &half)].concat();
    let bad_frames = BAD_FRAMES
        .iter()
        .map(|(what, bytes, code)| (*what, bytes.to_vec(), *code));
    bad_frames.chain([("70 KB in two parts", halves, 1009)])
}

#[tokio::test]
async fn a_broken_frame_is_answered_with_one_close_of_the_right_code_and_then_the_end() {
    let server = Server::start(BINARY, &[]);
    let breaking = bad_frames().map(async |(what, bytes, code)| {
        let mut client = Raw::open(&server, "/echo").await;
        client.send(&bytes).await;
        let (frames, elapsed) = client.read_to_the_end().await;
        assert_eq!(frames, [(0x88, code.to_be_bytes().to_vec())], "{what}");
        assert!(elapsed < Duration::from_secs(1), "{what}: {elapsed:?}");
    });
    join_all(breaking).await;
    eventually("all are released", TEST_TIMEOUT, || {
        server.connections() == 0
    })
    .await;
}

/// The library decodes all that has arrived in one go and would drop the good ones.
#[tokio::test]
async fn good_messages_that_came_together_with_a_bad_frame_are_answered_first() {
    let server = Server::start(BINARY, &[]);
    let breaking = bad_frames().map(async |(what, bad, code)| {
        let mut client = Raw::open(&server, "/echo?prefix=").await;
        let good = [Raw::frame(0x81, b"one"), Raw::frame(0x82, b"two")].concat();
        client.send(&[good, bad].concat()).await;
        let (frames, _) = client.read_to_the_end().await;
        let close = (0x88, code.to_be_bytes().to_vec());
        let expected = [(0x81, b"one".to_vec()), (0x82, b"two".to_vec()), close];
        assert_eq!(frames, expected, "{what}");
    });
    join_all(breaking).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_announced_frame_of_300_mebibytes_costs_less_than_2() {
    let server = Server::start(BINARY, &[]);
    let mut client = Raw::open(&server, "/echo").await;
    client.send(&Raw::frame(0x81, b"warm")).await;
    client.read_frame().await;
    let before = server.memory();
    client.send(&Raw::head(0x82, 300 << 20)).await;
    // As much as the server takes; it ends the connection long before that.
    for _ in 0..300 {
        if !client.try_send(&vec![0; 1 << 20]).await {
            break;
        }
    }
    let cost = server.memory().saturating_sub(before);
    assert!(cost < 2 << 20, "{cost} bytes");
    eventually("it is released", TEST_TIMEOUT, || server.connections() == 0).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_that_vanish_are_released_within_200_milliseconds() {
    let server = Server::start(BINARY, &[]);
    let mut clients = Vec::new();
    for path in ["/users", "/echo"].repeat(50) {
        clients.push(Raw::open(&server, path).await);
    }
    assert_eq!(server.connections(), 100);
    drop(clients);
    let limit = Duration::from_millis(200);
    eventually("all are released", limit, || server.connections() == 0).await;
}

#[tokio::test]
async fn a_peer_that_answers_pings_stays() {
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

/// The browser answers the protocol's pings by itself, and no page sees them. A page that wants to know whether the
/// server hangs needs an event.
#[tokio::test]
async fn a_page_gets_a_ping_event_with_each_ping_of_the_protocol() {
    let server = Server::start(BINARY, &["--heartbeat", "0.3"]);
    for path in ["/users", "/clock"] {
        let mut client = Raw::open(&server, path).await;
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
            client.send(&Raw::frame(0x8A, b"")).await;
        }
    }
}

/// As after a laptop was asleep. What they have said meanwhile lies in their sockets.
#[tokio::test]
async fn a_server_that_stood_still_drops_nobody() {
    let server = Server::start(BINARY, &["--heartbeat", "0.4"]);
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(Client::open(&server, "/echo").await);
    }
    server.signal(Signal::STOP);
    sleep(Duration::from_millis(1_500)).await;
    server.signal(Signal::CONT);
    let stay = clients.iter_mut().map(async |client| {
        for _ in 0..4 {
            let frame = timeout(TEST_TIMEOUT, client.0.next()).await.unwrap();
            assert!(matches!(frame, Some(Ok(Message::Ping(_)))), "{frame:?}");
        }
    });
    join_all(stay).await;
}

/// Thousands of frames come in one read. The tempting wrong answer deals with all of them in one go.
#[tokio::test]
async fn peers_that_flood_with_tiny_frames_delay_nobody() {
    let server = Server::start(BINARY, &[]);
    let pongs = Raw::frame(0x8A, b"").repeat(10_000);
    let mut floods = JoinSet::new();
    for _ in 0..4 {
        let (mut client, pongs) = (Raw::open(&server, "/echo").await, pongs.clone());
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

/// The tempting wrong answer looks for a cut only when there is nothing to read.
#[tokio::test]
async fn a_peer_that_floods_can_be_cut() {
    let server = Server::start(BINARY, &[]);
    let mut client = Raw::open(&server, "/echo").await;
    let pongs = Raw::frame(0x8A, b"").repeat(10_000);
    client.send(&pongs).await;
    let flooding = async { while client.try_send(&pongs).await {} };
    let (flooded, ()) = tokio::join!(timeout(TEST_TIMEOUT, flooding), server.cut());
    assert!(flooded.is_ok(), "its connection has ended");
}

/// Without `TCP_NODELAY` a small frame waits until the one before is acknowledged, and a client that
/// has just sent something puts that off for 40 ms.
#[tokio::test]
async fn a_client_that_has_just_sent_something_gets_the_next_push_without_delay() {
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

/// It reads, so that nothing is stuck; it only says no word any more, from the start or after an
/// answer to the first ping.
#[tokio::test]
async fn a_peer_that_answers_no_ping_is_dropped_after_two_heartbeats() {
    let server = Server::start(BINARY, &["--heartbeat", "0.4"]);
    for answers_one in [false, true] {
        let mut client = Raw::open(&server, "/echo").await;
        if answers_one {
            assert_eq!(client.read_frame().await, Some((0x89, vec![])));
            client.send(&Raw::frame(0x8A, b"")).await;
        }
        let (frames, elapsed) = client.read_to_the_end().await;
        assert!(
            frames.iter().all(|(first, _)| *first == 0x89),
            "only pings: {frames:?}"
        );
        assert!(!frames.is_empty() || answers_one, "it was asked");
        let in_time = Duration::from_millis(700)..Duration::from_millis(1_100);
        assert!(in_time.contains(&elapsed), "{answers_one}: {elapsed:?}");
    }
}

/// It cannot answer a ping before its frame is finished.
#[tokio::test]
async fn a_peer_that_sends_a_long_frame_slowly_is_not_silent() {
    let server = Server::start(BINARY, &["--heartbeat", "0.3"]);
    let mut client = Raw::open(&server, "/echo?prefix=").await;
    let mut pieces = tokio::time::interval(Duration::from_millis(200));
    for piece in Raw::frame(0x81, &[b'x'; 90]).chunks(10) {
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

/// Some of what is meant for it still waits. The tempting wrong answer sends that first.
#[tokio::test]
async fn a_peer_that_stops_reading_is_dropped_after_two_heartbeats() {
    let server = Server::start(BINARY, &["--heartbeat", "0.4"]);
    let _stalled = Raw::with_little_room(&server, "/users").await;
    let opened = Instant::now();
    for _ in 0..35 {
        server.add_user(&"三".repeat(32)).await;
    }
    // The one that adds users stays.
    let one_left = || server.connections() == 1;
    eventually("it is dropped", TEST_TIMEOUT, one_left).await;
    // The system counts from when the peer took the last bytes, and looks less often the longer it waits.
    let in_time = Duration::from_millis(700)..Duration::from_millis(2_500);
    assert!(
        in_time.contains(&opened.elapsed()),
        "{:?}",
        opened.elapsed()
    );
}

/// A megabyte waits for it in the end. The tempting wrong answer sends to one client after the other.
#[tokio::test]
async fn a_peer_that_stops_reading_delays_nobody() {
    let server = Server::start(BINARY, &[]);
    let _stalled = Raw::with_little_room(&server, "/users").await;
    let slowest = a_megabyte_of_changes(&server).await;
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

/// When so much waits for it, only the system can end its connection (`shared/src/serve/sockets.rs`).
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_peer_that_does_not_read_a_megabyte_is_dropped_after_two_heartbeats() {
    let server = Server::start(BINARY, &["--heartbeat", "1"]);
    let _stalled = Raw::with_little_room(&server, "/users").await;
    a_megabyte_of_changes(&server).await;
    // The connection that added the users stays.
    let one_left = || server.connections() == 1;
    eventually("it is dropped", Duration::from_secs(4), one_left).await;
}

/// Adds 150 users, and returns how long the slowest of these changes took to a client that reads.
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
    let request = &Raw::handshake("/users");
    conformance::lesson_clients_that_do_not_read_hold_little(BINARY, request).await;
}

#[tokio::test]
async fn a_thousand_clients_all_receive_one_change() {
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
async fn a_cut_says_going_away_and_the_next_connections_stay() {
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

#[tokio::test]
async fn a_stop_with_a_hundred_open_connections_and_a_stalled_one_is_quick_and_says_going_away() {
    let server = Server::start(BINARY, &[]);
    let mut clients = Vec::new();
    for path in ["/users", "/clock"].repeat(50) {
        clients.push(Client::open(&server, path).await);
    }
    // It sends until the server, stuck with what it does not read, takes no more.
    let mut stalled = Raw::with_little_room(&server, "/echo").await;
    let message = Raw::frame(0x82, &vec![0; 60_000]);
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
