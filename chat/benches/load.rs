//! What the chat costs: `cargo bench -p chat`
//!
//! - **durable appends**: each author posts a message, waits for the response, and posts the next one;
//! - **catching up**: a reader reads all messages that the room still has;
//! - **fan-out**: the server sends one message to many readers (`load/fan_out.rs`).
//!
//! `cargo test` tries the same with a few readers. Linux only, because processor time and memory are read from `/proc`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "an error ends the measurement, and the numbers are small"
)]

#[path = "load/fan_out.rs"]
mod fan_out;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs};

use clap::Parser;
use serde_json::{Value, json};
use testing::Server;
use testing::bench::{self, Pattern};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

/// Measures what the chat costs.
#[derive(Debug, Clone, Parser)]
#[command(bin_name = "cargo bench -p chat --")]
struct Flags {
    /// How many authors post at the same time
    #[arg(long, default_value_t = 64)]
    authors: usize,

    /// For how many seconds the authors post
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,

    /// How many readers a room has
    #[arg(long = "clients", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    readers: u32,

    /// How many messages the readers get
    #[arg(long = "updates", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    messages: u32,

    /// Also write the figures to the file FILE.chat, because the other lessons write theirs to FILE
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Only the other lessons use this
    #[arg(long, hide = true)]
    idle: Option<u64>,

    /// `cargo bench` passes this
    #[arg(long, hide = true)]
    bench: bool,
}

impl Flags {
    /// Returns the flags for `cargo test`. The run takes a few seconds.
    fn trial() -> Self {
        Self::parse_from([
            "load",
            "--authors=2",
            "--seconds=1",
            "--clients=20",
            "--updates=3",
        ])
    }
}

/// How many messages of a room the chat keeps.
const MAX_STORED: u64 = 10_000;

/// How often a reader catches up. The median of the times counts.
const REPEATS: usize = 5;

/// The headers of a handshake. The key may be any 16 bytes (RFC 6455 §4.1).
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The text of each message: 100 times a byte that no header on the wire has, so that messages can be counted.
const TEXT: [u8; 100] = [b'|'; 100];

/// A transport, and the request for it.
#[derive(Debug, Clone, Copy)]
struct Transport {
    name: &'static str,
    path: &'static str,
    headers: &'static str,
    /// The headers with which the baseline and the bare hub respond.
    response: &'static [u8],
    /// Returns what the baseline and the bare hub send, made of this character. It is as long on the wire as a message of
    /// the chat with 100 characters.
    update: fn(u8) -> Vec<u8>,
}

const WEB_SOCKET: Transport = Transport {
    name: "WebSocket",
    path: "ws",
    headers: UPGRADE,
    response: b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    update: |byte| vec![byte; 203],
};

const SSE: Transport = Transport {
    name: "SSE",
    path: "events",
    headers: "",
    response:
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: text/event-stream\r\n\r\n",
    // A chunk begins with its length, here 213 (RFC 9112 §7.1).
    update: |byte| [b"d5\r\n", &*vec![byte; 213], b"\r\n"].concat(),
};

fn main() -> ExitCode {
    if let Some(exit_code) = bench::serve_comparison(Pattern::Stream("")) {
        return exit_code;
    }
    let is_bench = env::args().any(|argument| argument == "--bench");
    // `cargo test NAME` selects particular tests.
    if !is_bench && (env::args().len() > 1 || !cfg!(target_os = "linux")) {
        return ExitCode::SUCCESS;
    }
    let flags = if is_bench {
        Flags::parse()
    } else {
        Flags::trial()
    };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let figures = LocalSet::new().block_on(&runtime, measure(&flags));
    if let Some(file) = flags.json {
        // A relative path begins at the workspace, as for the other lessons.
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let mut file = file.into_os_string();
        file.push(".chat");
        fs::write(file, format!("{figures:#}\n")).unwrap();
    }
    ExitCode::SUCCESS
}

/// Measures everything, prints a line for each figure, and returns the figures as JSON.
async fn measure(flags: &Flags) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("chat.db");
    let room = Room::open(&["--database", database.to_str().unwrap()]).await;
    let appended = room.append(flags).await;
    let mut figures = json!({ "appends_per_second": appended / flags.seconds });
    for transport in [WEB_SOCKET, SSE] {
        let time = room.catch_up(transport, appended.min(MAX_STORED)).await;
        figures[transport.name]["catching_up_ms"] = json!(time.as_secs_f64() * 1e3);
    }
    drop(room);
    for transport in [WEB_SOCKET, SSE] {
        for (name, figure) in fan_out::measure(transport, flags).await {
            figures[transport.name][name] = json!(figure);
        }
    }
    figures
}

/// A server, and the token of a user.
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

    /// Returns the request of a reader in the lobby.
    fn request(&self, transport: Transport, query: &str) -> String {
        let (path, headers, token) = (transport.path, transport.headers, &self.token);
        format!(
            "GET /rooms/lobby/{path}{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{headers}\r\n"
        )
    }

    /// Lets all authors post for `flags.seconds`. Returns how many messages were acknowledged.
    async fn append(&self, flags: &Flags) -> u64 {
        let mut tokens = Vec::new();
        for number in 0..flags.authors {
            tokens.push(token(&self.server, &format!("author {number}")).await);
        }
        let end = Instant::now() + Duration::from_secs(flags.seconds);
        let before = self.server.cpu_ticks();
        let mut authors = JoinSet::new();
        for token in tokens {
            let address = self.server.address();
            authors.spawn_local(async move {
                let mut connection = TcpStream::connect(address).await.unwrap();
                let mut acknowledged = 0;
                while Instant::now() < end {
                    post(&mut connection, &token, &message(acknowledged)).await;
                    acknowledged += 1;
                }
                acknowledged
            });
        }
        let acknowledged = authors.join_all().await.into_iter().map(u64::from).sum();
        let ticks = self.server.cpu_ticks() - before;
        println!(
            "chat: durable appends: {} a second, {} authors, over HTTP, {:.0} µs of the server's each",
            acknowledged / flags.seconds,
            flags.authors,
            ticks as f64 * 10_000.0 / acknowledged as f64
        );
        acknowledged
    }

    /// Reads all `stored` messages several times. Returns the median of the times.
    async fn catch_up(&self, transport: Transport, stored: u64) -> Duration {
        let mut times = Vec::new();
        for _ in 0..REPEATS {
            let start = Instant::now();
            let request = self.request(transport, "?after=0");
            let mut connection = self.server.send_raw(&request).await;
            let (mut buffer, mut marks) = (vec![0; 1 << 16], 0);
            while marks < stored * TEXT.len() as u64 {
                let length = connection.read(&mut buffer).await.unwrap();
                assert!(length > 0, "the stream is open");
                marks += count_marks(&buffer[..length]);
            }
            times.push(start.elapsed());
        }
        times.sort_unstable();
        let median = times[REPEATS / 2];
        println!(
            "chat: catching up with {stored} messages over {}: {median:?}",
            transport.name
        );
        median
    }
}

/// Claims a name and returns its token.
async fn token(server: &Server, name: &str) -> String {
    let request = server.client.post(server.url("/session"));
    let response = request.json(&json!({ "name": name })).send().await.unwrap();
    let session: Value = response.json().await.unwrap();
    session["token"].as_str().unwrap().to_owned()
}

/// Returns the body of a POST of one message.
fn message(key: u32) -> Vec<u8> {
    let text = String::from_utf8_lossy(&TEXT);
    json!({ "key": key.to_string(), "text": text })
        .to_string()
        .into()
}

/// Returns how many characters of a message's text are in these bytes.
fn count_marks(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == TEXT[0])).sum()
}

/// Posts a body, and waits for the response.
async fn post(connection: &mut TcpStream, token: &str, body: &[u8]) {
    let length = body.len();
    let head = format!(
        "POST /rooms/lobby/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    let request = [head.as_bytes(), body].concat();
    connection.write_all(&request).await.unwrap();
    let mut response = Vec::new();
    // The body is the only part with a brace.
    while !response.ends_with(b"}") {
        let read = connection.read_buf(&mut response).await.unwrap();
        assert!(read > 0, "a response");
    }
    let response = String::from_utf8_lossy(&response);
    assert!(response.starts_with("HTTP/1.1 201"), "{response}");
}
