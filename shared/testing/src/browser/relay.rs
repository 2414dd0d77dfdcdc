//! [`Relay`]: a proxy between a browser and a lesson, which counts the bytes of the lesson's requests. It can also replace
//! the lesson's `client.js`, or pass on only a part of each response.

use std::future;
use std::io;
use std::net::SocketAddr;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync;
use tokio::task::{AbortHandle, JoinSet};

/// The start of the requests that are counted. Requests for the page, its files and its icon are not counted.
const COUNTED: [&str; 6] = [
    "GET /users",
    "GET /clock",
    "GET /echo",
    "POST /users",
    "DELETE /users",
    "POST /cut",
];

/// The start of the request for the lesson's script.
const CLIENT: &[u8] = b"GET /static/client.js";

/// How many bytes are passed on at once.
const BUFFER: usize = 64 * 1024;

/// The start of every request.
const REQUEST: [&str; 4] = ["GET /", "POST /", "DELETE /", "HEAD /"];

/// The traffic through the relay: the counted requests, their responses, and all further bytes of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Crossed {
    /// The number of requests.
    pub requests: u64,
    /// Bytes from the browser.
    pub up: u64,
    /// Bytes from the server.
    pub down: u64,
}

impl Add for Crossed {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            requests: self.requests + more.requests,
            up: self.up + more.up,
            down: self.down + more.down,
        }
    }
}

impl Sub for Crossed {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            up: self.up - earlier.up,
            down: self.down - earlier.down,
        }
    }
}

/// What happens after the first part of a response, which has the headers and one byte of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterPart {
    /// Nothing more arrives, and the connection stays open.
    Silence,
    /// The connection is closed.
    Close,
}

/// A proxy that passes on all bytes in both directions, and counts the bytes of the lesson's own requests.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Shared,
    running: AbortHandle,
}

impl Relay {
    /// Listens on a free port for the server at `target`.
    pub async fn start(target: SocketAddr) -> Self {
        Self::listen(target, None).await
    }

    /// Does the same, and answers the request for `client.js` with the text `client`.
    pub async fn start_with_client(target: SocketAddr, client: &str) -> Self {
        let length = client.len();
        let headers = "HTTP/1.1 200 OK\r\ncontent-type: text/javascript\r\ncache-control: no-store";
        let response = format!("{headers}\r\ncontent-length: {length}\r\n\r\n{client}");
        Self::listen(target, Some(response.into())).await
    }

    async fn listen(target: SocketAddr, client: Option<Arc<str>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Shared {
            crossed: Arc::default(),
            partial: Arc::default(),
            client,
        };
        let running = tokio::spawn(accept(listener, target, shared.clone())).abort_handle();
        Self {
            address,
            shared,
            running,
        }
    }

    /// Passes on only the first part of the responses to counted requests from now on, or with `None` all of them again.
    /// A response without a body is not changed.
    pub fn set_partial(&self, partial: Option<AfterPart>) {
        let current = self.shared.partial.lock();
        *current.unwrap_or_else(PoisonError::into_inner) = partial;
    }

    /// Returns the URL of `path` for the browser.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the traffic so far.
    #[must_use]
    pub fn crossed(&self) -> Crossed {
        let crossed = self.shared.crossed.lock();
        *crossed.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// What a relay and all its connections share.
#[derive(Debug, Clone)]
struct Shared {
    crossed: Arc<Mutex<Crossed>>,
    /// What happens after the first part of a response; `None` if all of it is passed on.
    partial: Arc<Mutex<Option<AfterPart>>>,
    /// The response to the request for `client.js`, if it is replaced.
    client: Option<Arc<str>>,
}

/// Accepts connections until the task is aborted. Then all its connections end.
async fn accept(listener: TcpListener, target: SocketAddr, shared: Shared) {
    let mut connections = JoinSet::new();
    while let Ok((browser, _)) = listener.accept().await {
        connections.spawn(connect(browser, target, shared.clone()));
    }
}

/// Connects a browser with the server until one of them closes the connection.
async fn connect(browser: TcpStream, target: SocketAddr, shared: Shared) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let (from_browser, to_browser) = browser.into_split();
    let (from_server, to_server) = server.into_split();
    let connection = Connection {
        to_browser: sync::Mutex::new(to_browser),
        is_counted: AtomicBool::new(false),
        shared,
    };
    let up = connection.pass_requests(from_browser, to_server);
    let down = connection.pass_responses(from_server);
    tokio::select! { _ = up => (), _ = down => () }
}

/// A connection of the browser, and what it needs in both directions.
struct Connection {
    /// Both directions may write to the browser: what comes from the server, and another client.js.
    to_browser: sync::Mutex<OwnedWriteHalf>,
    /// Whether the last request is counted. A browser sends the next request after the response, so bytes from the
    /// server belong to the last request.
    is_counted: AtomicBool,
    shared: Shared,
}

impl Connection {
    async fn pass_requests(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
    ) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        while let Some(bytes) = read(&mut from, &mut buffer).await {
            if let Some(client) = self.replaced_client(bytes) {
                self.write(client.as_bytes()).await?;
                continue;
            }
            let starts =
                |words: &[&str]| words.iter().any(|word| bytes.starts_with(word.as_bytes()));
            let is_request = starts(&REQUEST);
            if is_request {
                self.is_counted.store(starts(&COUNTED), Ordering::SeqCst);
            }
            self.count(Crossed {
                requests: u64::from(is_request),
                up: bytes.len() as u64,
                down: 0,
            });
            to.write_all(bytes).await?;
        }
        Ok(())
    }

    async fn pass_responses(&self, mut from: OwnedReadHalf) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        while let Some(bytes) = read(&mut from, &mut buffer).await {
            self.count(Crossed {
                down: bytes.len() as u64,
                ..Crossed::default()
            });
            let part = first_part(bytes);
            match self.partial().filter(|_| part.len() < bytes.len()) {
                None => self.write(bytes).await?,
                Some(after) => {
                    self.write(part).await?;
                    if after == AfterPart::Silence {
                        future::pending::<()>().await;
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Returns the response to this request if it is the one for `client.js`, and `client.js` is replaced.
    fn replaced_client(&self, request: &[u8]) -> Option<&Arc<str>> {
        let client = self.shared.client.as_ref();
        client.filter(|_| request.starts_with(CLIENT))
    }

    /// Returns what happens after the first part of the response, if only that is passed on.
    fn partial(&self) -> Option<AfterPart> {
        let partial = self.shared.partial.lock();
        let partial = *partial.unwrap_or_else(PoisonError::into_inner);
        partial.filter(|_| self.is_counted.load(Ordering::SeqCst))
    }

    fn count(&self, more: Crossed) {
        if self.is_counted.load(Ordering::SeqCst) {
            let crossed = self.shared.crossed.lock();
            let mut crossed = crossed.unwrap_or_else(PoisonError::into_inner);
            *crossed = *crossed + more;
        }
    }

    /// Sends bytes to the browser.
    async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.to_browser.lock().await.write_all(bytes).await
    }
}

/// Returns the headers of a response and the first byte of its body, or all of it if that is less.
fn first_part(response: &[u8]) -> &[u8] {
    const END: &[u8] = b"\r\n\r\n";
    let end = response.windows(END.len()).position(|part| part == END);
    let part = end.and_then(|end| response.get(..=end + END.len()));
    part.unwrap_or(response)
}

/// Returns the bytes that have arrived, or nothing when the connection has ended.
async fn read<'buffer>(
    from: &mut OwnedReadHalf,
    buffer: &'buffer mut [u8],
) -> Option<&'buffer [u8]> {
    match from.read(buffer).await {
        Ok(length @ 1..) => buffer.get(..length),
        _ => None,
    }
}
