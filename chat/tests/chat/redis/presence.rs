//! Tests of who is in a room, on all servers together.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use ::redis::{Connection, cmd};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use testing::redis::Redis;
use testing::{Server, Signal};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{DEAD_AFTER, direct, post_until_stored, roster, start};
use crate::client::{
    Client, LOBBY, Person, Socket, TRANSPORTS, Transport, expect_error, take_name,
};

/// Sends `typing` to a server, for a user in the lobby.
async fn type_on(server: &Server, person: &Person) {
    let path = format!("{LOBBY}/typing");
    assert_eq!(person.post(server, &path, &json!({})).await.status(), 204);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn joined_left_and_typing_reach_every_server() {
    let redis = Redis::start();
    let (a, b) = (start(&redis), start(&redis));
    let (ann, bob) = (Person::join(&a, "Ann").await, Person::join(&b, "Bob").await);
    let mut watch = Client::open(Transport::WebSocket, &a, &ann, None).await;
    assert_eq!(watch.event("roster").await, json!({ "names": ["Ann"] }));
    let there = Client::open(Transport::WebSocket, &b, &bob, None).await;
    assert_eq!(watch.event("joined").await["name"], "Bob");
    assert_eq!(roster(&b, &bob).await, json!(["Ann", "Bob"]));
    type_on(&b, &bob).await;
    assert_eq!(watch.event("typing").await["name"], "Bob");

    // A user who moves to the other server has not left, so the next event is the message.
    let moved = Client::open(Transport::WebSocket, &a, &bob, None).await;
    drop(there);
    sleep(Duration::from_secs(6)).await; // Longer than the 5 s after which a user leaves.
    bob.post_text(&a, "still here", None).await;
    assert_eq!(watch.next().await["data"]["text"], "still here");
    drop(moved);
    assert_eq!(watch.event("left").await["name"], "Bob");
    assert_eq!(roster(&b, &ann).await, json!(["Ann"]));
}

/// The tempting wrong answer counts users without their servers. Then the users of a dead server stay for ever.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn users_of_a_server_that_died_leave() {
    let redis = Redis::start();
    let (a, b) = (start(&redis), start(&redis));
    let (ann, bob) = (Person::join(&a, "Ann").await, Person::join(&b, "Bob").await);
    let mut watch = Client::open(Transport::WebSocket, &a, &ann, None).await;
    let _there = Client::open(Transport::WebSocket, &b, &bob, None).await;
    assert_eq!(watch.event("joined").await["name"], "Bob");
    b.signal(Signal::KILL);
    let Client::WebSocket(socket) = &mut watch else {
        unreachable!()
    };
    // `Client::next` would not wait long enough.
    let left = async {
        while let Some(Ok(frame)) = socket.0.next().await {
            if frame.to_text().is_ok_and(|text| text.contains(r#""left""#)) {
                return;
            }
        }
        panic!("the connection is open");
    };
    timeout(DEAD_AFTER, left).await.unwrap();
    assert_eq!(roster(&a, &ann).await, json!(["Ann"]));
}

/// This happens after a switch to a replica that does not have the latest writes.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_roster_recovers_after_redis_has_lost_data() {
    let redis = Redis::start();
    let server = start(&redis);
    let ann = Person::join(&server, "Ann").await;
    let mut watch = Client::open(Transport::WebSocket, &server, &ann, None).await;
    watch.event("roster").await;
    let mut direct = direct(&redis);
    cmd("HINCRBY")
        .arg("chat:members:lobby")
        .arg("version")
        .arg(-5)
        .exec(&mut direct)
        .unwrap();
    cmd("CLIENT")
        .arg("KILL")
        .arg("TYPE")
        .arg("pubsub")
        .exec(&mut direct)
        .unwrap();
    let mut listeners = 0;
    while listeners == 0 {
        let mut command = cmd("PUBSUB");
        let numbers: (String, usize) = command
            .arg("NUMSUB")
            .arg("chat:presence")
            .query(&mut direct)
            .unwrap();
        listeners = numbers.1;
    }
    let bob = Person::join(&server, "Bob").await;
    assert_eq!(roster(&server, &bob).await, json!(["Ann", "Bob"]));
    // A client that is connected gets Bob, too, by `joined` or by a new roster.
    while !watch.next().await["data"].to_string().contains("Bob") {}

    // When Redis has lost all members, the server reports them again.
    let servers: Vec<String> = cmd("KEYS").arg("chat:server:*").query(&mut direct).unwrap();
    cmd("DEL")
        .arg("chat:members:lobby")
        .arg(servers)
        .exec(&mut direct)
        .unwrap();
    let start = Instant::now();
    let mut here = String::new();
    while !here.contains("Ann") {
        assert!(start.elapsed() < DEAD_AFTER, "{here}");
        let members: Vec<String> = cmd("HVALS")
            .arg("chat:members:lobby")
            .query(&mut direct)
            .unwrap();
        here = members.join(" ");
    }
}

/// Redis is down for longer than a lease, so no server could renew its lease.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn nobody_leaves_while_redis_is_down() {
    let mut redis = Redis::start();
    let (a, b) = (start(&redis), start(&redis));
    let (ann, bob) = (Person::join(&a, "Ann").await, Person::join(&b, "Bob").await);
    let mut watch = Client::open(Transport::WebSocket, &a, &ann, None).await;
    let _there = Client::open(Transport::Sse, &b, &bob, None).await;
    assert_eq!(watch.event("joined").await["name"], "Bob");
    let own = take_name(&a, "Ann", Some(&ann.token)).await;
    assert_eq!(own.status(), 200);
    redis.kill();
    let own = take_name(&a, "Ann", Some(&ann.token)).await;
    expect_error(own, 503, "not a 401 or 409").await;
    sleep(DEAD_AFTER).await;
    redis.restart();
    post_until_stored(&b, &bob, "after").await;
    // The roster may come again, but no `joined` and no `left`.
    loop {
        let event = watch.next().await;
        match event["event"].as_str() {
            Some("message") => break,
            Some("roster") => assert_eq!(event["data"]["names"], json!(["Ann", "Bob"])),
            _ => panic!("{event}"),
        }
    }
}

/// The proxy sends each request to the next server. So `typing` may arrive at a server to which the user is not connected.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn typing_works_on_any_server_but_only_for_members() {
    let redis = Redis::start();
    let servers = [start(&redis), start(&redis), start(&redis)];
    let [a, b, c] = &servers;
    let (ann, bob) = (Person::join(a, "Ann").await, Person::join(b, "Bob").await);
    let eve = Person::join(c, "Eve").await;
    let mut here = Client::open(Transport::WebSocket, a, &ann, None).await;
    let mut there = Client::open(Transport::Sse, b, &bob, None).await;
    for watch in [&mut here, &mut there] {
        while !watch.next().await["data"].to_string().contains("Bob") {}
    }
    let mut elsewhere = Client::WebSocket(Socket::open(c, &eve, "/rooms/elsewhere/ws").await);
    elsewhere.event("roster").await;
    // Eve is in another room. A server sends `typing` events in their order, so hers would come before the others.
    for server in &servers {
        type_on(server, &eve).await;
        type_on(server, &bob).await;
        type_on(server, &ann).await;
        assert_eq!(
            here.next().await,
            json!({ "event": "typing", "data": { "name": "Bob" } })
        );
        assert_eq!(
            there.next().await,
            json!({ "event": "typing", "data": { "name": "Ann" } })
        );
    }
}

/// The tempting wrong answer makes the name of each user expire later, again and again.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn idle_users_cost_redis_one_write_for_each_renewal_of_a_lease() {
    const MEASURED: Duration = Duration::from_secs(15);
    let redis = Redis::start();
    let server = start(&redis);
    let mut streams = Vec::new();
    let mut polls = JoinSet::new();
    for number in 0..51 {
        let person = Person::join(&server, &format!("user {number}")).await;
        let transport = TRANSPORTS[number % 3];
        let mut client = Client::open(transport, &server, &person, None).await;
        client.event("roster").await;
        match client {
            Client::LongPoll(_) => _ = polls.spawn(poll_each_second(server.url(LOBBY), person)),
            _ => streams.push(client),
        }
    }
    let mut direct = direct(&redis);
    let before = write_count(&mut direct);
    sleep(MEASURED).await;
    let writes = write_count(&mut direct) - before;
    // Three renewals of a lease of 10 s, every 3 s; at the start and at the end of the time there may be one.
    let renewals = MEASURED.as_secs() / 3;
    assert!(
        (renewals - 1..=renewals + 1).contains(&writes),
        "{writes} writes, {renewals} renewals"
    );
    polls.abort_all();
}

/// Sends one long poll after the other.
async fn poll_each_second(room: String, person: Person) {
    let http = reqwest::Client::new();
    let mut after = String::from("0");
    loop {
        let url = format!("{room}/messages?wait=1&after={after}");
        let response = person.authorize(http.get(url)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let body: Value = response.json().await.unwrap();
        let cursor = body["cursor"].as_str().unwrap();
        cursor.clone_into(&mut after);
    }
}

/// Returns how many commands that write Redis has run so far, those of scripts included.
fn write_count(direct: &mut Connection) -> u64 {
    let mut list = cmd("COMMAND");
    list.arg("LIST").arg("FILTERBY").arg("ACLCAT").arg("write");
    let writing: HashSet<String> = list.query(direct).unwrap();
    let stats: String = cmd("INFO").arg("commandstats").query(direct).unwrap();
    let mut count = 0;
    for line in stats.lines() {
        // `cmdstat_zadd:calls=5,usec=17,…`
        let Some((name, stat)) = line.split_once(":calls=") else {
            continue;
        };
        if writing.contains(name.trim_start_matches("cmdstat_")) {
            count += stat.split(',').next().unwrap().parse::<u64>().unwrap();
        }
    }
    count
}
