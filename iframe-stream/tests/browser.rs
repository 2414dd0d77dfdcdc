//! The page in a real browser. `cargo test -p iframe-stream --test browser -- --ignored`
#![allow(clippy::unwrap_used, reason = "a broken promise ends the test")]

use serde_json::{Value, json};
use testing::browser::Browser;
use testing::browser::conformance::{self, KeepsOpen};
use testing::{Server, Signal, TEST_TIMEOUT, eventually};

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

/// A heartbeat so short that silence is noticed within a second.
const QUICK: &[&str] = &["--heartbeat", "0.4"];

/// How many frames the page holds.
const FRAMES: &str = "document.querySelectorAll('iframe').length";

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_page_keeps_what_every_page_promises() {
    conformance::check_all(BINARY, KeepsOpen::Connection).await;
}

/// `load` never fires if the frame is in the HTML: a page is loading while one of its frames is.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_page_has_loaded_although_its_frames_never_do() {
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

/// Here the lesson's `client.js` is told, in a page that has loaded, that it has not.
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
    // Of the two that were early, one was stopped again.
    assert_eq!(tab.evaluate(EARLY).await, json!([1, 1, 2]));
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// Without escaping, the first of them is a script, and the page has `pwned`.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn hostile_names_show_as_text_and_run_nothing() {
    let (server, browser) = (Server::start(BINARY, &[]), Browser::start().await);
    let tab = browser.open_lesson(&server).await;
    let names = [
        "</script><script>pwned=1//",
        "</script><img src onerror=pwned=",
        "<!--<script>",
        "a\u{2028}pwned=1//\u{2029}b",
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
    // All that is in the frame has come from its own two lines of head and body.
    let elements =
        "[...frames[0].document.querySelectorAll('*')].map((element) => element.tagName)";
    let own = json!(["HTML", "HEAD", "META", "TITLE", "BODY"]);
    assert_eq!(tab.evaluate(elements).await, own);
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// Were each script left where it ran, the document would be larger with every piece of news.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_frame_is_as_small_after_200_changes_as_after_one() {
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

    // Counted in the page, because a change that is overtaken by the next one is not sent.
    tab.evaluate("(window.updates = 0, window.show = window.setUsers, window.setUsers = (news) => { window.updates++; show(news); }, null)")
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
async fn after_a_cut_the_page_comes_back_and_leaves_no_frame_behind() {
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

/// Chromium raises no event in the page for a connection that breaks: only silence shows it.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn after_a_kill_and_a_restart_the_page_comes_back_by_itself() {
    let (server, browser) = (Server::start(BINARY, QUICK), Browser::start().await);
    let tab = browser.open_lesson(&server).await;
    server.add_user("forgotten").await;
    tab.until_users(&["张三", "Alice", "forgotten"]).await;

    let port = server.address().port();
    server.signal(Signal::KILL);
    assert_eq!(server.wait().code, None);
    // The next frame finds nobody, which Firefox tells by no event either.
    tab.until("document.getElementById('status').textContent.startsWith('closed: no server')")
        .await;
    let _server = Server::start_on(port, BINARY, QUICK);
    tab.until_users(&["张三", "Alice"]).await;
    tab.until_status("open").await;
    assert_eq!(tab.evaluate(FRAMES).await, 1);
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// A frame that hears only heartbeats is well, and the heartbeats of one frame say nothing of another.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_quiet_frame_is_kept_for_as_long_as_it_is_alive() {
    let (server, browser) = (Server::start(BINARY, QUICK), Browser::start().await);
    let tab = browser.open_lesson(&server).await;
    tab.click("#clock-toggle").await;
    tab.evaluate("(window.beats = 0, window.heard = window.alive, window.alive = () => { window.beats++; heard(); }, window.first = frames[0], null)")
        .await;
    // Both frames have a heartbeat, so this is 3 s and more: three times what counts as silence.
    tab.until("beats >= 16").await;
    assert_eq!(tab.evaluate("frames[0] === first").await, true);
    assert_eq!(tab.evaluate(FRAMES).await, 2);

    // From now on the users' frame says nothing that the page hears.
    tab.evaluate("(window.alive = () => { if (!first.document?.currentScript) heard(); }, null)")
        .await;
    tab.until("first.closed && document.querySelectorAll('iframe').length === 2")
        .await;
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// The tempting wrong answer takes the frame away and forgets the timer that opens the next one.
#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn what_is_switched_off_holds_no_connection_and_never_asks_again() {
    // Longer than silence and back-off together, timed by the page.
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

    // Also while it waits to open the next frame.
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
