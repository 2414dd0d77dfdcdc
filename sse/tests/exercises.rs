//! The exercises of this lesson. Each test fails until its exercise is solved:
//!
//! `cargo test -p sse --test exercises exercise_1 -- --ignored`
//!
//! `README.md` has a hint for each, and `solutions/` has the answers.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "an exercise that is not solved ends the test"
)]

use std::pin::Pin;

use eventsource_stream::{Event, Eventsource as _};
use futures_util::{Stream, StreamExt as _};
use testing::{Server, TEST_TIMEOUT};
use tokio::time::timeout;

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

/// Exercise 1: A slower clock
///
/// A display that shows hours and minutes does not need an event each second. `/clock?every=10` sends only the seconds
/// whose number since 1970 (`second.timestamp()`) is divisible by 10: :00, :10, :20 and so on. The ids do not change
/// their meaning: they count the events that the client has received. Without `every`, or if it is not a number from 1
/// on, the clock sends each second, as before.
///
/// Begin with `clock` in `src/main.rs`. `last_event_id` shows how to read a query without another dependency. For the
/// rest, look for a method of `StreamExt` that leaves out items: <https://docs.rs/futures-util>.
#[tokio::test]
#[ignore = "exercise 1"]
async fn exercise_1_a_slower_clock() {
    let server = Server::start(BINARY, &[]);
    let mut seconds = Vec::new();
    let mut new_client = Events::open(&server, "/clock?every=2").await;
    let mut reconnected = Events::open(&server, "/clock?every=2&lastEventId=41").await;
    for number in 1..=3 {
        let (event, resumed) = (new_client.next().await, reconnected.next().await);
        let second = second_of(&event);
        assert_eq!(
            second % 2,
            0,
            "exercise 1: `/clock?every=2` must send only even seconds, not {:?}; see `clock`",
            event.data
        );
        assert_eq!(
            (event.id, resumed.id),
            (number.to_string(), (41 + number).to_string()),
            "exercise 1: an id counts the events that a client has received, so the next one is one more; \
             the order of the steps in `clock` matters"
        );
        seconds.push(second);
    }
    let gaps: Vec<_> = seconds
        .windows(2)
        .map(|pair| gap(pair[0], pair[1]))
        .collect();
    assert_eq!(
        gaps,
        [2, 2],
        "exercise 1: there must be 2 s between the events of `/clock?every=2`"
    );
    for query in ["", "?every=0", "?every=-1", "?every=soon"] {
        let mut events = Events::open(&server, &format!("/clock{query}")).await;
        let (first, second) = (events.next().await, events.next().await);
        assert_eq!(
            gap(second_of(&first), second_of(&second)),
            1,
            "exercise 1: `/clock{query}` must send each second"
        );
    }
}

/// The events of one stream.
struct Events(Pin<Box<dyn Stream<Item = Event> + Send>>);

impl Events {
    async fn open(server: &Server, path: &str) -> Self {
        let request = server.client.get(server.url(path)).send();
        let response = timeout(TEST_TIMEOUT, request).await;
        let response = response.expect("a response in time");
        let Ok(response) = response else {
            panic!("exercise 1: `{path}` gets no response: {response:?}")
        };
        let status = response.status();
        assert_eq!(status, 200, "exercise 1: `{path}` must be a stream");
        let events = response.bytes_stream().eventsource();
        Self(Box::pin(events.filter_map(async |event| event.ok())))
    }

    /// Returns the next event that is not a ping.
    async fn next(&mut self) -> Event {
        loop {
            let event = timeout(TEST_TIMEOUT, self.0.next()).await;
            let Ok(Some(event)) = event else {
                panic!("exercise 1: no event comes; the stream ended or every second is left out")
            };
            if event.event != "ping" {
                return event;
            }
        }
    }
}

/// Returns the seconds of a time such as `2020-09-24 22:51:02`.
fn second_of(event: &Event) -> u32 {
    let seconds = event.data.rsplit(':').next().unwrap_or_default();
    let Ok(seconds) = seconds.parse() else {
        panic!("exercise 1: {:?} is not a time", event.data)
    };
    seconds
}

/// Returns the seconds from one time to the next, also across the end of a minute.
fn gap(from: u32, to: u32) -> u32 {
    (to + 60 - from) % 60
}
