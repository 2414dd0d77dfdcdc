//! What the wire promises: that it shows what crossed the network.

use std::time::Instant;

use crate::testing::{
    PATIENCE, Server,
    browser::{Browser, Tab, relay::Relay},
};

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
    tab.click("#clock-toggle").await;
    tab.click("#users-toggle").await;
    until_the_wire_is_right(&tab, &relay).await;

    tab.click("#wire-clear").await;
    let numbers = "['requests', 'vain', 'updates', 'bytes'].map((name) =>
        document.getElementById(`wire-${name}`).textContent).join() + document.querySelectorAll('#wire-rows li').length";
    assert_eq!(tab.evaluate(numbers).await, "0,0,0,00");
}

/// Waits until the page has counted as many requests and bytes as the relay.
async fn until_the_wire_is_right(tab: &Tab<'_>, relay: &Relay) {
    let start = Instant::now();
    loop {
        let counts = relay.counts();
        let shown = [
            tab.text("wire-requests").await,
            tab.text("wire-bytes").await,
        ];
        let wanted = [counts.0, counts.1].map(|count| count.to_string());
        if shown == wanted && relay.counts() == counts {
            return;
        }
        if start.elapsed() > PATIENCE {
            let rows = "[...document.querySelectorAll('#wire-rows li')].map((row) => row.textContent).join('\\n')";
            let rows = tab.evaluate(rows).await;
            panic!("the page says {shown:?}, {wanted:?} crossed:\n{rows}");
        }
    }
}

pub(super) async fn a_row_opens_by_keyboard_and_shows_its_bytes(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    tab.type_text("input[name=username]", "Bob\n").await;
    tab.until_users(&["张三", "Alice", "Bob"]).await;
    tab.until("[...document.querySelectorAll('#wire-rows .what')].some((what) => what.textContent === 'POST /users → 201')")
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
    // The update is there, too, whatever brought it.
    open_all_rows(&tab).await;
    tab.until(r#"[...document.querySelectorAll('#wire-rows .down pre')].some((bytes) =>
        bytes.textContent.includes('{"id":3,"username":"Bob"}') && bytes.textContent.includes('version'))"#)
        .await;
}

pub(super) async fn open_all_rows(tab: &Tab<'_>) {
    tab.evaluate("(document.querySelectorAll('#wire-rows details').forEach((row) => (row.open = true)), null)")
        .await;
    tab.until("[...document.querySelectorAll('#wire-rows details')].every((row) => row.querySelector('pre'))")
        .await;
}

pub(super) async fn the_oldest_rows_go_first(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    // Each adds two rows, and a refused name adds no news.
    tab.evaluate("(async () => { for (let i = 0; i < 120; i++) await fetch('/users?probe', { method: 'POST', body: '{}' }); })()")
        .await;
    let rows = "[...document.querySelectorAll('#wire-rows li')]";
    tab.until(&format!("{rows}.length === 200")).await;
    let requests = tab.text("wire-requests").await;
    assert!(
        requests.parse::<u32>().is_ok_and(|count| count >= 120),
        "{requests}"
    );
    let at_end = "(() => { const { scrollHeight, scrollTop, clientHeight } = document.getElementById('wire-rows');
        return scrollHeight - scrollTop - clientHeight < 2; })()";
    tab.until(at_end).await;
}
