//! The limit: a server that holds the same sockets as a lesson and only writes the same bytes.
//!
//! It is what any server for this technique has to do at least, so a lesson's processor time as a multiple
//! of it means the same on every machine. To be fair it has what a lesson's server has: a process of its own,
//! a thread per core, each with an event loop of its own (tokio's) and its share of the connections.
//! It has nothing else: it looks at no header of its clients and writes from memory what it was given, one
//! write per socket and piece of news. A piece of news is whatever somebody posts to it.

use std::cell::{Cell, RefCell};
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::{env, thread};

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::{LocalSet, spawn_local};

use super::{Then, decoder::find};
use crate::server::{Server, lesson};

/// What the limit says besides the news, as bytes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Answers {
    /// To a client that comes: up to and with the first list.
    pub(super) first: Vec<u8>,
    /// To a client that has seen everything.
    pub(super) nothing: Vec<u8>,
}

/// The newest piece of news, and which one it is, counted from 1.
#[derive(Debug, Default)]
struct News {
    number: usize,
    bytes: Vec<u8>,
}

/// The answer to whoever has posted news.
const TAKEN: &[u8] = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}";

/// How many new connections may wait for a thread.
const WAITING: usize = 64;

/// Starts this program once more, as the limit.
pub(super) fn start(answers: &Answers) -> io::Result<Server> {
    let program = env::current_exe()?;
    let mut command: Command = lesson(&program.to_string_lossy(), &["--limit"]);
    let (theirs, mut ours) = io::pipe()?;
    command.stdin(theirs);
    let line = serde_json::to_string(answers)? + "\n";
    // Written beside, because a pipe may hold less than this. It stays open as long as this process lives.
    thread::spawn(move || {
        ours.write_all(line.as_bytes())
            .expect("a limit that listens");
        loop {
            thread::park();
        }
    });
    Ok(Server::spawn(command))
}

/// Runs until stdin ends, from which it reads a line with the [`Answers`] first. Says where it listens as a
/// lesson does.
pub(super) fn serve(then: Then) -> io::Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let answers: Arc<Answers> = Arc::new(serde_json::from_str(&line)?);
    let news = watch::Sender::new(News::default());
    let mut workers = Vec::new();
    for _ in 0..thread::available_parallelism()?.get() {
        let (hand_over, connections) = mpsc::channel(WAITING);
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let (answers, news) = (Arc::clone(&answers), news.clone());
        let work =
            move || LocalSet::new().block_on(&runtime, work(connections, then, answers, news));
        thread::spawn(work);
        workers.push(hand_over);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("limit: http://{}/", listener.local_addr()?);
    io::stdout().flush()?;
    thread::spawn(move || {
        for (connection, worker) in listener.incoming().zip(workers.iter().cycle()) {
            let connection = connection.expect("a connection");
            worker.blocking_send(connection).expect("a worker");
        }
    });
    // Whoever started this has ended when nobody can write to it any more.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// One client's connection.
struct Connection {
    stream: TcpStream,
    /// The number of the last news that it was told; `None` before its first request.
    told: Cell<Option<usize>>,
    /// Whether there is a request that waits for an answer.
    waits: Cell<bool>,
}

/// One thread: takes connections and tells them the news.
async fn work(
    mut new: mpsc::Receiver<std::net::TcpStream>,
    then: Then,
    answers: Arc<Answers>,
    news: watch::Sender<News>,
) {
    let all = RefCell::new(Vec::<Rc<Connection>>::new());
    let mut changed = news.subscribe();
    let accept = async {
        while let Some(stream) = new.recv().await {
            stream.set_nonblocking(true).expect("a socket");
            stream.set_nodelay(true).expect("a socket");
            let connection = Rc::new(Connection {
                stream: TcpStream::from_std(stream).expect("a socket"),
                told: Cell::new(None),
                waits: Cell::new(false),
            });
            all.borrow_mut().push(Rc::clone(&connection));
            spawn_local(serve_one(
                connection,
                then,
                Arc::clone(&answers),
                news.clone(),
            ));
        }
    };
    let tell = async {
        while changed.changed().await.is_ok() {
            let news = changed.borrow_and_update();
            for connection in &*all.borrow() {
                // Where a request is needed for an answer, this is the answer.
                let asked = matches!(then, Then::Listen(_)) || connection.waits.take();
                if asked && connection.told.get().is_some() {
                    connection.tell(&news);
                }
            }
        }
    };
    tokio::join!(accept, tell);
}

/// Answers what comes over one connection. Over the loopback interface a GET comes in one piece.
async fn serve_one(
    connection: Rc<Connection>,
    then: Then,
    answers: Arc<Answers>,
    news: watch::Sender<News>,
) {
    let mut bytes = Vec::with_capacity(2048);
    while connection.stream.readable().await.is_ok() {
        match connection.stream.try_read_buf(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
        if connection.told.get().is_none() && !bytes.starts_with(b"GET") {
            let Some(posted) = posted(&bytes) else {
                continue;
            };
            news.send_modify(|news| {
                news.number += 1;
                news.bytes = posted.to_vec();
            });
            connection.write(TAKEN);
        } else {
            connection.answer(then, &answers, &news.borrow());
        }
        bytes.clear();
    }
    connection.told.set(None);
}

/// The body of a request, as soon as all of it is there.
fn posted(request: &[u8]) -> Option<&[u8]> {
    let (head, body) = request.split_at(find(request, b"\r\n\r\n")?);
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("Content-Length: "))?;
    body.get(..length.parse().ok()?)
}

impl Connection {
    /// Answers a GET; on a stream, what comes after the first is a pong.
    fn answer(&self, then: Then, answers: &Answers, news: &News) {
        match (self.told.get(), then) {
            (None, _) => {
                self.told.set(Some(news.number));
                self.write(&answers.first);
            }
            (Some(_), Then::Listen(_)) => {}
            (Some(told), _) if told < news.number => self.tell(news),
            (Some(_), Then::AskAfter(_)) => self.write(&answers.nothing),
            (Some(_), Then::AskAtOnce) => self.waits.set(true),
        }
    }

    fn tell(&self, news: &News) {
        self.told.set(Some(news.number));
        self.write(&news.bytes);
    }

    /// The buffers of a client that reads are never full; one that has gone away needs nothing.
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
    fn what_was_posted_is_there_when_all_of_it_is() {
        let request = b"POST / HTTP/1.1\r\nContent-Length: 4\r\nHost: x\r\n\r\nnews";
        for (length, posted_so_far) in [(10, None), (50, None), (51, Some(&b"news"[..]))] {
            assert_eq!(posted(&request[..length]), posted_so_far, "{length} bytes");
        }
        assert_eq!(posted(b"POST / HTTP/1.1\r\n\r\nnews"), None);
    }
}
