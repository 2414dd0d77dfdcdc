//! The promises of the log, kept by Redis. `cargo test -p chat --features redis redis -- --ignored`

use ::redis::Client;
use tokio::runtime;

use super::*;

/// A log on a Redis of its own.
async fn on_redis() -> (testing::redis::Redis, Log) {
    let server = testing::redis::Redis::start();
    let redis = crate::redis::Redis::connect(&server.url()).await.unwrap();
    let mut database = Database::open(Path::new(":memory:")).unwrap();
    database.redis = Some(redis);
    let (database, publish) = (Arc::new(database), Arc::new(|_: &_, _: &_| ()));
    let log = Log { database, publish };
    // The first one comes without the script, and has to bring it: who comes with it is passed by others.
    let (warm_up, nobody) = (room("warm-up"), User::test(0, "Nobody"));
    let draft = Draft::test("first", "first", None);
    log.knows([&nobody]).await;
    log.append(&warm_up, &nobody, draft).await.unwrap();
    (server, log)
}

#[test]
#[ignore = "needs redis-server"]
fn the_log_is_what_a_list_would_be() {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (server, log) = runtime.block_on(on_redis());
    let direct = Client::open(server.url()).unwrap();
    let said = || prop::collection::vec(said(), 0..24);
    proptest!(ProptestConfig::with_cases(64), |(together in said(), later in said(), cursor in 0..40_usize)| {
        ::redis::cmd("FLUSHALL").exec(&mut direct.get_connection().unwrap()).unwrap();
        let all = [together.clone(), later].concat();
        runtime.block_on(check(&log, &all, together.len(), cursor));
    });
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn ten_thousand_messages_of_a_room_are_kept_and_an_older_cursor_starts_again() {
    let (server, log) = on_redis().await;
    keeps_ten_thousand(&log).await;
    let mut direct = Client::open(server.url())
        .unwrap()
        .get_connection()
        .unwrap();
    let keys: usize = ::redis::cmd("HLEN")
        .arg("chat:sent:1")
        .query(&mut direct)
        .unwrap();
    assert_eq!(keys, 10_000, "a key goes with its message");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_cursor_passes_what_the_reader_may_not_see() {
    let (_server, log) = on_redis().await;
    passes_what_is_private(&log).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_empty_room_has_the_cursor_0_and_any_other_is_from_another_log() {
    let (_server, log) = on_redis().await;
    knows_an_empty_room(&log).await;
}
