//! What the page shows, where, and on which screen.

use super::*;

/// Whether an element is on the screen, and nothing covers its centre.
fn in_sight(id: &str) -> String {
    format!(
        "(() => {{ const element = document.getElementById('{id}'); const box = element.getBoundingClientRect();
            const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
            return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight && (top === element || element.contains(top)); }})()"
    )
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_first_error_stands_at_the_form() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    for width in [1280, 375] {
        let tab = visit(&browser, &server, "Ann").await;
        tab.emulate(width, "light").await;
        tab.type_text("#name", &format!("{}\n", "x".repeat(33)))
            .await;
        until_says(&tab, "error", "A name has 1 to 24 characters.").await;
        let distance = "document.getElementById('error').getBoundingClientRect().top
            - document.getElementById('name').getBoundingClientRect().bottom";
        let distance = tab.evaluate(distance).await.as_f64().unwrap();
        assert!((-8.0..16.0).contains(&distance), "{width} px: {distance}");
        assert_eq!(tab.evaluate(&in_sight("error")).await, true);
        assert_eq!(tab.evaluate("document.activeElement.id").await, "name");
        tab.type_text("#name", "\u{e003}").await;
        assert_eq!(tab.text("error").await, "", "it goes when one writes on");
    }
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn on_a_phone_the_room_and_its_state_stay_in_sight() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let bob = join(&browser, &server, "Bob").await;
    for number in 0..30 {
        say(&bob, &format!("message {number}")).await;
    }
    let ann = visit(&browser, &server, "Ann").await;
    ann.emulate(375, "light").await;
    ann.type_text("#name", "Ann\n").await;
    ann.until(&format!("{TEXTS}.length === 30")).await;
    let fits = "document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth";
    let parts = ["room-title", "status-text", "text", "send-button", "roster"];
    for part in parts {
        assert_eq!(ann.evaluate(&in_sight(part)).await, true, "{part}");
    }
    assert_eq!(ann.evaluate(fits).await, true);
    // All that was said last is there, and the names are on one line.
    let last = "document.querySelector('#messages li:last-child').getBoundingClientRect().bottom
        <= document.getElementById('scroll').getBoundingClientRect().bottom";
    assert_eq!(ann.evaluate(last).await, true);
    let lines = "new Set([...document.querySelectorAll('#roster li > :last-child')].map((name) => {
        const range = document.createRange(); range.selectNodeContents(name);
        return Math.round(range.getBoundingClientRect().bottom); })).size";
    assert_eq!(ann.evaluate(lines).await, 1);
    // The settings are a menu, and it closes with Escape.
    let menu = "document.getElementById('transport').checkVisibility()";
    assert_eq!(ann.evaluate(menu).await, false);
    ann.click("#settings summary").await;
    assert_eq!(ann.evaluate(menu).await, true);
    assert_eq!(ann.evaluate(&in_sight("leave")).await, true);
    ann.type_text("#settings summary", "\u{e00c}").await;
    assert_eq!(ann.evaluate(menu).await, false);

    kill(server);
    ann.until_status("closed").await;
    until_says(&ann, "status", "The server cannot be reached").await;
    for part in ["room-title", "status-text", "retry", "text"] {
        assert_eq!(ann.evaluate(&in_sight(part)).await, true, "{part}");
    }
    assert_eq!(ann.evaluate(fits).await, true);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn each_transport_looks_different() {
    let flags = [&IN_MEMORY[..], &["--heartbeat", "1"]].concat();
    let server = Server::start(BINARY, &flags);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    let line = "(() => { const { height, borderTopStyle, borderBottomWidth } =
        getComputedStyle(document.getElementById('status-kind'), '::before');
        return [height, borderTopStyle, borderBottomWidth].join(); })()";
    let mut lines = std::collections::BTreeSet::new();
    for (transport, text) in [
        ("websocket", "one open line, both ways (WebSocket)"),
        ("sse", "one open line, from the server only (SSE)"),
        ("long-poll", "asks again and again (long polling)"),
    ] {
        choose_transport(&ann, transport).await;
        until_transport(&ann, transport).await;
        until_says(&ann, "status", text).await;
        lines.insert(ann.evaluate(line).await.to_string());
    }
    assert_eq!(lines.len(), 3, "{lines:?}");
    // Each request is counted, and an open line needs none.
    let count =
        "Number(/request (\\d+) waits/.exec(document.getElementById('status').textContent)[1])";
    let first = ann.until(count).await.as_u64().unwrap();
    ann.until(&format!("{count} >= {}", first + 2)).await;
    choose_transport(&ann, "websocket").await;
    until_transport(&ann, "websocket").await;
    let request = "/request/.test(document.getElementById('status').textContent)";
    assert_eq!(ann.evaluate(request).await, false);
}

/// The last message, after which there may be a notice.
const LAST: &str = "#messages li[data-from]:not(:has(~ [data-from]))";

/// What the open detail of the last message says: labels and texts.
const DETAIL: &str = "Object.fromEntries(
    [...document.querySelectorAll('#messages li[data-from]:not(:has(~ [data-from])) dt')]
        .map((label) => [label.textContent, label.nextSibling.textContent]))";

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_message_shows_how_it_came() {
    let flags = [&IN_MEMORY[..], &["--heartbeat", "1"]].concat();
    let server = Server::start(BINARY, &flags);
    let browser = Browser::start().await;
    let [ann, bob] = [
        join(&browser, &server, "Ann").await,
        join(&browser, &server, "Bob").await,
    ];
    let mut texts = Vec::new();
    for (transport, word) in [
        ("websocket", "WebSocket"),
        ("sse", "SSE"),
        ("long-poll", "long polling"),
    ] {
        for tab in [&ann, &bob] {
            choose_transport(tab, transport).await;
            until_transport(tab, transport).await;
        }
        say(&ann, transport).await;
        texts.push(transport);
        for tab in [&ann, &bob] {
            until_texts(tab, &texts).await;
            tab.click(&format!("{LAST} summary")).await;
            tab.until(&format!("{DETAIL}['came in'].includes('{word}')"))
                .await;
            let id = format!("document.querySelector('{LAST}').dataset.id");
            let cursor = format!("{DETAIL}.cursor.endsWith(`→ ${{{id}}}`)");
            assert_eq!(tab.evaluate(&cursor).await, true, "{transport}");
            // The cursor of this page, which is its place in the log, is there as well.
            tab.until(&format!(
                "document.getElementById('cursor').textContent.startsWith({id})"
            ))
            .await;
        }
        let own = ann.evaluate(DETAIL).await;
        assert_eq!(own["sent"], "once");
        assert!(own["key"].as_str().unwrap().len() > 20, "{own}");
        let other = bob.evaluate(DETAIL).await;
        assert_eq!(other["key"], "known only to its author");
        assert_eq!(other["sent"], Value::Null);
    }
    // A message without an answer is sent again, under the same key.
    choose_transport(&ann, "websocket").await;
    until_transport(&ann, "websocket").await;
    server.signal(Signal::STOP);
    say(&ann, "again").await;
    ann.click(&format!("{LAST} summary")).await;
    ann.until(&format!("{DETAIL}.sent === 'once'")).await;
    let key = ann.evaluate(DETAIL).await["key"].clone();
    ann.until("document.getElementById('status').dataset.state !== 'open'")
        .await;
    server.signal(Signal::CONT);
    texts.push("again");
    for tab in [&ann, &bob] {
        until_texts(tab, &texts).await;
    }
    let own = ann.evaluate(DETAIL).await;
    assert_eq!(own["key"], key, "the detail stays open");
    assert_eq!(own["sent"], "2 times under the same key, and stored once");
    let summary = format!("document.querySelector('{LAST} summary').textContent");
    ann.until(&format!("{summary}.endsWith('sent 2×')")).await;
    // What was read back from the log says so.
    ann.evaluate("location.reload()").await;
    until_texts(&ann, &texts).await;
    ann.click(&format!("{LAST} summary")).await;
    let own = ann.until(DETAIL).await;
    assert_eq!(own["key"], "known only to the page that has sent it");
    assert_eq!(browser.console_errors().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_details_are_reached_by_keyboard_with_one_stop() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    for text in ["one", "two", "three"] {
        say(&ann, text).await;
    }
    until_texts(&ann, &["one", "two", "three"]).await;
    let stops =
        "[...document.querySelectorAll('#messages summary')].map(({ tabIndex }) => tabIndex)";
    assert_eq!(ann.evaluate(stops).await, json!([-1, -1, 0]));
    // Back from the field, up to the message before, and open.
    let (shift, tab, release, up) = ("\u{e008}", "\u{e004}", "\u{e000}", "\u{e013}");
    ann.type_text("#text", &format!("{shift}{tab}{release}"))
        .await;
    let focused =
        "document.activeElement.closest('#messages li')?.querySelector('.text').textContent";
    assert_eq!(ann.evaluate(focused).await, "three");
    ann.type_text(&format!("{LAST} summary"), up).await;
    assert_eq!(ann.evaluate(focused).await, "two");
    ann.type_text("#messages li:nth-child(2) summary", "\n")
        .await;
    ann.until("document.querySelector('#messages li:nth-child(2) details').open && !document.querySelector('#messages li:nth-child(2) dl:empty')")
        .await;
    // News does not take the focus away.
    let bob = join(&browser, &server, "Bob").await;
    say(&bob, "four").await;
    until_texts(&ann, &["one", "two", "three", "four"]).await;
    assert_eq!(ann.evaluate(focused).await, "two");
    assert_eq!(ann.evaluate(stops).await, json!([-1, 0, -1, -1]));
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn without_scripts_the_page_says_what_it_needs() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = visit(&browser, &server, "Ann").await;
    // A parser that runs no scripts reads what is in `noscript`.
    let text = "fetch('/').then((response) => response.text()).then((html) =>
        new DOMParser().parseFromString(html, 'text/html').querySelector('noscript p').textContent)";
    let text = ann.evaluate(text).await;
    assert!(
        text.as_str().unwrap().contains("needs JavaScript"),
        "{text}"
    );
}

/// The text of the state changes every second: nothing else may move.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn nothing_moves_while_the_times_change_and_news_comes() {
    let flags = [&IN_MEMORY[..], &["--heartbeat", "3"]].concat();
    let server = Server::start(BINARY, &flags);
    let browser = Browser::start().await;
    let bob = join(&browser, &server, "Bob").await;
    let ann = visit(&browser, &server, "Ann").await;
    for number in 0..15 {
        say(&bob, &format!("message {number}")).await;
    }
    for width in [1280, 375] {
        ann.emulate(width, "light").await;
        if width == 1280 {
            ann.type_text("#name", "Ann\n").await;
        }
        ann.until(&format!("{TEXTS}.length >= 15")).await;
        ann.evaluate(
            "(() => { window.shift = 0; new PerformanceObserver((list) => {
                for (const { value } of list.getEntries()) window.shift += value; }).observe({ type: 'layout-shift' });
                return null; })()",
        )
        .await;
        let positions = "JSON.stringify(['room-title', 'scroll', 'text', 'roster'].map((id) => document.getElementById(id).getBoundingClientRect()))";
        let before = ann.evaluate(positions).await;
        for seconds in ["just now", "2 s ago", "just now"] {
            until_says(&ann, "status", seconds).await;
        }
        assert_eq!(ann.evaluate(positions).await, before, "{width} px");
        say(&bob, "more").await;
        until_says(&ann, "messages", "more").await;
        let shift = ann.evaluate("window.shift").await.as_f64().unwrap();
        assert!(shift < 0.02, "{width} px: {shift}");
    }
}
