//! What this lesson promises, checked over real sockets against the real binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken promise ends the test"
)]

use std::collections::HashSet;
use std::pin::Pin;
use std::time::{Duration, Instant};

use eventsource_stream::{Event, Eventsource as _};
use futures_util::{Stream, StreamExt as _};
use reqwest::header;
use serde_json::Value;
use shared::testing::{PATIENCE, Server, Signal, eventually, promises, read_until};
use tokio::time::timeout;

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

/// The events of one stream, decoded by a library that is not ours.
struct Events(Pin<Box<dyn Stream<Item = Event> + Send>>);

impl Events {
    async fn open(server: &Server, path: &str) -> Self {
        Self::resume(server, path, None).await
    }

    /// Comes back as a browser does: with the id of the last event that it has seen.
    async fn resume(server: &Server, path: &str, last_event_id: Option<&str>) -> Self {
        let mut request = server.client.get(server.url(path));
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = timeout(PATIENCE, request.send()).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        let events = response.bytes_stream().eventsource();
        Self(Box::pin(
            events.map(|event| event.expect("the body ends cleanly")),
        ))
    }

    /// The next event that is no ping; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let event = timeout(PATIENCE, self.0.next())
                .await
                .expect("an event in time")?;
            if event.event != "ping" {
                return Some(event);
            }
        }
    }

    /// The number of users in the next event.
    async fn count(&mut self) -> usize {
        users_in(&self.next().await.expect("an event")).len()
    }
}

fn users_in(event: &Event) -> Vec<Value> {
    assert_eq!(event.event, "users");
    let snapshot: Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(
        snapshot["version"].to_string(),
        event.id,
        "the version is the event's id"
    );
    snapshot["users"].as_array().unwrap().clone()
}

/// The same for all lessons: adding users, errors, limits, origins, flags, saving, stopping.
#[tokio::test]
async fn keeps_the_common_promises() {
    promises::keeps_them_all(BINARY).await;
}

#[tokio::test]
async fn streams_beyond_the_limit_of_files_wait_and_nobody_else_notices() {
    let server = promises::start_with_few_files(BINARY, &[]);
    let change = async |server: &Server, name: &str| {
        server.add_user(name).await;
    };
    let request = "GET /users HTTP/1.1\r\nHost: x\r\n\r\n";
    promises::streams_beyond_the_limit_of_files_wait(server, request, change).await;
}

#[tokio::test]
async fn the_response_says_that_it_is_an_event_stream_and_must_not_be_kept_or_collected() {
    let server = Server::start(BINARY, &[]);
    for path in ["/users", "/clock"] {
        let response = server.get(path).await;
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "text/event-stream"
        );
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
        assert_eq!(response.headers()["X-Accel-Buffering"], "no");
        assert_eq!(response.headers()[header::TRANSFER_ENCODING], "chunked");
    }
}

/// Were it the same for all, a restart would bring all clients back in the same moment.
#[tokio::test]
async fn each_client_is_told_its_own_time_to_come_back_after() {
    let server = Server::start(BINARY, &[]);
    let mut times = HashSet::new();
    for _ in 0..20 {
        let mut connection = server
            .send_raw("GET /clock HTTP/1.1\r\nHost: x\r\n\r\n")
            .await;
        let text = read_until(&mut connection, |text| text.ends_with("\n\n\r\n")).await;
        let (_, retry) = text.split_once("retry: ").expect("retry comes first");
        times.insert(retry.split_once('\n').unwrap().0.parse::<u32>().unwrap());
    }
    assert!(
        times.iter().all(|time| (1_500..=3_000).contains(time)),
        "{times:?}"
    );
    assert!(times.len() > 1, "{times:?}");
}

#[tokio::test]
async fn two_clients_both_get_the_list_at_once_and_each_change_unasked() {
    let server = Server::start(BINARY, &[]);
    let mut tabs = [
        Events::open(&server, "/users").await,
        Events::open(&server, "/users").await,
    ];
    for tab in &mut tabs {
        assert_eq!(tab.count().await, 2);
    }
    let id = server.add_user("李四").await;
    for tab in &mut tabs {
        let users = users_in(&tab.next().await.unwrap());
        assert_eq!(users[2], serde_json::json!({"id": id, "username": "李四"}));
    }
    server
        .client
        .delete(server.url(&format!("/users/{id}")))
        .send()
        .await
        .unwrap();
    for tab in &mut tabs {
        assert_eq!(tab.count().await, 2);
    }
}

#[tokio::test]
async fn a_client_that_missed_nothing_is_sent_nothing_until_there_is_news() {
    let server = Server::start(BINARY, &["--heartbeat", "0.1"]);
    let newest = Events::open(&server, "/users")
        .await
        .next()
        .await
        .unwrap()
        .id;
    let by_address = format!("/users?lastEventId={newest}");
    let stale_address = "/users?lastEventId=1";
    let mut came_back = [
        Events::resume(&server, "/users", Some(&newest)).await,
        Events::resume(&server, &by_address, None).await,
        Events::resume(&server, stale_address, Some(&newest)).await,
    ];
    for client in &mut came_back {
        let first = timeout(PATIENCE, client.0.next()).await.unwrap().unwrap();
        assert_eq!(first.event, "ping", "a ping came before any list");
    }
    server.add_user("Bob").await;
    for client in &mut came_back {
        assert_eq!(client.count().await, 3);
    }
}

#[tokio::test]
async fn a_client_that_missed_something_gets_the_newest_list_at_once() {
    let server = Server::start(BINARY, &[]);
    let seen = Events::open(&server, "/users")
        .await
        .next()
        .await
        .unwrap()
        .id;
    server.add_user("Bob").await;
    for id in [
        seen.as_str(),
        "0",
        "-1",
        "abc",
        "",
        "1e3",
        "9".repeat(30).as_str(),
    ] {
        let mut client = Events::resume(&server, "/users", Some(id)).await;
        assert_eq!(client.count().await, 3, "{id:?}");
    }
    for query in [
        "lastEventId=abc",
        "lastEventId=",
        "lastEventId=1&lastEventId=2",
        "%ff",
    ] {
        let mut client = Events::open(&server, &format!("/users?{query}")).await;
        assert_eq!(client.count().await, 3, "{query}");
    }
}

/// A version counts on from the wall clock, so the old one cannot be mistaken for the new.
#[tokio::test]
async fn a_client_that_comes_back_after_a_restart_gets_the_new_list() {
    let server = Server::start(BINARY, &[]);
    server.add_user("forgotten").await;
    let seen = Events::open(&server, "/users")
        .await
        .next()
        .await
        .unwrap()
        .id;
    let port = server.address().port();
    server.signal(Signal::KILL);
    assert_eq!(server.wait().code, None);

    let server = Server::start_on(port, BINARY, &[]);
    assert_eq!(
        Events::resume(&server, "/users", Some(&seen))
            .await
            .count()
            .await,
        2
    );
}

#[tokio::test]
async fn the_clock_tells_each_second_and_counts_on_where_the_client_left_off() {
    let server = Server::start(BINARY, &[]);
    let mut fresh = Events::open(&server, "/clock").await;
    let mut back = Events::resume(&server, "/clock", Some("41")).await;
    let mut confused = Events::resume(&server, "/clock", Some("18446744073709551614")).await;
    for (number, resumed) in [("1", "42"), ("2", "43")] {
        let event = fresh.next().await.unwrap();
        assert_eq!(event.event, "message", "no name, so onmessage hears it");
        let digits = event
            .data
            .replace(|letter: char| letter.is_ascii_digit(), "0");
        assert_eq!(digits, "0000-00-00 00:00:00");
        assert_eq!(event.id, number);
        let resumed_event = back.next().await.unwrap();
        assert_eq!(
            (resumed_event.id.as_str(), &resumed_event.data),
            (resumed, &event.data)
        );
        assert_eq!(confused.next().await.unwrap().id, number);
    }
}

#[tokio::test]
async fn a_quiet_connection_pings_with_the_servers_time() {
    let server = Server::start(BINARY, &["--heartbeat", "0.05"]);
    for path in ["/users", "/clock"] {
        let mut events = Events::open(&server, path).await.0;
        let pings = (&mut events)
            .filter(|event| std::future::ready(event.event == "ping"))
            .take(3);
        for ping in timeout(PATIENCE, pings.collect::<Vec<_>>()).await.unwrap() {
            let data: Value = serde_json::from_str(&ping.data).unwrap();
            assert_eq!(
                data["time"].as_str().unwrap().len(),
                "2020-09-24 22:51:02".len()
            );
        }
    }
}

/// With actix's default settings this fails: a closed connection is then taken for one that only
/// has nothing more to say.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_that_vanish_are_released_within_200_milliseconds() {
    let server = Server::start(BINARY, &[]);
    let mut clients = Vec::new();
    for path in ["/users", "/clock"].repeat(50) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut client = server.send_raw(&request).await;
        read_until(&mut client, |text| text.contains("retry: ")).await;
        clients.push(client);
    }
    assert_eq!(server.connections(), 100);
    drop(clients);
    let limit = Duration::from_millis(200);
    eventually("all are released", limit, || server.connections() == 0).await;
}

/// The tempting wrong answer sends to one client after the other and waits for each.
#[tokio::test]
async fn a_client_that_stops_reading_delays_nobody_and_ends_up_with_the_newest_list() {
    let server = Server::start(BINARY, &[]);
    let request = "GET /users HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut stalled = server.send_raw_with_little_room(request).await;
    let mut reader = Events::open(&server, "/users").await;
    assert_eq!(reader.count().await, 2);

    // More than 1 MB, far more than the buffers between the two hold.
    let (long_name, changes) = ("三".repeat(32), 150);
    let (mut slowest, mut newest) = (Duration::ZERO, 0);
    for number in 1..=changes {
        let start = Instant::now();
        newest = server.add_user(&long_name).await;
        while reader.count().await < 2 + number {}
        slowest = slowest.max(start.elapsed());
    }
    assert!(
        slowest < Duration::from_secs(1),
        "a change took {slowest:?}"
    );

    let newest = format!("\"id\":{newest},");
    let received = read_until(&mut stalled, |text| text.contains(&newest)).await;
    let lists = received.matches("event: users").count();
    assert!(
        lists < changes / 2,
        "it was sent {lists} lists of {changes}"
    );
}

#[tokio::test]
async fn a_thousand_clients_all_hear_of_one_change() {
    let server = Server::start(BINARY, &[]);
    let mut clients = Vec::new();
    for _ in 0..1_000 {
        clients.push(Events::open(&server, "/users").await);
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
async fn a_cut_ends_the_open_streams_cleanly_and_the_next_ones_stay() {
    let server = Server::start(BINARY, &[]);
    let mut open = [
        Events::open(&server, "/users").await,
        Events::open(&server, "/clock").await,
    ];
    server.cut().await;
    for stream in &mut open {
        while stream.next().await.is_some() {}
    }
    let mut next = Events::open(&server, "/users").await;
    assert_eq!(next.count().await, 2);
    server.add_user("Bob").await;
    assert_eq!(next.count().await, 3);
}

#[tokio::test]
async fn a_stop_with_a_hundred_open_streams_and_a_stalled_one_is_quick_and_ends_them_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::start(BINARY, &[]);
        let _stalled = server
            .send_raw_with_little_room("GET /users HTTP/1.1\r\nHost: x\r\n\r\n")
            .await;
        for _ in 0..100 {
            server.add_user(&"三".repeat(32)).await;
        }
        let mut streams = Vec::new();
        for path in ["/users", "/clock"].repeat(50) {
            streams.push(Events::open(&server, path).await);
        }
        server.signal(signal);
        for stream in &mut streams {
            while stream.next().await.is_some() {}
        }
        let exit = server.wait();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        assert!(exit.elapsed < promises::STOP_LIMIT, "{:?}", exit.elapsed);
    }
}
