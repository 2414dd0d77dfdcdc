//! How connections end: by their clients, by their silence, by a cut, and with the server.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use testing::{Server, Signal, TEST_TIMEOUT, conformance, eventually, read_until};
use tokio::{net::TcpStream, time::timeout};

use crate::client::{BINARY, Client, LOBBY, Person, Socket, TRANSPORTS, database, start};

/// A request for the lobby as it goes over the wire, an upgrade if it is for the socket.
fn request(person: &Person, path: &str) -> String {
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let upgrade = if path.starts_with("ws") { upgrade } else { "" };
    let token = &person.token;
    format!(
        "GET {LOBBY}/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{upgrade}\r\n"
    )
}

/// A client that has been served so far and does not read on.
async fn stalled(server: &Server, person: &Person, path: &str) -> TcpStream {
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
        clients.push(stalled(&server, &ann, path).await);
    }
    for _ in 0..34 {
        clients.push(server.send_raw(&request(&ann, &poll)).await);
    }
    let all = before + clients.len();
    eventually("all are there", TEST_TIMEOUT, || {
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
        stalled(&server, &bob, "ws").await,
        stalled(&server, &bob, "events").await,
    );
    let opened = Instant::now();
    let padding = "三".repeat(1_900);
    let mut slowest = Duration::ZERO;
    let mut number = 0;
    while opened.elapsed() < Duration::from_millis(2_500) {
        let start = Instant::now();
        ann.say(&server, &format!("{number} {padding}"), None).await;
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

/// It answers no ping. One that reads, and so answers, stays.
#[tokio::test]
async fn a_socket_that_is_silent_is_dropped_after_two_heartbeats() {
    let server = start(&["--heartbeat", "0.4"]);
    let ann = Person::join(&server, "Ann").await;
    let mut reader = Socket::open(&server, &ann, &format!("{LOBBY}/ws")).await;
    let opened = Instant::now();
    let _silent = stalled(&server, &ann, "ws").await;
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
    // The reader, and the one that joined.
    let two_left = || server.connections() == 2;
    tokio::select! {
        () = reading => {}
        _ = eventually("it is dropped", TEST_TIMEOUT, two_left) => {}
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
        let say = async |server: &Server, text: &str| {
            ann.say(server, text, None).await;
        };
        let request = request(&ann, path);
        conformance::streams_beyond_the_limit_of_files_wait(server, &request, say).await;
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
        let say = async |server: &Server| {
            futures_util::future::join_all((0..20).map(|_| ann.say(server, &text, None))).await;
            20 * text.len()
        };
        let request = request(&ann, path);
        conformance::clients_that_do_not_read_hold_little(&server, &request, say).await;
    }
}

/// In JSON each of these letters is six. The tempting wrong answer encodes all that it has read at once.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn readers_that_stall_while_they_catch_up_hold_little() {
    let server = start(&["--rate", "0", "--connections", "100"]);
    let ann = Person::join(&server, "Ann").await;
    let text = "\u{1}".repeat(2_000);
    for _ in 0..200 {
        ann.say(&server, &text, None).await;
    }
    let before = server.memory();
    let mut readers = Vec::new();
    for path in ["ws?after=0", "events?after=0"].repeat(20) {
        readers.push(stalled(&server, &ann, path).await);
    }
    let each = server.memory().saturating_sub(before) / 40;
    assert!(each < 500_000, "{each} bytes a reader");
}

/// What it has missed is far more than is held for it: it comes from the log.
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
        let saying = texts.iter().map(|text| ann.say(&server, text, None));
        futures_util::future::join_all(saying).await;
        sent.extend(texts);
    }
    ann.say(&server, "end", None).await;
    for client in &mut slow {
        let texts = timeout(TEST_TIMEOUT, client.texts_to("end")).await.unwrap();
        let [mut texts, mut sent] = [texts, sent.clone()];
        texts.pop();
        texts.sort();
        sent.sort();
        assert!(texts == sent, "{} of {}", texts.len(), sent.len());
    }
}

/// Reads everything that there is. Then starts a poll that waits, as a task.
async fn waiting(server: &Server, person: &Person) -> (tokio::task::JoinHandle<Value>, String) {
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
    let polling = person.sign(server.client.get(url)).send();
    let poll = tokio::spawn(async {
        let answer = polling.await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    });
    (poll, cursor)
}

/// Everything that is open, and how it ends.
struct Open {
    sockets: Vec<Socket>,
    streams: Vec<reqwest::Response>,
    poll: tokio::task::JoinHandle<Value>,
    cursor: String,
}

impl Open {
    async fn all(server: &Server, person: &Person) -> Self {
        let (mut sockets, mut streams) = (Vec::new(), Vec::new());
        for _ in 0..50 {
            sockets.push(Socket::open(server, person, &format!("{LOBBY}/ws")).await);
            streams.push(person.get(server, &format!("{LOBBY}/events")).await);
        }
        let (poll, cursor) = waiting(server, person).await;
        server.settle().await;
        Self {
            sockets,
            streams,
            poll,
            cursor,
        }
    }

    async fn ends_well(self) {
        for mut socket in self.sockets {
            assert_eq!(socket.close_code().await, 1001);
        }
        for stream in self.streams {
            timeout(TEST_TIMEOUT, stream.text())
                .await
                .unwrap()
                .expect("a clean end");
        }
        let answer = timeout(TEST_TIMEOUT, self.poll).await.unwrap().unwrap();
        assert_eq!(answer, json!({ "events": [], "cursor": self.cursor }));
    }
}

#[tokio::test]
async fn a_cut_ends_everything_cleanly_and_the_next_connections_stay() {
    let server = start(&["--connections", "200", "--rate", "0"]);
    let ann = Person::join(&server, "Ann").await;
    let open = Open::all(&server, &ann).await;
    server.cut().await;
    open.ends_well().await;
    let mut next = Client::open(TRANSPORTS[0], &server, &ann, None).await;
    ann.say(&server, "still here", None).await;
    assert_eq!(next.texts_to("still here").await, ["still here"]);
}

#[tokio::test]
async fn a_stop_with_a_hundred_open_connections_and_stalled_ones_is_quick_and_clean() {
    // As many messages as stall a reader; what the signal is called makes no difference to that.
    for (signal, messages) in [(Signal::TERM, 100), (Signal::INT, 0)] {
        let server = start(&["--connections", "200", "--rate", "0"]);
        let ann = Person::join(&server, "Ann").await;
        let _stalled = (
            stalled(&server, &ann, "ws").await,
            stalled(&server, &ann, "events").await,
        );
        let padding = "三".repeat(1_900);
        let saying = (0..messages).map(|number| format!("{number} {padding}"));
        let saying: Vec<_> = saying.collect();
        for part in saying.chunks(100) {
            let part = part.iter().map(|text| ann.say(&server, text, None));
            futures_util::future::join_all(part).await;
        }
        let open = Open::all(&server, &ann).await;
        server.signal(signal);
        open.ends_well().await;
        let exit = server.wait();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        assert!(exit.elapsed < conformance::STOP_LIMIT, "{:?}", exit.elapsed);
    }
}

/// Over HTTP; ten thousand of them are a test of the rooms themselves.
#[tokio::test]
async fn two_thousand_visits_leave_nothing_behind() {
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
    futures_util::future::join_all((0..20).map(|_| visit(100))).await;
    let grown = server.memory().saturating_sub(before);
    assert!(grown < 1 << 20, "{grown} bytes");
}
