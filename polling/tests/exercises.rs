//! The exercise of this lesson that is tested over a socket. The test fails until the exercise is solved:
//!
//! `cargo test -p polling --test exercises exercise_1 -- --ignored`
//!
//! `README.md` has a hint for each exercise, and `solutions/` has the answers.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "an exercise that is not solved ends the test"
)]

use reqwest::{Response, header};
use serde_json::{Value, json};
use testing::Server;

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

/// Exercise 1: A tag for the count
///
/// Some pages show only how many users there are. Let `GET /count` return `{"count":2}` to them, with an `ETag`, so that
/// they can poll as `watchUsers` does: 304 for as long as they have the right number. A user who is renamed, or who
/// leaves when another one comes, is no news for them. A cache may store the response, but must ask before it uses it.
///
/// Begin with `users` in `src/main.rs`: what does its tag stand for, and what must the new one stand for?
#[tokio::test]
#[ignore = "exercise 1"]
async fn exercise_1_a_tag_for_the_count() {
    let server = Server::start(BINARY, &[]);
    let response = poll(&server, "\"something else\"").await;
    assert_eq!(
        response.status(),
        200,
        "exercise 1: GET /count must return the number of users; add a route in `main`, in src/main.rs"
    );
    assert_eq!(
        header_of(&response, "Cache-Control"),
        "no-cache",
        "exercise 1: Cache-Control must allow to store the response, and to use it after a question only"
    );
    let two = header_of(&response, "ETag");
    assert_eq!(
        body(response).await,
        json!({"count": 2}),
        "exercise 1: this is the body when there are two users"
    );
    for known in [two.clone(), format!("W/{two}"), format!("\"0\", {two}")] {
        expect_not_modified(&server, &known, "nothing has changed").await;
    }

    // One user comes and another one leaves: the list is another one, and the number is the same.
    server.add_user("李四").await;
    let response = poll(&server, &two).await;
    assert_eq!(
        response.status(),
        200,
        "exercise 1: a third user has come, so a client with the tag {two} must get the number"
    );
    let three = header_of(&response, "ETag");
    assert_ne!(three, two, "exercise 1: another number needs another tag");
    assert_eq!(
        body(response).await,
        json!({"count": 3}),
        "exercise 1: a third user has come"
    );
    let first = server.url("/users/1");
    server.client.delete(first).send().await.unwrap();
    expect_not_modified(&server, &two, "there are two users again").await;
}

/// Polls the number like a browser that has the response with the tag `known`.
async fn poll(server: &Server, known: &str) -> Response {
    let request = server.client.get(server.url("/count"));
    let request = request.header(header::IF_NONE_MATCH, known);
    request.send().await.unwrap()
}

/// Returns a header of the response.
fn header_of(response: &Response, name: &str) -> String {
    let Some(value) = response.headers().get(name) else {
        panic!("exercise 1: the response has no header {name}; `users` in src/main.rs sets it")
    };
    value.to_str().unwrap().to_owned()
}

/// Returns the body of a response.
async fn body(response: Response) -> Value {
    let text = response.text().await.unwrap();
    let Ok(value) = serde_json::from_str(&text) else {
        panic!("exercise 1: the body must be JSON, not {text:?}")
    };
    value
}

/// Checks that a client with the tag `known` gets 304.
async fn expect_not_modified(server: &Server, known: &str, reason: &str) {
    let response = poll(server, known).await;
    assert_eq!(
        response.status(),
        304,
        "exercise 1: {reason}, so a client with the tag {known} has the right number already; see `is_not_modified`"
    );
}
