//! Tests of the chat as a whole: the real binary, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a broken promise ends the test, and a long test has steps that follow each other"
)]

mod client;
mod connections;
mod crash;
mod deploy;
mod events;
mod hostile;
mod input;
mod limits;
mod metrics;
mod redis;
mod sessions;
mod small;
mod soak;

use testing::conformance::{self, Target};

/// What all servers promise about errors, origins, flags, files, and stopping.
#[tokio::test]
async fn keeps_the_common_promises() {
    conformance::check_every_server(Target {
        binary: client::BINARY,
        flags: &["--database", ":memory:"],
        post: "/session",
        pages: &["/"],
        files: &[
            ("/", "text/html; charset=utf-8"),
            ("/static/chat.js", "text/javascript"),
            ("/static/socket.js", "text/javascript"),
        ],
    })
    .await;
}
