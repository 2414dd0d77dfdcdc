//! Tests of joining and leaving. Time is paused, and moves only while all tasks wait.

use futures_util::FutureExt as _;

use super::*;
use crate::user::TYPING_INTERVAL;

fn lobby() -> RoomName {
    RoomName::parse("lobby").unwrap()
}

/// Returns the name of each event that has arrived so far, and the name of its user.
fn received(membership: &mut Membership) -> Vec<String> {
    let mut received = Vec::new();
    while let Some(Ok(event)) = membership.events.recv().now_or_never() {
        let event: serde_json::Value = serde_json::from_str(event.json()).unwrap();
        received.push(format!("{} {}", event["event"], event["data"]["name"]).replace('"', ""));
    }
    received
}

/// The shortest time that matters in these tests.
const MOMENT: Duration = Duration::from_millis(1);

/// The longest time without a connection in which a user does not leave.
const JUST_BEFORE_LEAVING: Duration = LEAVE_DELAY.saturating_sub(MOMENT);

#[tokio::test(start_paused = true)]
async fn a_user_leaves_five_seconds_after_the_last_connection_closed() {
    let rooms = Rooms::new(20, EVENT_BUFFER);
    let (ann, bob) = (User::test(1, "Ann"), User::test(2, "Bob"));
    let mut watch = rooms.connect(&lobby(), &ann).unwrap();
    let first = rooms.connect(&lobby(), &bob).unwrap();
    let second = rooms.connect(&lobby(), &bob).unwrap();
    assert_eq!(
        received(&mut watch),
        ["joined Bob"],
        "once for both connections"
    );
    drop(first);
    sleep(LEAVE_DELAY * 2).await;
    assert_eq!(
        received(&mut watch),
        [""; 0],
        "one connection is still open"
    );
    drop(second);
    sleep(JUST_BEFORE_LEAVING).await;
    assert_eq!(received(&mut watch), [""; 0]);
    sleep(MOMENT * 2).await;
    assert_eq!(received(&mut watch), ["left Bob"]);
}

#[tokio::test(start_paused = true)]
async fn a_user_who_returns_in_time_has_not_left() {
    let rooms = Rooms::new(20, EVENT_BUFFER);
    let (ann, bob) = (User::test(1, "Ann"), User::test(2, "Bob"));
    let mut watch = rooms.connect(&lobby(), &ann).unwrap();
    let mut bobs = rooms.connect(&lobby(), &bob).unwrap();
    assert_eq!(received(&mut watch), ["joined Bob"]);
    for _ in 0..10 {
        drop(bobs);
        sleep(JUST_BEFORE_LEAVING).await;
        bobs = rooms.connect(&lobby(), &bob).unwrap();
    }
    sleep(LEAVE_DELAY * 2).await;
    assert_eq!(received(&mut watch), [""; 0]);
    drop(bobs);
    sleep(LEAVE_DELAY + MOMENT).await;
    assert_eq!(received(&mut watch), ["left Bob"]);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_joins_leave_no_room_and_no_task() {
    let rooms = Rooms::new(20, EVENT_BUFFER);
    for number in 0..10_000 {
        let user = User::test(number, "Ann");
        rooms.connect(&lobby(), &user).unwrap();
    }
    assert_eq!(rooms.lock().len(), 1, "all users may still return");
    let ann = User::test(1, "Ann");
    for _ in 0..10_000 {
        rooms.connect(&lobby(), &ann).unwrap();
    }
    sleep(MOMENT).await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    assert!(tasks <= 10_001, "at most one task for each user: {tasks}");
    sleep(LEAVE_DELAY * 2).await;
    assert!(rooms.lock().is_empty(), "an empty room is removed");
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn rooms_and_connections_have_a_limit() {
    let rooms = Rooms::new(2_000, EVENT_BUFFER);
    let ann = User::test(1, "Ann");
    let room = |number: usize| RoomName::parse(&format!("room-{number}")).unwrap();
    let memberships: Vec<_> = (0..MAX_ROOMS)
        .map(|number| rooms.connect(&room(number), &ann).unwrap())
        .collect();
    let refused = rooms.connect(&room(MAX_ROOMS), &ann);
    assert!(refused.is_err_and(|error| error.status() == 503));
    rooms
        .connect(&room(0), &ann)
        .expect("a room that exists is open");
    drop(memberships);
    // A user who visits a thousand rooms and leaves them does not use up the slots.
    rooms
        .connect(&room(MAX_ROOMS), &ann)
        .expect("there are free slots now");

    let rooms = Rooms::new(20, EVENT_BUFFER);
    let memberships: Vec<_> = (0..20)
        .map(|number| rooms.connect(&room(number % 2), &ann).unwrap())
        .collect();
    let refused = rooms.connect(&lobby(), &ann);
    assert!(refused.is_err_and(|error| error.status() == 429));
    assert!(
        !rooms.lock().contains_key(&lobby()),
        "the attempt has created no room"
    );
    drop(memberships);
    rooms.connect(&lobby(), &ann).unwrap();
}

#[tokio::test(start_paused = true)]
async fn typing_is_sent_once_a_second_for_members_only() {
    let rooms = Rooms::new(20, EVENT_BUFFER);
    let (ann, bob, eve) = (
        User::test(1, "Ann"),
        User::test(2, "Bob"),
        User::test(3, "Eve"),
    );
    let mut watch = rooms.connect(&lobby(), &ann).unwrap();
    let _bob = rooms.connect(&lobby(), &bob).unwrap();
    received(&mut watch);
    for _ in 0..100 {
        rooms.typing(&lobby(), &bob);
        rooms.typing(&lobby(), &eve);
    }
    assert_eq!(received(&mut watch), ["typing Bob"]);
    sleep(TYPING_INTERVAL).await;
    rooms.typing(&lobby(), &bob);
    assert_eq!(received(&mut watch), ["typing Bob"]);
}
