//! [`Crowd`]: many clients in one thread, each a socket that does what the lesson's `client.js` does.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::decoder::{Message, Wire, pong};
use super::recording::Tape;
use super::{Technique, Then};

/// How many clients may be on their way to their first list at the same time: the server's queue for
/// new connections is not endless.
const CONNECTING: usize = 64;

/// How long everybody together may take to hear of a change. Only a mistake takes that long.
const DEADLINE: Duration = Duration::from_secs(60);

/// What all clients together have sent and received so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traffic {
    pub(super) requests: u64,
    /// Answers and events, with news or without.
    pub(super) messages: u64,
    /// In both directions, heads included.
    pub(super) bytes: u64,
}

impl Traffic {
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            messages: self.messages - earlier.messages,
            bytes: self.bytes - earlier.bytes,
        }
    }
}

/// All clients of a run.
pub(super) struct Crowd {
    technique: Technique,
    address: SocketAddr,
    clients: RefCell<Vec<JoinHandle<()>>>,
    traffic: Cell<Traffic>,
    /// The version that everybody waits for now, and since when.
    awaited: Cell<(u64, Instant)>,
    /// The newest version that any client has.
    newest: Cell<u64>,
    /// How long it took to reach each client that has it.
    delays: RefCell<Vec<Duration>>,
    /// How many of them have to have it before anybody is told.
    wanted: Cell<usize>,
    reached: Notify,
    failure: RefCell<Option<String>>,
    /// What the first client has received.
    tape: RefCell<Tape>,
    /// Whether those that ask in intervals do.
    asking: Cell<bool>,
    resumed: Notify,
}

impl Crowd {
    /// Nobody yet.
    pub(super) fn new(technique: Technique, address: SocketAddr) -> Rc<Self> {
        Rc::new(Self {
            technique,
            address,
            clients: RefCell::default(),
            traffic: Cell::default(),
            awaited: Cell::new((0, Instant::now())),
            newest: Cell::default(),
            delays: RefCell::default(),
            wanted: Cell::default(),
            reached: Notify::new(),
            failure: RefCell::default(),
            tape: RefCell::default(),
            asking: Cell::new(true),
            resumed: Notify::new(),
        })
    }

    /// Attaches some of all `clients`, until each has the list. Those that ask in intervals come spread over one, as
    /// browsers do; otherwise all of them would ask in the same moment ever after.
    pub(super) async fn attach(
        self: &Rc<Self>,
        some: Range<usize>,
        clients: usize,
    ) -> Result<(), String> {
        let start = Instant::now();
        let (first, last) = (some.start, some.end);
        for index in some {
            self.reached(index.saturating_sub(CONNECTING)).await?;
            if let Then::AskAfter(pause) = self.technique.then {
                let share = (index - first) as f64 / clients as f64;
                sleep_until(start + pause.mul_f64(share)).await;
            }
            let crowd = Rc::clone(self);
            let client = spawn_local(async move {
                let Err(error) = crowd.take_part(index == 0).await;
                let failure = format!("client {} of {clients}: {error}", index + 1);
                crowd.failure.borrow_mut().get_or_insert(failure);
                crowd.reached.notify_one();
            });
            self.clients.borrow_mut().push(client);
        }
        self.reached(last).await
    }

    /// From now on everybody waits for `version`.
    pub(super) fn await_version(&self, version: u64) {
        self.awaited.set((version, Instant::now()));
        self.delays.borrow_mut().clear();
    }

    /// Waits until the awaited version has reached `clients` of them.
    pub(super) async fn reached(&self, clients: usize) -> Result<(), String> {
        self.wanted.set(clients);
        let waiting = async {
            while self.failure.borrow().is_none() && self.delays.borrow().len() < clients {
                self.reached.notified().await;
            }
        };
        let in_time = timeout(DEADLINE, waiting).await;
        if let Some(failure) = &*self.failure.borrow() {
            return Err(failure.clone());
        }
        let reached = self.delays.borrow().len();
        in_time.map_err(|_| {
            format!(
                "after {DEADLINE:?} the news has reached {reached} and not all {clients} clients"
            )
        })
    }

    /// How long the awaited version took to each client.
    pub(super) fn delays(&self) -> Vec<Duration> {
        self.delays.borrow().clone()
    }

    /// The newest version that any client has.
    pub(super) fn version(&self) -> u64 {
        self.newest.get()
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.traffic.get()
    }

    /// What the first client has received since this was called last: the bytes of each piece of news.
    pub(super) fn recorded(&self) -> Vec<Vec<u8>> {
        self.tape.borrow_mut().take()
    }

    /// Lets those that ask in intervals skip their turns.
    pub(super) fn rest(&self) {
        self.asking.set(false);
    }

    /// Lets them ask again.
    pub(super) fn resume(&self) {
        self.asking.set(true);
        self.resumed.notify_waiters();
    }

    /// Ends all clients.
    pub(super) fn leave(&self) {
        self.clients
            .borrow_mut()
            .drain(..)
            .for_each(|client| client.abort());
    }

    /// Tells why somebody could not go on, if so.
    pub(super) fn check(&self) -> Result<(), String> {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }

    /// One client, from its connection to the end of the run.
    async fn take_part(&self, recorded: bool) -> io::Result<Infallible> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        // Closed without the farewell that would keep the port for a minute.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        let mut wire = Wire::new(self.technique.then.ending());
        let mut seen = None;
        loop {
            let request = (self.technique.request)(seen);
            self.count(|traffic| traffic.requests += 1);
            self.send(&mut stream, request.as_bytes()).await?;
            loop {
                let message = self.read(&mut stream, &mut wire).await?;
                let version = match message {
                    Message::Answer(version) | Message::Event(version) => version,
                    Message::Ping(payload) => {
                        self.send(&mut stream, &pong(&payload)).await?;
                        continue;
                    }
                };
                if recorded {
                    self.tape.borrow_mut().record(&message, wire.last_message());
                }
                self.hear(&mut seen, version);
                if matches!(message, Message::Answer(_)) {
                    break;
                }
            }
            if let Then::AskAfter(pause) = self.technique.then {
                self.pause(pause).await;
            }
        }
    }

    /// Waits so long, and while nobody is to ask, so long again: a client keeps its place in the interval.
    async fn pause(&self, pause: Duration) {
        loop {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            if self.asking.get() {
                return;
            }
            if pause.is_zero() {
                self.resumed.notified().await;
            }
        }
    }

    /// Notes what a client has heard.
    fn hear(&self, seen: &mut Option<u64>, version: Option<u64>) {
        self.count(|traffic| traffic.messages += 1);
        let Some(version) = version else { return };
        let (awaited, since) = self.awaited.get();
        if version >= awaited && seen.is_none_or(|seen| seen < awaited) {
            let mut delays = self.delays.borrow_mut();
            delays.push(since.elapsed());
            if delays.len() >= self.wanted.get() {
                self.reached.notify_one();
            }
        }
        *seen = Some(version);
        self.newest.set(version.max(self.newest.get()));
    }

    async fn send(&self, stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        self.count(|traffic| traffic.bytes += bytes.len() as u64);
        stream.write_all(bytes).await
    }

    async fn read(&self, stream: &mut TcpStream, wire: &mut Wire) -> io::Result<Message> {
        loop {
            if let Some(message) = wire.message().map_err(io::Error::other)? {
                return Ok(message);
            }
            let count = stream.read_buf(wire.room()).await?;
            if count == 0 {
                return Err(io::Error::other("the server has closed the connection"));
            }
            self.count(|traffic| traffic.bytes += count as u64);
        }
    }

    fn count(&self, add: impl FnOnce(&mut Traffic)) {
        let mut traffic = self.traffic.get();
        add(&mut traffic);
        self.traffic.set(traffic);
    }
}
