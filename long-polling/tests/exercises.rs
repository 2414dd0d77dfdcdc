//! The exercise of this lesson that is tested over a socket. The test fails until the exercise is solved:
//!
//! `cargo test -p long-polling --test exercises exercise_1 -- --ignored`
//!
//! `README.md` has a hint for each exercise, and `solutions/` has the answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "an exercise that is not solved ends the test"
)]

use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::Value;
use testing::{Server, TEST_TIMEOUT};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

/// How many changes are made in a row.
const CHANGES: u64 = 5;

/// Exercise 1: Collect changes
///
/// Many changes in a row bring every client back for each of them. Let a client say how long the server collects:
/// `/users?version=17&collect=200` waits for a change as before, then 200 ms more, and returns the list as it is then.
/// So one response has all changes of that time. Without `collect` nothing is different, and a poll without a change
/// still ends after its `wait`. `collect` is a whole number from 0 to 5000; any other value gets 400. When the server
/// cuts its connections (`POST /cut`), it stops collecting, too.
///
/// Begin with the `select!` in `users`, in `src/main.rs`. Which list do you return at the end?
#[tokio::test]
#[ignore = "exercise 1"]
async fn exercise_1_collect_changes() {
    let server = Server::start(BINARY, &[]);
    let version = version_of(server.get("/users").await).await;

    let poll = poll(&server, &format!("version={version}&wait=60&collect=1000"));
    for _ in 0..CHANGES {
        server.add_user("Bob").await;
    }
    let collected = version_of(poll.await.unwrap()).await - version;
    assert_eq!(
        collected, CHANGES,
        "exercise 1: the response must have all {CHANGES} changes of the second after the first one"
    );
    let version = version + CHANGES;

    expect_no_wait_for_silence(&server, version).await;
    let version = version_of(server.get("/users").await).await;
    expect_the_usual_wait(&server, version).await;
    for collect in ["5001", "-1", "soon", ""] {
        let query = format!("version={version}&wait=0&collect={collect}");
        let status = poll_now(&server, &query).await.status();
        assert_eq!(
            status, 400,
            "exercise 1: collect={collect} is not valid, so the server must refuse it; see `bad_query`"
        );
    }
    expect_a_cut_to_end_it(&server, version).await;
}

/// Checks that the time to collect begins with the first change, while changes come without a pause.
async fn expect_no_wait_for_silence(server: &Server, version: u64) {
    let poll = poll(server, &format!("version={version}&wait=60&collect=400"));
    let start = Instant::now();
    while !poll.is_finished() {
        server.add_user("Bob").await;
        sleep(Duration::from_millis(100)).await;
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "exercise 1: the response must come 400 ms after the first change, also if changes go on"
        );
    }
}

/// Checks that `collect` does not make a poll longer for which there is nothing to collect.
async fn expect_the_usual_wait(server: &Server, version: u64) {
    let start = Instant::now();
    let query = format!("version={version}&wait=1&collect=5000");
    let response = poll_now(server, &query).await;
    assert!(
        response.status() == 204 && start.elapsed() < Duration::from_secs(4),
        "exercise 1: without a change the poll must end after `wait` with 204, not with {} after {:?}",
        response.status(),
        start.elapsed()
    );
}

/// Checks that the server stops collecting when it cuts its connections.
async fn expect_a_cut_to_end_it(server: &Server, version: u64) {
    let start = Instant::now();
    let poll = poll(server, &format!("version={version}&wait=60&collect=5000"));
    server.add_user("Bob").await;
    // The poll must not arrive after the cut.
    server.settle().await;
    assert!(
        !poll.is_finished(),
        "exercise 1: a change has come, but the time to collect is not over"
    );
    server.cut().await;
    poll.await.unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "exercise 1: a cut must end the collecting at once; `cut.cancelled()` in src/main.rs is ready then"
    );
}

/// Polls in the background.
fn poll(server: &Server, query: &str) -> JoinHandle<Response> {
    let request = server.client.get(server.url(&format!("/users?{query}")));
    tokio::spawn(async {
        let response = timeout(TEST_TIMEOUT, request.send()).await;
        response
            .expect(
                "exercise 1: the poll gets no response; does it wait for a change that is over?",
            )
            .unwrap()
    })
}

/// Polls, and waits for the response.
async fn poll_now(server: &Server, query: &str) -> Response {
    poll(server, query).await.unwrap()
}

/// Returns the version of the list in a response.
async fn version_of(response: Response) -> u64 {
    assert_eq!(
        response.status(),
        200,
        "exercise 1: there was a change, so the poll must get the list"
    );
    let snapshot: Value = response.json().await.unwrap();
    let version = snapshot.get("version").and_then(Value::as_u64);
    version.expect("exercise 1: the list has a version")
}
