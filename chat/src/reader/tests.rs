//! Tests of what a reader gets.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use tokio::time::timeout;

use super::*;
use crate::backend::tests::Store;
use crate::input::{NewMessage, RoomName};
use crate::room::Rooms;
use crate::user::User;

/// How long a test waits for an event that should happen immediately.
const TEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A room and its log. Its receivers may be only a few events behind.
struct TestRoom {
    store: Store,
    lobby: RoomName,
}

impl TestRoom {
    async fn new(event_buffer: usize) -> Self {
        Self {
            store: Store::sqlite(event_buffer).await,
            lobby: RoomName::parse("lobby").unwrap(),
        }
    }

    async fn join(&self, user: &Arc<User>, cursor: Option<&str>) -> Reader {
        self.join_in(&self.store.rooms, user, cursor).await
    }

    async fn join_in(&self, rooms: &Rooms, user: &Arc<User>, cursor: Option<&str>) -> Reader {
        let membership = rooms.join(&self.lobby, user).await.unwrap();
        let cursor = cursor.map_or(Cursor::default(), |cursor| Cursor::parse(cursor).unwrap());
        let backend = Arc::clone(&self.store.backend);
        Reader::new(backend, membership, cursor, OpenConnection::test())
    }

    async fn post(&self, author: &Arc<User>, text: &str, to: Option<&Arc<User>>) -> i64 {
        let message = NewMessage::test(text, text, to);
        self.store.append(&self.lobby, author, message).await.id
    }
}

async fn next(reader: &mut Reader) -> Value {
    let event = timeout(TEST_TIMEOUT, reader.next()).await;
    serde_json::from_str(event.expect("an event in time").json()).unwrap()
}

/// Reads events up to the message `last`, and returns the texts of the messages.
async fn texts_to(reader: &mut Reader, last: &str) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.last().is_none_or(|text| text != last) {
        let event = next(reader).await;
        if event["event"] == "message" {
            texts.push(event["data"]["text"].as_str().unwrap().to_owned());
        }
    }
    texts
}

#[tokio::test]
async fn a_newcomer_gets_roster_then_latest_messages_then_live_events() {
    let room = TestRoom::new(16).await;
    let (ann, bob) = (User::test(1, "Ann"), User::test(2, "Bob"));
    for number in 0..60 {
        room.post(&ann, &number.to_string(), None).await;
    }
    let mut reader = room.join(&ann, None).await;
    let roster = next(&mut reader).await;
    assert_eq!(
        roster,
        serde_json::json!({"event": "roster", "data": {"names": ["Ann"]}})
    );
    let history = texts_to(&mut reader, "59").await;
    assert_eq!((history.len(), history[0].as_str()), (50, "10"));

    let _bob = room.join(&bob, None).await;
    let joined = next(&mut reader).await;
    assert_eq!(
        (&joined["event"], &joined["data"]["name"]),
        (&"joined".into(), &"Bob".into())
    );
    room.store.rooms.typing(&room.lobby, &ann);
    room.store.rooms.typing(&room.lobby, &bob);
    assert_eq!(
        next(&mut reader).await["data"]["name"],
        "Bob",
        "a user gets no `typing` of their own"
    );
    room.post(&bob, "hello", None).await;
    assert_eq!(texts_to(&mut reader, "hello").await, ["hello"]);
}

#[tokio::test]
async fn a_cursor_that_is_too_old_gets_a_reset() {
    let room = TestRoom::new(16).await;
    let ann = User::test(1, "Ann");
    let first = room.post(&ann, "one", None).await;
    let mut reader = room.join(&ann, Some("5")).await;
    assert_eq!(next(&mut reader).await["event"], "roster");
    let reset = next(&mut reader).await;
    assert_eq!(reset["event"], "reset");
    assert_eq!(reset["data"]["after"], (first - 1).to_string());
    assert_eq!(texts_to(&mut reader, "one").await, ["one"]);
}

/// The tempting wrong answer takes `Lagged` for the end, or continues after the gap.
#[tokio::test]
async fn a_reader_that_lags_gets_the_roster_and_missed_messages() {
    let room = TestRoom::new(1).await;
    let (ann, bob) = (User::test(1, "Ann"), User::test(2, "Bob"));
    let mut reader = room.join(&ann, None).await;
    room.post(&ann, "before", None).await;
    assert_eq!(texts_to(&mut reader, "before").await, ["before"]);
    let _bob = room.join(&bob, None).await;
    for number in 0..500 {
        room.post(&ann, &number.to_string(), None).await;
    }
    let roster = next(&mut reader).await;
    assert_eq!(roster["data"]["names"], serde_json::json!(["Ann", "Bob"]));
    let all: Vec<_> = (0..500).map(|number| number.to_string()).collect();
    assert_eq!(texts_to(&mut reader, "499").await, all);
}

#[tokio::test]
async fn the_next_reader_continues_at_the_cursor_of_the_last() {
    let room = TestRoom::new(16).await;
    let (ann, bob) = (User::test(1, "Ann"), User::test(2, "Bob"));
    let mut first = room.join(&ann, None).await;
    room.post(&ann, "one", None).await;
    assert_eq!(texts_to(&mut first, "one").await, ["one"]);
    let cursor = first.cursor.to_string();
    drop(first);

    let mut second = room.join(&ann, Some(&cursor)).await;
    assert!(
        second.drain_ready().await.unwrap().is_empty(),
        "nothing has happened"
    );
    drop(second);
    let _bob = room.join(&bob, None).await;
    room.post(&bob, "two", None).await;
    let mut third = room.join(&ann, Some(&cursor)).await;
    let names: Vec<_> = third
        .drain_ready()
        .await
        .unwrap()
        .iter()
        .map(|event| event.json().to_owned())
        .collect();
    assert!(names[0].contains(r#"{"names":["Ann","Bob"]}"#), "{names:?}");
    assert!(
        names[1].contains(r#""text":"two""#) && names.len() == 2,
        "{names:?}"
    );
}

/// A step of a test. Users and their readers are numbers.
#[derive(Debug, Clone)]
enum Step {
    /// A user posts a message to all, or to one other user.
    Post(usize, Option<usize>),
    /// A reader tries to read this many events.
    Read(usize, usize),
    /// A reader is replaced by another one with the same cursor.
    Reconnect(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_usize, prop::option::weighted(0.3, 0..3_usize)).prop_map(|(from, to)| Step::Post(from, to)),
        2 => (0..3_usize, 0..5_usize).prop_map(|(reader, count)| Step::Read(reader, count)),
        1 => (0..3_usize).prop_map(Step::Reconnect),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_reader_gets_its_messages_once_and_in_order(
        steps in prop::collection::vec(step(), 0..40),
        event_buffer in 1..4_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(run(&steps, event_buffer));
    }
}

/// Runs the steps, and compares what each reader got with what it should get.
#[allow(clippy::too_many_lines, reason = "one step after the other")]
async fn run(steps: &[Step], event_buffer: usize) {
    let room = TestRoom::new(event_buffer).await;
    let add_user = async |number| room.store.add_user(&format!("user {number}")).await;
    let users = [add_user(0).await, add_user(1).await, add_user(2).await];
    let join = async |user: usize| room.join(&users[user], Some("0")).await;
    let mut readers = [join(0).await, join(1).await, join(2).await];
    let (mut got, mut expected) = ([const { Vec::new() }; 3], [const { Vec::new() }; 3]);
    let mut take = |reader: usize, event: &Event| {
        let event: Value = serde_json::from_str(event.json()).unwrap();
        if event["event"] == "message" {
            got[reader].push(event["data"]["text"].as_str().unwrap().to_owned());
        }
    };
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Post(from, to) => {
                room.post(&users[from], &number.to_string(), to.map(|to| &users[to]))
                    .await;
                for (reader, expected) in expected.iter_mut().enumerate() {
                    if reader == from || to.is_none_or(|to| to == reader) {
                        expected.push(number.to_string());
                    }
                }
            }
            // The timeout may come while the reader reads the log.
            Step::Read(reader, count) => {
                for _ in 0..count {
                    let reading = timeout(Duration::from_micros(200), readers[reader].next());
                    if let Ok(event) = reading.await {
                        take(reader, &event);
                    }
                }
            }
            Step::Reconnect(reader) => {
                // As a long poll does: it returns all events that are there, and the cursor after them.
                for event in readers[reader].drain_ready().await.unwrap() {
                    take(reader, &event);
                }
                let cursor = readers[reader].cursor.to_string();
                readers[reader] = room.join(&users[reader], Some(&cursor)).await;
            }
        }
    }
    room.post(&users[0], "end", None).await;
    for reader in 0..3 {
        expected[reader].push("end".to_owned());
        loop {
            let event = timeout(TEST_TIMEOUT, readers[reader].next()).await.unwrap();
            take(reader, &event);
            if event.json().contains(r#""text":"end""#) {
                break;
            }
        }
    }
    assert_eq!(got, expected);
}

/// A long poll waits for one event, and then takes all that are there. The tempting wrong answer replaces the rest of
/// a page by the next page.
#[tokio::test]
async fn drain_ready_reads_the_next_page_after_the_current_one() {
    let room = TestRoom::new(4).await;
    let (ann, bob) = (User::test(1, "Ann"), User::test(2, "Bob"));
    let mut reader = room.join(&ann, None).await;
    reader.drain_ready().await.unwrap();
    let sent: Vec<_> = (0..120).map(|number| number.to_string()).collect();
    for text in &sent {
        room.post(&bob, text, None).await;
    }
    let mut events = Vec::new();
    while events.len() < sent.len() {
        let next = timeout(TEST_TIMEOUT, reader.next()).await;
        events.push(next.expect("an event in time"));
        events.extend(reader.drain_ready().await.unwrap());
        events.retain(|event| event.json().contains("text"));
    }
    let texts = events.iter().map(|event| {
        let event: Value = serde_json::from_str(event.json()).unwrap();
        event["data"]["text"].as_str().unwrap().to_owned()
    });
    assert_eq!(texts.collect::<Vec<_>>(), sent);
}

/// Some events never reach this server, as after an outage of the channel between servers. The tempting wrong answer
/// waits for the next message, and then continues after the gap.
#[tokio::test]
async fn a_gap_between_servers_is_read_from_the_log() {
    let room = TestRoom::new(16).await;
    let (ann, bob) = (User::test(1, "Ann"), User::test(2, "Bob"));
    // Nothing is published in these rooms.
    let cut_off = Rooms::new(20, 16);
    let mut reader = room.join_in(&cut_off, &ann, None).await;
    assert_eq!(next(&mut reader).await["event"], "roster");
    for text in ["one", "two"] {
        room.post(&bob, text, None).await;
    }
    // The first reading of the log has both.
    assert_eq!(texts_to(&mut reader, "two").await, ["one", "two"]);
    room.post(&bob, "three", None).await;
    assert!(
        reader.next().now_or_never().is_none(),
        "it waits for events"
    );
    cut_off.signal_gap();
    assert_eq!(texts_to(&mut reader, "three").await, ["three"]);
}
