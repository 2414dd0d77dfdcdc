//! Tests of a server that stops after SIGTERM: its users have five seconds to connect to another server.

use std::time::{Duration, Instant};

use ::redis::cmd;
use testing::redis::Redis;
use testing::{Server, Signal};
use tokio::time::sleep;

use super::{DEAD_AFTER, direct, start};
use crate::client::{Client, Person, TRANSPORTS, Transport};

/// How long the users of a server that stops may be without a connection.
const LEAVE_DELAY: Duration = Duration::from_secs(5);

/// How long a user is without a connection who comes back in time.
const AWAY: Duration = Duration::from_secs(4);

/// How much longer it may take until the others know that a user has left: time for a heartbeat of a busy machine.
const TOLERANCE: Duration = Duration::from_millis(900);

/// How long a server may take to stop.
const STOP: Duration = Duration::from_secs(2);

/// Stops `server`, and returns when the stop began.
fn stop(server: Server, name: &str) -> Instant {
    let start = Instant::now();
    server.signal(Signal::TERM);
    let exit = server.wait();
    assert_eq!(exit.code, Some(0), "{name}: {}", exit.stderr);
    assert!(exit.elapsed < STOP, "{name}: {:?}", exit.elapsed);
    start
}

/// Bob does not come back, Eve does so in the last second. Bob leaves in time, and nobody notices that Eve was away. A
/// server whose only users are between two long polls has no connection and ends at once. It must not forget its report.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn after_a_stop_only_those_leave_who_do_not_come_back_in_five_seconds() {
    let redis = Redis::start();
    let b = start(&redis);
    let ann = Person::join(&b, "Ann").await;
    let mut watch = Client::open(Transport::WebSocket, &b, &ann, None).await;
    watch.event("roster").await;
    for transport in TRANSPORTS {
        let a = start(&redis);
        let mut there = Vec::new();
        let [bob, eve] = ["Bob", "Eve"].map(|name| format!("{name} {transport:?}"));
        let mut people = Vec::new();
        for name in [&bob, &eve] {
            let person = Person::join(&a, name).await;
            let mut client = Client::open(transport, &a, &person, None).await;
            client.event("roster").await;
            there.push(client);
            people.push(person);
            assert_eq!(watch.event("joined").await["name"], name.as_str());
        }
        let stopped = stop(a, &format!("{transport:?}"));
        sleep(AWAY.saturating_sub(stopped.elapsed())).await;
        let mut back = Client::open(transport, &b, &people[1], None).await;
        back.event("roster").await;

        let left = watch.next().await;
        let elapsed = stopped.elapsed();
        assert_eq!(left["event"], "left", "{left}");
        assert_eq!(left["data"]["name"], bob.as_str());
        assert!(
            elapsed >= LEAVE_DELAY,
            "{transport:?}: too early: {elapsed:?}"
        );
        assert!(
            elapsed < LEAVE_DELAY + TOLERANCE,
            "{transport:?}: {elapsed:?}"
        );
        ann.post_text(&b, "after", None).await;
        let next = watch.next().await;
        assert_eq!(next["data"]["text"], "after", "Eve has not left: {next}");
        drop(back);
        assert_eq!(watch.event("left").await["name"], eve.as_str());
    }
}

/// The users leave when the lease runs out, as if the server had died.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_stop_does_not_wait_for_a_redis_that_hangs_or_is_dead() {
    let mut redis = Redis::start();
    let servers = [start(&redis), start(&redis), start(&redis)];
    let ann = Person::join(&servers[0], "Ann").await;
    let mut watch = Client::open(Transport::WebSocket, &servers[0], &ann, None).await;
    watch.event("roster").await;
    let mut there = Vec::new();
    for (server, name) in servers[1..].iter().zip(["Bob", "Eve"]) {
        let person = Person::join(server, name).await;
        there.push(Client::open(Transport::Sse, server, &person, None).await);
        assert_eq!(watch.event("joined").await["name"], name);
    }
    let [_first, second, third] = servers;
    redis.signal(Signal::STOP);
    stop(second, "hangs");
    redis.signal(Signal::CONT);
    redis.kill();
    stop(third, "is dead");
    redis.restart();
    let (start, mut direct) = (Instant::now(), direct(&redis));
    let mut members = Vec::new();
    while members != ["1 Ann"] {
        assert!(start.elapsed() < DEAD_AFTER, "{members:?}");
        sleep(Duration::from_millis(100)).await;
        let fields: Vec<String> = cmd("HVALS")
            .arg("chat:members:lobby")
            .query(&mut direct)
            .unwrap();
        members = fields;
        members.retain(|field| field.contains(' ')); // Not the version.
    }
}
