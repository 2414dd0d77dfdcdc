//! The page in a real browser. `cargo test -p sse --test browser -- --ignored`

use testing::Server;
use testing::browser::Browser;
use testing::browser::conformance::{self, KeepsOpen, until_the_wire_is_right};
use testing::browser::relay::Relay;

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_page_keeps_what_every_page_promises() {
    conformance::check_all(BINARY, KeepsOpen::Connection).await;
}

/// The browser asks again by itself, and names the last event that it has seen. The page is told neither.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_wire_counts_what_the_browser_does_by_itself() {
    /// `0\r\n\r\n`, with which a stream ends: the page cannot see it.
    const END: u64 = 5;
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
    assert_eq!(relay.counts().0, 2, "requests");
    until_the_wire_is_right(&tab, &relay, (0, END)).await;
    let again =
        "[...document.querySelectorAll('#wire-rows .up .what')].map((what) => what.textContent)[1]";
    let again = tab.evaluate(again).await;
    let again = again.as_str().unwrap_or_default();
    assert!(again.starts_with("GET /users, Last-Event-ID 1"), "{again}");
    assert_eq!(browser.console_errors().await, [""; 0]);
}
