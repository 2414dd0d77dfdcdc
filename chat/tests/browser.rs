//! Tests of the page in a real browser: `cargo test -p chat --test browser -- --ignored`
//!
//! A browser has one cookie for each host, and so one name. To have several users in one browser, each user opens the
//! page under another host name, such as `ann.localhost`. Browsers resolve these names to this machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a broken promise ends the test, and a long test has steps that follow each other"
)]

use serde_json::{Value, json};
use testing::browser::{Browser, Tab};
use testing::{Server, Signal};

/// The chat itself, as `cargo run` starts it.
const BINARY: &str = env!("CARGO_BIN_EXE_chat");

/// Flags of a server with a database in memory and without a limit for the rate of messages.
const IN_MEMORY: [&str; 4] = ["--database", ":memory:", "--rate", "0"];

/// Opens the page for a user who has no name yet.
async fn visit<'a>(browser: &'a Browser, server: &Server, name: &str) -> Tab<'a> {
    let host = name.to_lowercase();
    let port = server.address().port();
    let tab = browser
        .open(&format!("http://{host}.localhost:{port}/?room=lobby"))
        .await;
    tab.until("document.activeElement.name === 'name'").await;
    tab
}

async fn join<'a>(browser: &'a Browser, server: &Server, name: &str) -> Tab<'a> {
    let tab = visit(browser, server, name).await;
    tab.type_text("#name", &format!("{name}\n")).await;
    tab.until_status("open").await;
    tab
}

async fn say(tab: &Tab<'_>, text: &str) {
    tab.type_text("#text", &format!("{text}\n")).await;
}

/// JavaScript for the texts of the acknowledged messages, in the order of the page.
const TEXTS: &str =
    "[...document.querySelectorAll('#messages li[data-id] .text')].map((text) => text.textContent)";

/// Waits until the page shows exactly these messages, and none that is not acknowledged.
async fn until_texts(tab: &Tab<'_>, texts: &[&str]) {
    let wanted = json!(json!(texts).to_string());
    tab.until(&format!(
        "JSON.stringify({TEXTS}) === {wanted} && !document.querySelector('[data-pending]')"
    ))
    .await;
}

async fn until_transport(tab: &Tab<'_>, transport: &str) {
    tab.until(&format!(
        "document.getElementById('status').dataset.transport === '{transport}'"
    ))
    .await;
    tab.until_status("open").await;
}

/// Waits until the element with this id contains `text`.
async fn until_says(tab: &Tab<'_>, id: &str, text: &str) {
    let text = json!(text);
    tab.until(&format!(
        "document.getElementById('{id}').textContent.includes({text})"
    ))
    .await;
}

async fn choose_transport(tab: &Tab<'_>, transport: &str) {
    let choosing = format!(
        "(() => {{ const select = document.getElementById('transport');
            select.value = '{transport}'; select.dispatchEvent(new Event('change')); return null; }})()"
    );
    tab.evaluate(&choosing).await;
}

/// Kills the server and starts another one on the same port.
fn restart(server: Server, flags: &[&str]) -> Server {
    let port = server.address().port();
    kill(server);
    Server::start_on(port, BINARY, flags)
}

fn kill(server: Server) {
    server.signal(Signal::KILL);
    assert_eq!(server.wait().code, None);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn two_browsers_chat_and_each_sees_every_event() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let [one, two] = [Browser::start().await, Browser::start().await];
    let ann = join(&one, &server, "Ann").await;
    until_says(&ann, "roster", "Ann (you)").await;
    until_says(&ann, "beginning", "This is where #lobby begins").await;

    // A name has one holder, whatever its case.
    let bob = visit(&two, &server, "Bob").await;
    bob.type_text("#name", "ANN\n").await;
    until_says(&bob, "error", "Somebody else has that name").await;
    bob.evaluate("document.getElementById('name').value = ''")
        .await;
    bob.type_text("#name", "Bob\n").await;
    bob.until_status("open").await;
    assert_eq!(bob.text("error").await, "");

    until_says(&ann, "messages", "Bob has joined").await;
    until_says(&ann, "roster", "Bob").await;
    until_says(&ann, "people-title", "(2)").await;
    bob.type_text("#text", "He").await;
    until_says(&ann, "typing", "Bob is typing").await;
    bob.type_text("#text", "llo, Ann\n").await;
    for tab in [&ann, &bob] {
        until_texts(tab, &["Hello, Ann"]).await;
        // All that was said is in sight, and nothing earlier is offered.
        tab.until("document.getElementById('older').hidden && !document.getElementById('beginning').hidden")
            .await;
    }
    assert_eq!(
        ann.text("typing").await,
        "",
        "who has said it is not typing it"
    );
    let time = "/^20\\d\\d-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d$/.test(document.querySelector('#messages [data-id] time').textContent)";
    assert_eq!(ann.evaluate(time).await, true, "the server's time");
    let day = "document.querySelector('#messages [data-id]').hasAttribute('data-day')";
    for tab in [&ann, &bob] {
        assert_eq!(tab.evaluate(day).await, true, "the day above the first");
    }
    say(&ann, "你好").await;
    for tab in [&ann, &bob] {
        until_texts(tab, &["Hello, Ann", "你好"]).await;
    }
    bob.click("#leave").await;
    until_says(&ann, "messages", "Bob has left").await;
    until_says(&ann, "people-title", "(1)").await;
    for browser in [&one, &two] {
        assert_eq!(browser.console_errors().await, [""; 0]);
    }
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_private_message_is_seen_by_two_and_nobody_else() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let [ann, bob, eve] = [
        join(&browser, &server, "Ann").await,
        join(&browser, &server, "Bob").await,
        join(&browser, &server, "Eve").await,
    ];
    until_says(&ann, "people-title", "(3)").await;
    ann.click("#roster li:nth-child(2) button").await;
    until_says(&ann, "to-all", "Only to Bob").await;
    say(&ann, "psst").await;
    until_texts(&ann, &["psst"]).await;
    until_texts(&bob, &["psst"]).await;
    assert_eq!(
        bob.evaluate("document.querySelector('.private .author').textContent")
            .await,
        "Ann only to you"
    );
    // The answer, by clicking on the name of the author; and the way back to all.
    bob.click("#messages .private .author button").await;
    say(&bob, "what?").await;
    until_texts(&ann, &["psst", "what?"]).await;
    for (tab, back) in [(&ann, "\u{e00c}"), (&bob, "")] {
        if back.is_empty() {
            tab.click("#to-all").await;
        } else {
            tab.type_text("#text", back).await;
        }
        tab.until("document.getElementById('to-all').hidden").await;
    }
    say(&ann, "for all").await;
    until_texts(&eve, &["for all"]).await;
    // Nor after a reload, from the history.
    eve.evaluate("location.reload()").await;
    until_texts(&eve, &["for all"]).await;
    until_texts(&bob, &["psst", "what?", "for all"]).await;
    assert_eq!(browser.console_errors().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn two_tabs_are_one_person_until_one_takes_another_name() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let first = join(&browser, &server, "Ann").await;
    // The second one knows the name already.
    let url = first.evaluate("document.URL").await;
    let second = browser.open(url.as_str().unwrap()).await;
    second.until_status("open").await;
    assert_eq!(second.text("people-title").await, "Who is here (1)");
    say(&first, "from the first").await;
    until_texts(&second, &["from the first"]).await;
    say(&second, "from the second").await;
    until_texts(&first, &["from the first", "from the second"]).await;
    assert_eq!(
        first
            .evaluate("document.querySelectorAll('.mine').length")
            .await,
        2
    );

    second.click("#leave").await;
    second
        .evaluate("document.getElementById('name').value = ''")
        .await;
    second.type_text("#name", "Anna\n").await;
    until_says(&first, "error", "you are no longer Ann").await;
    first
        .until("document.getElementById('send').checkVisibility() === false")
        .await;
    assert_eq!(
        first
            .evaluate("document.getElementById('name').value")
            .await,
        "Anna"
    );
}

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
        until_says(&ann, "waiting", "sent when the server is back").await;
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
            const kept = { fetch, WebSocket, EventSource };
            const cut = fetch('/cut', { method: 'POST' });
            window.restore = () => Object.assign(window, kept) && null;
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
    let kept = "Object.keys(localStorage).filter((name) => name.startsWith('chat/')).length === 3";
    first.until(kept).await;
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
async fn the_page_notices_a_server_that_hangs_or_refuses() {
    let flags = [&IN_MEMORY[..], &["--heartbeat", "0.4"]].concat();
    let server = Server::start(BINARY, &flags);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    server.signal(Signal::STOP);
    ann.until("document.getElementById('status').dataset.state !== 'open'")
        .await;
    server.signal(Signal::CONT);
    say(&ann, "still here").await;
    until_texts(&ann, &["still here"]).await;
    // A server that has never heard of the name: the cookie is worth nothing any more.
    let _server = restart(server, &flags);
    until_says(&ann, "error", "Choose your name again").await;
    ann.until("document.getElementById('join').checkVisibility()")
        .await;
    ann.click("#join button").await;
    ann.until_status("open").await;
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn script_in_every_field_is_text() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let evil = "<img src=x onerror=a()>";
    let ann = join(&browser, &server, "Ann").await;
    let bob = visit(&browser, &server, "Bob").await;
    bob.type_text("#name", &format!("{evil}\n")).await;
    bob.until_status("open").await;
    until_says(&ann, "roster", evil).await;
    until_says(&ann, "messages", evil).await;
    bob.type_text("#text", "x").await;
    until_says(&ann, "typing", evil).await;
    say(&bob, "</p><script>pwned=1</script>").await;
    until_texts(&ann, &["x</p><script>pwned=1</script>"]).await;
    ann.click("#messages .author button").await;
    until_says(&ann, "to-all", evil).await;
    say(&ann, evil).await;
    until_texts(&bob, &["x</p><script>pwned=1</script>", evil]).await;
    for tab in [&ann, &bob] {
        let injected =
            "document.querySelectorAll('main img, main script').length + typeof window.pwned";
        assert_eq!(tab.evaluate(injected).await, "0undefined");
    }
    // What is refused is told in the server's words, and is not lost.
    let long = "x".repeat(2_001);
    ann.evaluate(&format!("document.getElementById('text').value = '{long}'"))
        .await;
    ann.type_text("#text", "\n").await;
    until_says(&ann, "error", "A message has 1 to 2000 characters").await;
    assert_eq!(
        ann.evaluate("document.getElementById('text').value").await,
        long
    );
    assert_eq!(browser.console_errors().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn ten_thousand_messages_are_a_short_list_to_scroll() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    // From the page itself, so that it shows them as they come. Meanwhile the pauses between frames are taken.
    ann.evaluate(
        "(() => {
        window.acked = 0;
        window.longest = 0;
        let last = performance.now();
        const look = (now) => {
            window.longest = Math.max(window.longest, now - last);
            last = now;
            if (window.acked < 9999) requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
        const socket = new WebSocket(`ws://${location.host}/rooms/lobby/ws`);
        socket.onmessage = ({ data }) => (window.acked = JSON.parse(data).ack ?? window.acked);
        socket.onopen = () => {
            for (let n = 0; n < 10000; n++) {
                const data = { key: `k${n}`, text: `text ${n}` };
                socket.send(JSON.stringify({ event: 'message', ack: n, data }));
            }
        };
        return null;
    })()",
    )
    .await;
    for so_far in [2_000, 4_000, 6_000, 8_000, 9_999] {
        ann.until(&format!("window.acked >= {so_far}")).await;
    }
    let longest = ann.evaluate("window.longest").await;
    until_says(&ann, "messages", "text 9999").await;
    println!("10,000 messages, the longest pause between two frames: {longest} ms");
    assert!(longest.as_f64().unwrap() < 1_000.0, "{longest} ms");
    assert_eq!(
        ann.evaluate("document.querySelectorAll('#messages li').length")
            .await,
        300
    );
    let upward = |number: u32| {
        format!(
            "(async () => {{
            const [scroller, list] = ['scroll', 'messages'].map((id) => document.getElementById(id));
            while (Number(list.querySelector('.text').textContent.slice(5)) > {number}) {{
                scroller.scrollTop = 0;
                await new Promise((done) => setTimeout(done, 5));
            }}
            return list.children.length;
        }})()"
        )
    };
    // Backwards, without a gap, and the list stays small.
    assert_eq!(ann.evaluate(&upward(9_400)).await, 300);
    let in_order = format!(
        "(() => {{ const texts = {TEXTS}.slice(0, -1).map((text) => Number(text.slice(5)));
        return texts.every((n, place) => place === 0 || n === texts[place - 1] + 1); }})()"
    );
    assert_eq!(ann.evaluate(&in_order).await, true);
    // What is said now is counted, and does not move what is being read.
    let bob = join(&browser, &server, "Bob").await;
    let first = format!("{TEXTS}[0]");
    assert_eq!(ann.evaluate(&first).await, "text 9400");
    say(&bob, "news").await;
    until_says(&ann, "newer", "1 new message").await;
    assert_eq!(ann.evaluate(&first).await, "text 9400");
    // Down again step by step, without a gap, up to the news.
    let downward = "(async () => {
        const [scroller, list] = ['scroll', 'messages'].map((id) => document.getElementById(id));
        while (list.lastChild.querySelector('.text')?.textContent !== 'news') {
            scroller.scrollTop = scroller.scrollHeight;
            await new Promise((done) => setTimeout(done, 5));
        }
        scroller.scrollTop = scroller.scrollHeight;
        return list.children.length;
    })()";
    assert_eq!(ann.evaluate(downward).await, 300);
    assert_eq!(ann.evaluate(&in_order).await, true);
    ann.until("document.getElementById('newer').hidden").await;
    // And to the oldest that is kept: the news has pushed out the first one.
    for number in [8_000, 6_000, 4_000, 2_000, 1] {
        assert_eq!(ann.evaluate(&upward(number)).await, 300);
    }
    until_says(&ann, "beginning", "#lobby begins").await;
    ann.click("#newer").await;
    until_says(&ann, "messages", "news").await;
    ann.until("document.getElementById('newer').hidden").await;
    assert_eq!(browser.console_errors().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_title_counts_unseen_messages() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let [ann, bob] = [
        join(&browser, &server, "Ann").await,
        join(&browser, &server, "Bob").await,
    ];
    let hide = |hidden: bool| {
        format!(
            "(Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }}),
        document.dispatchEvent(new Event('visibilitychange')), null)"
        )
    };
    ann.evaluate(&hide(true)).await;
    say(&bob, "one").await;
    say(&bob, "two").await;
    ann.until("document.title === '(2) #lobby · Ann'").await;
    ann.evaluate(&hide(false)).await;
    ann.until("document.title === '#lobby · Ann'").await;
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_page_is_accessible_and_loads_nothing_from_elsewhere() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let bob = visit(&browser, &server, "Bob").await;
    bob.emulate(360, "light").await;
    bob.is_accessible("the form, 360 px, light").await;
    bob.type_text("#name", "Bob\n").await;
    bob.until_status("open").await;
    let ann = join(&browser, &server, "Ann").await;
    until_says(&ann, "people-title", "(2)").await;
    say(&bob, &"Donaudampfschifffahrt".repeat(20)).await;
    say(&bob, "مرحبا").await;
    ann.until(&format!("{TEXTS}.length === 2")).await;
    ann.click("#roster button").await;
    say(&ann, "psst").await;
    ann.until(&format!("{TEXTS}.length === 3")).await;
    for (width, scheme) in [
        (1600, "light"),
        (1280, "dark"),
        (360, "light"),
        (360, "dark"),
    ] {
        ann.emulate(width, scheme).await;
        let fits = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(
            ann.evaluate(fits).await,
            0,
            "it scrolls sideways at {width} px"
        );
        ann.is_accessible(&format!("{width} px, {scheme}")).await;
    }
    let foreign = "performance.getEntriesByType('resource').map((entry) => entry.name)
        .filter((name) => !/^(http|ws):/.test(name) || new URL(name).host !== location.host)";
    assert_eq!(ann.evaluate(foreign).await, json!([]));
    assert_eq!(browser.console_errors().await, [""; 0]);
}
