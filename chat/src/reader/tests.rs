//! What a reader gets, whatever happens around it.

use std::{path::Path, time::Duration};

use proptest::prelude::*;
use serde_json::Value;
use tokio::time::timeout;

use super::*;
use crate::database::Database;
use crate::input::{Draft, RoomName};
use crate::log::Message;
use crate::room::Rooms;
use crate::session::User;

const PATIENCE: Duration = Duration::from_secs(10);

/// A room with people in it, whose readers may be `behind` by so many events.
struct House {
    log: Log,
    rooms: Rooms,
    lobby: RoomName,
}

impl House {
    fn new(behind: usize) -> Self {
        let rooms = Rooms::new(20, behind);
        let publish = {
            let rooms = rooms.clone();
            move |room: &RoomName, message: &Message| rooms.publish(room, message)
        };
        let database = Arc::new(Database::open(Path::new(":memory:")).unwrap());
        let publish = Arc::new(publish);
        let log = Log { database, publish };
        let lobby = RoomName::parse("lobby").unwrap();
        Self { log, rooms, lobby }
    }

    fn enter(&self, user: &Arc<User>, cursor: Option<&str>) -> Reader {
        let visit = self.rooms.enter(&self.lobby, user).unwrap();
        let cursor = cursor.map_or(Cursor::default(), |cursor| Cursor::parse(cursor).unwrap());
        Reader::new(self.log.clone(), visit, cursor)
    }

    async fn say(&self, author: &Arc<User>, text: &str, to: Option<&Arc<User>>) -> i64 {
        let draft = Draft::test(text, text, to);
        self.log.knows(to).await;
        self.log
            .append(&self.lobby, author, draft)
            .await
            .unwrap()
            .id
    }
}

async fn next(reader: &mut Reader) -> Value {
    let event = timeout(PATIENCE, reader.next())
        .await
        .expect("an event in time");
    serde_json::from_str(&event.unwrap().json).unwrap()
}

/// The texts of messages, up to and with `last`; other events are left out.
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
async fn somebody_new_gets_the_roster_then_the_newest_messages_then_what_happens() {
    let house = House::new(16);
    let (ann, bob) = (User::test(1, "Ann"), User::test(2, "Bob"));
    for number in 0..60 {
        house.say(&ann, &number.to_string(), None).await;
    }
    let mut reader = house.enter(&ann, None);
    let roster = next(&mut reader).await;
    assert_eq!(
        roster,
        serde_json::json!({"event": "roster", "data": {"names": ["Ann"]}})
    );
    let history = texts_to(&mut reader, "59").await;
    assert_eq!((history.len(), history[0].as_str()), (50, "10"));

    let _bob = house.enter(&bob, None);
    let joined = next(&mut reader).await;
    assert_eq!(
        (&joined["event"], &joined["data"]["name"]),
        (&"joined".into(), &"Bob".into())
    );
    house.rooms.typing(&house.lobby, &ann);
    house.rooms.typing(&house.lobby, &bob);
    assert_eq!(
        next(&mut reader).await["data"]["name"],
        "Bob",
        "one's own typing is no news"
    );
    house.say(&bob, "hello", None).await;
    assert_eq!(texts_to(&mut reader, "hello").await, ["hello"]);
}

#[tokio::test]
async fn a_cursor_that_is_too_old_is_told_so_and_then_what_there_is() {
    let house = House::new(16);
    let ann = User::test(1, "Ann");
    let first = house.say(&ann, "one", None).await;
    let mut reader = house.enter(&ann, Some("5"));
    assert_eq!(next(&mut reader).await["event"], "roster");
    let reset = next(&mut reader).await;
    assert_eq!(reset["event"], "reset");
    assert_eq!(reset["data"]["after"], (first - 1).to_string());
    assert_eq!(texts_to(&mut reader, "one").await, ["one"]);
}

/// The tempting wrong answer takes `Lagged` for the end, or goes on behind the gap.
#[tokio::test]
async fn a_reader_that_lags_reads_the_gap_from_the_log_and_learns_who_is_here() {
    let house = House::new(1);
    let (ann, bob) = (User::test(1, "Ann"), User::test(2, "Bob"));
    let mut reader = house.enter(&ann, None);
    house.say(&ann, "before", None).await;
    assert_eq!(texts_to(&mut reader, "before").await, ["before"]);
    let _bob = house.enter(&bob, None);
    for number in 0..500 {
        house.say(&ann, &number.to_string(), None).await;
    }
    let roster = next(&mut reader).await;
    assert_eq!(roster["data"]["names"], serde_json::json!(["Ann", "Bob"]));
    let all: Vec<_> = (0..500).map(|number| number.to_string()).collect();
    assert_eq!(texts_to(&mut reader, "499").await, all);
}

#[tokio::test]
async fn the_cursor_of_a_reader_is_where_the_next_one_goes_on() {
    let house = House::new(16);
    let (ann, bob) = (User::test(1, "Ann"), User::test(2, "Bob"));
    let mut first = house.enter(&ann, None);
    house.say(&ann, "one", None).await;
    assert_eq!(texts_to(&mut first, "one").await, ["one"]);
    let cursor = first.cursor.to_string();
    drop(first);

    let mut second = house.enter(&ann, Some(&cursor));
    assert!(
        second.ready().await.unwrap().is_empty(),
        "nothing has happened"
    );
    drop(second);
    let _bob = house.enter(&bob, None);
    house.say(&bob, "two", None).await;
    let mut third = house.enter(&ann, Some(&cursor));
    let names: Vec<_> = third
        .ready()
        .await
        .unwrap()
        .iter()
        .map(|event| event.json.clone())
        .collect();
    assert!(names[0].contains(r#"{"names":["Ann","Bob"]}"#), "{names:?}");
    assert!(
        names[1].contains(r#""text":"two""#) && names.len() == 2,
        "{names:?}"
    );
}

/// One thing that happens in a room.
#[derive(Debug, Clone)]
enum Step {
    /// Somebody says something, to all or to one.
    Say(usize, Option<usize>),
    /// A reader reads so many events, if there are as many.
    Read(usize, usize),
    /// A reader goes, and comes back with its cursor.
    Return(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_usize, prop::option::weighted(0.3, 0..3_usize)).prop_map(|(from, to)| Step::Say(from, to)),
        2 => (0..3_usize, 0..5_usize).prop_map(|(reader, count)| Step::Read(reader, count)),
        1 => (0..3_usize).prop_map(Step::Return),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_reader_gets_each_message_that_is_for_it_once_and_in_order(
        steps in prop::collection::vec(step(), 0..40),
        behind in 1..4_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(follow(&steps, behind));
    }
}

#[allow(clippy::too_many_lines, reason = "what happens, and what should")]
async fn follow(steps: &[Step], behind: usize) {
    let house = House::new(behind);
    let users = [0, 1, 2].map(|id| User::test(id, &format!("user {id}")));
    let mut readers = [0, 1, 2].map(|user| house.enter(&users[user], Some("0")));
    let (mut got, mut said) = ([const { Vec::new() }; 3], [const { Vec::new() }; 3]);
    let mut take = |reader: usize, event: &Event| {
        let event: Value = serde_json::from_str(&event.json).unwrap();
        if event["event"] == "message" {
            got[reader].push(event["data"]["text"].as_str().unwrap().to_owned());
        }
    };
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Say(from, to) => {
                house
                    .say(&users[from], &number.to_string(), to.map(|to| &users[to]))
                    .await;
                for (reader, said) in said.iter_mut().enumerate() {
                    if reader == from || to.is_none_or(|to| to == reader) {
                        said.push(number.to_string());
                    }
                }
            }
            // It may be stopped in the middle of reading the log.
            Step::Read(reader, count) => {
                for _ in 0..count {
                    let reading = timeout(Duration::from_micros(200), readers[reader].next());
                    if let Ok(event) = reading.await {
                        take(reader, &event.unwrap());
                    }
                }
            }
            Step::Return(reader) => {
                // As a long poll does: what is ready is handed out, and the cursor stands behind it.
                for event in readers[reader].ready().await.unwrap() {
                    take(reader, &event);
                }
                let cursor = readers[reader].cursor.to_string();
                readers[reader] = house.enter(&users[reader], Some(&cursor));
            }
        }
    }
    house.say(&users[0], "end", None).await;
    for reader in 0..3 {
        said[reader].push("end".to_owned());
        loop {
            let event = timeout(PATIENCE, readers[reader].next())
                .await
                .unwrap()
                .unwrap();
            take(reader, &event);
            if event.json.contains(r#""text":"end""#) {
                break;
            }
        }
    }
    assert_eq!(got, said);
}

/// As a long poll asks: for one, and then for all that there is at once. The tempting wrong answer reads the next
/// page over what is left of this one.
#[tokio::test]
async fn all_that_there_is_at_once_is_the_rest_of_the_page_and_then_the_next() {
    let house = House::new(4);
    let (ann, bob) = (User::test(1, "Ann"), User::test(2, "Bob"));
    let mut reader = house.enter(&ann, None);
    reader.ready().await.unwrap();
    let said: Vec<_> = (0..120).map(|number| number.to_string()).collect();
    for text in &said {
        house.say(&bob, text, None).await;
    }
    let mut events = Vec::new();
    while events.len() < said.len() {
        let next = timeout(PATIENCE, reader.next()).await;
        events.push(next.expect("an event in time").unwrap());
        events.extend(reader.ready().await.unwrap());
        events.retain(|event| event.json.contains("text"));
    }
    let texts = events.iter().map(|event| {
        let event: Value = serde_json::from_str(&event.json).unwrap();
        event["data"]["text"].as_str().unwrap().to_owned()
    });
    assert_eq!(texts.collect::<Vec<_>>(), said);
}
