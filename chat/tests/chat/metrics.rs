//! Tests of `--metrics`: each number is exactly what was done.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use serde_json::json;
use testing::{Server, Signal, TEST_TIMEOUT, conformance, read_until, run};
use tokio::time::{sleep, timeout};

use crate::client::{
    BINARY, Client, LOBBY, Person, Socket, TRANSPORTS, Transport, start, take_name,
};
use crate::connections::open_stalled;

/// Returns an address that is free. It is unlikely that another program takes it first.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A server with a listener for its metrics.
struct Measured {
    server: Server,
    address: SocketAddr,
}

impl Measured {
    fn start(flags: &[&str]) -> Self {
        let address = free_address();
        let metrics = address.to_string();
        let server = start(&[&["--metrics", &metrics], flags].concat());
        Self { server, address }
    }

    /// Returns the value of a series, such as `chat_connections{transport="sse"}`. `None` if there is none.
    async fn value(&self, series: &str) -> Option<f64> {
        value(&scrape(&self.server, self.address).await, series)
    }

    /// Waits until a series has this value.
    async fn expect(&self, series: &str, expected: f64) {
        let mut last = None;
        let reaching = async {
            while last != Some(expected) {
                last = self.value(series).await;
                sleep(Duration::from_millis(5)).await;
            }
        };
        let outcome = timeout(TEST_TIMEOUT, reaching).await;
        assert!(outcome.is_ok(), "{series} is {last:?}, not {expected}");
    }

    /// Waits until `chat_connections` has these values.
    async fn expect_connections(&self, websocket: u32, sse: u32, long_poll: u32) {
        for (transport, expected) in [
            ("websocket", websocket),
            ("sse", sse),
            ("long-poll", long_poll),
        ] {
            let series = format!(r#"chat_connections{{transport="{transport}"}}"#);
            self.expect(&series, expected.into()).await;
        }
    }
}

/// Returns all metrics of a server, as Prometheus gets them.
pub(crate) async fn scrape(server: &Server, address: SocketAddr) -> String {
    let scraping = server
        .client
        .get(format!("http://{address}/metrics"))
        .send();
    let response = timeout(TEST_TIMEOUT, scraping).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    let kind = &response.headers()["Content-Type"];
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    response.text().await.unwrap()
}

/// Returns the value of a series in the text of a scrape.
pub(crate) fn value(text: &str, series: &str) -> Option<f64> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map(|value| value.parse().unwrap())
}

#[tokio::test]
async fn connections_are_counted_by_transport_until_they_end() {
    let measured = Measured::start(&[]);
    let ann = Person::join(&measured.server, "Ann").await;
    measured.expect_connections(0, 0, 0).await;
    let mut clients = Vec::new();
    // Each transport has another number, so that none is taken for another.
    for (transport, count) in TRANSPORTS.into_iter().zip([3, 2, 1]) {
        for _ in 0..count {
            let mut client = Client::open(transport, &measured.server, &ann, None).await;
            client.event("roster").await;
            clients.push(client);
        }
    }
    // The poll is answered, and the client sends the next one only when it waits for the next event.
    measured.expect_connections(3, 2, 0).await;
    {
        let poll = clients.last_mut().unwrap();
        let mut polling = Box::pin(poll.next());
        let counted = measured.expect_connections(3, 2, 1);
        tokio::select! {
            () = counted => {}
            event = &mut polling => panic!("{event}"),
        }
    }
    measured.expect_connections(3, 2, 0).await;
    clients.truncate(4);
    measured.expect_connections(3, 1, 0).await;
    drop(clients);
    measured.expect_connections(0, 0, 0).await;
}

#[tokio::test]
async fn messages_and_acknowledgements_are_counted_and_a_repeat_is_no_message() {
    let measured = Measured::start(&[]);
    let ann = Person::join(&measured.server, "Ann").await;
    let mut socket = Socket::open(&measured.server, &ann, &format!("{LOBBY}/ws")).await;
    for number in [1, 2, 3, 3] {
        socket.acknowledge(number).await.unwrap();
    }
    for _ in 0..2 {
        ann.post_text(&measured.server, "over HTTP", None).await;
    }
    let text = scrape(&measured.server, measured.address).await;
    let value = |series: &str| value(&text, series);
    assert_eq!(value("chat_messages_total"), Some(5.0));
    assert_eq!(value("chat_acknowledgement_seconds_count"), Some(6.0));
    let all = r#"chat_acknowledgement_seconds_bucket{le="+Inf"}"#;
    assert_eq!(value(all), Some(6.0));
    let seconds = value("chat_acknowledgement_seconds_sum").unwrap();
    assert!(seconds > 0.0 && seconds < 10.0, "in seconds: {seconds}");
}

#[tokio::test]
async fn refused_requests_are_counted_by_reason() {
    let measured = Measured::start(&["--rate", "1", "--connections", "1"]);
    let server = &measured.server;
    let ann = Person::join(server, "Ann").await;
    let refused = |reason: &str| format!(r#"chat_refused_requests_total{{reason="{reason}"}}"#);

    for _ in 0..2 {
        assert_eq!(take_name(server, "Ann", None).await.status(), 409);
    }
    let foreign = server.client.post(server.url("/session"));
    let foreign = foreign.header("Origin", "http://evil.example");
    let foreign = foreign.json(&json!({ "name": "Eve" })).send().await;
    assert_eq!(foreign.unwrap().status(), 403);
    assert_eq!(server.get("/nothing").await.status(), 404);
    assert_eq!(server.get(&format!("{LOBBY}/events")).await.status(), 401);

    let mut socket = Socket::open(server, &ann, &format!("{LOBBY}/ws")).await;
    socket.event("roster").await;
    let second = ann.get(server, &format!("{LOBBY}/events")).await;
    assert_eq!(second.status(), 429, "too many connections");
    socket.send("no JSON").await;
    socket.event("error").await;
    // A burst of two is allowed.
    let path = format!("{LOBBY}/messages");
    for key in ["1", "2", "3", "4"] {
        ann.post(server, &path, &json!({ "key": key, "text": "x" }))
            .await;
    }
    let frame = json!({ "event": "message", "data": { "key": "5", "text": "x" } });
    socket.send(frame.to_string()).await;
    socket.event("error").await;

    let text = scrape(server, measured.address).await;
    for (reason, count) in [
        ("name_taken", 2.0),
        ("origin", 1.0),
        ("not_found", 1.0),
        ("unauthorized", 1.0),
        ("connections", 1.0),
        ("bad_request", 1.0),
        ("rate", 3.0),
    ] {
        assert_eq!(
            value(&text, &refused(reason)),
            Some(count),
            "{reason}\n{text}"
        );
    }
    assert_eq!(value(&text, &refused("unavailable")), None);
    assert_eq!(value(&text, "chat_messages_total"), Some(2.0));
}

#[tokio::test]
async fn a_database_that_does_not_respond_is_a_reason() {
    let redis = testing::redis::is_installed().then(testing::redis::Redis::start);
    let Some(redis) = redis else { return };
    let measured = Measured::start(&["--redis", &redis.url()]);
    let ann = Person::join(&measured.server, "Ann").await;
    redis.signal(Signal::STOP);
    let body = json!({ "key": "1", "text": "x" });
    let response = ann
        .post(&measured.server, &format!("{LOBBY}/messages"), &body)
        .await;
    redis.signal(Signal::CONT);
    assert_eq!(response.status(), 503);
    let series = r#"chat_refused_requests_total{reason="unavailable"}"#;
    assert_eq!(measured.value(series).await, Some(1.0));
    assert_eq!(measured.value("chat_messages_total").await, Some(0.0));
}

/// A reader that misses events because its client does not read. Then the client reads on, or never again.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn lagging_readers_are_counted_by_what_becomes_of_them() {
    let measured = Measured::start(&["--rate", "0", "--heartbeat", "3"]);
    let server = &measured.server;
    let (ann, bob) = (
        Person::join(server, "Ann").await,
        Person::join(server, "Bob").await,
    );
    let lagging = |outcome: &str| format!(r#"chat_lagging_readers_total{{outcome="{outcome}"}}"#);
    let mut reader = Client::open(Transport::Sse, server, &ann, None).await;
    let mut slow = open_stalled(server, &bob, "events").await;
    let stalled = open_stalled(server, &bob, "events").await;
    measured.expect_connections(0, 3, 0).await;
    for number in 0..150 {
        let text = format!("{number} {}", "x".repeat(1_900));
        ann.post_text(server, &text, None).await;
        // One at a time, so that a reader that reads never lags.
        reader.event("message").await;
    }
    assert_eq!(measured.value(&lagging("read_from_log")).await, Some(0.0));
    assert_eq!(measured.value(&lagging("disconnected")).await, Some(0.0));

    read_until(&mut slow, |text| text.contains("\"149 x")).await;
    measured.expect(&lagging("read_from_log"), 1.0).await;
    // Nobody says that the other one has stopped reading. The system finds out after two heartbeats.
    let reading = async {
        loop {
            read_until(&mut slow, |text| text.contains("ping")).await;
        }
    };
    tokio::select! {
        () = reading => {}
        () = measured.expect_connections(0, 2, 0) => {}
    }
    drop(stalled);
    measured.expect(&lagging("disconnected"), 1.0).await;
    drop((slow, reader));
    measured.expect_connections(0, 0, 0).await;
    assert_eq!(measured.value(&lagging("disconnected")).await, Some(1.0));
    assert_eq!(measured.value(&lagging("read_from_log")).await, Some(1.0));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn file_descriptors_and_their_limit_are_those_of_the_process() {
    let address = free_address();
    let metrics = address.to_string();
    let flags = ["--database", ":memory:", "--metrics", &metrics];
    let server = Server::start_with_files(400, BINARY, &flags);
    let (first, before) = (scrape(&server, address).await, server.open_files());
    assert_eq!(value(&first, "process_max_fds"), Some(400.0));
    let mut connections = Vec::new();
    for _ in 0..30 {
        connections.push(server.send_raw("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await);
    }
    for connection in &mut connections {
        read_until(connection, |text| text.contains("HTTP/1.1 200")).await;
    }
    let text = scrape(&server, address).await;
    let open = u32::try_from(server.open_files()).unwrap();
    assert_eq!(value(&text, "process_open_fds"), Some(f64::from(open)));
    assert_eq!(server.open_files(), before + 30);
}

#[tokio::test]
async fn metrics_are_not_on_the_public_port_and_need_a_flag() {
    let measured = Measured::start(&[]);
    assert_eq!(measured.server.get("/metrics").await.status(), 404);
    // Nor is the chat on the port of the metrics.
    let page = measured
        .server
        .client
        .get(format!("http://{}/", measured.address));
    assert_eq!(page.send().await.unwrap().status(), 404);

    // Two listeners of the same server with the flag, and one without.
    let without = start(&[]);
    assert_eq!(without.get("/metrics").await.status(), 404);
    assert_eq!(listeners(&measured.server), 2);
    assert_eq!(listeners(&without), 1);
}

/// Returns how many ports a server listens on.
fn listeners(server: &Server) -> usize {
    server.listening_ports().len()
}

#[tokio::test]
async fn a_metrics_port_that_is_taken_is_one_line_and_exit_code_1() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let flags = [
        "--database",
        ":memory:",
        "--port",
        "0",
        "--metrics",
        &address,
    ];
    let exit = run(BINARY, &flags);
    assert_eq!(exit.code, Some(1));
    assert_eq!(
        exit.stderr,
        format!(
            "chat: cannot serve metrics at {address}: another program uses that port. Choose another address with \
             --metrics.\n"
        )
    );
    assert_eq!(run(BINARY, &["--metrics", "9006"]).code, Some(2));
}

#[tokio::test]
async fn the_listener_of_the_metrics_stops_with_the_server() {
    let measured = Measured::start(&[]);
    scrape(&measured.server, measured.address).await;
    let address = measured.address;
    measured.server.signal(Signal::TERM);
    let exit = measured.server.wait();
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""));
    assert!(exit.elapsed < conformance::STOP_LIMIT, "{:?}", exit.elapsed);
    assert!(TcpListener::bind(address).is_ok(), "the port is free");
}

#[tokio::test]
async fn each_request_is_one_line_in_the_debug_log_without_its_query() {
    let environment = [("RUST_LOG", "debug"), ("DATABASE", ":memory:")];
    let server = Server::start_with(BINARY, &environment);
    let health = server.get("/health?secret=1").await.text().await.unwrap();
    let ann = Person::join(&server, "Ann").await;
    server.get("/nothing").await;
    let socket = Socket::open(&server, &ann, &format!("{LOBBY}/ws?after=0")).await;
    drop(socket);
    server.signal(Signal::TERM);
    let stderr = server.wait().stderr;
    let line = |start: &str| {
        let lines: Vec<_> = stderr.lines().filter(|line| line.contains(start)).collect();
        assert_eq!(lines.len(), 1, "{start}: {stderr}");
        let (_, line) = lines[0].split_once(" path=").unwrap();
        let (_, line) = line.split_once(' ').unwrap();
        let fields = line.split(' ').map(|field| field.split_once('=').unwrap());
        let fields: Vec<_> = fields.collect();
        let seconds: f64 = fields[1].1.parse().unwrap();
        assert!(fields[1].0 == "seconds" && seconds > 0.0 && seconds < 10.0);
        let bytes = fields.get(2).map(|(name, bytes)| {
            assert_eq!(*name, "bytes");
            bytes.parse::<usize>().unwrap()
        });
        (fields[0].1.to_owned(), bytes)
    };
    let health_line = line("method=GET path=/health ");
    assert_eq!(health_line, ("200".to_owned(), Some(health.len())));
    assert_eq!(line("method=POST path=/session ").0, "201");
    assert_eq!(line("method=GET path=/nothing ").0, "404");
    let socket = line("method=GET path=/rooms/lobby/ws ");
    assert_eq!(socket, ("101".to_owned(), None));
    assert!(!stderr.contains("secret") && !stderr.contains(&ann.token));
}
