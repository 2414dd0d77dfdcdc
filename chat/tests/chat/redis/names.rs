//! Tests of names: how long Redis keeps them.

use std::time::Duration;

use ::redis::{Connection, cmd};
use testing::redis::Redis;
use tokio::time::sleep;

use super::{direct, start};
use crate::client::{Client, Person, Transport, take_name};

/// Returns the number of seconds until a name expires.
fn seconds_to_live(direct: &mut Connection, name: &str) -> i64 {
    let mut command = cmd("TTL");
    command
        .arg(format!("chat:name:{name}"))
        .query(direct)
        .unwrap()
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn only_a_confirmed_name_is_kept_for_a_day() {
    let (short, long) = (1..=30, 86_000..=86_400);
    let redis = Redis::start();
    let (a, b) = (start(&redis), start(&redis));
    let mut direct = direct(&redis);
    let ann = Person::join(&a, "Ann").await;
    let left = seconds_to_live(&mut direct, "ann");
    assert!(short.contains(&left), "{left}");
    let _here = Client::open(Transport::WebSocket, &b, &ann, None).await;
    let left = seconds_to_live(&mut direct, "ann");
    assert!(long.contains(&left), "{left}");
    // Ann releases her name on one server. The other one, to which she is connected, renews it every 10 s.
    assert_eq!(take_name(&a, "Eve", Some(&ann.token)).await.status(), 201);
    sleep(Duration::from_secs(11)).await;
    let left = seconds_to_live(&mut direct, "ann");
    assert!(short.contains(&left), "{left}");
}

/// A name is evicted neither if it was used within the last hour nor if it was claimed just now.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_new_name_evicts_one_unused_for_an_hour() {
    let redis = Redis::start();
    let server = start(&redis);
    let mut direct = direct(&redis);
    let now: (u64, u64) = cmd("TIME").query(&mut direct).unwrap();
    let fill = |until: u64| {
        let mut names = cmd("ZADD");
        names.arg("chat:names");
        for number in 0..10_000 {
            names.arg(until).arg(format!("name {number}"));
        }
        names
    };
    for (until, status) in [
        (now.0 + 86_400 - 3_000, 503),
        (now.0 + 86_400 - 4_000, 201),
        (now.0 + 20, 503),
    ] {
        fill(until).exec(&mut direct).unwrap();
        let response = take_name(&server, &format!("Ann {until}"), None).await;
        assert_eq!(response.status(), status, "{until}");
    }
}
