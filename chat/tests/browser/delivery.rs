//! How each message came, and how it was sent.

use super::*;

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
    ann.evaluate("(window.old = true, location.reload())").await;
    ann.until("!window.old").await;
    until_texts(&ann, &texts).await;
    ann.click(&format!("{LAST} summary")).await;
    // The page fills in the details after the click.
    let key = ann.until(&format!("{DETAIL}.key")).await;
    assert_eq!(key, "known only to the page that has sent it");
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
async fn an_open_detail_is_in_sight_and_stays_there() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    // High enough that the detail of an earlier message opens without a movement.
    ann.emulate(1280, "light").await;
    post_many(&ann, 0..30).await;
    until_says(&ann, "messages", "29").await;
    ann.click(&format!("{LAST} summary")).await;
    let in_sight = format!(
        "(() => {{ const detail = document.querySelector('{LAST} dl').getBoundingClientRect();
            return detail.height > 50 && detail.bottom <= document.getElementById('scroll').getBoundingClientRect().bottom; }})()"
    );
    ann.until(&in_sight).await;
    // The reader is still at the end, so the next message comes into sight.
    let number = |number: u32| {
        format!(
            "[...document.querySelectorAll('#messages li')].find((item) => item.querySelector('.text')?.textContent === '{number}')"
        )
    };
    post_many(&ann, 30..31).await;
    ann.until("document.getElementById('newer').hidden && document.getElementById('scroll').scrollTop + document.getElementById('scroll').clientHeight >= document.getElementById('scroll').scrollHeight - 1").await;
    // A reader who reads the detail of an earlier message is not moved away from it.
    let opened = number(25);
    ann.evaluate(&format!(
        "({opened}.querySelector('summary').click(), null)"
    ))
    .await;
    ann.until(&format!("{opened}.querySelector('dl').offsetHeight > 50"))
        .await;
    ann.until("document.getElementById('newer').checkVisibility()")
        .await;
    let top = format!("{opened}.getBoundingClientRect().top");
    let before = ann.evaluate(&top).await;
    let bob = join(&browser, &server, "Bob").await;
    say(&bob, "news").await;
    until_says(&ann, "newer", "1 new message").await;
    assert_eq!(ann.evaluate(&top).await, before);
}
