//! What the chat costs: `cargo bench -p chat`
//!
//! - **durable appends**: each author posts a message, waits for the response, and posts the next one;
//! - **fan-out**: the server sends one message to many readers. The result is a multiple of the baseline, a server with
//!   the same sockets that only writes the same bytes. The memory of an idle reader is measured, too. A bare actix hub
//!   has the same readers in the same run (`shared/testing/src/bench/bare_hub.rs`);
//! - **catching up**: a reader reads 10,000 messages that it has missed.
//!
//! Linux only, because processor time and memory are read from `/proc`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "an error ends the measurement, and the numbers are small"
)]

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::{Value, json};
use testing::Server;
use testing::bench::{self, Comparison, Pattern};
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

    /// For how many seconds the authors post
    #[arg(long, default_value_t = 5)]
    seconds: u64,

    /// How many readers a room has
    #[arg(long = "clients", default_value_t = 5_000)]
    readers: usize,

    /// How many messages the readers get
    #[arg(long = "updates", default_value = "100")]
    messages: NonZeroUsize,

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

/// How many readers connect before the memory is measured: threads and caches then have their final size.
const WARM_UP_READERS: usize = 500;

/// The pause after each message, in which it reaches all readers.
const PAUSE: Duration = Duration::from_millis(100);

/// How many rounds there are. In each, first the chat sends messages, and then the baseline and the bare hub.
const ROUNDS: usize = 10;

/// The headers of a handshake. The key may be any 16 bytes (RFC 6455 §4.1).
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A transport, and the request for it.
#[derive(Debug, Clone, Copy)]
struct Transport {
    name: &'static str,
    path: &'static str,
    headers: &'static str,
    /// The headers with which the bare hub responds.
    response: &'static str,
}

const TRANSPORTS: [Transport; 2] = [
    Transport {
        name: "WebSocket",
        path: "ws",
        headers: UPGRADE,
        response: "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    },
    Transport {
        name: "SSE",
        path: "events",
        headers: "",
        response: "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
    },
];

fn main() -> ExitCode {
    if let Some(exit_code) = bench::serve_comparison(Pattern::Stream("")) {
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
            for (name, figure) in fan_out(transport, &flags).await {
                figures[transport.name][name] = json!(figure);
            }
        }
        if let Some(file) = flags.json {
            // A relative path begins at the workspace, as for the other lessons.
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
            let mut file = file.into_os_string();
            file.push(".chat");
            fs::write(file, format!("{figures:#}\n")).unwrap();
        }
    });
    ExitCode::SUCCESS
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

    /// Returns a request for `path` in the lobby, with further headers.
    fn get(&self, path: &str, headers: &str) -> String {
        let token = &self.token;
        format!(
            "GET /rooms/lobby/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{headers}\r\n"
        )
    }

    /// Lets all authors post for `flags.seconds`. Returns how many messages were acknowledged in a second.
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
                    let response = post(&mut connection, &token, &body.to_string()).await;
                    assert!(response.starts_with("HTTP/1.1 201"), "{response}");
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

    /// Reads all 10,000 stored messages five times. Returns the median of the times.
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
                assert!(length > 0, "the stream is open");
                end.extend_from_slice(&read[..length]);
                if String::from_utf8_lossy(&end).contains(&format!("\"id\":{newest},")) {
                    break;
                }
                // The end may have the first part of the id, which is shorter than this.
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
    let response = request.json(&json!({ "name": name })).send().await.unwrap();
    let session: Value = response.json().await.unwrap();
    session["token"].as_str().unwrap().to_owned()
}

/// Posts a message and returns the whole response.
async fn post(connection: &mut TcpStream, token: &str, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "POST /rooms/lobby/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    loop {
        let read = connection.read_buf(&mut response).await.unwrap();
        assert!(read > 0, "a response");
        // The body is the only part with a brace.
        if response.ends_with(b"}") {
            return String::from_utf8(response).unwrap();
        }
    }
}

/// What the baseline and the bare hub write. It is as long as a message of 100 characters on the wire.
const MESSAGE: [u8; 204] = [b'x'; 204];

/// Sends messages to many readers. The chat, the baseline and the bare hub take turns, so that other work of the machine
/// slows down all of them. Returns the figures with their names. Times are for one delivery, and are medians of the
/// rounds.
async fn fan_out(transport: Transport, flags: &Flags) -> [(&'static str, f64); 6] {
    let room = Room::open(&["--database", ":memory:"]).await;
    let request = room.get(transport.path, transport.headers);
    let first = [transport.response.as_bytes(), &MESSAGE].concat();
    let start = |server: Comparison| server.start(&first).expect("a server to compare with");
    let attach = async |server| Audience::attach(server, &request, flags.readers).await;
    let chat = attach(room.server).await;
    let baseline = attach(start(Comparison::Baseline)).await;
    let bare_hub = attach(start(Comparison::BareHub)).await;

    let messages = messages_of_100_characters(flags.messages.get());
    let mut rounds = [const { Vec::new() }; 4];
    for messages in messages.chunks(messages.len().div_ceil(ROUNDS)) {
        let updates = vec![String::from_utf8(MESSAGE.to_vec()).unwrap(); messages.len()];
        let sent = chat.send(&room.token, messages).await;
        let written = baseline.send(&room.token, &updates).await;
        let bare = bare_hub.send(&room.token, &updates).await;
        let figures = [sent, written, sent / written, bare / written];
        for (all, one) in rounds.iter_mut().zip(figures) {
            all.push(one);
        }
    }
    let [sent, written, multiple, bare] = rounds.map(bench::median);
    let (idle, bare_idle) = (chat.idle_kibibytes, bare_hub.idle_kibibytes);
    println!(
        "chat: one message to {} readers over {}: {sent:.2} µs a delivery, the baseline {written:.2} µs, \
         {multiple:.2} × baseline (a bare actix hub {bare:.2} ×); an idle reader: {idle:.1} KiB (a bare actix hub \
         {bare_idle:.1} KiB)",
        flags.readers, transport.name,
    );
    [
        ("delivery_microseconds", sent),
        ("baseline_microseconds", written),
        ("times_baseline", multiple),
        ("bare_hub_times_baseline", bare),
        ("idle_kibibytes", idle),
        ("bare_hub_idle_kibibytes", bare_idle),
    ]
}

fn messages_of_100_characters(count: usize) -> Vec<String> {
    let text = "x".repeat(100);
    (0..count)
        .map(|number| json!({ "key": number.to_string(), "text": text }).to_string())
        .collect()
}

/// A server with many readers.
struct Audience {
    server: Server,
    readers: usize,
    /// The memory of the server for one reader, before the first message.
    idle_kibibytes: f64,
}

impl Audience {
    /// Connects all readers to the server.
    async fn attach(server: Server, request: &str, readers: usize) -> Self {
        for _ in 0..WARM_UP_READERS {
            drain(server.send_raw(request).await);
        }
        server.settle().await;
        let before = server.memory();
        for _ in WARM_UP_READERS..readers {
            drain(server.send_raw(request).await);
        }
        server.settle().await;
        let measured = readers.saturating_sub(WARM_UP_READERS).max(1);
        let memory = server.memory().saturating_sub(before) as f64;
        Self {
            server,
            readers,
            idle_kibibytes: memory / measured as f64 / 1024.0,
        }
    }

    /// Sends these messages one by one, and returns the processor time of the server for one delivery, in microseconds.
    async fn send(&self, token: &str, messages: &[String]) -> f64 {
        // A new connection each time, because a server closes one on which it receives nothing for a while.
        let mut author = TcpStream::connect(self.server.address()).await.unwrap();
        let before = self.server.thread_times();
        for message in messages {
            post(&mut author, token, message).await;
            sleep(PAUSE).await;
        }
        self.server.settle().await;
        let used = self.server.thread_times().since(&before);
        used.as_secs_f64() * 1e6 / (self.readers * messages.len()) as f64
    }
}

/// Starts a task that reads from the socket and drops the bytes.
fn drain(mut socket: TcpStream) {
    spawn_local(async move {
        let mut buffer = [0; 1024];
        while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
    });
}
