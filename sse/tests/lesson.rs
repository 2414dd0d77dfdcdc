//! The promises of this lesson, checked over real sockets against the real binary. The first test is
//! the whole lesson as a short story.
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
use testing::{Server, Signal, TEST_TIMEOUT, conformance, eventually, read_until};
use tokio::time::timeout;

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

/// The events of one stream, decoded by a library that is not ours.
struct Events(Pin<Box<dyn Stream<Item = Event> + Send>>);

impl Events {
    async fn open(server: &Server, path: &str) -> Self {
        Self::resume(server, path, None).await
    }

    /// Reconnects as a browser does: with the id of the last event that it has received.
    async fn resume(server: &Server, path: &str, last_event_id: Option<&str>) -> Self {
        let mut request = server.client.get(server.url(path));
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = timeout(TEST_TIMEOUT, request.send())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(response.status(), 200);
        let events = response.bytes_stream().eventsource();
        Self(Box::pin(
            events.map(|event| event.expect("the body ends cleanly")),
        ))
    }

    /// Returns the next event that is not a ping; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let event = timeout(TEST_TIMEOUT, self.0.next())
                .await
                .expect("an event in time")?;
            if event.event != "ping" {
                return Some(event);
            }
        }
    }

    /// Returns the number of users in the next event.
    async fn count(&mut self) -> usize {
        users_in(&self.next().await.expect("an event")).len()
    }
}

/// Returns the users of a `users` event.
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

#[tokio::test]
async fn two_clients_get_the_list_at_once_and_then_each_change() {
    let server = Server::start(BINARY, &[]);
    // Two tabs open the stream. Both get the list at once.
    let mut tabs = [
        Events::open(&server, "/users").await,
        Events::open(&server, "/users").await,
    ];
    for tab in &mut tabs {
        assert_eq!(tab.count().await, 2);
    }
    // Add a user: both get the new list, without another request.
    let id = server.add_user("李四").await;
    for tab in &mut tabs {
        let users = users_in(&tab.next().await.unwrap());
        assert_eq!(users[2], serde_json::json!({"id": id, "username": "李四"}));
    }
    // Remove the user: both get the list without it.
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
async fn streams_beyond_the_limit_of_files_wait() {
    let server = conformance::start_with_few_files(BINARY, &[]);
    let change = async |server: &Server, name: &str| {
        server.add_user(name).await;
    };
    let request = "GET /users HTTP/1.1\r\nHost: x\r\n\r\n";
    conformance::streams_beyond_the_limit_of_files_wait(server, request, change).await;
}

#[tokio::test]
async fn the_response_is_an_event_stream_with_the_right_headers() {
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

/// With the same time for all, all clients would reconnect at the same moment after a restart.
#[tokio::test]
async fn each_response_has_another_retry_time() {
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
async fn a_client_that_missed_nothing_gets_nothing_until_the_next_change() {
    let server = Server::start(BINARY, &["--heartbeat", "0.1"]);
    let latest = Events::open(&server, "/users")
        .await
        .next()
        .await
        .unwrap()
        .id;
    let latest_url = format!("/users?lastEventId={latest}");
    let stale_url = "/users?lastEventId=1";
    let mut reconnected = [
        Events::resume(&server, "/users", Some(&latest)).await,
        Events::resume(&server, &latest_url, None).await,
        Events::resume(&server, stale_url, Some(&latest)).await,
    ];
    for client in &mut reconnected {
        let first = timeout(TEST_TIMEOUT, client.0.next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(first.event, "ping", "a ping came before any list");
    }
    server.add_user("Bob").await;
    for client in &mut reconnected {
        assert_eq!(client.count().await, 3);
    }
}

#[tokio::test]
async fn a_client_that_missed_a_change_gets_the_list_at_once() {
    let server = Server::start(BINARY, &[]);
    let last_seen_id = Events::open(&server, "/users")
        .await
        .next()
        .await
        .unwrap()
        .id;
    server.add_user("Bob").await;
    for id in [
        last_seen_id.as_str(),
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

/// The first version after a start is the time of the start, so it is never one that an earlier run
/// has sent.
#[tokio::test]
async fn a_client_that_reconnects_after_a_restart_gets_the_new_list() {
    let server = Server::start(BINARY, &[]);
    server.add_user("forgotten").await;
    let last_seen_id = Events::open(&server, "/users")
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
        Events::resume(&server, "/users", Some(&last_seen_id))
            .await
            .count()
            .await,
        2
    );
}

#[tokio::test]
async fn the_clock_sends_each_second_and_continues_the_ids() {
    let server = Server::start(BINARY, &[]);
    let mut new_client = Events::open(&server, "/clock").await;
    let mut reconnected = Events::resume(&server, "/clock", Some("41")).await;
    let mut with_bad_id = Events::resume(&server, "/clock", Some("18446744073709551614")).await;
    for (number, resumed) in [("1", "42"), ("2", "43")] {
        let event = new_client.next().await.unwrap();
        assert_eq!(event.event, "message", "no name, so it goes to onmessage");
        let digits = event
            .data
            .replace(|letter: char| letter.is_ascii_digit(), "0");
        assert_eq!(digits, "0000-00-00 00:00:00");
        assert_eq!(event.id, number);
        let resumed_event = reconnected.next().await.unwrap();
        assert_eq!(
            (resumed_event.id.as_str(), &resumed_event.data),
            (resumed, &event.data)
        );
        assert_eq!(with_bad_id.next().await.unwrap().id, number);
    }
}

#[tokio::test]
async fn a_stream_without_updates_sends_pings_with_the_time() {
    let server = Server::start(BINARY, &["--heartbeat", "0.05"]);
    for path in ["/users", "/clock"] {
        let mut events = Events::open(&server, path).await.0;
        let pings = (&mut events)
            .filter(|event| std::future::ready(event.event == "ping"))
            .take(3);
        for ping in timeout(TEST_TIMEOUT, pings.collect::<Vec<_>>())
            .await
            .unwrap()
        {
            let data: Value = serde_json::from_str(&ping.data).unwrap();
            assert_eq!(
                data["time"].as_str().unwrap().len(),
                "2020-09-24 22:51:02".len()
            );
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
        read_until(&mut client, |text| text.contains("retry: ")).await;
        clients.push(client);
    }
    assert_eq!(server.connections(), 100);
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
    let mut reader = Events::open(&server, "/users").await;
    assert_eq!(reader.count().await, 2);

    // All lists together are longer than 1 MB. The buffers between server and client are much smaller.
    let (long_name, changes) = ("三".repeat(32), 150);
    let (mut slowest, mut latest) = (Duration::ZERO, 0);
    for number in 1..=changes {
        let start = Instant::now();
        latest = server.add_user(&long_name).await;
        while reader.count().await < 2 + number {}
        slowest = slowest.max(start.elapsed());
    }
    assert!(
        slowest < Duration::from_secs(1),
        "a change took {slowest:?}"
    );

    let latest = format!("\"id\":{latest},");
    let received = read_until(&mut stalled, |text| text.contains(&latest)).await;
    let lists = received.matches("event: users").count();
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
async fn a_cut_ends_open_streams_cleanly_and_later_ones_stay_open() {
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

/// Here a hundred streams are open, and one more whose client has stopped reading.
#[tokio::test]
async fn a_stop_is_quick_and_ends_open_streams_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::start(BINARY, &[]);
        let _stalled = server
            .send_raw_small_window("GET /users HTTP/1.1\r\nHost: x\r\n\r\n")
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
        assert!(exit.elapsed < conformance::STOP_LIMIT, "{:?}", exit.elapsed);
    }
}

/// The same for all lessons: adding users, errors, limits, origins, flags, saving, stopping.
#[tokio::test]
async fn keeps_the_common_promises() {
    conformance::check_all(BINARY).await;
}
