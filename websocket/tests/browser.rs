//! The page in a real browser. `cargo test -p websocket --test browser -- --ignored`

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

/// Frames of every length in both directions, and both ways to close.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_wire_counts_frames_in_both_directions() {
    const TALK: &str = "new Promise((done) => {
        const socket = new WebSocket(`ws://${location.host}/echo?prefix=`);
        const messages = ['', 'x'.repeat(126), '三'.repeat(21800), new Uint8Array([1, 2, 3])];
        let received = 0;
        socket.onopen = () => messages.forEach((message) => socket.send(message));
        socket.onmessage = () => ++received === messages.length && socket.close(1000, 'done');
        socket.onclose = ({ code }) => done(code);
    })";
    let (server, browser) = (Server::start(BINARY, &[]), Browser::start().await);
    let relay = Relay::start(server.address()).await;
    let tab = browser.open(&relay.url("/")).await;
    tab.until_users(&["张三", "Alice"]).await;
    assert_eq!(tab.evaluate(TALK).await, 1000);
    // The server's Close frame, which the browser echoes without a word to the page.
    server.cut().await;
    tab.until_status("closed").await;
    tab.until_status("open").await;
    tab.click("#users-toggle").await;
    check_wire(&tab, &relay, Crossed::default()).await;
    // What is refused is no update.
    let updates = tab.text("wire-updates").await;
    let refused = "new Promise((done) => {
        const socket = new WebSocket(`ws://${location.host}/users`);
        let received = 0;
        socket.onopen = () => socket.send('{}');
        socket.onmessage = () => ++received === 2 && done(socket.close());
    })";
    tab.evaluate(refused).await;
    let more = updates
        .parse::<u32>()
        .map(|updates| (updates + 1).to_string());
    assert_eq!(Ok(tab.text("wire-updates").await), more, "the list");
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// A ping says nothing about users.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_wire_counts_a_ping_event_as_no_update() {
    const TWO_PINGS: &str = "new Promise((done) => {
        const socket = new WebSocket(`ws://${location.host}/users`);
        let pings = 0;
        socket.onmessage = ({ data }) => {
            if (JSON.parse(data).event === 'ping' && ++pings === 2) done(socket.close());
        };
    })";
    let server = Server::start(BINARY, &["--heartbeat", "0.3"]);
    let browser = Browser::start().await;
    let tab = browser.open(&server.url("/")).await;
    tab.until_users(&["张三", "Alice"]).await;
    tab.evaluate(TWO_PINGS).await;
    // The list of the page, and that of the other socket.
    assert_eq!(tab.text("wire-updates").await, "2");
    assert_eq!(browser.console_errors().await, [""; 0]);
}
