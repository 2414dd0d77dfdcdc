//! What the chat costs: `cargo bench -p chat`
//!
//! - **durable appends**: authors post as fast as they are acknowledged, each its next message after the response to
//!   the last one;
//! - **fan-out**: one message to many readers, as a multiple of the baseline, a server that holds as many sockets and
//!   only writes as many bytes to them (the same as for the other lessons); and the memory of an idle reader;
//! - **catching up**: a reader comes back after 10,000 messages.
//!
//! Linux only: processor time and memory come from `/proc`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a measurement that goes wrong ends, and its numbers are small"
)]

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};
use testing::Server;
use testing::bench::{self, Pattern};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet, spawn_local};
use tokio::time::sleep;

/// Measures what the chat costs.
#[derive(Debug, Clone, Parser)]
#[command(bin_name = "cargo bench -p chat --")]
struct Flags {
    /// How many authors post at the same time
    #[arg(long, default_value_t = 64)]
    authors: usize,

    /// For how many seconds they do
    #[arg(long, default_value_t = 5)]
    seconds: u64,

    /// How many readers listen to one room
    #[arg(long = "clients", default_value_t = 5_000)]
    readers: usize,

    /// How many messages they are sent
    #[arg(long = "updates", default_value = "100")]
    messages: NonZeroUsize,

    /// Also write the figures beside this file, as FILE.chat: the file itself is for the other lessons
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// For the other lessons
    #[arg(long, hide = true)]
    idle: Option<u64>,

    /// (`cargo bench` says so)
    #[arg(long, hide = true)]
    bench: bool,
}

/// These readers come first, and pay for what is there once: threads, connections to the database, caches.
const WARM: usize = 500;

/// How long a message has to reach everybody before the next one is sent.
const PAUSE: Duration = Duration::from_millis(100);

/// In how many rounds the messages are sent, each by the chat and then by the baseline.
const ROUNDS: usize = 10;

/// How many messages one round has at most: a server closes a connection that sends nothing for 30 s, as the author's does
/// during the baseline's half of a round.
const MAX_MESSAGES_PER_ROUND: usize = 100;

/// A handshake without its address and its end. The key may be anything of 16 bytes (RFC 6455 §4.1).
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// How a room is read.
#[derive(Debug, Clone, Copy)]
struct Transport {
    name: &'static str,
    path: &'static str,
    headers: &'static str,
}

const TRANSPORTS: [Transport; 2] = [
    Transport {
        name: "WebSocket",
        path: "ws",
        headers: UPGRADE,
    },
    Transport {
        name: "SSE",
        path: "events",
        headers: "",
    },
];

fn main() -> ExitCode {
    if let Some(exit_code) = bench::serve_baseline(Pattern::Stream("")) {
        return exit_code;
    }
    let flags = Flags::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("chat.db");
        let database = database.to_str().unwrap();
        let mut server = Room::open(&["--database", database]).await;
        let appends = server.append(&flags).await;
        let mut figures = json!({ "appends_per_second": appends });
        for transport in TRANSPORTS {
            let time = server.catch_up(transport).await;
            figures[transport.name]["catching_up_ms"] = json!(time.as_secs_f64() * 1e3);
        }
        drop(server);
        for transport in TRANSPORTS {
            let [delivery, baseline, multiple, idle] = fan_out(transport, &flags).await;
            figures[transport.name]["delivery_microseconds"] = json!(delivery);
            figures[transport.name]["baseline_microseconds"] = json!(baseline);
            figures[transport.name]["times_baseline"] = json!(multiple);
            figures[transport.name]["idle_kibibytes"] = json!(idle);
        }
        if let Some(file) = flags.json {
            // As for the other lessons, a relative path begins at the workspace.
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
            let mut file = file.into_os_string();
            file.push(".chat");
            fs::write(file, format!("{figures:#}\n")).unwrap();
        }
    });
    ExitCode::SUCCESS
}

/// A server, and somebody in its lobby.
struct Room {
    server: Server,
    token: String,
}

impl Room {
    async fn open(flags: &[&str]) -> Self {
        let common = [
            "--connections",
            "65535",
            "--rate",
            "0",
            "--heartbeat",
            "3600",
        ];
        let server = Server::start(env!("CARGO_BIN_EXE_chat"), &[&common, flags].concat());
        let token = token(&server, "Ann").await;
        Self { server, token }
    }

    /// A request for `path` in the lobby, with further headers.
    fn get(&self, path: &str, headers: &str) -> String {
        let token = &self.token;
        format!(
            "GET /rooms/lobby/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{headers}\r\n"
        )
    }

    /// Lets all authors post until the time is over.
    async fn append(&mut self, flags: &Flags) -> u64 {
        let mut authors = JoinSet::new();
        let end = Instant::now() + Duration::from_secs(flags.seconds);
        let before = self.server.cpu_ticks();
        for number in 0..flags.authors {
            let token = token(&self.server, &format!("author {number}")).await;
            let address = self.server.address();
            authors.spawn_local(async move {
                let mut connection = TcpStream::connect(address).await.unwrap();
                let mut acknowledged = 0_u64;
                while Instant::now() < end {
                    let body = json!({ "key": acknowledged.to_string(), "text": "x".repeat(100) });
                    let answer = post(&mut connection, &token, &body.to_string()).await;
                    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
                    acknowledged += 1;
                }
                acknowledged
            });
        }
        let acknowledged: u64 = authors.join_all().await.iter().sum();
        let ticks = self.server.cpu_ticks() - before;
        println!(
            "chat: durable appends: {} a second, {} authors, over HTTP, {:.0} µs of the server's each",
            acknowledged / flags.seconds,
            flags.authors,
            ticks as f64 * 10_000.0 / acknowledged as f64
        );
        acknowledged / flags.seconds
    }

    /// Reads all 10,000 messages that are kept.
    async fn catch_up(&self, transport: Transport) -> Duration {
        let newest = self
            .server
            .client
            .get(self.server.url("/rooms/lobby/messages?wait=0"));
        let newest = newest.bearer_auth(&self.token).send().await.unwrap();
        let newest: Value = newest.json().await.unwrap();
        let newest = newest["events"].as_array().unwrap().last().unwrap()["data"]["id"].to_string();
        let mut times = Vec::new();
        for _ in 0..5 {
            let request = self.get(&format!("{}?after=0", transport.path), transport.headers);
            let begun = Instant::now();
            let mut connection = self.server.send_raw(&request).await;
            let (mut read, mut end) = (vec![0; 1 << 16], Vec::new());
            loop {
                let length = connection.read(&mut read).await.unwrap();
                assert!(length > 0, "the stream goes on");
                end.extend_from_slice(&read[..length]);
                if String::from_utf8_lossy(&end).contains(&format!("\"id\":{newest},")) {
                    break;
                }
                // An id is not longer than this, and may come in two parts.
                end.drain(..end.len().saturating_sub(64));
            }
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        println!(
            "chat: catching up with 10,000 messages over {}: {:?}",
            transport.name, times[2]
        );
        times[2]
    }
}

async fn token(server: &Server, name: &str) -> String {
    let request = server.client.post(server.url("/session"));
    let answer = request.json(&json!({ "name": name })).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    answer["token"].as_str().unwrap().to_owned()
}

/// Posts a message and reads the whole answer.
async fn post(connection: &mut TcpStream, token: &str, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "POST /rooms/lobby/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let read = connection.read_buf(&mut answer).await.unwrap();
        assert!(read > 0, "an answer");
        // The answer's body is the only one with a brace.
        if answer.ends_with(b"}") {
            return String::from_utf8(answer).unwrap();
        }
    }
}

/// As long as a message of 100 characters is on the wire.
const MESSAGE: [u8; 204] = [b'x'; 204];

/// Sends messages to many readers, in rounds with the baseline, so that other work of the machine slows down both.
/// Returns the processor time of a delivery in microseconds, of the chat and of the baseline, the first as a multiple of
/// the second, each as the median of the rounds, and the memory of an idle reader in KiB.
async fn fan_out(transport: Transport, flags: &Flags) -> [f64; 4] {
    let room = Room::open(&["--database", ":memory:"]).await;
    let request = room.get(transport.path, transport.headers);
    let idle = attach(&room.server, &request, flags.readers).await;
    let baseline = bench::start_baseline(&MESSAGE).expect("the baseline");
    attach(&baseline, &request, flags.readers).await;

    let mut author = TcpStream::connect(room.server.address()).await.unwrap();
    let mut baseline_author = TcpStream::connect(baseline.address()).await.unwrap();
    let text = "x".repeat(100);
    let messages: Vec<_> = (0..flags.messages.get())
        .map(|number| json!({ "key": number.to_string(), "text": text }).to_string())
        .collect();
    let mut rounds = [const { Vec::new() }; 3];
    for messages in messages.chunks(messages.len().div_ceil(ROUNDS).min(MAX_MESSAGES_PER_ROUND)) {
        let deliveries = (flags.readers * messages.len()) as f64;
        let chat = send(&room.server, &mut author, &room.token, messages).await / deliveries;
        let updates = vec![String::from_utf8(MESSAGE.to_vec()).unwrap(); messages.len()];
        let written = send(&baseline, &mut baseline_author, &room.token, &updates).await;
        let written = written / deliveries;
        let figures = [chat, written, chat / written];
        rounds
            .iter_mut()
            .zip(figures)
            .for_each(|(all, one)| all.push(one));
    }
    let [chat, written, multiple] = rounds.map(bench::median);
    println!(
        "chat: one message to {} readers over {}: {chat:.2} µs a delivery, the baseline {written:.2} µs, \
         {multiple:.2} × baseline; an idle reader: {idle:.1} KiB",
        flags.readers, transport.name,
    );
    [chat, written, multiple, idle]
}

/// Lets the readers come, and returns what one of them takes of the server's memory, in KiB.
async fn attach(server: &Server, request: &str, readers: usize) -> f64 {
    for _ in 0..WARM {
        drain(server.send_raw(request).await);
    }
    server.settle().await;
    let before = server.memory();
    for _ in WARM..readers {
        drain(server.send_raw(request).await);
    }
    server.settle().await;
    let measured = readers.saturating_sub(WARM).max(1);
    server.memory().saturating_sub(before) as f64 / measured as f64 / 1024.0
}

/// Sends these messages, one by one, and returns the processor time of the server for them, in microseconds.
async fn send(server: &Server, author: &mut TcpStream, token: &str, messages: &[String]) -> f64 {
    let before = server.thread_times();
    for message in messages {
        post(author, token, message).await;
        sleep(PAUSE).await;
    }
    server.settle().await;
    server.thread_times().since(&before).as_secs_f64() * 1e6
}

/// Reads and forgets whatever comes.
fn drain(mut socket: TcpStream) {
    spawn_local(async move {
        let mut buffer = [0; 1024];
        while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    });
}
