//! Tests of several servers on one Redis: `cargo test -p chat --test chat redis -- --ignored`

mod failover;
mod failures;
mod measure;
mod names;
mod presence;
mod stop;
mod tls;

use std::time::Duration;

use ::redis::Connection;
use serde_json::{Value, json};
use testing::Server;
use testing::redis::Redis;
use tokio::time::timeout;

use crate::client::{
    BINARY, Client, LOBBY, Person, TRANSPORTS, Transport, expect_error, take_name,
};

/// After this time the lease of a dead server, 10 s, has run out, and the other servers have noticed.
const DEAD_AFTER: Duration = Duration::from_secs(15);

fn start(redis: &Redis) -> Server {
    start_on(0, redis)
}

fn start_on(port: u16, redis: &Redis) -> Server {
    Server::start_on(port, BINARY, &["--rate", "0", "--redis", &redis.url()])
}

/// Returns the names in the roster that a newcomer to the lobby gets.
async fn roster(server: &Server, person: &Person) -> Value {
    let mut client = Client::open(Transport::Sse, server, person, None).await;
    client.event("roster").await["names"].clone()
}

/// Posts a text in the lobby, as soon as Redis responds again.
async fn post_until_stored(server: &Server, person: &Person, text: &str) {
    let body = json!({ "key": text, "text": text });
    let post = async {
        let path = format!("{LOBBY}/messages");
        while person.post(server, &path, &body).await.status() == 503 {}
    };
    timeout(DEAD_AFTER, post).await.unwrap();
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn two_servers_are_one_chat() {
    let redis = Redis::start();
    let (a, b) = (start(&redis), start(&redis));
    let ann = Person::join(&a, "Ann").await;
    expect_error(take_name(&b, "aNN", None).await, 409, "taken on the other").await;
    let again = take_name(&b, "Ann", Some(&ann.token)).await;
    assert_eq!(again.status(), 200, "a token is good everywhere");
    let (bob, eve) = (Person::join(&b, "Bob").await, Person::join(&b, "Eve").await);

    for transport in TRANSPORTS {
        let mut here = Client::open(transport, &a, &ann, None).await;
        here.event("roster").await;
        let mut there = Client::open(transport, &b, &bob, None).await;
        let mut other = Client::open(transport, &b, &eve, None).await;
        other.event("roster").await;
        // Ann writes on both servers, also private messages. All clients must get theirs once and in order.
        let mut texts = Vec::new();
        for (number, (server, to)) in [
            (&a, None),
            (&b, None),
            (&a, Some("bob")),
            (&b, Some("Bob")),
            (&a, None),
        ]
        .into_iter()
        .enumerate()
        {
            let text = format!("{transport:?} {number} \"三\"");
            ann.post_text(server, &text, to).await;
            texts.push(text);
        }
        let last = texts[4].clone();
        let of_this_transport = |received: Vec<String>| {
            let prefix = format!("{transport:?}");
            received
                .into_iter()
                .filter(|text| text.starts_with(&prefix))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of_this_transport(here.texts_to(&last).await),
            texts,
            "{transport:?}, where it was posted"
        );
        assert_eq!(
            of_this_transport(there.texts_to(&last).await),
            texts,
            "{transport:?}, elsewhere"
        );
        let public = [0, 1, 4].map(|number| texts[number].clone());
        assert_eq!(
            of_this_transport(other.texts_to(&last).await),
            public,
            "{transport:?}, for others"
        );
    }
    // A repeat gets the first response, on the other server as well.
    let body = json!({ "key": "again", "text": "once" });
    let path = format!("{LOBBY}/messages");
    let first = ann.post(&a, &path, &body).await;
    let second = ann.post(&b, &path, &body).await;
    assert_eq!(
        (first.status(), second.status()),
        (201.try_into().unwrap(), 200.try_into().unwrap())
    );
    assert_eq!(first.text().await.unwrap(), second.text().await.unwrap());
}

/// Returns a connection to Redis for the test itself.
fn direct(redis: &Redis) -> Connection {
    let client = ::redis::Client::open(redis.url()).unwrap();
    client.get_connection().unwrap()
}
