//! Tests of several servers on one Redis: `cargo test -p chat --test chat redis -- --ignored`

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ::redis::{Connection, cmd};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use testing::redis::Redis;
use testing::{Server, Signal, TEST_TIMEOUT, run};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::client::{
    BINARY, Client, LOBBY, Person, TRANSPORTS, Transport, expect_error, take_name,
};
use crate::crash::{Follower, assert_nothing_lost, start_writer};

/// How many times a server is killed, and how many times Redis is.
const KILLS: usize = 5;

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
    assert_eq!(
        bob.post(&b, &format!("{LOBBY}/typing"), &json!({}))
            .await
            .status(),
        204
    );
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

/// Servers and Redis are killed while two clients write and three read. After an error, each takes the other server.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn ten_kills_neither_lose_nor_repeat_an_acknowledged_message() {
    let mut redis = Redis::start();
    let mut servers = [start(&redis), start(&redis)];
    let ann = Person::join(&servers[0], "Ann").await;
    let all = [&servers[0], &servers[1]];
    let follow = |transport| tokio::spawn(Follower::new(&all, &ann, transport).follow());
    let followers = TRANSPORTS.map(follow).into();
    let stop = Arc::new(AtomicBool::new(false));
    let writers = [0, 1_000_000].map(|offset| start_writer(&all, &ann, offset, &stop));
    for number in 0..KILLS {
        sleep(Duration::from_millis(rand::random_range(100..500))).await;
        let [first, second] = servers;
        let (victim, other) = if number % 2 == 0 {
            (first, second)
        } else {
            (second, first)
        };
        let port = victim.address().port();
        victim.signal(Signal::KILL);
        assert_eq!(victim.wait().code, None);
        servers = [start_on(port, &redis), other];
        sleep(Duration::from_millis(rand::random_range(100..500))).await;
        redis.kill();
        sleep(Duration::from_millis(rand::random_range(0..500))).await;
        redis.restart();
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.push(writer.await.unwrap());
    }
    post_until_stored(&servers[0], &ann, "end").await;
    assert_nothing_lost(&acknowledged, followers).await;
}

/// The readers stay connected, and get the messages of that time later.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn when_redis_hangs_posts_fail_soon_and_nothing_is_lost() {
    let redis = Redis::start();
    let (a, b) = (start(&redis), start(&redis));
    let ann = Person::join(&a, "Ann").await;
    let mut readers = Vec::new();
    for (server, transport) in [(&a, Transport::WebSocket), (&b, Transport::Sse)] {
        let mut reader = Client::open(transport, server, &ann, None).await;
        reader.event("roster").await;
        readers.push(reader);
    }
    ann.post_text(&a, "before", None).await;
    redis.signal(Signal::STOP);
    let body = json!({ "key": "hanging", "text": "hanging" });
    let path = format!("{LOBBY}/messages");
    for (name, server) in [("one", &a), ("the other", &b)] {
        let start = Instant::now();
        expect_error(ann.post(server, &path, &body).await, 503, name).await;
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{name}: {:?}",
            start.elapsed()
        );
    }
    let nobody = take_name(&a, "Bob", None).await;
    expect_error(nobody, 503, "a new name").await;
    redis.signal(Signal::CONT);
    let repeat = async {
        loop {
            let response = ann.post(&b, &path, &body).await;
            if response.status() != 503 {
                return response.status().as_u16();
            }
        }
    };
    let status = timeout(TEST_TIMEOUT, repeat).await.unwrap();
    assert!([200, 201].contains(&status), "{status}");
    ann.post_text(&a, "after", None).await;
    for reader in &mut readers {
        assert_eq!(
            reader.texts_to("after").await,
            ["before", "hanging", "after"]
        );
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_reader_whose_cursor_redis_has_lost_gets_a_reset() {
    let redis = Redis::start();
    let server = start(&redis);
    let ann = Person::join(&server, "Ann").await;
    let mut reader = Client::open(Transport::WebSocket, &server, &ann, None).await;
    let id = ann.post_text(&server, "before", None).await;
    reader.texts_to("before").await;
    cmd("FLUSHALL").exec(&mut direct(&redis)).unwrap();
    let path = format!("{LOBBY}/messages");
    let body = json!({ "key": "k", "text": "x" });
    expect_error(
        ann.post(&server, &path, &body).await,
        401,
        "the name is lost",
    )
    .await;
    let ann = Person::join(&server, "Ann").await;
    let mut late = Client::open(Transport::Sse, &server, &ann, Some(&id.to_string())).await;
    late.event("reset").await;
    ann.post_text(&server, "after", None).await;
    assert_eq!(late.texts_to("after").await, ["after"]);
}

/// Returns a connection to Redis for the test itself.
fn direct(redis: &Redis) -> Connection {
    let client = ::redis::Client::open(redis.url()).unwrap();
    client.get_connection().unwrap()
}

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

#[tokio::test]
#[ignore = "needs redis-server"]
async fn redis_without_memory_refuses_posts_but_allows_reads() {
    let redis = Redis::start();
    let (a, b) = (start(&redis), start(&redis));
    let (ann, bob) = (Person::join(&a, "Ann").await, Person::join(&b, "Bob").await);
    let mut watch = Client::open(Transport::WebSocket, &a, &ann, None).await;
    let _there = Client::open(Transport::WebSocket, &b, &bob, None).await;
    assert_eq!(watch.event("joined").await["name"], "Bob");
    ann.post_text(&a, "before", None).await;
    let mut direct = direct(&redis);
    cmd("CONFIG")
        .arg("SET")
        .arg("maxmemory")
        .arg(1)
        .exec(&mut direct)
        .unwrap();
    let path = format!("{LOBBY}/messages");
    let body = json!({ "key": "full", "text": "full" });
    expect_error(ann.post(&a, &path, &body).await, 503, "no memory").await;
    sleep(DEAD_AFTER).await;
    let mut late = Client::open(Transport::Sse, &b, &ann, Some("0")).await;
    assert_eq!(late.event("roster").await["names"], json!(["Ann", "Bob"]));
    assert_eq!(late.texts_to("before").await, ["before"]);
    cmd("CONFIG")
        .arg("SET")
        .arg("maxmemory")
        .arg(0)
        .exec(&mut direct)
        .unwrap();
    ann.post_text(&b, "after", None).await;
    watch.event("message").await;
    assert_eq!(
        watch.next().await["data"]["text"],
        "after",
        "nobody has left"
    );
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

/// This happens when a firewall forgets a connection: it stays open but silent, and new connections work.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_silent_connection_to_redis_is_replaced() {
    let redis = Redis::start();
    let target = redis.url().replace("redis://", "").replace('/', "");
    let (silence, silent) = watch::channel(0);
    let (address, listening) = oneshot::channel();
    // In another thread, because this one waits for the server to start.
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            address.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((mut near, _)) = listener.accept().await {
                let (target, mut silent) = (target.clone(), silent.clone());
                silent.borrow_and_update();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        // Both connections stay open, but no more bytes pass.
                        _ = silent.changed() => pending::<()>().await,
                    }
                });
            }
        });
    });
    let proxy = format!("redis://{}/", listening.await.unwrap());
    let server = Server::start(BINARY, &["--redis", &proxy]);
    let ann = Person::join(&server, "Ann").await;
    ann.post_text(&server, "before", None).await;
    silence.send(1).unwrap();
    let path = format!("{LOBBY}/messages");
    let body = json!({ "key": "k", "text": "x" });
    expect_error(ann.post(&server, &path, &body).await, 503, "silent").await;
    let start = Instant::now();
    while ann.post(&server, &path, &body).await.status() == 503 {
        assert!(start.elapsed() < DEAD_AFTER, "no new connection");
    }
}

#[tokio::test]
async fn without_redis_the_start_ends_with_one_clear_line() {
    for (url, parts) in [
        ("redis://:secret@127.0.0.1:1/", ["127.0.0.1:1", "Start one"]),
        ("redis://127.0.0.1:1/2", ["127.0.0.1:1", "choose none"]),
        (
            "http://secret@127.0.0.1/",
            ["--redis needs", "redis://127.0.0.1/"],
        ),
        ("", ["--redis needs", "redis://127.0.0.1/"]),
    ] {
        let start = Instant::now();
        let exit = run(BINARY, &["--port", "0", "--redis", url]);
        assert_eq!(exit.code, Some(1), "{url}: {}", exit.stderr);
        for part in parts {
            assert!(exit.stderr.contains(part), "{part}: {}", exit.stderr);
        }
        assert!(!exit.stderr.contains("secret"), "{}", exit.stderr);
        assert_eq!(exit.stderr.lines().count(), 1, "{}", exit.stderr);
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
