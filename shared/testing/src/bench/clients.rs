//! [`Clients`]: many clients in one thread. Each client is a socket that does the same as the lesson's `client.js`.

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

use super::decoder::{Decoder, Message, pong};
use super::measurement::Traffic;
use super::recording::Recording;
use super::technique::{Pattern, Technique};

/// How many clients may wait for their first list at the same time. It is limited, because the server's queue of new
/// connections is limited.
const MAX_CONNECTING: usize = 64;

/// How long an update may take to reach all clients. If it takes longer, there is a bug.
const DEADLINE: Duration = Duration::from_secs(60);

/// All clients of one server.
pub(super) struct Clients {
    technique: Technique,
    address: SocketAddr,
    tasks: RefCell<Vec<JoinHandle<()>>>,
    traffic: Cell<Traffic>,
    /// The version that all clients wait for, and the start of this wait.
    awaited: Cell<(u64, Instant)>,
    /// The latest version that any client has.
    latest: Cell<u64>,
    /// The delay of each client that has the awaited version.
    delays: RefCell<Vec<Duration>>,
    /// How many clients must have the awaited version before `reached` is notified.
    wanted: Cell<usize>,
    reached: Notify,
    /// The error of the first client that has failed.
    failure: RefCell<Option<String>>,
    /// What the first client has received.
    recording: RefCell<Recording>,
    /// Whether clients that poll send requests.
    is_polling: Cell<bool>,
    resumed: Notify,
}

impl Clients {
    /// Returns a value without clients. [`Clients::connect`] connects them to the server at `address`.
    pub(super) fn new(technique: Technique, address: SocketAddr) -> Rc<Self> {
        Rc::new(Self {
            technique,
            address,
            tasks: RefCell::default(),
            traffic: Cell::default(),
            awaited: Cell::new((0, Instant::now())),
            latest: Cell::default(),
            delays: RefCell::default(),
            wanted: Cell::default(),
            reached: Notify::new(),
            failure: RefCell::default(),
            recording: RefCell::default(),
            is_polling: Cell::new(true),
            resumed: Notify::new(),
        })
    }

    /// Connects the clients with these numbers, and waits until each has the list. `all` is the number of clients in
    /// the end. Clients that poll connect at different times of the interval, as browsers do. Otherwise all clients
    /// would send each request at the same moment.
    pub(super) async fn connect(
        self: &Rc<Self>,
        numbers: Range<usize>,
        all: usize,
    ) -> Result<(), String> {
        let start = Instant::now();
        let (first, last) = (numbers.start, numbers.end);
        for number in numbers {
            self.wait_until_reached(number.saturating_sub(MAX_CONNECTING))
                .await?;
            if let Pattern::Poll(interval) = self.technique.pattern {
                let share = (number - first) as f64 / all as f64;
                sleep_until(start + interval.mul_f64(share)).await;
            }
            let clients = Rc::clone(self);
            let task = spawn_local(async move {
                let Err(error) = clients.run_client(number == 0).await;
                let failure = format!("client {} of {all}: {error}", number + 1);
                clients.failure.borrow_mut().get_or_insert(failure);
                clients.reached.notify_one();
            });
            self.tasks.borrow_mut().push(task);
        }
        self.wait_until_reached(last).await
    }

    /// Starts to measure how long it takes until each client has `version`.
    pub(super) fn await_version(&self, version: u64) {
        self.awaited.set((version, Instant::now()));
        self.delays.borrow_mut().clear();
    }

    /// Waits until this number of `clients` have the awaited version.
    pub(super) async fn wait_until_reached(&self, clients: usize) -> Result<(), String> {
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
                "after {DEADLINE:?} the update has reached {reached} clients instead of {clients}"
            )
        })
    }

    /// Returns how long it took until each client had the awaited version.
    pub(super) fn delays(&self) -> Vec<Duration> {
        self.delays.borrow().clone()
    }

    /// Returns the latest version that any client has.
    pub(super) fn latest_version(&self) -> u64 {
        self.latest.get()
    }

    /// Returns the traffic of all clients so far.
    pub(super) fn traffic(&self) -> Traffic {
        self.traffic.get()
    }

    /// Returns the bytes of each update that the first client has received since the last call.
    pub(super) fn take_recording(&self) -> Vec<Vec<u8>> {
        self.recording.borrow_mut().take()
    }

    /// Makes clients that poll skip their requests.
    pub(super) fn pause_polling(&self) {
        self.is_polling.set(false);
    }

    /// Makes clients that poll send their requests again.
    pub(super) fn resume_polling(&self) {
        self.is_polling.set(true);
        self.resumed.notify_waiters();
    }

    /// Disconnects all clients.
    pub(super) fn disconnect(&self) {
        for task in self.tasks.borrow_mut().drain(..) {
            task.abort();
        }
    }

    /// Returns the error of the first client that has failed, if there is one.
    pub(super) fn check(&self) -> Result<(), String> {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }

    /// Runs one client, from its connection to the end of the run.
    async fn run_client(&self, is_recorded: bool) -> io::Result<Infallible> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        // This makes the connection end with a reset. After a normal close the port would be in use for another minute.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        let mut decoder = Decoder::new(self.technique.pattern.event_end());
        let mut version = None;
        loop {
            let request = (self.technique.request)(version);
            self.count(|traffic| traffic.requests += 1);
            self.send(&mut stream, request.as_bytes()).await?;
            loop {
                let message = self.read(&mut stream, &mut decoder).await?;
                let received = match message {
                    Message::Response(version) | Message::Event(version) => version,
                    Message::Ping(payload) => {
                        self.send(&mut stream, &pong(&payload)).await?;
                        continue;
                    }
                };
                if is_recorded {
                    let bytes = decoder.last_message();
                    self.recording.borrow_mut().record(&message, bytes);
                }
                self.count_message(&mut version, received);
                if matches!(message, Message::Response(_)) {
                    break;
                }
            }
            if let Pattern::Poll(interval) = self.technique.pattern {
                self.wait_for_next_poll(interval).await;
            }
        }
    }

    /// Waits for `interval`. While polling is paused, waits for further whole intervals, so that the clients still poll
    /// at different times of the interval.
    async fn wait_for_next_poll(&self, interval: Duration) {
        loop {
            if !interval.is_zero() {
                sleep(interval).await;
            }
            if self.is_polling.get() {
                return;
            }
            if interval.is_zero() {
                self.resumed.notified().await;
            }
        }
    }

    /// Counts a message to a client. `before` is the client's version before the message. `received` is the version in
    /// the message, if there is one.
    fn count_message(&self, before: &mut Option<u64>, received: Option<u64>) {
        self.count(|traffic| traffic.messages += 1);
        let Some(version) = received else { return };
        let (awaited, since) = self.awaited.get();
        if version >= awaited && before.is_none_or(|before| before < awaited) {
            let mut delays = self.delays.borrow_mut();
            delays.push(since.elapsed());
            if delays.len() >= self.wanted.get() {
                self.reached.notify_one();
            }
        }
        *before = Some(version);
        self.latest.set(version.max(self.latest.get()));
    }

    /// Sends `bytes` and counts them.
    async fn send(&self, stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        self.count(|traffic| traffic.bytes += bytes.len() as u64);
        stream.write_all(bytes).await
    }

    /// Reads the next message and counts its bytes.
    async fn read(&self, stream: &mut TcpStream, decoder: &mut Decoder) -> io::Result<Message> {
        loop {
            if let Some(message) = decoder.message().map_err(io::Error::other)? {
                return Ok(message);
            }
            let count = stream.read_buf(decoder.buffer_mut()).await?;
            if count == 0 {
                return Err(io::Error::other("the server has closed the connection"));
            }
            self.count(|traffic| traffic.bytes += count as u64);
        }
    }

    /// Changes the traffic of all clients with `add`.
    fn count(&self, add: impl FnOnce(&mut Traffic)) {
        let mut traffic = self.traffic.get();
        add(&mut traffic);
        self.traffic.set(traffic);
    }
}
