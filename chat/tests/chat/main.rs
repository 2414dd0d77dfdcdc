//! What the chat promises, checked over real sockets against the real binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a broken promise ends the test, which tells a story in one piece"
)]

mod client;
mod crash;
mod events;
mod hostile;
mod input;
mod limits;
mod lives;
mod redis;
mod sessions;

use testing::conformance::{self, Target};

/// The same for all servers: errors, origins, flags, files, stopping.
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
