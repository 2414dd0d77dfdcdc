//! How long a poll is held. Time is paused here: it moves only while everything waits, and then at
//! once, so that a minute costs nothing and 25 seconds are 25 seconds.

use actix_web::{App, http::StatusCode, test};
use shared::users::Username;
use tokio::time::Instant;

use super::*;

/// Asks for what comes after the newest version, with `rest` in the query, and returns the answer's
/// status and how long it took.
async fn poll_without_news(rest: &str) -> (StatusCode, Duration) {
    let store = Users::in_memory().unwrap();
    let version = store.snapshot().version;
    let app = App::new()
        .app_data(web::Data::new(store))
        .app_data(web::Data::new(Cut::default()))
        .route("/users", web::get().to(users));
    let app = test::init_service(app).await;
    let path = format!("/users?version={version}{rest}");
    let request = test::TestRequest::with_uri(&path).to_request();
    let start = Instant::now();
    let answer = test::call_service(&app, request).await;
    (answer.status(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_held_for_as_long_as_it_says_and_for_25_seconds_if_it_does_not() {
    let waits = [("", 25), ("&wait=0", 0), ("&wait=1", 1), ("&wait=60", 60)];
    for (rest, seconds) in waits {
        let (status, held) = poll_without_news(rest).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{rest}");
        // tokio's timers count in milliseconds and are never early.
        let late = held.checked_sub(Duration::from_secs(seconds));
        let late = late.expect("not before its time");
        assert!(late < Duration::from_millis(10), "{rest}: {held:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_may_not_ask_for_more_than_a_minute() {
    let (status, held) = poll_without_news("&wait=61").await;
    assert_eq!((status, held), (StatusCode::BAD_REQUEST, Duration::ZERO));
}

/// A poll that reads first and subscribes second loses a change that comes in between. The gap is
/// less than a microsecond wide, so there are many rounds, and in each the poll begins at another
/// moment of the change, which runs on another thread.
#[tokio::test]
async fn a_change_that_comes_while_a_poll_begins_is_not_lost() {
    let store = web::Data::new(Users::in_memory().unwrap());
    let cut = web::Data::new(Cut::default());
    for round in 0..20_000 {
        let before = store.snapshot();
        let change = async {
            match before.users.get(2) {
                Some(third) => store.remove(third.id).await.map(drop),
                None => store.add(Username::parse("Bob").unwrap()).await.map(drop),
            }
        };
        let poll = async {
            let begin = Instant::now() + Duration::from_nanos(round % 1_000 * 50);
            while Instant::now() < begin {
                std::hint::spin_loop();
            }
            let (version, wait) = (Some(before.version), Some(5));
            let query = web::Query(Poll { version, wait });
            users(Some(query), store.clone(), cut.clone()).await
        };
        let (change, answer) = tokio::join!(change, poll);
        change.unwrap();
        assert_eq!(answer.unwrap().status(), StatusCode::OK, "round {round}");
    }
}
