//! Tests of servers that die, and of a Redis that dies, hangs or is full.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ::redis::cmd;
use futures_util::future::join_all;
use serde_json::json;
use testing::redis::Redis;
use testing::{Server, Signal, TEST_TIMEOUT, run};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use super::{DEAD_AFTER, direct, post_until_stored, start, start_on};
use crate::client::{
    BINARY, Client, LOBBY, Person, TRANSPORTS, Transport, expect_error, take_name,
};
use crate::crash::{Follower, assert_nothing_lost, start_writer};

/// How many times a server is killed, and how many times Redis is.
const KILLS: usize = 5;

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

/// Otherwise the log of a busy server fills a disk, or blocks the server if nobody reads it.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn without_redis_a_thousand_requests_log_a_few_lines() {
    let mut redis = Redis::start();
    let server = start(&redis);
    let ann = Person::join(&server, "Ann").await;
    redis.kill();
    let begin = Instant::now();
    let post = |number: u32| {
        let (ann, server) = (&ann, &server);
        async move {
            let body = json!({ "key": number.to_string(), "text": "lost" });
            let path = format!("{LOBBY}/messages");
            ann.post(server, &path, &body).await.status()
        }
    };
    for first in (0..1000).step_by(50) {
        let statuses = join_all((first..first + 50).map(post)).await;
        assert!(statuses.iter().all(|status| *status == 503), "{statuses:?}");
    }
    let seconds = usize::try_from(begin.elapsed().as_secs()).unwrap();
    server.signal(Signal::TERM);
    let log = server.wait().stderr;
    let count = log
        .lines()
        .filter(|line| line.contains("cannot use Redis"))
        .count();
    // The tasks that report and listen have one line each when they fail.
    assert!((1..=seconds + 5).contains(&count), "{log}");
    assert!(log.contains("more errors since the last line"), "{log}");
    redis.restart();
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
