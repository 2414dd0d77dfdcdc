//! Tests of what survives a crash, and of databases and disks that cannot be used.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use rusqlite::Connection;
use serde_json::{Value, json};
use testing::{Server, Signal, conformance::STOP_LIMIT, run};
use tokio::{task::JoinHandle, time::sleep};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{
    BINARY, Client, LOBBY, Person, Socket, TRANSPORTS, Transport, database, expect_error,
};

/// How many times the server is killed.
const KILLS: usize = 10;

/// A client that reads numbers, and connects again when a server fails.
pub(crate) struct Follower {
    /// The addresses of the servers. The follower takes the next one for each connection.
    addresses: VecDeque<String>,
    http: reqwest::Client,
    person: Person,
    transport: Transport,
    /// The numbers that it has received, in this order.
    received: Vec<u64>,
    cursor: String,
    /// Whether it is an error if somebody leaves.
    is_nobody_to_leave: bool,
}

impl Follower {
    /// Creates a follower that has received nothing yet.
    pub(crate) fn new(servers: &[&Server], person: &Person, transport: Transport) -> Self {
        Self {
            addresses: addresses(servers),
            http: servers[0].client.clone(),
            person: person.clone(),
            transport,
            received: Vec::new(),
            cursor: "0".into(),
            is_nobody_to_leave: false,
        }
    }

    /// Lets the follower connect through a proxy, and fail if somebody leaves.
    pub(crate) fn behind(self, proxy: &str) -> Self {
        Self {
            addresses: [proxy.to_owned()].into(),
            is_nobody_to_leave: true,
            ..self
        }
    }

    /// Reads until the text `end` arrives, over as many connections as needed. Returns the numbers.
    pub(crate) async fn follow(mut self) -> Vec<u64> {
        while self.read_connection().await.is_none() {
            self.addresses.rotate_left(1);
            sleep(Duration::from_millis(10)).await;
        }
        self.received
    }

    /// Reads one connection. Returns `Some` after the text `end`.
    async fn read_connection(&mut self) -> Option<()> {
        match self.transport {
            Transport::WebSocket => self.read_socket().await,
            Transport::Sse => self.read_stream().await,
            Transport::LongPoll => self.poll().await,
        }
    }

    /// Records an event. Returns `Some` if its text is `end`.
    fn record(&mut self, event: &Value) -> Option<()> {
        assert_ne!(event["event"], "reset", "a cursor stays valid");
        let is_left = self.is_nobody_to_leave && event["event"] == "left";
        assert!(!is_left, "{:?}: {event}", self.transport);
        if event["event"] != "message" {
            return None;
        }
        let data = &event["data"];
        self.cursor = data["id"].to_string();
        match data["text"].as_str()? {
            "end" => Some(()),
            text => {
                self.received.push(text.parse().unwrap());
                None
            }
        }
    }

    async fn read_socket(&mut self) -> Option<()> {
        let path = format!("{LOBBY}/ws?after={}", self.cursor);
        let address = format!("ws://{}{path}", self.addresses[0]);
        let mut socket = Socket::dial(&address, &self.person).await.ok()?.0;
        while let Some(Ok(frame)) = socket.next().await {
            if let Message::Text(text) = frame
                && let Some(end) = self.record(&serde_json::from_str(&text).unwrap())
            {
                return Some(end);
            }
        }
        None
    }

    async fn read_stream(&mut self) -> Option<()> {
        let url = format!(
            "http://{}{LOBBY}/events?after={}",
            self.addresses[0], self.cursor
        );
        let mut response = self
            .person
            .authorize(self.http.get(url))
            .send()
            .await
            .ok()?;
        let mut text = String::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            text += str::from_utf8(&chunk).unwrap();
            while let Some((event, rest)) = text.split_once("\n\n") {
                let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
                if let (Some(name), Some(data)) = (field("event: "), field("data: ")) {
                    let data: Value = serde_json::from_str(data).unwrap();
                    let end = self.record(&json!({ "event": name, "data": data }));
                    if end.is_some() {
                        return end;
                    }
                }
                text = rest.to_owned();
            }
        }
        None
    }

    async fn poll(&mut self) -> Option<()> {
        let url = format!(
            "http://{}{LOBBY}/messages?after={}",
            self.addresses[0], self.cursor
        );
        let response = self
            .person
            .authorize(self.http.get(url))
            .send()
            .await
            .ok()?;
        let body: Value = response.json().await.ok()?;
        let events = body["events"].as_array()?;
        let end = events.iter().find_map(|event| self.record(event));
        body["cursor"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.cursor);
        end
    }
}

fn addresses(servers: &[&Server]) -> VecDeque<String> {
    let address = |server: &&Server| server.address().to_string();
    servers.iter().map(address).collect()
}

/// Starts a task that posts numbers, each one again and again until it is acknowledged. After an error it takes the
/// next server. Returns the acknowledged numbers.
pub(crate) fn start_writer(
    servers: &[&Server],
    person: &Person,
    offset: u64,
    stop: &Arc<AtomicBool>,
) -> JoinHandle<Range<u64>> {
    let (mut addresses, person) = (addresses(servers), person.clone());
    let stop = Arc::clone(stop);
    tokio::spawn(async move {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut number = offset;
        // A number that has been sent is acknowledged before the task ends.
        loop {
            let url = format!("http://{}{LOBBY}/messages", addresses[0]);
            let body = json!({ "key": number.to_string(), "text": number.to_string() });
            match person.try_post(url, &http, &body).await {
                Some(response) if response.status().is_success() => {
                    number += 1;
                    if stop.load(Ordering::Relaxed) {
                        return offset..number;
                    }
                }
                Some(response) if response.status() != 503 => panic!("{}", response.status()),
                _ => {
                    addresses.rotate_left(1);
                    sleep(Duration::from_millis(5)).await;
                }
            }
        }
    })
}

/// Checks that every follower has received all acknowledged numbers once and in order, and nothing else. Returns the
/// numbers as they were received.
pub(crate) async fn assert_nothing_lost(
    acknowledged: &[Range<u64>],
    followers: Vec<JoinHandle<Vec<u64>>>,
) -> Vec<u64> {
    let mut lists = Vec::new();
    for follower in followers {
        lists.push(follower.await.unwrap());
    }
    for numbers in acknowledged {
        assert!(
            numbers.end > numbers.start,
            "nothing was acknowledged: {numbers:?}"
        );
        let own: Vec<_> = lists[0]
            .iter()
            .copied()
            .filter(|number| numbers.contains(number))
            .collect();
        assert_eq!(
            own,
            numbers.clone().collect::<Vec<_>>(),
            "each once and in order"
        );
    }
    let count: usize = acknowledged
        .iter()
        .map(|numbers| numbers.clone().count())
        .sum();
    assert_eq!(lists[0].len(), count, "and nothing else");
    assert!(
        lists.iter().all(|list| *list == lists[0]),
        "the same for every follower"
    );
    let all: HashSet<_> = lists[0].iter().collect();
    assert_eq!(all.len(), count);
    lists.swap_remove(0)
}

#[tokio::test]
async fn ten_kills_neither_lose_nor_repeat_an_acknowledged_message() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--rate", "0", "--database", &database(&folder)];
    let mut server = Server::start(BINARY, &flags);
    let person = Person::join(&server, "Ann").await;
    let follow = |transport| tokio::spawn(Follower::new(&[&server], &person, transport).follow());
    let followers = TRANSPORTS.map(follow).into();
    let stop = Arc::new(AtomicBool::new(false));
    let writers = [0, 1_000_000].map(|offset| start_writer(&[&server], &person, offset, &stop));
    for _ in 0..KILLS {
        sleep(Duration::from_millis(rand::random_range(20..200))).await;
        server.signal(Signal::KILL);
        let port = server.address().port();
        assert_eq!(server.wait().code, None);
        server = Server::start_on(port, BINARY, &flags);
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.push(writer.await.unwrap());
    }
    person.post_text(&server, "end", None).await;
    assert_nothing_lost(&acknowledged, followers).await;
}

#[tokio::test]
async fn an_unusable_database_ends_the_start_with_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let garbage = path("garbage.db");
    fs::write(&garbage, "this text is not a database of SQLite").unwrap();
    let used = path("used.db");
    let _first = Server::start(BINARY, &["--database", &used]);
    for (file, expected) in [
        (&garbage, "is not a chat database"),
        (&used, "in use by another server"),
        (&path("none/chat.db"), "No such file"),
        (&path(""), "cannot"),
    ] {
        let exit = run(BINARY, &["--port", "0", "--database", file]);
        assert_eq!(exit.code, Some(1), "{file}: {}", exit.stderr);
        assert!(
            exit.stderr.contains(expected) && exit.stderr.lines().count() == 1,
            "{}",
            exit.stderr
        );
    }
}

/// Another program may lock the database, for example to repair it. Neither clients nor a stop may wait for that.
#[tokio::test]
async fn a_locked_database_delays_no_stop() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(&folder);
    let server = Server::start(BINARY, &["--database", &file]);
    let ann = Person::join(&server, "Ann").await;
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let path = format!("{LOBBY}/messages");
    let body = json!({ "key": "k", "text": "x" });
    expect_error(ann.post(&server, &path, &body).await, 503, "locked").await;
    expect_error(ann.get(&server, "/health").await, 503, "locked").await;
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let (ann, client) = (ann.clone(), server.client.clone());
            let (url, body) = (server.url(&path), body.clone());
            tokio::spawn(async move { ann.try_post(url, &client, &body).await })
        })
        .collect();
    sleep(Duration::from_millis(100)).await; // Until they wait for the lock.
    server.signal(Signal::TERM);
    let exit = server.wait();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(exit.elapsed < STOP_LIMIT, "{:?}", exit.elapsed);
    for response in waiting {
        let response = response.await.unwrap();
        assert!(response.is_none_or(|response| response.status() == 503));
    }
}

/// SQLite may read `file:chat.db` as a URI of `chat.db`. Then two servers would write that file, with different locks.
#[tokio::test]
async fn a_database_name_is_never_read_as_a_uri() {
    const IN_FOLDER: &str = r#"cd "$0" && exec "$@""#;
    let folder = tempfile::tempdir().unwrap();
    let _first = Server::start(BINARY, &["--database", &database(&folder)]);
    let here = folder.path().to_str().unwrap();
    let flags = ["-c", IN_FOLDER, here, BINARY, "--database", "file:chat.db"];
    let second = Server::start("sh", &flags);
    Person::join(&second, "Ann").await;
    assert!(folder.path().join("file:chat.db").exists());
}

/// The server runs as a user who may only read the file, and so not as root.
#[tokio::test]
async fn a_read_only_database_ends_the_start_with_one_line() {
    const NOBODY: u32 = 65_534;
    let folder = tempfile::tempdir().unwrap();
    let file = database(&folder);
    drop(Server::start(BINARY, &["--database", &file]));
    for name in ["chat.db-wal", "chat.db-shm", "chat.db.lock"] {
        fs::remove_file(folder.path().join(name)).ok();
    }
    let set =
        |path: &str, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(&file, 0o444);
    set(folder.path().to_str().unwrap(), 0o777);
    let mut command = Command::new(BINARY);
    command
        .args(["--port", "0", "--database", &file])
        .stdout(Stdio::null());
    // Only root can change the owner, and only root has to run the server as another user.
    if chown(&file, Some(0), None).is_ok() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("cannot be written") && stderr.lines().count() == 1,
        "{stderr}"
    );
}

/// Starts the server with files of at most 3 MiB, as on a small disk. The signal XFSZ is ignored, so that a further
/// write is an error and does not end the process.
const SMALL_DISK: &str = r#"trap "" XFSZ; ulimit -f 6144; exec "$0" "$@""#;

/// The server can still read its messages. When there is space again, it stores new ones.
#[tokio::test]
async fn a_full_disk_refuses_posts_and_keeps_acknowledged_messages() {
    let folder = tempfile::tempdir().unwrap();
    let file = database(&folder);
    let flags = ["-c", SMALL_DISK, BINARY, "--rate", "0", "--database", &file];
    let server = Server::start("sh", &flags);
    let ann = Person::join(&server, "Ann").await;
    let mut reader = Client::open(Transport::WebSocket, &server, &ann, None).await;
    let mut socket = Socket::open(&server, &ann, &format!("{LOBBY}/ws")).await;
    let path = format!("{LOBBY}/messages");
    let padding = "x".repeat(1_900);
    let mut acknowledged = 0;
    loop {
        let body =
            json!({ "key": acknowledged.to_string(), "text": format!("{acknowledged} {padding}") });
        let response = ann.post(&server, &path, &body).await;
        if response.status() != 201 {
            expect_error(response, 503, "a full disk").await;
            break;
        }
        acknowledged += 1;
    }
    assert!((100..1_000).contains(&acknowledged), "{acknowledged}");
    let data = json!({ "key": "ws", "text": padding });
    socket
        .send(json!({ "event": "message", "ack": 1, "data": data }).to_string())
        .await;
    let error = socket.event("error").await;
    assert_eq!(
        (&error["ack"], error["data"]["error"].is_string()),
        (&json!(1), true)
    );
    let mut late = Client::open(Transport::Sse, &server, &ann, Some("0")).await;
    for number in 0..acknowledged {
        for client in [&mut reader, &mut late] {
            let text = client.event("message").await["text"]
                .as_str()
                .unwrap()
                .to_owned();
            assert!(text.starts_with(&format!("{number} ")), "{text}");
        }
    }
    drop(server);

    let server = Server::start(BINARY, &["--database", &file]);
    ann.post_text(&server, "space again", None).await;
    let mut late = Client::open(Transport::Sse, &server, &ann, Some("0")).await;
    assert_eq!(late.texts_to("space again").await.len(), acknowledged + 1);
}
