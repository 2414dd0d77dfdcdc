//! [`Relay`]: a proxy between a browser and a lesson, which counts the bytes of the lesson's requests.

use std::net::SocketAddr;
use std::ops::Sub;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
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

/// A proxy that passes on all bytes in both directions, and counts the bytes of the lesson's own requests.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    crossed: Arc<Mutex<Crossed>>,
    running: AbortHandle,
}

impl Relay {
    /// Listens on a free port for the server at `target`.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let crossed = Arc::default();
        let running = tokio::spawn(accept(listener, target, Arc::clone(&crossed))).abort_handle();
        Self {
            address,
            crossed,
            running,
        }
    }

    /// Returns the URL of `path` for the browser.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the traffic so far.
    #[must_use]
    pub fn crossed(&self) -> Crossed {
        *self.crossed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Accepts connections until the task is aborted. Then all its connections end.
async fn accept(listener: TcpListener, target: SocketAddr, crossed: Arc<Mutex<Crossed>>) {
    let mut connections = JoinSet::new();
    while let Ok((browser, _)) = listener.accept().await {
        connections.spawn(connect(browser, target, Arc::clone(&crossed)));
    }
}

/// Connects a browser with the server until one of them closes the connection.
async fn connect(browser: TcpStream, target: SocketAddr, crossed: Arc<Mutex<Crossed>>) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let (mut from_browser, mut to_browser) = browser.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // Whether the last request is counted. A browser sends the next request after the response, so bytes from the
    // server belong to the last request.
    let is_counted = AtomicBool::new(false);
    let count = |add: &dyn Fn(&mut Crossed)| {
        if is_counted.load(Ordering::SeqCst) {
            add(&mut crossed.lock().unwrap_or_else(PoisonError::into_inner));
        }
    };
    let up = pump(&mut from_browser, &mut to_server, |bytes| {
        let starts = |words: &[&str]| words.iter().any(|word| bytes.starts_with(word.as_bytes()));
        let is_request = starts(&REQUEST);
        if is_request {
            is_counted.store(starts(&COUNTED), Ordering::SeqCst);
        }
        count(&|crossed| {
            crossed.requests += u64::from(is_request);
            crossed.up += bytes.len() as u64;
        });
    });
    let down = pump(&mut from_server, &mut to_browser, |bytes| {
        count(&|crossed| crossed.down += bytes.len() as u64);
    });
    tokio::select! { () = up => (), () = down => () }
}

/// Passes on bytes until one side closes its connection. Calls `observe` with the bytes before it passes them on.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    observe: impl Fn(&[u8]),
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        observe(bytes);
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
