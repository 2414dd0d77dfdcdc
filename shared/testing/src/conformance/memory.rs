//! What a client that does not read can make a server hold.

use crate::{Server, TEST_TIMEOUT, eventually};

/// How many clients do not read.
const CLIENTS: usize = 50;

/// The most bytes that the process may hold for each of them, besides its update.
const PROCESS_BYTES: u64 = 64 * 1024;

/// The most bytes that the system may hold for each of them.
const KERNEL_BYTES: usize = 64 * 1024;

/// How many bytes wait for each of them: more than any buffer held before there was a limit, which was 4 MiB in the
/// system, and 32 updates in actix-ws.
const WAITING_BYTES: usize = 6 * 1024 * 1024;

/// Opens streams with `request` that nobody reads, and calls `change` until enough bytes wait for each of them.
/// `change` makes a change and returns how many bytes the update has.
pub async fn clients_that_do_not_read_hold_little(
    server: &Server,
    request: &str,
    mut change: impl AsyncFnMut(&Server) -> usize,
) {
    let mut longest = 0;
    // Until the server has as much in its own caches as it ever will.
    let mut cached = 0;
    while cached < WAITING_BYTES {
        cached += change(server).await;
    }
    let before = server.memory();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(server.send_raw_small_window(request).await);
    }
    let are_served = || {
        let queues = server.send_queues();
        queues.into_iter().filter(|queue| *queue > 0).count() == CLIENTS
    };
    eventually("something waits for each", TEST_TIMEOUT, are_served).await;

    let mut waiting = 0;
    while waiting < WAITING_BYTES {
        let length = change(server).await;
        waiting += length;
        longest = longest.max(length);
        let most = server.send_queues().into_iter().max().unwrap_or_default();
        assert!(most <= KERNEL_BYTES, "the system holds {most} for a client");
    }
    let each = server.memory().saturating_sub(before) / CLIENTS as u64;
    // The update that is being sent, and the next one, which may have room for twice its length.
    let limit = PROCESS_BYTES + 3 * longest as u64;
    assert!(each <= limit, "{each} bytes for a client, not {limit}");
}

/// Checks that for the streams of one of lessons 1 to 5. Its list of users is long.
pub async fn lesson_clients_that_do_not_read_hold_little(binary: &str, request: &str) {
    const USERS: usize = 300;
    /// 32 letters of 4 bytes each, and `{"id":300,"username":""},`.
    const USER_BYTES: usize = 32 * 4 + 25;
    let name = "\u{20000}".repeat(32);
    let server = Server::start(binary, &[]);
    for _ in 0..USERS {
        server.add_user(&name).await;
    }
    let mut count = USERS;
    let change = async move |server: &Server| {
        server.add_user(&name).await;
        count += 1;
        count * USER_BYTES
    };
    clients_that_do_not_read_hold_little(&server, request, change).await;
}
