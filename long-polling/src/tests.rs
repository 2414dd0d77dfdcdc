//! How long a poll is held. Time is paused in these tests: when all tasks wait, tokio's clock jumps to
//! the end of the next wait. So a test of 25 seconds takes no time, and it measures exactly 25 seconds.

use actix_web::{App, http::StatusCode, test};
use shared::users::Username;
use tokio::time::Instant;

use super::*;

/// Polls with the latest version and with `parameters` in the query. Returns the status of the response
/// and how long it took.
async fn poll_without_change(parameters: &str) -> (StatusCode, Duration) {
    let store = Users::in_memory().unwrap();
    let version = store.snapshot().version;
    let app = App::new()
        .app_data(web::Data::new(store))
        .app_data(web::Data::new(Cut::default()))
        .route("/users", web::get().to(users));
    let app = test::init_service(app).await;
    let path = format!("/users?version={version}{parameters}");
    let request = test::TestRequest::with_uri(&path).to_request();
    let start = Instant::now();
    let response = test::call_service(&app, request).await;
    (response.status(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_held_for_its_wait_or_for_25_seconds() {
    let waits = [("", 25), ("&wait=0", 0), ("&wait=1", 1), ("&wait=60", 60)];
    for (parameters, seconds) in waits {
        let (status, held) = poll_without_change(parameters).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{parameters}");
        // tokio's timers have a resolution of one millisecond and are never early.
        let late = held.checked_sub(Duration::from_secs(seconds));
        let late = late.expect("not before the wait is over");
        assert!(late < Duration::from_millis(10), "{parameters}: {held:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_more_than_a_minute_is_rejected() {
    let (status, held) = poll_without_change("&wait=61").await;
    assert_eq!((status, held), (StatusCode::BAD_REQUEST, Duration::ZERO));
}

/// A poll that reads first and subscribes second misses a change that happens in between. This gap is
/// less than a microsecond long. So the test has many rounds, and in each round the poll begins at
/// another moment of the change, which runs on another thread.
#[tokio::test]
async fn a_change_while_a_poll_begins_is_not_missed() {
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
            let query = web::Query(UsersQuery { version, wait });
            users(Some(query), store.clone(), cut.clone()).await
        };
        let (change, response) = tokio::join!(change, poll);
        change.unwrap();
        assert_eq!(response.unwrap().status(), StatusCode::OK, "round {round}");
    }
}
