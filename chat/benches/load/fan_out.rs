//! The fan-out: a server sends each message to many readers. The result is a multiple of the baseline, a server with the
//! same sockets that only writes the same bytes. A bare hub has the same readers in the same run
//! (`shared/testing/src/bench/bare_hub.rs`). The memory of an idle reader is measured, too.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use testing::bench::{Comparison, median};
use testing::{Server, TEST_TIMEOUT, eventually};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::{Flags, Room, TEXT, Transport, count_marks, message, post};

/// The pause after each message, in which it reaches all readers.
const PAUSE: Duration = Duration::from_millis(100);

/// How many rounds there are, if there are enough messages. In each, first the chat sends messages, and then the
/// baseline and the bare hub.
const ROUNDS: u32 = 10;

/// Sends messages to many readers. The three servers take turns, so that other work of the machine slows down all of
/// them equally. Returns the figures with their names. Times are for one delivery, and are medians of the rounds.
pub(super) async fn measure(transport: Transport, flags: &Flags) -> [(&'static str, f64); 6] {
    let room = Room::open(&["--database", ":memory:"]).await;
    let request = room.request(transport, "");
    // Another character than that of a message, which is counted.
    let first = [transport.response, &(transport.update)(b'x')].concat();
    let start = |server: Comparison| server.start(&first).expect("a server to compare with");
    let attach = async |server| Audience::attach(server, &request, flags.readers).await;
    let chat = attach(room.server).await;
    let baseline = attach(start(Comparison::Baseline)).await;
    let bare_hub = attach(start(Comparison::BareHub)).await;

    let mut rounds = [const { Vec::new() }; 4];
    let messages: Vec<_> = (0..flags.messages).map(message).collect();
    for messages in messages.chunks(flags.messages.div_ceil(ROUNDS) as usize) {
        let same = vec![(transport.update)(TEXT[0]); messages.len()];
        let sent = chat.send(&room.token, messages).await;
        let written = baseline.send(&room.token, &same).await;
        let bare = bare_hub.send(&room.token, &same).await;
        let figures = [sent, written, sent / written, bare / written];
        for (all, one) in rounds.iter_mut().zip(figures) {
            all.push(one);
        }
    }
    let [sent, written, multiple, bare] = rounds.map(median);
    let (idle, bare_idle) = (chat.idle_kibibytes, bare_hub.idle_kibibytes);
    println!(
        "chat: one message to {} readers over {}: {sent:.2} µs a delivery, the baseline {written:.2} µs, \
         {multiple:.2} × baseline (a bare hub {bare:.2} ×); an idle reader: {idle:.1} KiB (a bare hub {bare_idle:.1} KiB)",
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

/// A server with many readers.
struct Audience {
    server: Server,
    readers: u32,
    /// How many characters of messages all readers have received together.
    marks: Rc<Cell<u64>>,
    /// The memory of the server for one reader, before the first message.
    idle_kibibytes: f64,
}

impl Audience {
    /// Connects all readers to the server. The memory is measured without the first tenth of them, because during these
    /// the server allocates memory that it needs only once.
    async fn attach(server: Server, request: &str, readers: u32) -> Self {
        let marks = Rc::default();
        let first_readers = readers / 10;
        for _ in 0..first_readers {
            spawn_local(read_all(server.send_raw(request).await, Rc::clone(&marks)));
        }
        server.settle().await;
        let before = server.memory();
        for _ in first_readers..readers {
            spawn_local(read_all(server.send_raw(request).await, Rc::clone(&marks)));
        }
        server.settle().await;
        let memory = server.memory().saturating_sub(before) as f64;
        Self {
            server,
            readers,
            marks,
            idle_kibibytes: memory / f64::from(readers - first_readers) / 1024.0,
        }
    }

    /// Sends these messages one by one, and waits until every reader has received all of them. Returns the processor
    /// time of the server for one delivery, in microseconds.
    async fn send(&self, token: &str, messages: &[Vec<u8>]) -> f64 {
        // A new connection each time, because a server closes one on which it receives nothing for a while.
        let mut author = TcpStream::connect(self.server.address()).await.unwrap();
        let marks: u64 = messages.iter().map(|message| count_marks(message)).sum();
        let expected = self.marks.get() + marks * u64::from(self.readers);
        let before = self.server.thread_times();
        for message in messages {
            post(&mut author, token, message).await;
            sleep(PAUSE).await;
        }
        let has_all = || self.marks.get() == expected;
        eventually("every reader has every message", TEST_TIMEOUT, has_all).await;
        self.server.settle().await;
        let used = self.server.thread_times().since(&before);
        used.as_secs_f64() * 1e6 / f64::from(self.readers) / messages.len() as f64
    }
}

/// Reads all that a server sends, and counts the characters of the messages.
async fn read_all(mut connection: TcpStream, marks: Rc<Cell<u64>>) {
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = connection.read(&mut buffer).await {
        marks.set(marks.get() + count_marks(&buffer[..length]));
    }
}
