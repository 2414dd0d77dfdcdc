//! Measures what one Redis can do, and what it can lose. For figures, on a quiet machine and with `MEASURE_SECONDS=10`:
//! `cargo test --release -p chat --test chat redis::measure -- --ignored --nocapture --test-threads=1`

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testing::redis::Redis;
use tokio::time::sleep;

use super::post_until_stored;
use crate::client::{Client, LOBBY, Person, Transport};
use crate::crash::{Follower, start_writer};

/// How many authors post at the same time, each after the response to the message before.
const AUTHORS: usize = 48;

/// How long a measurement takes. A second shows only that it works.
fn seconds() -> u64 {
    let seconds = std::env::var("MEASURE_SECONDS");
    seconds.map_or(1, |seconds| seconds.parse().unwrap())
}

/// Returns the load of the machine in the last minute, and before.
fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default()
}

/// An author who posts messages to one server, each with the time since `start` as its text.
struct Author {
    person: Person,
    number: usize,
    http: reqwest::Client,
    url: String,
    start: Instant,
}

impl Author {
    /// Posts until `end`. Returns the times until the responses.
    async fn post_until(self, end: Instant) -> Vec<Duration> {
        let mut times = Vec::new();
        while Instant::now() < end {
            let sent = self.start.elapsed();
            let key = format!("{} {}", self.number, times.len());
            let body = json!({ "key": key, "text": sent.as_micros().to_string() });
            let posting = self.person.try_post(self.url.clone(), &self.http, &body);
            assert_eq!(posting.await.unwrap().status(), 201);
            times.push(self.start.elapsed().saturating_sub(sent));
        }
        times
    }
}

/// Reads the messages, and returns how long after its POST each has arrived.
async fn delays(mut reader: Client, start: Instant) -> Vec<Duration> {
    let mut delays = Vec::new();
    loop {
        let message: Value = reader.event("message").await;
        let Ok(sent) = message["text"].as_str().unwrap().parse() else {
            return delays; // The end.
        };
        delays.push(start.elapsed().saturating_sub(Duration::from_micros(sent)));
    }
}

/// Returns the median and the 99th percentile, in milliseconds.
fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1e3;
    format!("{:.1} / {:.1} ms", at(50), at(99))
}

/// The reader is connected to the last server, which other servers' messages reach through Redis.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn more_servers_on_one_redis_acknowledge_messages() {
    println!(
        "servers | messages a second | acknowledged p50 / p99 | delivered p50 / p99 | load before"
    );
    for count in 1..=3 {
        let before = load();
        let redis = Redis::start();
        let servers: Vec<_> = (0..count).map(|_| super::start(&redis)).collect();
        let ann = Person::join(&servers[0], "Ann").await;
        let reader = Client::open(Transport::WebSocket, &servers[count - 1], &ann, None).await;
        let start = Instant::now();
        let end = start + Duration::from_secs(seconds());
        let delays = tokio::spawn(delays(reader, start));
        let authors = (0..AUTHORS).map(|number| {
            let author = Author {
                person: ann.clone(),
                number,
                http: servers[number % count].client.clone(),
                url: servers[number % count].url(&format!("{LOBBY}/messages")),
                start,
            };
            tokio::spawn(author.post_until(end))
        });
        let mut times = Vec::new();
        for author in authors.collect::<Vec<_>>() {
            times.extend(author.await.unwrap());
        }
        let rate = times.len() as u64 / seconds();
        ann.post_text(&servers[0], "end", None).await;
        let delays = delays.await.unwrap();
        assert_eq!(delays.len(), times.len(), "each message arrives once");
        let (acknowledged, delivered) = (percentiles(times), percentiles(delays));
        print!("{count} | {rate} | {acknowledged} | {delivered} | {before}");
    }
}

/// The process of Redis is killed: what it has written is in the memory of the system, and only a power cut loses that.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn everysec_loses_little_when_the_process_of_redis_dies() {
    const KILLS: usize = 3;
    let mut redis = Redis::start_with(&["--appendfsync", "everysec"]);
    let servers = [super::start(&redis), super::start(&redis)];
    let all = [&servers[0], &servers[1]];
    let ann = Person::join(&servers[0], "Ann").await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers =
        [0, 1_000_000, 2_000_000, 3_000_000].map(|offset| start_writer(&all, &ann, offset, &stop));
    for _ in 0..KILLS {
        sleep(Duration::from_secs(seconds())).await;
        redis.kill();
        redis.restart();
    }
    post_until_stored(&servers[0], &ann, "4000000").await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = HashSet::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    post_until_stored(&servers[0], &ann, "end").await;
    let stored = Follower::new(&all, &ann, Transport::Sse).follow().await;
    let first: HashSet<_> = stored.iter().copied().collect();
    assert_eq!(first.len(), stored.len(), "each once");
    // A room keeps 10,000 messages.
    let deleted = acknowledged.len().saturating_sub(9_990);
    let lost = acknowledged
        .difference(&first)
        .count()
        .saturating_sub(deleted);
    println!(
        "everysec: {lost} of {} acknowledged messages lost in {KILLS} kills",
        acknowledged.len()
    );
    assert!(lost * 10 < acknowledged.len(), "{lost}");
}
