//! The limit of open files: how a server behaves that may open only a few files.

use std::io::ErrorKind;

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::Target;
use crate::{Server, Signal, read_until};

/// The hard limit of open files in these tests. The soft limit is lower, so a server that does not raise it fails.
const FILES: u32 = 300;

/// How many clients the server accepts with this limit.
const SERVED: usize = 250;

/// How many further clients connect.
const MORE: usize = 100;

/// A part of the line that a server writes to stderr, once, when it can accept only a few more clients.
const WARNING: &str = "connections are in use";

/// Starts a server that may open only 300 files.
#[must_use]
pub fn start_with_few_files(binary: &str, flags: &[&str]) -> Server {
    Server::start_with_files(FILES, binary, flags)
}

/// Further clients wait. Meanwhile the server still responds to the connected clients.
pub(super) async fn clients_beyond_the_limit_of_files_wait(target: Target) {
    const REQUEST: &str = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
    let server = start_with_few_files(target.binary, target.flags);
    server.get("/").await; // Now all worker threads have started.
    server.settle().await; // Now the page has looked which lessons run, which takes a few files for a moment.
    let before = server.open_files();
    let mut connected = connect(&server, SERVED, REQUEST).await;
    all_read(&mut connected, "\r\n\r\n").await;
    assert_eq!(server.open_files() - before, SERVED, "one file each");

    let mut more = connect(&server, MORE, REQUEST).await;
    for client in &mut connected {
        let again = client.write_all(REQUEST.as_bytes()).await;
        again.expect("an open connection");
    }
    all_read(&mut connected, "\r\n\r\n").await;
    assert!(waiting(&more) > MORE / 2, "most of them wait");

    connected.truncate(SERVED - MORE);
    all_read(&mut more, "\r\n\r\n").await;
    warned_once(server);
}

/// Checks the same for streams. [`start_with_few_files`] must have started the server. `request` opens a stream.
/// `change` makes a change with a given name, and all streams must send this name, including streams that are opened
/// later.
pub async fn streams_beyond_the_limit_of_files_wait(
    server: Server,
    request: &str,
    change: impl AsyncFn(&Server, &str),
) {
    // The connection for this change stays open and is used for the second one, too.
    change(&server, "first").await;
    let mut connected = connect(&server, SERVED, request).await;
    all_read(&mut connected, "first").await;

    let mut more = connect(&server, MORE, request).await;
    change(&server, "second").await;
    all_read(&mut connected, "second").await;
    assert!(waiting(&more) > MORE / 2, "most of them wait");

    connected.truncate(SERVED - MORE);
    all_read(&mut more, "second").await;
    warned_once(server);
}

/// Opens `count` connections and sends `request` over each.
async fn connect(server: &Server, count: usize, request: &str) -> Vec<TcpStream> {
    join_all((0..count).map(|_| server.send_raw(request))).await
}

/// Waits until each of the `clients` has received `text`.
async fn all_read(clients: &mut [TcpStream], text: &str) {
    let reading = clients.iter_mut().map(async |client| {
        let received = read_until(client, |received| received.contains(text)).await;
        assert!(received.contains(text), "{text}: {received}");
    });
    join_all(reading).await;
}

/// Returns how many of the `clients` have received nothing so far.
fn waiting(clients: &[TcpStream]) -> usize {
    let has_nothing = |client: &&TcpStream| {
        let read = client.try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    clients.iter().filter(has_nothing).count()
}

/// Stops the server and checks that it has warned exactly once.
fn warned_once(server: Server) {
    server.signal(Signal::TERM);
    let stderr = server.wait().stderr;
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(WARNING), "{stderr}");
    assert!(stderr.contains("300 files"), "{stderr}");
}
