//! The page in a real browser. `cargo test -p sse --test browser -- --ignored`

use testing::Server;
use testing::browser::Browser;
use testing::browser::conformance::{self, KeepsOpen, check_wire};
use testing::browser::relay::{Crossed, Relay};

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_page_keeps_what_every_page_promises() {
    conformance::check_all(BINARY, KeepsOpen::Connection).await;
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_page_is_there_in_chinese_as_it_promises() {
    conformance::check_chinese(BINARY).await;
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_request_without_a_connection_gets_a_sentence_as_the_page_promises() {
    conformance::check_six_connections(&Browser::start().await, BINARY).await;
}

/// The browser sends the next request by itself, with the id of the last event. The page notices neither.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_wire_counts_what_the_browser_does_by_itself() {
    let (server, browser) = (Server::start(BINARY, &[]), Browser::start().await);
    let relay = Relay::start(server.address()).await;
    let tab = browser.open(&relay.url("/")).await;
    tab.until_users(&["张三", "Alice"]).await;
    server.cut().await;
    tab.until_status("connecting").await;
    tab.until_status("open").await;
    server.add_user("afterwards").await;
    tab.until_users(&["张三", "Alice", "afterwards"]).await;
    tab.click("#users-toggle").await;
    assert_eq!(relay.crossed().requests, 2);
    check_wire(&tab, &relay, Crossed::default()).await;
    let again =
        "[...document.querySelectorAll('#wire-rows .up .what')].map((what) => what.textContent)[1]";
    let again = tab.evaluate(again).await;
    let again = again.as_str().unwrap_or_default();
    assert!(again.starts_with("GET /users, Last-Event-ID 1"), "{again}");
    assert_eq!(browser.console_errors().await, [""; 0]);
}
