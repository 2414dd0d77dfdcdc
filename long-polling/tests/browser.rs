//! The page in a real browser. `cargo test -p long-polling --test browser -- --ignored`

use testing::browser::Browser;
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

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_response_without_its_body_is_no_mistake_as_the_page_promises() {
    conformance::check_partial_responses(&Browser::start().await, BINARY).await;
}
