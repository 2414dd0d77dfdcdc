//! What the wire promises: that it shows what crossed the network.

use std::time::Instant;

use serde_json::json;
use tokio::time;

use crate::browser::relay::Relay;
use crate::browser::{Browser, LOOK_AGAIN, Tab};
use crate::{Server, Signal, TEST_TIMEOUT};

/// Counted on both sides: what the page says has crossed is what the server received and sent.
pub(super) async fn the_wire_shows_what_crossed_it(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let relay = Relay::start(server.address()).await;
    let tab = browser.open(&relay.url("/")).await;
    let mut shown = vec!["张三", "Alice"];
    tab.until_users(&shown).await;
    for name in ["Bob", "Zoë", "李四"] {
        tab.type_text("input[name=username]", &format!("{name}\n"))
            .await;
        shown.push(name);
        tab.until_users(&shown).await;
        tab.until("document.querySelector('input[name=username]').value === ''")
            .await;
    }
    assert_eq!(
        tab.text("wire-updates").await,
        "4",
        "a list and three changes"
    );
    let age = tab.until("parseInt(document.getElementById('wire-age').textContent)");
    let age = age.await.as_f64().unwrap_or(f64::NAN);
    assert!((0.0..2_000.0).contains(&age), "{age} ms");

    tab.click("#clock-toggle").await;
    tab.until_clock().await;
    // Right after a second has begun: an answer that comes when the page has just given up crosses unseen.
    tab.until_next_second().await;
    tab.click("#clock-toggle").await;
    tab.click("#users-toggle").await;
    until_the_wire_is_right(&tab, &relay, (0, 0)).await;

    the_wire_is_right_after_a_reload(&tab, &server, &relay).await;

    tab.click("#wire-clear").await;
    let totals = "['requests', 'vain', 'updates', 'bytes'].map((name) =>
        document.getElementById(`wire-${name}`).textContent)";
    assert_eq!(tab.evaluate(totals).await, json!(["0", "0", "0", "0"]));
    let rows = "document.querySelectorAll('#wire-rows li').length";
    assert_eq!(tab.evaluate(rows).await, 0);
}

/// The page begins to count anew, and the browser has kept what it may keep. The list is longer than what the shorter
/// lengths of a frame can say.
async fn the_wire_is_right_after_a_reload(tab: &Tab<'_>, server: &Server, relay: &Relay) {
    for _ in 0..600 {
        server.add_user(&"三".repeat(32)).await;
    }
    let before = relay.counts();
    tab.evaluate("(window.old = true, location.reload())").await;
    tab.until("!window.old && document.readyState === 'complete'")
        .await;
    tab.until("document.querySelectorAll('#users li').length > 600")
        .await;
    tab.click("#users-toggle").await;
    until_the_wire_is_right(tab, relay, before).await;
}

/// Waits until the page has counted as many requests and bytes as the relay, less those of `before`.
///
/// # Panics
/// When that does not happen.
pub async fn until_the_wire_is_right(tab: &Tab<'_>, relay: &Relay, before: (u64, u64)) {
    let start = Instant::now();
    loop {
        let counts = relay.counts();
        let shown = [
            tab.text("wire-requests").await,
            tab.text("wire-bytes").await,
        ];
        let wanted = [counts.0 - before.0, counts.1 - before.1].map(|count| count.to_string());
        if shown == wanted && relay.counts() == counts {
            return;
        }
        if start.elapsed() > TEST_TIMEOUT {
            let rows = "[...document.querySelectorAll('#wire-rows li')].map((row) => row.textContent).join('\\n')";
            let rows = tab.evaluate(rows).await;
            panic!("the page says {shown:?}, {wanted:?} crossed:\n{rows}");
        }
        time::sleep(LOOK_AGAIN).await;
    }
}

pub(super) async fn a_row_opens_by_keyboard_and_shows_its_bytes(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    tab.type_text("input[name=username]", "Bob\n").await;
    tab.until_users(&["张三", "Alice", "Bob"]).await;
    tab.until("[...document.querySelectorAll('#wire-rows .what')].some((what) => what.textContent === 'POST /users → 201 Created')")
        .await;
    tab.evaluate(
        "([...document.querySelectorAll('#wire-rows .up summary')]
        .find((line) => line.textContent.includes('POST /users')).id = 'post', null)",
    )
    .await;
    tab.type_text("#post", "\n").await;
    let shown =
        "[...document.querySelectorAll('#post ~ *')].map((part) => part.textContent).join('\\n')";
    let shown = tab.until(shown).await;
    let shown = shown.as_str().unwrap_or_default();
    assert!(shown.starts_with("Head: "), "{shown}");
    for part in [
        "computed",
        "POST /users HTTP/1.1",
        "content-type: application/json",
        "Body: 18 bytes, seen by the page",
        r#"{"username":"Bob"}"#,
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let arrows = "['→ 201', 'POST /users'].map((what) => [...document.querySelectorAll('#wire-rows li')]
        .find((row) => row.textContent.includes(what)).querySelector('.arrow').textContent).join('')";
    assert_eq!(tab.evaluate(arrows).await, "↓↑");
    let cost = "['bytes', 'updates', 'cost'].map((name) => Number(document.getElementById(`wire-${name}`).textContent))";
    tab.until(&format!(
        "(([bytes, updates, cost]) => updates > 0 && cost === Math.round(bytes / updates))({cost})"
    ))
    .await;
    // The update is there, too, whatever brought it.
    open_all_rows(&tab).await;
    tab.until(r#"[...document.querySelectorAll('#wire-rows .down pre')].some((bytes) =>
        bytes.textContent.includes('{"id":3,"username":"Bob"}') && bytes.textContent.includes('version'))"#)
        .await;
}

pub(super) async fn open_all_rows(tab: &Tab<'_>) {
    tab.evaluate("(document.querySelectorAll('#wire-rows details').forEach((row) => (row.open = true)), null)")
        .await;
    tab.until("[...document.querySelectorAll('#wire-rows details[open]')].every((row) => row.querySelector('pre'))")
        .await;
}

/// Where everything is as it should be, each technique looks well. The wire also shows what it does when it is not.
pub(super) async fn the_wire_shows_what_goes_wrong(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &["--heartbeat", "0.4"]);
    let tab = browser.open_lesson(&server).await;
    // Of a change that no tab has made nobody knows when it was asked for.
    server.add_user("from elsewhere").await;
    tab.until("document.getElementById('wire-updates').textContent === '2'")
        .await;
    assert_eq!(tab.text("wire-age").await, "–");

    // What is open or waiting stays, and is counted.
    tab.click("#wire-clear").await;
    let counts = "['requests', 'vain'].map((name) => Number(document.getElementById(`wire-${name}`).textContent))";
    let open = "document.querySelectorAll('#wire-rows [data-state]').length";
    tab.until(&format!("{counts}[0] === {open} || {counts}[0] > 1"))
        .await;

    server.signal(Signal::KILL);
    assert_eq!(server.wait().code, None);
    let notes = "[...document.querySelectorAll('#wire-rows .note')].map((row) => row.textContent)";
    tab.until(&format!(
        "{notes}.filter((note) => note.includes('no answer')).length >= 2"
    ))
    .await;
    // Each try is a request, and none brings news.
    let counts = tab.evaluate(counts).await;
    let [requests, vain] = [counts[0].as_u64(), counts[1].as_u64()];
    assert!(vain >= Some(2) && requests >= vain, "{requests:?} {vain:?}");
}

pub(super) async fn the_oldest_rows_go_first(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    // Each adds two rows, and a refused name adds no news.
    tab.evaluate("(async () => { for (let i = 0; i < 120; i++) await fetch('/users?probe', { method: 'POST', body: '{}' });
        await fetch('/users?last', { method: 'POST', body: '{}' }); })()")
        .await;
    let rows = "[...document.querySelectorAll('#wire-rows li')]";
    tab.until(&format!("{rows}.length === 200")).await;
    let requests = tab.text("wire-requests").await;
    assert!(
        requests.parse::<u32>().is_ok_and(|count| count >= 120),
        "{requests}"
    );
    // The newest stay.
    tab.until("[...document.querySelectorAll('#wire-rows .up .what')].some((what) => what.textContent === 'POST /users?last')")
        .await;
    assert_eq!(tab.text("wire-updates").await, "1", "no news is no update");
    let at_end = "(() => { const { scrollHeight, scrollTop, clientHeight } = document.getElementById('wire-rows');
        return scrollHeight - scrollTop - clientHeight < 2; })()";
    tab.until(at_end).await;
}
