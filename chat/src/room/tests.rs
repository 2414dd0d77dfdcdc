//! Coming and going, with the clock of the test: time moves only while everything waits.

use futures_util::FutureExt as _;

use super::*;

fn lobby() -> RoomName {
    RoomName::parse("lobby").unwrap()
}

/// The events that have come so far, as JSON, without their times.
fn heard(visit: &mut Visit) -> Vec<String> {
    let mut heard = Vec::new();
    while let Some(Ok(event)) = visit.events.recv().now_or_never() {
        let event: serde_json::Value = serde_json::from_str(&event.json).unwrap();
        heard.push(format!("{} {}", event["event"], event["data"]["name"]).replace('"', ""));
    }
    heard
}

const MOMENT: Duration = Duration::from_millis(1);
const JUST_BEFORE: Duration = GRACE.saturating_sub(MOMENT);

#[tokio::test(start_paused = true)]
async fn somebody_has_left_five_seconds_after_the_last_connection_went_and_not_before() {
    let rooms = Rooms::new(20, BEHIND);
    let (ann, bob) = (User::test(1, "Ann"), User::test(2, "Bob"));
    let mut watch = rooms.enter(&lobby(), &ann).unwrap();
    let first = rooms.enter(&lobby(), &bob).unwrap();
    let second = rooms.enter(&lobby(), &bob).unwrap();
    assert_eq!(heard(&mut watch), ["joined Bob"], "once, however many tabs");
    drop(first);
    sleep(GRACE * 2).await;
    assert_eq!(heard(&mut watch), [""; 0], "the other tab is still open");
    drop(second);
    sleep(JUST_BEFORE).await;
    assert_eq!(heard(&mut watch), [""; 0]);
    sleep(MOMENT * 2).await;
    assert_eq!(heard(&mut watch), ["left Bob"]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_in_time_has_neither_left_nor_joined() {
    let rooms = Rooms::new(20, BEHIND);
    let (ann, bob) = (User::test(1, "Ann"), User::test(2, "Bob"));
    let mut watch = rooms.enter(&lobby(), &ann).unwrap();
    let mut visit = rooms.enter(&lobby(), &bob).unwrap();
    assert_eq!(heard(&mut watch), ["joined Bob"]);
    for _ in 0..10 {
        drop(visit);
        sleep(JUST_BEFORE).await;
        visit = rooms.enter(&lobby(), &bob).unwrap();
    }
    sleep(GRACE * 2).await;
    assert_eq!(heard(&mut watch), [""; 0]);
    drop(visit);
    sleep(GRACE + MOMENT).await;
    assert_eq!(heard(&mut watch), ["left Bob"]);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_joins_and_leaves_leave_nothing_behind() {
    let rooms = Rooms::new(20, BEHIND);
    for number in 0..10_000 {
        let user = User::test(number, "Ann");
        rooms.enter(&lobby(), &user).unwrap();
    }
    assert_eq!(rooms.live().len(), 1, "all may still come back");
    let ann = User::test(1, "Ann");
    for _ in 0..10_000 {
        rooms.enter(&lobby(), &ann).unwrap();
    }
    sleep(MOMENT).await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    assert!(tasks <= 10_001, "one at most waits for each user: {tasks}");
    sleep(GRACE * 2).await;
    assert!(rooms.live().is_empty(), "a room with nobody in it is gone");
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_rooms_and_connections_ends_at_their_limits() {
    let rooms = Rooms::new(2_000, BEHIND);
    let ann = User::test(1, "Ann");
    let room = |number: usize| RoomName::parse(&format!("room-{number}")).unwrap();
    let visits: Vec<_> = (0..MAX_ROOMS)
        .map(|number| rooms.enter(&room(number), &ann).unwrap())
        .collect();
    let refused = rooms.enter(&room(MAX_ROOMS), &ann);
    assert!(matches!(refused, Err(Error::Unavailable(_))));
    rooms
        .enter(&room(0), &ann)
        .expect("one that is open has place");
    drop(visits);
    // One who only passes through a thousand rooms keeps nobody out.
    rooms
        .enter(&room(MAX_ROOMS), &ann)
        .expect("now there is place");

    let rooms = Rooms::new(20, BEHIND);
    let visits: Vec<_> = (0..20)
        .map(|number| rooms.enter(&room(number % 2), &ann).unwrap())
        .collect();
    assert!(matches!(
        rooms.enter(&lobby(), &ann),
        Err(Error::TooMany(..))
    ));
    assert!(
        !rooms.live().contains_key(&lobby()),
        "and nothing is left of the attempt"
    );
    drop(visits);
    rooms.enter(&lobby(), &ann).unwrap();
}

#[tokio::test(start_paused = true)]
async fn typing_is_told_once_a_second_and_only_of_those_who_are_here() {
    let rooms = Rooms::new(20, BEHIND);
    let (ann, bob, eve) = (
        User::test(1, "Ann"),
        User::test(2, "Bob"),
        User::test(3, "Eve"),
    );
    let mut watch = rooms.enter(&lobby(), &ann).unwrap();
    let _bob = rooms.enter(&lobby(), &bob).unwrap();
    heard(&mut watch);
    for _ in 0..100 {
        rooms.typing(&lobby(), &bob);
        rooms.typing(&lobby(), &eve);
    }
    assert_eq!(heard(&mut watch), ["typing Bob"]);
    sleep(TYPING).await;
    rooms.typing(&lobby(), &bob);
    assert_eq!(heard(&mut watch), ["typing Bob"]);
}
