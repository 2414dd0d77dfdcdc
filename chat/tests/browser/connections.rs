//! The transports, and connections that break: nothing is lost and nothing is shown twice.

use std::time::Duration;

use super::*;

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_killed_server_loses_and_repeats_nothing_on_any_transport() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("chat.db");
    let flags = [
        "--database",
        database.to_str().unwrap(),
        "--rate",
        "0",
        "--heartbeat",
        "1",
    ];
    let mut server = Server::start(BINARY, &flags);
    let browser = Browser::start().await;
    let [ann, bob] = [
        join(&browser, &server, "Ann").await,
        join(&browser, &server, "Bob").await,
    ];
    let mut texts: Vec<String> = Vec::new();
    for transport in ["websocket", "sse", "long-poll"] {
        for tab in [&ann, &bob] {
            choose_transport(tab, transport).await;
            until_transport(tab, transport).await;
        }
        say(&ann, &format!("{transport} before")).await;
        // What is said around the kill, some of it when there is no server.
        for number in 0..5 {
            say(&ann, &format!("{transport} {number}")).await;
        }
        let port = server.address().port();
        kill(server);
        for number in 5..10 {
            say(&ann, &format!("{transport} {number}")).await;
        }
        until_says(&ann, "waiting", "wait for the server").await;
        server = Server::start_on(port, BINARY, &flags);
        texts.push(format!("{transport} before"));
        texts.extend((0..10).map(|number| format!("{transport} {number}")));
        let all: Vec<_> = texts.iter().map(String::as_str).collect();
        for tab in [&ann, &bob] {
            until_texts(tab, &all).await;
        }
        assert_eq!(ann.text("waiting").await, "");
    }
    // And the log says the same to somebody who has seen nothing.
    let eve = join(&browser, &server, "Eve").await;
    until_texts(&eve, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

/// In a deploy, each server that a page comes to may be the next one to stop. A pause that doubles each time would soon be
/// longer than the 5 s after which a user has left. What is typed while a connection closes is not lost either.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_page_whose_connections_each_lasted_a_moment_comes_back_within_a_second() {
    const LASTED: Duration = Duration::from_millis(1_100);
    const LONGEST_PAUSE: f64 = 1_000.0;
    let (server, browser) = (Server::start(BINARY, &IN_MEMORY), Browser::start().await);
    let tab = join(&browser, &server, "Ann").await;
    let texts = ["0", "1", "2", "3", "4"];
    for text in texts {
        until_transport(&tab, "websocket").await;
        tokio::time::sleep(LASTED).await;
        // The page measures for how long it is not connected.
        tab.evaluate(
            "(() => { const { dataset } = document.getElementById('status'); let start;
                window.pause = new Promise((resolve) => new MutationObserver(() => {
                    if (dataset.state === 'closed') start ??= performance.now();
                    if (dataset.state === 'connecting' && start) resolve(performance.now() - start);
                }).observe(document.getElementById('status'), { attributes: true }));
                return null; })()",
        )
        .await;
        server.cut().await;
        say(&tab, text).await;
        let pause = tab.evaluate("pause").await.as_f64().unwrap();
        assert!(pause < LONGEST_PAUSE + 500.0, "{text}: {pause} ms");
    }
    until_texts(&tab, &texts).await;
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// A newcomer gets only the latest 50 messages, but a client that reconnects gets all that it has missed.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_client_that_missed_more_than_a_page_gets_everything() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let [ann, bob] = [
        join(&browser, &server, "Ann").await,
        join(&browser, &server, "Bob").await,
    ];
    say(&bob, "before").await;
    until_texts(&ann, &["before"]).await;
    let mut sent = 1;
    for transport in ["websocket", "sse", "long-poll"] {
        choose_transport(&ann, transport).await;
        until_transport(&ann, transport).await;
        // No way to the server, until all is said.
        ann.evaluate(
            "(() => {
            const originals = { fetch, WebSocket, EventSource };
            const cut = fetch('/cut', { method: 'POST' });
            window.restore = () => Object.assign(window, originals) && null;
            window.fetch = () => Promise.reject(new TypeError('cut'));
            window.WebSocket = window.EventSource = class { constructor() { throw new Error('cut'); } };
            return cut.then(() => null);
        })()",
        )
        .await;
        ann.until_status("closed").await;
        bob.until_status("open").await;
        bob.evaluate(
            "(async () => {
            for (let n = 0; n < 60; n++) {
                const body = JSON.stringify({ key: crypto.getRandomValues(new Uint32Array(2)).join(), text: `${n}` });
                const headers = { 'Content-Type': 'application/json' };
                await fetch('/rooms/lobby/messages', { method: 'POST', headers, body });
            }
            return null;
        })()",
        )
        .await;
        sent += 60;
        ann.evaluate("restore()").await;
        ann.until(&format!("{TEXTS}.length >= {sent}")).await;
        assert_eq!(ann.evaluate(&format!("{TEXTS}.length")).await, sent);
    }
    let whole = format!("JSON.stringify({TEXTS}) ");
    bob.until(&format!("{TEXTS}.length === {sent}")).await;
    assert_eq!(ann.evaluate(&whole).await, bob.evaluate(&whole).await);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn an_unsent_message_survives_a_reload_and_is_sent_once() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("chat.db");
    let flags = ["--database", database.to_str().unwrap()];
    let server = Server::start(BINARY, &flags);
    let browser = Browser::start().await;
    let first = join(&browser, &server, "Ann").await;
    let url = first.evaluate("document.URL").await;
    let second = browser.open(url.as_str().unwrap()).await;
    second.until_status("open").await;
    let port = server.address().port();
    kill(server);
    say(&first, "one").await;
    say(&second, "two").await;
    say(&first, "three").await;
    let has_stored =
        "Object.keys(localStorage).filter((name) => name.startsWith('chat/')).length === 3";
    first.until(has_stored).await;
    // It is there, and not sent: of the page itself nothing is left.
    first.evaluate("location.reload()").await;
    first
        .until("/^(chrome-error|about:neterror)/.test(document.documentURI)")
        .await;
    let server = Server::start_on(port, BINARY, &flags);
    first.evaluate(&format!("location.assign({url})")).await;
    for tab in [&first, &second] {
        tab.until_status("open").await;
        tab.until(&format!(
            "{TEXTS}.length === 3 && !document.querySelector('[data-pending]')"
        ))
        .await;
        let mut texts: Vec<Value> = tab.evaluate(TEXTS).await.as_array().unwrap().clone();
        texts.sort_by_key(Value::to_string);
        assert_eq!(texts, ["one", "three", "two"]);
        let order = format!("{TEXTS}.indexOf('one') < {TEXTS}.indexOf('three')");
        assert_eq!(
            tab.evaluate(&order).await,
            true,
            "the order of one author's page"
        );
    }
    let left = "Object.keys(localStorage).filter((name) => name.startsWith('chat/')).length";
    assert_eq!(first.evaluate(left).await, 0);
    drop(server);
}

/// JavaScript that makes every handshake of a WebSocket fail, as with a proxy that blocks it.
const NO_WEBSOCKET: &str = "(() => { const real = WebSocket; window.Real ??= real;
    window.WebSocket = class extends real { constructor(url) { super(url.replace('/ws', '/no')) } }; return null; })()";
const NO_EVENTSOURCE: &str = "(() => { window.EventSource = undefined; return null; })()";

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_blocked_transport_is_replaced_until_it_works_again() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let bob = join(&browser, &server, "Bob").await;
    until_transport(&bob, "websocket").await;
    let ann = visit(&browser, &server, "Ann").await;
    ann.evaluate(NO_WEBSOCKET).await;
    // A minute until the better transports are tried again is long for a test.
    ann.evaluate("(() => { const real = setTimeout; window.soon = false;
        window.setTimeout = (act, wait, ...more) => real(act, wait === 60000 && window.soon ? 50 : wait, ...more); return null; })()").await;
    ann.type_text("#name", "Ann\n").await;
    until_transport(&ann, "sse").await;
    say(&ann, "over SSE").await;
    until_texts(&bob, &["over SSE"]).await;
    // The stream ends, and now there are no streams either.
    ann.evaluate(NO_EVENTSOURCE).await;
    ann.evaluate("(window.soon = true, fetch('/cut', { method: 'POST' }).then(() => null))")
        .await;
    until_transport(&ann, "long-poll").await;
    say(&ann, "by long polling").await;
    until_texts(&bob, &["over SSE", "by long polling"]).await;
    // Without a break, the best one is found again.
    ann.evaluate("(window.WebSocket = window.Real, null)").await;
    ann.evaluate("(window.soon = true, null)").await;
    until_transport(&ann, "websocket").await;
    say(&bob, "welcome back").await;
    for tab in [&ann, &bob] {
        until_texts(tab, &["over SSE", "by long polling", "welcome back"]).await;
    }
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_forced_transport_is_the_one_in_use() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let [ann, bob] = [
        join(&browser, &server, "Ann").await,
        join(&browser, &server, "Bob").await,
    ];
    let mut texts = Vec::new();
    for transport in ["sse", "long-poll", "websocket", "auto"] {
        choose_transport(&ann, transport).await;
        let used = if transport == "auto" {
            "websocket"
        } else {
            transport
        };
        until_transport(&ann, used).await;
        bob.type_text("#text", "x").await;
        until_says(&ann, "typing", "Bob").await;
        say(&ann, transport).await;
        bob.evaluate("document.getElementById('text').value = ''")
            .await;
        texts.push(transport);
        for tab in [&ann, &bob] {
            until_texts(tab, &texts).await;
        }
    }
    assert_eq!(bob.text("people-title").await, "Who is here (2)");
    let notices = "document.querySelectorAll('.notice').length";
    assert_eq!(bob.evaluate(notices).await, 0, "nobody came or went");
    // One that does not work is not replaced by another one.
    ann.evaluate(NO_EVENTSOURCE).await;
    choose_transport(&ann, "sse").await;
    until_says(&ann, "status", "sse does not work here").await;
    ann.until_status("closed").await;
    assert_eq!(browser.console_errors().await, [""; 0]);
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
