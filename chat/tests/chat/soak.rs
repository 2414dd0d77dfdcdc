//! A long run: thousands of readers stay, others come, go and vanish, and after hours the server must be what it was in
//! the first minute.
//!
//! `SOAK_MINUTES=30 cargo test --release -p chat --test chat soak -- --ignored --nocapture` prints one row at the end.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::{env, fmt};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use testing::{Server, TEST_TIMEOUT, eventually};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval};

use crate::client::{BINARY, Client, LOBBY, Person, TRANSPORTS, Transport, database};
use crate::connections::request;
use crate::metrics::{free_address, scrape, value};

/// How many readers stay for the whole run, by transport. A long poll costs a request for each event, so there are fewer.
const READERS: [(Transport, usize); 3] = [
    (Transport::WebSocket, 900),
    (Transport::Sse, 900),
    (Transport::LongPoll, 200),
];

/// How many users the readers are.
const USERS: usize = 20;

/// How often there is a message, how often somebody new comes and leaves again, and how often a client vanishes.
const BETWEEN_MESSAGES: Duration = Duration::from_secs(1);
const BETWEEN_VISITORS: Duration = Duration::from_secs(3);
const BETWEEN_VANISHING: Duration = Duration::from_millis(200);

/// The last message.
const END: &str = "end";

/// The server, and what its clients share.
struct Soak {
    server: Server,
    metrics: SocketAddr,
    users: Vec<Person>,
    start: Instant,
    /// How long the run is, and how long its first and last part, which are compared.
    length: Duration,
    window: Duration,
    /// When each message was sent.
    sent_at: RefCell<Vec<Instant>>,
    /// The delays of the deliveries in the first and in the last window, and the numbers of all deliveries.
    first_delays: RefCell<Vec<Duration>>,
    last_delays: RefCell<Vec<Duration>>,
    deliveries: Cell<u64>,
}

impl Soak {
    fn is_over(&self) -> bool {
        self.start.elapsed() >= self.length
    }

    /// Records that a reader has got the message with this number.
    fn record(&self, number: usize) {
        let sent = self.sent_at.borrow()[number];
        let delays = if sent < self.start + self.window {
            &self.first_delays
        } else if sent + self.window >= self.start + self.length {
            &self.last_delays
        } else {
            return;
        };
        delays.borrow_mut().push(sent.elapsed());
    }

    /// Calls `act` with 0, 1, 2 … at this interval until the run is over.
    async fn repeat(self: Rc<Self>, period: Duration, act: impl AsyncFn(&Self, usize)) -> usize {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut number = 0;
        while !self.is_over() {
            ticks.tick().await;
            act(&self, number).await;
            number += 1;
        }
        number
    }
}

/// Reads to the end. Fails if a message is missing, comes twice, or comes too early.
async fn read(soak: Rc<Soak>, mut client: Client, transport: Transport) -> usize {
    let mut next = 0;
    loop {
        let message = client.event("message").await;
        soak.deliveries.set(soak.deliveries.get() + 1);
        match message["text"].as_str().unwrap() {
            END => return next,
            text => assert_eq!(text, next.to_string(), "{transport:?}: once and in order"),
        }
        soak.record(next);
        next += 1;
    }
}

/// Posts the next message.
async fn post(soak: &Soak, number: usize) {
    soak.sent_at.borrow_mut().push(Instant::now());
    let user = &soak.users[number % USERS];
    user.post_text(&soak.server, &number.to_string(), None)
        .await;
}

/// Somebody new takes a name, reads something, and leaves.
async fn visit(soak: &Soak, number: usize) {
    let visitor = Person::join(&soak.server, &format!("visitor {number}")).await;
    let transport = TRANSPORTS[number % TRANSPORTS.len()];
    let mut client = Client::open(transport, &soak.server, &visitor, None).await;
    client.event("message").await;
}

/// Opens a stream of any transport, and vanishes without a word: in the middle of it, with a reset or before an answer.
async fn vanish(soak: &Soak, number: usize) {
    let path = ["ws", "events", "messages?wait=60"][number % 3];
    let request = request(&soak.users[number % USERS], path);
    let connection = soak.server.send_raw_small_window(&request).await;
    if number.is_multiple_of(2) {
        connection.readable().await.unwrap();
    }
    // The system sends a RST instead of a FIN.
    if number % 4 < 2 {
        connection.set_zero_linger().unwrap();
    }
}

/// What the server needs, or the median of several samples.
#[derive(Debug, Clone, Copy)]
struct Usage {
    memory: u64,
    files: usize,
}

/// Takes a sample each second. Returns the medians of the second half of the first window, and of the last window.
async fn watch(soak: Rc<Soak>) -> (Usage, Usage) {
    let (first, last) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    let sample = async |soak: &Soak, _| {
        let now = soak.start.elapsed();
        let usage = (soak.server.memory(), soak.server.open_files());
        if (soak.window / 2..soak.window).contains(&now) {
            first.borrow_mut().push(usage);
        } else if now + soak.window / 2 >= soak.length {
            last.borrow_mut().push(usage);
        }
    };
    soak.repeat(Duration::from_secs(1), sample).await;
    (median(&first.into_inner()), median(&last.into_inner()))
}

fn median(samples: &[(u64, usize)]) -> Usage {
    let (mut memory, mut files): (Vec<_>, Vec<_>) = samples.iter().copied().unzip();
    memory.sort_unstable();
    files.sort_unstable();
    Usage {
        memory: memory[memory.len() / 2],
        files: files[files.len() / 2],
    }
}

/// The middle delay, and the one that 99 of 100 deliveries are below.
#[derive(Clone, Copy)]
struct Delays {
    p50: Duration,
    p99: Duration,
}

impl Delays {
    fn of(delays: &RefCell<Vec<Duration>>) -> Self {
        let mut delays = delays.borrow_mut();
        delays.sort_unstable();
        let at = |percent: usize| delays[(delays.len() * percent / 100).min(delays.len() - 1)];
        Self {
            p50: at(50),
            p99: at(99),
        }
    }
}

impl fmt::Display for Delays {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |delay: Duration| delay.as_secs_f64() * 1_000.0;
        let (p50, p99) = (milliseconds(self.p50), milliseconds(self.p99));
        write!(formatter, "{p50:.1} / {p99:.1} ms")
    }
}

#[tokio::test]
#[ignore = "takes a minute, or SOAK_MINUTES"]
async fn after_a_long_run_the_server_is_as_in_the_first_minute() {
    LocalSet::new().run_until(soak()).await;
}

async fn soak() {
    let minutes: u64 = env::var("SOAK_MINUTES").map_or(1, |text| text.parse().unwrap());
    let length = Duration::from_secs(60 * minutes);
    let folder = tempfile::tempdir().unwrap();
    let (file, metrics) = (database(&folder), free_address());
    let address = metrics.to_string();
    let flags = [
        "--rate",
        "0",
        "--connections",
        "1000",
        "--metrics",
        &address,
    ];
    let server = Server::start(BINARY, &[&flags[..], &["--database", &file]].concat());
    let users = join_all(
        (0..USERS).map(async |number| Person::join(&server, &format!("user {number}")).await),
    );
    let users = users.await;
    // The server opens what it needs for a message and a scrape before its files are counted.
    let path = format!("{LOBBY}/messages?wait=0");
    assert_eq!(users[0].get(&server, &path).await.status(), 200);
    scrape(&server, metrics).await;
    let mut soak = Soak {
        server,
        metrics,
        users,
        start: Instant::now(),
        length,
        window: Duration::from_secs(60).min(length / 2),
        sent_at: RefCell::default(),
        first_delays: RefCell::default(),
        last_delays: RefCell::default(),
        deliveries: Cell::default(),
    };
    let idle_files = soak.files_without_clients().await;

    let clients = open_readers(&soak).await;
    soak.start = Instant::now();
    let soak = Rc::new(soak);
    let readers: Vec<JoinHandle<usize>> = clients
        .into_iter()
        .map(|(transport, client)| spawn_local(read(Rc::clone(&soak), client, transport)))
        .collect();
    let usage = spawn_local(watch(Rc::clone(&soak)));
    let shared = || Rc::clone(&soak);
    let (messages, visitors, vanished) = tokio::join!(
        shared().repeat(BETWEEN_MESSAGES, post),
        shared().repeat(BETWEEN_VISITORS, visit),
        shared().repeat(BETWEEN_VANISHING, vanish),
    );
    soak.users[0].post_text(&soak.server, END, None).await;
    for reader in join_all(readers).await {
        assert_eq!(reader.unwrap(), messages, "no message is lost");
    }
    let (first, last) = usage.await.unwrap();
    let (first_delays, last_delays) = (
        Delays::of(&soak.first_delays),
        Delays::of(&soak.last_delays),
    );
    println!(
        "| minutes | readers | messages | deliveries | visitors | vanished | memory | files | delay p50 / p99 |"
    );
    println!(
        "| {minutes} | {} | {messages} | {} | {visitors} | {vanished} | {} → {} MiB | {} → {} | {first_delays} → {last_delays} |",
        READERS.iter().map(|(_, count)| count).sum::<usize>(),
        soak.deliveries.get(),
        first.memory >> 20,
        last.memory >> 20,
        first.files,
        last.files,
    );
    assert_same(first, last);
    assert_as_fast(first_delays, last_delays);
    let mut soak = Rc::into_inner(soak).expect("no task is left");
    soak.assert_nothing_left(messages, idle_files).await;
}

/// Opens the readers that stay.
async fn open_readers(soak: &Soak) -> Vec<(Transport, Client)> {
    let kinds = READERS.into_iter();
    let kinds = kinds.flat_map(|(transport, count)| std::iter::repeat_n(transport, count));
    let open = async |(number, transport): (usize, Transport)| {
        let user = &soak.users[number % USERS];
        let mut client = Client::open(transport, &soak.server, user, None).await;
        client.event("roster").await;
        (transport, client)
    };
    let opening = stream::iter(kinds.enumerate()).map(open);
    opening.buffer_unordered(20).collect().await
}

/// Memory may grow by a fifth and 16 MiB: the pages of the database that SQLite keeps, and what the allocator keeps.
fn assert_same(first: Usage, last: Usage) {
    let most = first.memory + first.memory / 5 + (16 << 20);
    assert!(last.memory <= most, "memory: {first:?}, {last:?}");
    // A client that vanishes or polls at the moment of a sample has one more or less.
    let most = first.files + first.files / 100;
    assert!(last.files <= most, "files: {first:?}, {last:?}");
}

/// A delay may be twice as long and 50 ms: the machine does other work, too.
fn assert_as_fast(first: Delays, last: Delays) {
    let most = |delay: Duration| delay * 2 + Duration::from_millis(50);
    assert!(last.p50 <= most(first.p50), "p50: {first} → {last}");
    assert!(last.p99 <= most(first.p99), "p99: {first} → {last}");
}

impl Soak {
    /// Closes the connections that the test itself has open, and returns how many files the server has open then.
    async fn files_without_clients(&mut self) -> usize {
        self.server.client = reqwest::Client::builder().no_proxy().build().unwrap();
        let server = &self.server;
        eventually("no client is left", TEST_TIMEOUT, || {
            server.connections() == 0
        })
        .await;
        server.open_files()
    }

    /// Checks that nothing of all the clients is left, in the system or in the server's own numbers.
    async fn assert_nothing_left(&mut self, messages: usize, idle_files: usize) {
        assert_eq!(self.files_without_clients().await, idle_files);
        let text = scrape(&self.server, self.metrics).await;
        for transport in ["websocket", "sse", "long-poll"] {
            let series = format!(r#"chat_connections{{transport="{transport}"}}"#);
            assert_eq!(value(&text, &series), Some(0.0), "{transport}");
        }
        let stored = u32::try_from(messages + 1).unwrap();
        assert_eq!(value(&text, "chat_messages_total"), Some(stored.into()));
    }
}
