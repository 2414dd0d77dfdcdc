//! Tests of the limits of a user: messages, polls and connections.

use std::time::Duration;

use serde_json::{Value, json};
use testing::{TEST_TIMEOUT, eventually};

use crate::client::{Client, LOBBY, Person, Socket, Transport, expect_error, start};

fn message(number: usize) -> Value {
    json!({ "key": number.to_string(), "text": "x" })
}

#[tokio::test]
async fn after_a_burst_a_user_learns_how_long_to_wait() {
    let server = start(&["--rate", "2"]);
    let (ann, bob) = (
        Person::join(&server, "Ann").await,
        Person::join(&server, "Bob").await,
    );
    let mut socket = Socket::open(&server, &ann, &format!("{LOBBY}/ws")).await;
    let frame = |number: usize| {
        json!({ "event": "message", "ack": number, "data": message(number) }).to_string()
    };
    for number in 0..4 {
        socket.send(frame(number)).await;
        socket.event("ack").await;
    }
    socket.send(frame(4)).await;
    let error = socket.event("error").await;
    let wait = error["data"]["retry_after"].as_f64().unwrap();
    assert!(error["ack"] == 4 && wait > 0.0 && wait <= 0.5, "{error}");
    let path = format!("{LOBBY}/messages");
    let refused = ann.post(&server, &path, &message(4)).await;
    assert_eq!(refused.headers()["Retry-After"], "1", "over HTTP, too");
    expect_error(refused, 429, "the fifth").await;
    assert_eq!(
        bob.post(&server, &path, &message(0)).await.status(),
        201,
        "another user"
    );

    tokio::time::sleep(Duration::from_secs_f64(wait)).await;
    socket.send(frame(4)).await;
    socket.event("ack").await;
}

#[tokio::test]
async fn a_user_has_at_most_twenty_connections_in_all_rooms() {
    let server = start(&[]);
    let (ann, bob) = (
        Person::join(&server, "Ann").await,
        Person::join(&server, "Bob").await,
    );
    let mut open = Vec::new();
    for number in 0..20 {
        let path = format!("/rooms/room-{number}/ws");
        open.push(Socket::open(&server, &ann, &path).await);
    }
    for path in ["events", "messages?wait=0"] {
        let refused = ann.get(&server, &format!("{LOBBY}/{path}")).await;
        assert_eq!(refused.headers()["Retry-After"], "5");
        expect_error(refused, 429, path).await;
    }
    assert!(
        Socket::try_open(&server, &ann, &format!("{LOBBY}/ws"))
            .await
            .is_err()
    );
    Socket::open(&server, &bob, &format!("{LOBBY}/ws")).await;
    let history = ann
        .get(&server, &format!("{LOBBY}/messages?before=9"))
        .await;
    assert_eq!(history.status(), 200, "history does not count");

    open.pop();
    let path = format!("{LOBBY}/messages?wait=0");
    let start = std::time::Instant::now();
    while ann.get(&server, &path).await.status() == 429 {
        assert!(start.elapsed() < TEST_TIMEOUT);
    }
}

/// A poll is work for the server, too, and a loop of polls must not delay other users.
#[tokio::test]
async fn polls_and_history_count_like_messages() {
    let server = start(&["--rate", "2"]);
    let ann = Person::join(&server, "Ann").await;
    for query in ["wait=0", "before=9", "wait=0&after=0", "before=1"] {
        let path = format!("{LOBBY}/messages?{query}");
        assert_eq!(ann.get(&server, &path).await.status(), 200);
    }
    for query in ["wait=0", "before=9"] {
        let path = format!("{LOBBY}/messages?{query}");
        let refused = ann.get(&server, &path).await;
        assert_eq!(refused.headers()["Retry-After"], "1");
        expect_error(refused, 429, query).await;
    }
    let refused = ann
        .post(&server, &format!("{LOBBY}/messages"), &message(0))
        .await;
    expect_error(refused, 429, "a message").await;
}

#[tokio::test]
async fn simultaneous_requests_keep_the_limit_of_connections() {
    let server = start(&["--connections", "3", "--rate", "0"]);
    let ann = Person::join(&server, "Ann").await;
    let polls = (0..50).map(|_| async {
        let response = ann
            .get(&server, &format!("{LOBBY}/messages?after=0.1&wait=1"))
            .await;
        response.status().as_u16()
    });
    let statuses = futures_util::future::join_all(polls).await;
    assert!(
        statuses.iter().all(|status| [200, 429].contains(status)),
        "{statuses:?}"
    );
    assert!(
        statuses.contains(&200) && statuses.contains(&429),
        "{statuses:?}"
    );
    eventually("the polls have ended", TEST_TIMEOUT, || {
        server.connections() <= 50
    })
    .await;
    Client::open(Transport::LongPoll, &server, &ann, None)
        .await
        .event("roster")
        .await;
}
