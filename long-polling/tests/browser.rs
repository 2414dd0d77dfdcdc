//! The page in a real browser. `cargo test -p long-polling --test browser -- --ignored`

use testing::browser::conformance::{self, KeepsOpen};

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_page_keeps_what_every_page_promises() {
    conformance::check_all(BINARY, KeepsOpen::Request).await;
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_page_is_there_in_chinese_as_it_promises() {
    conformance::check_chinese(BINARY).await;
}
