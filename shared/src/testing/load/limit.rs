//! The limit: a server that holds the same sockets as a lesson and only writes the same bytes.
//!
//! It is what any server for this technique has to do at least, so a lesson's processor time as a multiple
//! of it means the same on every machine. To be fair it has what a lesson's server has: a process of its own,
//! a thread per core, each with an event loop of its own (tokio's) and its share of the connections.
//! It has nothing else: it looks at no header and writes from memory what it was given, one write per
//! socket and piece of news.

use std::cell::{Cell, RefCell};
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::{LocalSet, spawn_local};

use super::{Then, wire::Message};

/// What a client has received from the lesson, as bytes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Tape {
    /// Up to and with the first list.
    first: Vec<u8>,
    /// What came with each change after that.
    changes: Vec<Vec<u8>>,
    /// The answer to a client that has seen everything.
    pub(super) nothing: Vec<u8>,
    /// What is part of the next of these.
    begun: Vec<u8>,
}

impl Tape {
    /// Notes a `message` that was made of these `bytes`.
    pub(super) fn record(&mut self, message: &Message, bytes: &[u8]) {
        if matches!(message, Message::Answer(None)) {
            return;
        }
        self.begun.extend_from_slice(bytes);
        if matches!(message, Message::Event(None)) {
            return;
        }
        let whole = std::mem::take(&mut self.begun);
        if self.first.is_empty() {
            self.first = whole;
        } else {
            self.changes.push(whole);
        }
    }

    /// What a server would have sent that says `first` to each client, and then the `changes`.
    pub(super) fn of(first: &[u8], changes: &[&[u8]]) -> Self {
        Self {
            first: first.to_vec(),
            changes: changes.iter().map(|change| change.to_vec()).collect(),
            ..Self::default()
        }
    }

    /// What the change `number` sent, counted from 1.
    fn change(&self, number: usize) -> &[u8] {
        &self.changes[number - 1]
    }
}

/// The answer to whoever makes a change. What the driver wants to know is the user's id.
const MADE: &[u8] = b"HTTP/1.1 201 Created\r\ncontent-length: 8\r\n\r\n{\"id\":3}";

/// How many new connections may wait for a thread.
const WAITING: usize = 64;

/// Runs until stdin ends, from which it reads a line with the [`Tape`] first. Says where it listens as a
/// lesson does.
pub(super) fn serve(then: Then) -> io::Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let tape: Arc<Tape> = Arc::new(serde_json::from_str(&line)?);
    let made = watch::Sender::new(0);
    let mut workers = Vec::new();
    for _ in 0..thread::available_parallelism()?.get() {
        let (hand_over, connections) = mpsc::channel(WAITING);
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let (tape, made) = (Arc::clone(&tape), made.clone());
        let work = move || LocalSet::new().block_on(&runtime, work(connections, then, tape, made));
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
    /// The last change that it was told of; `None` before its first request.
    told: Cell<Option<usize>>,
    /// Whether there is a request that waits for an answer.
    waits: Cell<bool>,
}

/// One thread: takes connections and tells them of changes.
async fn work(
    mut new: mpsc::Receiver<std::net::TcpStream>,
    then: Then,
    tape: Arc<Tape>,
    made: watch::Sender<usize>,
) {
    let all = RefCell::new(Vec::<Rc<Connection>>::new());
    let mut changed = made.subscribe();
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
            spawn_local(serve_one(connection, then, Arc::clone(&tape), made.clone()));
        }
    };
    let tell = async {
        while changed.changed().await.is_ok() {
            let number = *changed.borrow_and_update();
            for connection in &*all.borrow() {
                // Where a request is needed for an answer, this is the answer.
                let asked = matches!(then, Then::Listen(_)) || connection.waits.take();
                if asked && connection.told.get().is_some() {
                    connection.tell(number, &tape);
                }
            }
        }
    };
    tokio::join!(accept, tell);
}

/// Answers what comes over one connection. Over the loopback interface a request comes in one piece.
async fn serve_one(
    connection: Rc<Connection>,
    then: Then,
    tape: Arc<Tape>,
    made: watch::Sender<usize>,
) {
    let mut bytes = [0; 2048];
    while connection.stream.readable().await.is_ok() {
        match connection.stream.try_read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
        let current = *made.borrow();
        match (connection.told.get(), then) {
            (None, _) if !bytes.starts_with(b"GET") => {
                made.send_modify(|made| *made += 1);
                connection.write(MADE);
            }
            (None, _) => {
                connection.told.set(Some(current));
                connection.write(&tape.first);
            }
            // A pong.
            (Some(_), Then::Listen(_)) => {}
            (Some(told), _) if told < current => connection.tell(current, &tape),
            (Some(_), Then::AskAfter(_)) => connection.write(&tape.nothing),
            (Some(_), Then::AskAtOnce) => connection.waits.set(true),
        }
    }
    connection.told.set(None);
}

impl Connection {
    fn tell(&self, number: usize, tape: &Tape) {
        self.told.set(Some(number));
        self.write(tape.change(number));
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
    fn a_tape_keeps_each_piece_of_news_with_what_came_before_it() {
        let mut tape = Tape::default();
        tape.record(&Message::Event(None), b"retry");
        tape.record(&Message::Event(Some(7)), b"list");
        tape.record(&Message::Event(Some(8)), b"change");
        tape.record(&Message::Answer(None), b"not modified");
        tape.record(&Message::Answer(Some(9)), b"another");
        assert_eq!(tape.first, b"retrylist");
        assert_eq!(tape.change(1), b"change");
        assert_eq!(tape.change(2), b"another");
    }
}
