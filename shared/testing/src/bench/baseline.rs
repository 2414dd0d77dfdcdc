//! The baseline: a server that holds the same sockets as a lesson and only writes the same bytes.
//!
//! Any server for the technique has to do at least this. So a lesson's processor time as a multiple of the baseline's
//! can be compared between machines. For a fair comparison the baseline is built like a lesson's server: it has a
//! process of its own, and one thread per core with an event loop (tokio's) and a part of the connections. But it
//! does not parse the headers of a GET, and it sends prepared bytes, with one write for each socket and update. A client posts an update
//! to the baseline, and the baseline sends it to all clients.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::{io, thread};

use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::{LocalSet, spawn_local};

use super::comparison::{Responses, print_address};
use super::decoder::find;
use super::technique::Pattern;

/// The latest update and its number, counted from 1.
#[derive(Debug, Default)]
struct Update {
    number: usize,
    bytes: Vec<u8>,
}

/// The response to a client that has posted an update.
const CREATED: &[u8] = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}";

/// How many new connections may wait for a thread.
const ACCEPT_QUEUE: usize = 64;

/// Runs the baseline, and prints its address as a lesson does.
pub(super) fn serve(pattern: Pattern, responses: Responses) -> io::Result<()> {
    let responses = Arc::new(responses);
    let updates = watch::Sender::new(Update::default());
    let mut workers = Vec::new();
    for _ in 0..thread::available_parallelism()?.get() {
        let (worker, connections) = mpsc::channel(ACCEPT_QUEUE);
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let (responses, updates) = (Arc::clone(&responses), updates.clone());
        let work = move || {
            let work = run_worker(connections, pattern, responses, updates);
            LocalSet::new().block_on(&runtime, work);
        };
        thread::spawn(work);
        workers.push(worker);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    print_address(listener.local_addr()?)?;
    for (connection, worker) in listener.incoming().zip(workers.iter().cycle()) {
        worker.blocking_send(connection?).expect("a worker");
    }
    Ok(())
}

/// One client's connection.
struct Connection {
    stream: TcpStream,
    /// The number of the last update that was sent; `None` before the first request.
    last_sent: Cell<Option<usize>>,
    /// Whether a request waits for a response.
    is_waiting: Cell<bool>,
}

/// Runs one thread: accepts connections and sends each update to all of them.
async fn run_worker(
    mut accepted: mpsc::Receiver<std::net::TcpStream>,
    pattern: Pattern,
    responses: Arc<Responses>,
    updates: watch::Sender<Update>,
) {
    let connections = RefCell::new(Vec::<Rc<Connection>>::new());
    let mut changed = updates.subscribe();
    let accept = async {
        while let Some(stream) = accepted.recv().await {
            stream.set_nonblocking(true).expect("a socket");
            stream.set_nodelay(true).expect("a socket");
            let connection = Rc::new(Connection {
                stream: TcpStream::from_std(stream).expect("a socket"),
                last_sent: Cell::new(None),
                is_waiting: Cell::new(false),
            });
            connections.borrow_mut().push(Rc::clone(&connection));
            let (responses, updates) = (Arc::clone(&responses), updates.clone());
            spawn_local(serve_connection(connection, pattern, responses, updates));
        }
    };
    let send = async {
        while changed.changed().await.is_ok() {
            let update = changed.borrow_and_update();
            for connection in &*connections.borrow() {
                // Without a stream, the update is the response to a request.
                let is_due = matches!(pattern, Pattern::Stream(_)) || connection.is_waiting.take();
                if is_due && connection.last_sent.get().is_some() {
                    connection.send(&update);
                }
            }
        }
    };
    tokio::join!(accept, send);
}

/// Responds to the requests of one connection. A GET must arrive in one read, as it does on the
/// loopback interface.
async fn serve_connection(
    connection: Rc<Connection>,
    pattern: Pattern,
    responses: Arc<Responses>,
    updates: watch::Sender<Update>,
) {
    let mut bytes = Vec::with_capacity(2048);
    while connection.stream.readable().await.is_ok() {
        match connection.stream.try_read_buf(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
        if connection.last_sent.get().is_none() && !bytes.starts_with(b"GET") {
            let Some(posted) = complete_body(&bytes) else {
                continue;
            };
            updates.send_modify(|update| {
                update.number += 1;
                update.bytes = posted.to_vec();
            });
            connection.write(CREATED);
        } else {
            connection.respond(pattern, &responses, &updates.borrow());
        }
        bytes.clear();
    }
    connection.last_sent.set(None);
}

/// Returns the body of a request as soon as it is complete.
fn complete_body(request: &[u8]) -> Option<&[u8]> {
    let (headers, body) = request.split_at(find(request, b"\r\n\r\n")?);
    let headers = std::str::from_utf8(headers).ok()?;
    let mut lines = headers.lines();
    let length = lines.find_map(|line| line.strip_prefix("Content-Length: "))?;
    body.get(..length.parse().ok()?)
}

impl Connection {
    /// Responds to a GET. On a stream, everything after the GET is a pong.
    fn respond(&self, pattern: Pattern, responses: &Responses, update: &Update) {
        match (self.last_sent.get(), pattern) {
            (None, _) => {
                self.last_sent.set(Some(update.number));
                self.write(&responses.first);
            }
            (Some(_), Pattern::Stream(_)) => {}
            (Some(last_sent), _) if last_sent < update.number => self.send(update),
            (Some(_), Pattern::Poll(_)) => self.write(&responses.unchanged),
            (Some(_), Pattern::LongPoll) => self.is_waiting.set(true),
        }
    }

    /// Sends an update.
    fn send(&self, update: &Update) {
        self.last_sent.set(Some(update.number));
        self.write(&update.bytes);
    }

    /// Writes all `bytes` with one call. The clients of a benchmark read immediately, so the buffer always has room.
    fn write(&self, bytes: &[u8]) {
        let written = self.stream.try_write(bytes);
        assert!(
            written.is_ok_and(|written| written == bytes.len()),
            "a whole write"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_returned_when_it_is_complete() {
        let request = b"POST / HTTP/1.1\r\nContent-Length: 4\r\nHost: x\r\n\r\nnews";
        for (length, body) in [(10, None), (50, None), (51, Some(&b"news"[..]))] {
            assert_eq!(complete_body(&request[..length]), body, "{length} bytes");
        }
        assert_eq!(complete_body(b"POST / HTTP/1.1\r\n\r\nnews"), None);
    }
}
