//! Everything hostile that is known, all at once, for minutes, against one server. Meanwhile honest people talk.
//!
//! `HOSTILE_MINUTES=10 cargo test -p chat -- --ignored hostile --nocapture` prints what it measured.

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::{env, fs};

use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use testing::conformance::STOP_LIMIT;
use testing::{Server, Signal, TEST_TIMEOUT};
use tokio::io::AsyncWriteExt as _;
use tokio::select;
use tokio::task::{JoinSet, LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{BINARY, Client, LOBBY, Person, TRANSPORTS, Transport, database, take_name};

/// How many honest people there are, and how often each of them says something.
const HONEST: usize = 10;
const BETWEEN_MESSAGES: Duration = Duration::from_secs(2);

/// How many names the hostile ones have.
const HOSTILE: usize = 200;

/// The flag `--database-size`, small enough for the database to be full after a minute.
const DATABASE_SIZE: u64 = 256 << 20;

/// What the write-ahead log may have.
const LOG_SIZE: u64 = 64 << 20;

/// What the server may need more than before the attack, in bytes.
const MEMORY: u64 = 256 << 20;

/// The server, and until when it is attacked.
struct Attack {
    server: Server,
    http: reqwest::Client,
    names: Vec<Person>,
    end: Instant,
}

impl Attack {
    /// Calls `act` so many times a second, without waiting for the one before, until the attack is over.
    async fn repeat<Acting: Future<Output = ()> + 'static>(
        self: Rc<Self>,
        per_second: u32,
        act: impl Fn(Rc<Self>, usize) -> Acting,
    ) {
        let mut ticks = interval(Duration::from_secs(1) / per_second);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut acting = JoinSet::new();
        for number in 0.. {
            ticks.tick().await;
            if self.end <= Instant::now() {
                return;
            }
            acting.spawn_local(act(Rc::clone(&self), number));
            while acting.try_join_next().is_some() {}
        }
    }

    fn name(&self, number: usize) -> &Person {
        &self.names[number % HOSTILE]
    }

    /// Sends a GET, and reads the answer whatever it is.
    async fn get(&self, number: usize, path: &str) {
        let request = self.http.get(self.server.url(path));
        if let Ok(answer) = self.name(number).authorize(request).send().await {
            answer.bytes().await.ok();
        }
    }

    async fn post(&self, number: usize, path: &str, body: &Value) {
        let url = self.server.url(path);
        let sender = self.name(number);
        sender.try_post(url, &self.http, body).await;
    }
}

/// Reads everything, from the beginning or backwards. Every second one has gone before it is answered.
async fn read(attack: Rc<Attack>, number: usize) {
    let path = match number % 3 {
        0 => format!("{LOBBY}/messages?after=0&wait=0"),
        1 => format!("{LOBBY}/messages?before=9007199254740991"),
        _ => "/rooms/crowd/messages?after=0&wait=0".to_owned(),
    };
    let patience = Duration::from_millis([20, 5_000][number % 2]);
    timeout(patience, attack.get(number, &path)).await.ok();
}

/// Fills the honest people's room with what they must not see, and the database with it.
async fn write_privately(attack: Rc<Attack>, number: usize) {
    let to = format!("hostile {}", (number + 1) % HOSTILE);
    let text = "三".repeat(2_000);
    let body = json!({ "key": format!("private {number}"), "text": text, "to": to });
    attack
        .post(number, &format!("{LOBBY}/messages"), &body)
        .await;
}

/// Opens a room that nobody needs.
async fn open_room(attack: Rc<Attack>, number: usize) {
    let path = format!("/rooms/room-{number}/messages");
    let body = json!({ "key": format!("room {number}"), "text": "x" });
    attack.post(number, &path, &body).await;
}

/// Takes a name that nobody uses.
async fn take_a_name(attack: Rc<Attack>, number: usize) {
    let body = json!({ "name": format!("nobody {number}") });
    let request = attack.http.post(attack.server.url("/session"));
    request.json(&body).send().await.ok();
}

/// Comes into a crowd and leaves at once.
async fn come_and_go(attack: Rc<Attack>, number: usize) {
    attack.get(number, "/rooms/crowd/messages?wait=0").await;
}

/// Opens a stream and does not read it.
async fn stall(attack: Rc<Attack>, number: usize) {
    let token = &attack.name(number).token;
    let path = ["ws", "events"][number % 2];
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let request = format!(
        "GET {LOBBY}/{path}?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{}\r\n",
        [upgrade, ""][number % 2]
    );
    let connection = attack.server.send_raw_small_window(&request).await;
    sleep(Duration::from_secs(20)).await;
    drop(connection);
}

/// Sends what no client sends.
async fn send_garbage(attack: Rc<Attack>, number: usize) {
    let token = &attack.name(number).token;
    let garbage = match number % 4 {
        0 => "\0\u{1}\u{2}garbage\r\n\r\n".repeat(100),
        1 => format!(
            "GET {LOBBY}/events HTTP/1.1\r\nHost: x\r\nX: {}",
            "x".repeat(100_000)
        ),
        2 => format!(
            "POST {LOBBY}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: 10000\r\n\r\n{{"
        ),
        _ => "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200),
    };
    let mut connection = attack.server.send_raw(&garbage).await;
    sleep(Duration::from_secs(2)).await;
    connection.shutdown().await.ok();
}

/// What an honest person has seen and measured.
#[derive(Default)]
struct Record {
    /// Author and text of each message of honest people, in the order of their ids.
    seen: Vec<(String, usize)>,
    /// How long it took until each own message was acknowledged.
    delays: Vec<Duration>,
}

/// Posts a message in the lobby. If there is no answer, posts it again under the same key, as the page does.
async fn post_until_acknowledged(attack: &Attack, person: &Person, body: &Value) {
    let url = attack.server.url(&format!("{LOBBY}/messages"));
    let posting = async {
        loop {
            let answer = person
                .authorize(attack.server.client.post(&url))
                .json(body)
                .send()
                .await;
            match answer {
                Ok(answer) => return assert!(answer.status().is_success(), "{answer:?}"),
                Err(error) => eprintln!("ERR {error:?}"),
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(TEST_TIMEOUT, posting).await.expect("an answer");
}

/// Talks and listens until the attack is over and everybody has said "end".
async fn talk(attack: Rc<Attack>, person: Person, transport: Transport) -> Record {
    let mut client = Client::open(transport, &attack.server, &person, None).await;
    let mut record = Record::default();
    let (mut sent, mut last_id, mut ends) = (0, 0, 0);
    let mut sent_at = HashMap::new();
    let mut posts = FuturesUnordered::new();
    let mut ticks = interval(BETWEEN_MESSAGES);
    while ends < HONEST || record.delays.len() < sent {
        let is_over = attack.end <= Instant::now();
        select! {
            _ = ticks.tick(), if !sent_at.contains_key("end") => {
                let text = if is_over { "end".to_owned() } else { sent.to_string() };
                let body = json!({ "key": format!("honest {text}"), "text": text });
                sent_at.insert(text.clone(), Instant::now());
                sent += 1;
                if let Client::WebSocket(socket) = &mut client {
                    let event = json!({ "event": "message", "ack": sent, "data": body });
                    let frame = Message::text(event.to_string());
                    socket.0.send(frame).await.unwrap();
                    sent_at.insert(format!("ack {sent}"), Instant::now());
                } else {
                    let (attack, person) = (Rc::clone(&attack), person.clone());
                    posts.push(async move {
                        let start = Instant::now();
                        post_until_acknowledged(&attack, &person, &body).await;
                        start.elapsed()
                    });
                }
            }
            Some(delay) = posts.next() => record.delays.push(delay),
            event = client.next() => {
                let data = &event["data"];
                match event["event"].as_str().unwrap() {
                    "ack" => record.delays.push(sent_at[&format!("ack {}", event["ack"])].elapsed()),
                    "error" | "reset" => panic!("{transport:?}: {event}"),
                    "message" if data["from"].as_str().unwrap().starts_with("honest") => {
                        let id = data["id"].as_u64().unwrap();
                        assert!(last_id < id, "{transport:?}: in order, and once");
                        last_id = id;
                        match data["text"].as_str().unwrap() {
                            "end" => ends += 1,
                            text => {
                                let author = data["from"].as_str().unwrap().to_owned();
                                record.seen.push((author, text.parse().unwrap()));
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    record
}

/// Each second somebody new takes a name and enters a room. Returns how long each of them took.
async fn newcomers(attack: Rc<Attack>) -> Vec<Duration> {
    let mut delays = Vec::new();
    let mut ticks = interval(Duration::from_secs(1));
    while Instant::now() < attack.end {
        ticks.tick().await;
        let start = Instant::now();
        let name = format!("newcomer {}", delays.len());
        let answer = timeout(TEST_TIMEOUT, take_name(&attack.server, &name, None)).await;
        let session: Value = answer.unwrap().json().await.unwrap();
        let token = session["token"].as_str().expect("a name").to_owned();
        let path = "/rooms/hall/messages?wait=0";
        let entered = Person { token }.get(&attack.server, path).await;
        assert_eq!(entered.status(), 200);
        delays.push(start.elapsed());
    }
    delays
}

/// The most that the server needed at any time.
#[derive(Debug, Default)]
struct Usage {
    memory: u64,
    files: usize,
    database: u64,
    log: u64,
}

async fn watch(attack: Rc<Attack>, file: String) -> Usage {
    let mut most = Usage::default();
    let size = |path: &str| fs::metadata(Path::new(path)).map_or(0, |file| file.len());
    let mut ticks = interval(Duration::from_millis(200));
    while Instant::now() < attack.end {
        ticks.tick().await;
        most.memory = most.memory.max(attack.server.memory());
        most.files = most.files.max(attack.server.open_files());
        let log = size(&format!("{file}-wal"));
        most.log = most.log.max(log);
        most.database = most.database.max(size(&file) + log);
    }
    most
}

fn percentile(delays: &mut [Duration], percent: usize) -> Duration {
    delays.sort();
    delays[(delays.len() * percent / 100).min(delays.len() - 1)]
}

#[tokio::test]
#[ignore = "takes a minute, or HOSTILE_MINUTES"]
async fn hostile_clients_keep_nobody_out() {
    LocalSet::new().run_until(attack_for_minutes()).await;
}

async fn attack_for_minutes() {
    let minutes: u64 = env::var("HOSTILE_MINUTES").map_or(1, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = database(&folder);
    let flags = ["--database", &file, "--database-size", "256MiB"];
    let server = Server::start(BINARY, &flags);
    let join = async |name: String| Person::join(&server, &name).await;
    let honest = join_all((0..HONEST).map(|number| join(format!("honest {number}")))).await;
    let names = join_all((0..HOSTILE).map(|number| join(format!("hostile {number}")))).await;
    let before = server.memory();
    let attack = Rc::new(Attack {
        server,
        http: reqwest::Client::new(),
        names,
        end: Instant::now() + Duration::from_secs(60 * minutes),
    });

    let people: Vec<_> = honest
        .into_iter()
        .enumerate()
        .map(|(number, person)| {
            let transport = TRANSPORTS[number % TRANSPORTS.len()];
            spawn_local(talk(Rc::clone(&attack), person, transport))
        })
        .collect();
    let newcomers = spawn_local(newcomers(Rc::clone(&attack)));
    let usage = spawn_local(watch(Rc::clone(&attack), file));
    let attacks = || Rc::clone(&attack);
    tokio::join!(
        attacks().repeat(1_000, read),
        attacks().repeat(400, write_privately),
        attacks().repeat(20, open_room),
        attacks().repeat(50, take_a_name),
        attacks().repeat(100, come_and_go),
        attacks().repeat(10, stall),
        attacks().repeat(20, send_garbage),
    );

    let records: Vec<Record> = join_all(people)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let mut entered = newcomers.await.unwrap();
    let usage = usage.await.unwrap();
    let mut delays: Vec<_> = records
        .iter()
        .flat_map(|record| record.delays.clone())
        .collect();
    let acknowledged = percentile(&mut delays, 99);
    println!(
        "{minutes} min: {} messages of honest people, acknowledged p50 {:?}, p99 {acknowledged:?}; {} newcomers p50 {:?}, \
         p99 {:?}; memory {before} and {} more, {} files, database {}, of which write-ahead log {}",
        delays.len(),
        percentile(&mut delays, 50),
        entered.len(),
        percentile(&mut entered, 50),
        percentile(&mut entered, 99),
        usage.memory - before,
        usage.files,
        usage.database,
        usage.log,
    );
    for record in &records {
        assert_eq!(record.seen, records[0].seen, "the same for everybody");
    }
    for number in 0..HONEST {
        let author = format!("honest {number}");
        let texts = records[0].seen.iter().filter(|(from, _)| *from == author);
        let texts: Vec<_> = texts.map(|(_, text)| *text).collect();
        assert_eq!(texts, (0..texts.len()).collect::<Vec<_>>(), "{author}");
        assert_eq!(texts.len() + 1, records[number].delays.len(), "{author}");
    }
    assert!(acknowledged < Duration::from_millis(500));
    assert!(usage.database <= DATABASE_SIZE && usage.log <= LOG_SIZE);
    assert!(usage.memory - before < MEMORY);

    let attack = Rc::into_inner(attack).expect("no task is left");
    attack.server.signal(Signal::TERM);
    let exit = attack.server.wait();
    assert_eq!(exit.code, Some(0));
    assert!(exit.elapsed < STOP_LIMIT, "{:?}", exit.elapsed);
}
