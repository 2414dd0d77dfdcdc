//! Tests of a failover: a replica becomes the primary, and the address of Redis then leads to it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ::redis::cmd;
use testing::Server;
use testing::redis::Redis;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::{DEAD_AFTER, direct, post_until_stored};
use crate::client::{BINARY, Client, Person, TRANSPORTS, Transport};
use crate::crash::{Follower, start_writer};

/// An address that can be moved to another Redis, as a proxy or a name in the DNS can. Open connections stay where they
/// are.
struct Address {
    port: u16,
    target: Arc<AtomicU16>,
}

impl Address {
    async fn of(redis: &Redis) -> Self {
        let target = Arc::new(AtomicU16::new(redis.port()));
        let (port, listening) = oneshot::channel();
        let current = Arc::clone(&target);
        // In another thread, because the test waits for servers to start.
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                port.send(listener.local_addr().unwrap().port()).unwrap();
                while let Ok((mut near, _)) = listener.accept().await {
                    let target = ("127.0.0.1", current.load(Ordering::Relaxed));
                    tokio::spawn(async move {
                        // Without a Redis, the connection is closed.
                        if let Ok(mut far) = TcpStream::connect(target).await {
                            copy_bidirectional(&mut near, &mut far).await.ok();
                        }
                    });
                }
            });
        });
        Self {
            port: listening.await.unwrap(),
            target,
        }
    }

    fn move_to(&self, redis: &Redis) {
        self.target.store(redis.port(), Ordering::Relaxed);
    }

    fn start_server(&self) -> Server {
        let url = format!("redis://127.0.0.1:{}/", self.port);
        Server::start(BINARY, &["--rate", "0", "--redis", &url])
    }
}

/// Starts a primary and its replica.
fn start_pair() -> (Redis, Redis) {
    let primary = Redis::start();
    let port = primary.port().to_string();
    let replica = Redis::start_with(&["--replicaof", "127.0.0.1", &port]);
    (primary, replica)
}

/// Waits until the replica has everything that the primary has acknowledged so far.
fn wait_for_replica(primary: &Redis) {
    let mut direct = direct(primary);
    let start = Instant::now();
    let mut replicas = 0;
    while replicas == 0 {
        assert!(start.elapsed() < DEAD_AFTER, "no replica");
        // `WAIT` counts the replicas that have the writes of this connection, and so also all earlier ones.
        cmd("SET").arg("marker").arg(1).exec(&mut direct).unwrap();
        let wait = cmd("WAIT").arg(1).arg(1_000).to_owned();
        replicas = wait.query(&mut direct).unwrap();
    }
}

/// Makes `redis` a replica of another one, or the primary.
fn follow(redis: &Redis, primary: Option<&Redis>) {
    let (host, port) = match primary {
        Some(primary) => ("127.0.0.1".to_owned(), primary.port().to_string()),
        None => ("NO".to_owned(), "ONE".to_owned()),
    };
    let mut direct = direct(redis);
    cmd("REPLICAOF")
        .arg(host)
        .arg(port)
        .exec(&mut direct)
        .unwrap();
}

/// Returns the texts up to `last` that begin with "new".
async fn new_texts(client: &mut Client, last: &str) -> Vec<String> {
    let mut texts = client.texts_to(last).await;
    texts.retain(|text| text.starts_with("new"));
    texts
}

/// The replica lacks the latest messages, which the readers have seen. The old primary dies, or becomes a replica.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn after_a_failover_readers_of_lost_messages_miss_no_new_one() {
    for is_dead in [true, false] {
        let (mut primary, replica) = start_pair();
        let address = Address::of(&primary).await;
        let (a, b) = (address.start_server(), address.start_server());
        let (ann, bob) = (Person::join(&a, "Ann").await, Person::join(&b, "Bob").await);
        let mut readers = Vec::new();
        for transport in TRANSPORTS {
            let mut reader = Client::open(transport, &b, &bob, None).await;
            reader.event("roster").await;
            readers.push(reader);
        }
        let replicated = ann.post_text(&a, "kept", None).await;
        wait_for_replica(&primary);
        follow(&replica, None);
        let mut lost = 0;
        for number in 0..5 {
            lost = ann.post_text(&a, &format!("lost {number}"), None).await;
        }
        for reader in &mut readers {
            reader.texts_to("lost 4").await;
        }
        address.move_to(&replica);
        if is_dead {
            primary.kill();
        } else {
            follow(&primary, Some(&replica));
        }
        let new: Vec<_> = (0..8).map(|number| format!("new {number}")).collect();
        post_until_stored(&a, &ann, &new[0]).await;
        post_until_stored(&b, &ann, &new[0]).await;
        for text in &new[1..] {
            ann.post_text(&a, text, None).await;
        }
        for (reader, transport) in readers.iter_mut().zip(TRANSPORTS) {
            let texts = new_texts(reader, &new[7]).await;
            assert_eq!(texts, new, "{transport:?}, dead: {is_dead}");
        }
        for cursor in [replicated, lost] {
            let after = Some(cursor.to_string());
            let mut late = Client::open(Transport::Sse, &b, &bob, after.as_deref()).await;
            assert_eq!(late.texts_to(&new[7]).await, new, "dead: {is_dead}");
        }
    }
}

/// Prints how many acknowledged messages the failover has lost, because the primary does not wait for its replica.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_failover_keeps_every_replicated_message() {
    const REPLICATED: &str = "999999999";
    let (mut primary, replica) = start_pair();
    let address = Address::of(&primary).await;
    let servers = [address.start_server(), address.start_server()];
    let all = [&servers[0], &servers[1]];
    let ann = Person::join(&servers[0], "Ann").await;
    wait_for_replica(&primary);
    let follow_log = |transport| tokio::spawn(Follower::new(&all, &ann, transport).follow());
    let followers = TRANSPORTS.map(follow_log);
    let stop = Arc::new(AtomicBool::new(false));
    let offsets = [0, 1_000_000, 2_000_000, 3_000_000];
    let writers = offsets.map(|offset| start_writer(&all, &ann, offset, &stop));
    sleep(Duration::from_secs(1)).await;
    ann.post_text(&servers[0], REPLICATED, None).await;
    wait_for_replica(&primary);
    sleep(Duration::from_millis(500)).await;
    let start = Instant::now();
    primary.kill();
    follow(&replica, None);
    address.move_to(&replica);
    post_until_stored(&servers[0], &ann, "4000000").await;
    let outage = start.elapsed();
    sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = HashSet::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    post_until_stored(&servers[0], &ann, "end").await;
    let stored = Follower::new(&all, &ann, Transport::Sse).follow().await;
    for follower in followers {
        let received: HashSet<_> = follower.await.unwrap().into_iter().collect();
        let missed = stored.iter().filter(|number| !received.contains(number));
        assert_eq!(missed.count(), 0, "a reader misses what the log has");
    }
    let distinct: HashSet<_> = stored.iter().copied().collect();
    assert_eq!(distinct.len(), stored.len(), "each once");
    assert!(distinct.contains(&REPLICATED.parse().unwrap()));
    let lost = acknowledged.difference(&distinct).count();
    let count = acknowledged.len();
    println!("failover: {lost} of {count} acknowledged messages lost, {outage:?} without Redis");
}
