//! [`Relay`]: stands between a browser and a lesson and counts what crosses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// What begins a request that is counted: the page, its files and the icon are not.
const COUNTED: [&str; 6] = [
    "GET /users",
    "GET /clock",
    "GET /echo",
    "POST /users",
    "DELETE /users",
    "POST /cut",
];

/// What begins any request.
const REQUEST: [&str; 4] = ["GET /", "POST /", "DELETE /", "HEAD /"];

/// Hands on whatever comes, in both directions, and counts what belongs to a lesson's own requests.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    counts: Arc<Counts>,
    running: AbortHandle,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Relay {
    /// Listens on a free port for the server at `target`.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let counts = Arc::new(Counts::default());
        let running = tokio::spawn(relay(listener, target, Arc::clone(&counts))).abort_handle();
        Self {
            address,
            counts,
            running,
        }
    }

    /// The address of `path` for the browser.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far, and the bytes in both directions of these requests and their answers.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        (count(&self.counts.requests), count(&self.counts.bytes))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Serves until it is aborted, and its connections end with it.
async fn relay(listener: TcpListener, target: SocketAddr, counts: Arc<Counts>) {
    let mut connections = JoinSet::new();
    while let Ok((browser, _)) = listener.accept().await {
        connections.spawn(connect(browser, target, Arc::clone(&counts)));
    }
}

async fn connect(browser: TcpStream, target: SocketAddr, counts: Arc<Counts>) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let (mut from_browser, mut to_browser) = browser.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // Whether the last request is counted. A browser sends the next one when it has the answer.
    let counted = AtomicBool::new(false);
    let up = pump(&mut from_browser, &mut to_server, |bytes| {
        let starts = |words: &[&str]| words.iter().any(|word| bytes.starts_with(word.as_bytes()));
        if starts(&REQUEST) {
            counted.store(starts(&COUNTED), Ordering::SeqCst);
            let requests = u64::from(starts(&COUNTED));
            counts.requests.fetch_add(requests, Ordering::SeqCst);
        }
        counts.add(bytes.len(), &counted);
    });
    let down = pump(&mut from_server, &mut to_browser, |bytes| {
        counts.add(bytes.len(), &counted);
    });
    // When one side has gone, so does the other.
    tokio::select! { () = up => (), () = down => () }
}

impl Counts {
    fn add(&self, bytes: usize, counted: &AtomicBool) {
        if counted.load(Ordering::SeqCst) {
            self.bytes.fetch_add(bytes as u64, Ordering::SeqCst);
        }
    }
}

/// Hands bytes on until one side has gone, after `see` has seen them.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    see: impl Fn(&[u8]),
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        see(bytes);
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
