//! The promises of the wire: it shows what crosses the network.

use std::time::Instant;

use serde_json::json;
use tokio::time;

use crate::browser::driver::Kind;
use crate::browser::relay::{Crossed, Relay};
use crate::browser::{Browser, CHECK_INTERVAL, Tab};
use crate::{Server, Signal, TEST_TIMEOUT};

/// The wire may be wrong by one byte in this number of bytes, which is 5 %. A page cannot see all headers.
const BYTES_PER_WRONG_BYTE: u64 = 20;

/// The page shows what the relay has counted.
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
    // This is shortly after the start of a second. Otherwise a response could arrive after the page has stopped, and
    // the page would not count it.
    tab.until_next_second().await;
    until_requests_have_left(&tab, &relay).await;
    tab.click("#clock-toggle").await;
    tab.click("#users-toggle").await;
    check_wire(&tab, &relay, Crossed::default()).await;

    the_wire_is_right_after_a_reload(&tab, &server, &relay).await;

    tab.click("#wire-clear").await;
    let totals = "['requests', 'vain', 'updates', 'bytes'].map((name) =>
        document.getElementById(`wire-${name}`).textContent)";
    assert_eq!(tab.evaluate(totals).await, json!(["0", "0", "0", "0"]));
    let rows = "document.querySelectorAll('#wire-rows li').length";
    assert_eq!(tab.evaluate(rows).await, 0);
}

/// Waits until as many requests have crossed as the page has counted. If the page gave one up that a slow browser has not
/// sent yet, it would stay counted.
async fn until_requests_have_left(tab: &Tab<'_>, relay: &Relay) {
    let start = Instant::now();
    loop {
        let counted = tab
            .evaluate("Number(document.getElementById('wire-requests').textContent)")
            .await;
        let crossed = relay.crossed().requests;
        if counted == crossed {
            return;
        }
        assert!(
            start.elapsed() < TEST_TIMEOUT,
            "the page counts {counted} requests, and {crossed} crossed"
        );
        time::sleep(CHECK_INTERVAL).await;
    }
}

/// After a reload the page counts from zero, and the browser may have cached a response. The list is so long that a
/// frame needs the longest form of its length.
async fn the_wire_is_right_after_a_reload(tab: &Tab<'_>, server: &Server, relay: &Relay) {
    for _ in 0..600 {
        server.add_user(&"三".repeat(32)).await;
    }
    let before = relay.crossed();
    tab.evaluate("(window.old = true, location.reload())").await;
    tab.until("!window.old && document.readyState === 'complete'")
        .await;
    tab.until("document.querySelectorAll('#users li').length > 600")
        .await;
    tab.click("#users-toggle").await;
    check_wire(tab, relay, before).await;
}

/// Waits until no request is open, and until the page shows what the relay has counted since `before`: the same number
/// of requests, and the same bytes within 5 %, in total (`#wire-bytes`) and in each direction.
///
/// # Panics
/// If the page shows something else.
pub async fn check_wire(tab: &Tab<'_>, relay: &Relay, before: Crossed) {
    const SHOWN: &str = "[Number(document.getElementById('wire-requests').textContent),
        Number(document.getElementById('wire-bytes').textContent),
        ...['up', 'down'].map((direction) => [...document.querySelectorAll(`#wire-rows .${direction}`)]
            .reduce((sum, row) => sum + Number(row.dataset.bytes), 0))]";
    tab.until("!document.querySelector('#wire-rows [data-state]')")
        .await;
    let start = Instant::now();
    loop {
        let Crossed { requests, up, down } = relay.crossed() - before;
        let shown = tab.evaluate(SHOWN).await;
        let is_near = |(index, bytes): (usize, u64)| {
            let difference = shown[index].as_u64().unwrap_or_default().abs_diff(bytes);
            difference * BYTES_PER_WRONG_BYTE <= bytes
        };
        let is_right = shown[0] == requests
            && [(1, up + down), (2, up), (3, down)]
                .into_iter()
                .all(is_near);
        if is_right && relay.crossed() - before == (Crossed { requests, up, down }) {
            eprintln!("the page shows {shown}; {requests} requests, {up} and {down} bytes crossed");
            return;
        }
        if start.elapsed() > TEST_TIMEOUT {
            let rows = "[...document.querySelectorAll('#wire-rows li')].map((row) => row.textContent).join('\\n')";
            let rows = tab.evaluate(rows).await;
            panic!(
                "the page shows {shown}, {requests} requests, {up} and {down} bytes crossed:\n{rows}"
            );
        }
        time::sleep(CHECK_INTERVAL).await;
    }
}

pub(super) async fn a_row_opens_by_keyboard_and_shows_its_bytes(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    // The page of lesson 5 would send a frame.
    tab.evaluate(
        r#"fetch("/users", { method: "POST", headers: { "Content-Type": "application/json" },
            body: JSON.stringify({ username: "Bob" }) }).then(({ status }) => status)"#,
    )
    .await;
    tab.until_users(&["张三", "Alice", "Bob"]).await;
    let shown = open_post_by_keyboard(&tab).await;
    assert!(shown.starts_with("Headers: ≈ "), "{shown}");
    let lowercase = shown.to_lowercase();
    assert!(!lowercase.contains("user-agent"), "invented: {shown}");
    for part in [
        "computed",
        "POST /users HTTP/1.1",
        "content-type: application/json",
        "bytes of headers that the browser adds",
        "Body: 18 bytes, seen by the page",
        r#"{"username":"Bob"}"#,
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let arrows = "['→ 201', 'POST /users'].map((what) => [...document.querySelectorAll('#wire-rows li')]
        .find((row) => row.textContent.includes(what)).querySelector('.arrow').textContent).join('')";
    assert_eq!(tab.evaluate(arrows).await, "↓↑");
    // What the POST has cost is no part of the price of an update.
    let cost = "['bytes-updates', 'updates', 'cost', 'bytes', 'bytes-own']
        .map((name) => Number(document.getElementById(`wire-${name}`).textContent))";
    tab.until(&format!(
        "(([bytes, updates, cost, all, own]) => updates > 0 && cost === Math.round(bytes / updates)
            && own > 500 && bytes + own <= all)({cost})"
    ))
    .await;
    // A row shows the update, too, in every technique.
    open_all_rows(&tab).await;
    tab.until(r#"[...document.querySelectorAll('#wire-rows .down pre')].some((bytes) =>
        bytes.textContent.includes('{"id":3,"username":"Bob"}') && bytes.textContent.includes('version'))"#)
        .await;
}

/// Opens the row of the request `POST /users` with the Enter key and returns its text.
async fn open_post_by_keyboard(tab: &Tab<'_>) -> String {
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
    shown.as_str().unwrap_or_default().to_owned()
}

pub(super) async fn open_all_rows(tab: &Tab<'_>) {
    tab.evaluate("(document.querySelectorAll('#wire-rows details').forEach((row) => (row.open = true)), null)")
        .await;
    tab.until("[...document.querySelectorAll('#wire-rows details[open]')].every((row) => row.querySelector('pre'))")
        .await;
}

/// The wire must also show failed requests, because the techniques differ when something fails.
pub(super) async fn the_wire_shows_what_goes_wrong(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &["--heartbeat", "0.4"]);
    let tab = browser.open_lesson(&server).await;
    // The start of a change that was made outside this browser is unknown.
    server.add_user("from elsewhere").await;
    tab.until("document.getElementById('wire-updates').textContent === '2'")
        .await;
    assert_eq!(tab.text("wire-age").await, "–");

    // The rows of open and held requests stay, and they count.
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
    // Each try is a request without an update.
    let counts = tab.evaluate(counts).await;
    let [requests, vain] = [counts[0].as_u64(), counts[1].as_u64()];
    assert!(vain >= Some(2) && requests >= vain, "{requests:?} {vain:?}");
}

/// How far the price of an update on the page may be from the one in the lesson's README. The benchmark sends the headers
/// of Chromium. Those of Firefox are shorter, because it sends no client hints.
const PRICE_TOLERANCE: f64 = 0.1;
const PRICE_TOLERANCE_OF_FIREFOX: f64 = 0.15;

/// The headline of the page is a number of the README's table: what a benchmark has measured.
pub(super) async fn the_price_of_an_update_is_that_of_the_readme(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    let lesson = tab.evaluate("document.body.dataset.lesson").await;
    let expected = price_in_readme(lesson.as_str().unwrap_or_default());
    tab.click("#wire-clear").await;
    // The benchmark does the same: it adds somebody and removes them again.
    for _ in 0..3 {
        let id = server.add_user("Somebody").await;
        tab.until("document.querySelectorAll('#users li').length === 3")
            .await;
        let url = server.url(&format!("/users/{id}"));
        let removed = server.client.delete(url).send().await;
        assert_eq!(removed.expect("a response").status(), 204);
        tab.until("document.querySelectorAll('#users li').length === 2")
            .await;
    }
    tab.until("document.getElementById('wire-updates').textContent === '6'")
        .await;
    let price = tab.evaluate("Number(document.getElementById('wire-cost').textContent)");
    let price = price.await.as_f64().unwrap_or_default();
    eprintln!("{lesson}: {price} bytes an update, {expected} in the README");
    let tolerance = match browser.driver.kind {
        Kind::Chromium => PRICE_TOLERANCE,
        Kind::Firefox => PRICE_TOLERANCE_OF_FIREFOX,
    };
    assert!(
        (price - expected).abs() <= tolerance * expected,
        "{price} bytes an update, {expected} in the README"
    );
}

/// Returns the bytes of an update that the table in the README of a lesson has.
fn price_in_readme(lesson: &str) -> f64 {
    let path = format!("{}/../../{lesson}/README.md", env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(&path).expect("a README");
    let row = readme
        .lines()
        .find(|line| line.starts_with("| an update: requests, bytes |"));
    let numbers = row.expect("a row of the table").rsplit(['|', ',']);
    let mut numbers = numbers.map(str::trim).filter(|number| !number.is_empty());
    numbers
        .next()
        .and_then(|bytes| bytes.parse().ok())
        .expect("bytes")
}

pub(super) async fn the_oldest_rows_are_removed_first(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    // Each request adds two rows. A refused name is no update.
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
    assert_eq!(
        tab.text("wire-updates").await,
        "1",
        "a refused name is no update"
    );
    let at_end = "(() => { const { scrollHeight, scrollTop, clientHeight } = document.getElementById('wire-rows');
        return scrollHeight - scrollTop - clientHeight < 2; })()";
    tab.until(at_end).await;
}
