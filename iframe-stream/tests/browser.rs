//! The page in a real browser. `cargo test -p iframe-stream --test browser -- --ignored`
#![allow(clippy::unwrap_used, reason = "a broken promise ends the test")]

use serde_json::{Value, json};
use testing::browser::Browser;
use testing::browser::conformance::{self, KeepsOpen};
use testing::{Server, Signal, TEST_TIMEOUT, eventually};

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

/// A heartbeat that is so short that the page notices missing ones after a second.
const QUICK: &[&str] = &["--heartbeat", "0.4"];

/// JavaScript for the number of frames in the page.
const FRAMES: &str = "document.querySelectorAll('iframe').length";

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

/// A page is loading while one of its frames is. With a frame in the HTML, `load` would never fire.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_page_has_loaded_while_its_frames_are_still_loading() {
    let (server, browser) = (Server::start(BINARY, &[]), Browser::start().await);
    let tab = browser.open_lesson(&server).await;
    tab.click("#clock-toggle").await;
    tab.until("document.getElementById('clock').textContent.startsWith('20')")
        .await;
    let frames =
        "[...document.querySelectorAll('iframe')].map((frame) => frame.contentDocument.readyState)";
    assert_eq!(tab.evaluate(frames).await, json!(["loading", "loading"]));
    let loaded = "performance.getEntriesByType('navigation')[0].loadEventEnd > 0";
    assert_eq!(tab.evaluate("document.readyState").await, "complete");
    assert_eq!(tab.evaluate(loaded).await, true);
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// The test runs `client.js` in a page that has loaded, with a `readyState` that says that it has not.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn no_frame_is_opened_before_the_page_has_loaded() {
    const EARLY: &str = "import('/static/client.js').then(({ watchUsers }) => {
        const frames = () => document.querySelectorAll('iframe').length;
        const counts = [frames()];
        Object.defineProperty(document, 'readyState', { value: 'interactive' });
        watchUsers(() => {}, () => {})();
        watchUsers(() => {}, () => {});
        counts.push(frames());
        window.dispatchEvent(new Event('load'));
        return counts.concat(frames());
    })";
    let (server, browser) = (Server::start(BINARY, &[]), Browser::start().await);
    let tab = browser.open_lesson(&server).await;
    // Of the two watchers that started early, one was stopped again, so there is one more frame.
    assert_eq!(tab.evaluate(EARLY).await, json!([1, 1, 2]));
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// Without escaping, the first name would run as a script and set `pwned`.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn hostile_names_show_as_text_and_run_nothing() {
    let (server, browser) = (Server::start(BINARY, &[]), Browser::start().await);
    let tab = browser.open_lesson(&server).await;
    let names = [
        "</script><script>pwned=1//",
        "</script><img src onerror=pwned=",
        "<!--<script>",
        r#"\"});pwned=1//"#,
        r#""});parent.pwned=1;({"a":"b"#,
        "&lt;b&gt; \\u003c",
    ];
    let mut shown = vec!["张三", "Alice"];
    for name in names {
        server.add_user(name).await;
        shown.push(name);
        tab.until_users(&shown).await;
    }
    let pwned = "[window, frames[0]].map((where) => typeof where.pwned)";
    assert_eq!(tab.evaluate(pwned).await, json!(["undefined", "undefined"]));
    // There are no elements in the frame except those of the document's start.
    let elements =
        "[...frames[0].document.querySelectorAll('*')].map((element) => element.tagName)";
    let expected = json!(["HTML", "HEAD", "META", "TITLE", "BODY"]);
    assert_eq!(tab.evaluate(elements).await, expected);
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// If the scripts stayed in the document, it would grow with each update.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_document_does_not_grow_with_updates() {
    const NODES: &str = "(() => {
        const walker = frames[0].document.createTreeWalker(frames[0].document);
        let nodes = 1;
        while (walker.nextNode()) nodes++;
        return nodes;
    })()";
    let (server, browser) = (Server::start(BINARY, QUICK), Browser::start().await);
    let tab = browser.open_lesson(&server).await;
    let before = tab.evaluate(NODES).await;
    assert!(before.as_u64() > Some(5), "{before} nodes");

    // The page counts the updates. The test waits for each, because the server skips an update if the
    // next change comes before it is sent.
    tab.evaluate("(window.updates = 0, window.show = window.setUsers, window.setUsers = (update) => { window.updates++; show(update); }, null)")
        .await;
    for change in 1..=100 {
        let user = server.url(&format!("/users/{}", server.add_user("probe").await));
        tab.until(&format!("updates === {}", 2 * change - 1)).await;
        server.client.delete(user).send().await.unwrap();
        tab.until(&format!("updates === {}", 2 * change)).await;
    }
    assert_eq!(tab.evaluate(NODES).await, before);
    assert_eq!(browser.console_errors().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn after_a_cut_the_page_reconnects_with_a_single_frame() {
    let (server, browser) = (Server::start(BINARY, &[]), Browser::start().await);
    let tab = browser.open_lesson(&server).await;
    tab.click("#cut").await;
    tab.until(
        "document.getElementById('status').textContent.startsWith('closed: the frame has ended')",
    )
    .await;
    tab.until_status("open").await;
    for round in 1..=3 {
        server.cut().await;
        tab.until("document.getElementById('status').dataset.state !== 'open'")
            .await;
        tab.until_status("open").await;
        server.add_user(&format!("round {round}")).await;
        tab.until(&format!(
            "document.querySelectorAll('#users li').length === {}",
            2 + round
        ))
        .await;
        assert_eq!(tab.evaluate(FRAMES).await, 1, "round {round}");
    }
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// Chromium raises no event in the page when a connection breaks. The page notices only that heartbeats
/// are missing.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn after_a_kill_and_a_restart_the_page_reconnects() {
    let (server, browser) = (Server::start(BINARY, QUICK), Browser::start().await);
    let tab = browser.open_lesson(&server).await;
    server.add_user("forgotten").await;
    tab.until_users(&["张三", "Alice", "forgotten"]).await;

    let port = server.address().port();
    server.signal(Signal::KILL);
    assert_eq!(server.wait().code, None);
    // The next frame finds no server. Firefox raises no event for that.
    tab.until("document.getElementById('status').textContent.startsWith('closed: no server')")
        .await;
    let _server = Server::start_on(port, BINARY, QUICK);
    tab.until_users(&["张三", "Alice"]).await;
    tab.until_status("open").await;
    assert_eq!(tab.evaluate(FRAMES).await, 1);
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// A frame that gets only heartbeats stays open, and the heartbeats of one frame do not keep another one
/// open.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_frame_stays_open_while_it_gets_heartbeats() {
    let (server, browser) = (Server::start(BINARY, QUICK), Browser::start().await);
    let tab = browser.open_lesson(&server).await;
    tab.click("#clock-toggle").await;
    tab.evaluate("(window.heartbeats = 0, window.realAlive = window.alive, window.alive = () => { window.heartbeats++; realAlive(); }, window.first = frames[0], null)")
        .await;
    // Both frames have a heartbeat of 0.4 s, so this takes more than 3 s. Without heartbeats the page
    // would give up a frame after 1 s.
    tab.until("heartbeats >= 16").await;
    assert_eq!(tab.evaluate("frames[0] === first").await, true);
    assert_eq!(tab.evaluate(FRAMES).await, 2);

    // From now on the page ignores the heartbeats of the users' frame.
    tab.evaluate(
        "(window.alive = () => { if (!first.document?.currentScript) realAlive(); }, null)",
    )
    .await;
    tab.until("first.closed && document.querySelectorAll('iframe').length === 2")
        .await;
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// A page that removes the frame but forgets the timer that opens the next one fails here.
#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_watcher_that_is_switched_off_has_no_connection_and_opens_none() {
    // Longer than the time without heartbeats and the back-off together. The page measures it.
    const LATER: &str = "new Promise((done) => setTimeout(done, 2500))";
    const REQUESTS: &str = "performance.getEntriesByType('resource').length";
    let (server, browser) = (Server::start(BINARY, QUICK), Browser::start().await);
    let tab = browser.open_lesson(&server).await;
    tab.click("#clock-toggle").await;
    tab.until("frames.length === 2 && frames[1].document.title === 'news'")
        .await;
    let with_frames = server.connections();
    tab.click("#clock-toggle").await;
    tab.click("#users-toggle").await;
    eventually("both connections end", TEST_TIMEOUT, || {
        server.connections() <= with_frames - 2
    })
    .await;

    // The same while the page waits to open the next frame.
    tab.click("#users-toggle").await;
    tab.until_status("open").await;
    server.cut().await;
    tab.until_status("closed").await;
    tab.click("#users-toggle").await;
    let requests = tab.evaluate(REQUESTS).await;
    assert_eq!(tab.evaluate(LATER).await, Value::Null);
    assert_eq!(tab.evaluate(REQUESTS).await, requests);
    assert_eq!(tab.evaluate(FRAMES).await, 0);

    tab.click("#users-toggle").await;
    tab.until_status("open").await;
    assert_eq!(browser.console_errors().await, [""; 0]);
}
