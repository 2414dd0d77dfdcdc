//! The page in a real Chromium. `cargo test -p websocket --test browser -- --ignored`

use shared::testing::browser::promises::{self, KeepsOpen};

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

#[tokio::test]
#[ignore = "needs chromedriver"]
async fn the_page_keeps_what_every_page_promises() {
    promises::keeps_them_all(BINARY, KeepsOpen::Connection).await;
}
