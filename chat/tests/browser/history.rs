//! A long log: the list of messages is a window of it.

use super::*;

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn ten_thousand_messages_are_a_short_list_to_scroll() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    // From the page itself, so that it shows them as they come. Meanwhile the pauses between frames are taken. The wire
    // extends `WebSocket`, and shows only what the page receives: no page sends 10,000 messages in one go.
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
        const socket = new (Object.getPrototypeOf(WebSocket))(`ws://${location.host}/rooms/lobby/ws`);
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
    // It is 0.3 s if the machine has nothing else to do, and 1 s if many others want it.
    assert!(longest.as_f64().unwrap() < 3_000.0, "{longest} ms");
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

/// How many earlier messages there are is known before they are offered.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn earlier_messages_are_offered_only_if_there_are_any() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("chat.db");
    let flags = ["--database", database.to_str().unwrap(), "--rate", "0"];
    let server = Server::start(BINARY, &flags);
    let browser = Browser::start().await;
    let bob = join(&browser, &server, "Bob").await;
    let offered = "document.getElementById('older').checkVisibility()";
    let begins = "document.getElementById('beginning').checkVisibility()";
    assert_eq!(bob.evaluate(offered).await, false, "an empty room");
    assert_eq!(bob.evaluate(begins).await, true);
    post_many(&bob, 0..50).await;
    let ann = join(&browser, &server, "Ann").await;
    ann.until(&format!("{TEXTS}.length === 50 && {begins}"))
        .await;
    assert_eq!(
        ann.evaluate(offered).await,
        false,
        "one page, and nothing before it"
    );
    post_many(&bob, 50..120).await;
    let eve = join(&browser, &server, "Eve").await;
    eve.until(&format!("{TEXTS}.length === 50 && {offered} && !{begins}"))
        .await;
    // A page is known already: it comes without a server. Then the page says what is wrong.
    let port = server.address().port();
    kill(server);
    eve.until_status("closed").await;
    eve.click("#older").await;
    eve.until(&format!("{TEXTS}.length === 100")).await;
    until_says(&eve, "older-note", "The server cannot be reached.").await;
    assert_eq!(eve.text("older").await, "Try again");
    eve.click("#older").await;
    until_says(&eve, "older-note", "The server cannot be reached.").await;
    // And it goes on by itself when the server is back.
    let _server = Server::start_on(port, BINARY, &flags);
    eve.until(&format!(
        "{offered} && document.getElementById('older-note').textContent === ''"
    ))
    .await;
    assert_eq!(eve.text("older").await, "Earlier messages");
    eve.click("#older").await;
    eve.until(&format!("{TEXTS}.length === 120 && {begins} && !{offered}"))
        .await;
    let in_order = format!("{TEXTS}.every((text, index) => text === String(index))");
    assert_eq!(eve.evaluate(&in_order).await, true);
}

/// Pages of the log count against the user's rate, on each transport: the page waits as long as the server says.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_reader_who_asks_too_often_waits_and_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("chat.db");
    let database = database.to_str().unwrap();
    let server = Server::start(BINARY, &["--database", database, "--rate", "0"]);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    post_many(&ann, 0..400).await;
    // One page a second, after two at once.
    let _server = restart(server, &["--database", database, "--rate", "1"]);
    ann.evaluate(
        "(() => { const real = fetch; window.refused = 0;
            window.fetch = async (...all) => { const response = await real(...all);
                if (response.status === 429) refused += 1; return response; }; return null; })()",
    )
    .await;
    choose_transport(&ann, "long-poll").await;
    until_transport(&ann, "long-poll").await;
    for left in [200, 100, 1] {
        ann.evaluate(&format!(
            "(async () => {{ const scroller = document.getElementById('scroll'); const end = performance.now() + 8000;
                while ({TEXTS}[0] > {left} && performance.now() < end) {{
                    scroller.scrollTop = 0;
                    await new Promise((done) => setTimeout(done, 20));
                }} return null; }})()"
        ))
        .await;
    }
    ann.until(&format!("{TEXTS}[0] === '0'")).await;
    assert!(ann.evaluate("refused").await.as_u64() > Some(0));
    assert_eq!(ann.text("older-note").await, "");
    ann.until_status("open").await;
    let in_order = format!("{TEXTS}.every((text, index) => text === String(index))");
    assert_eq!(ann.evaluate(&in_order).await, true);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_list_that_begins_anew_says_why() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = visit(&browser, &server, "Ann").await;
    ann.evaluate(
        "(() => { const real = WebSocket;
            window.WebSocket = class extends real { constructor(url) { super(url); window.socket = this; } };
            return null; })()",
    )
    .await;
    ann.type_text("#name", "Ann\n").await;
    ann.until_status("open").await;
    say(&ann, "old").await;
    until_texts(&ann, &["old"]).await;
    let reset = json!(r#"{"event":"reset","data":{"after":"1"}}"#);
    ann.evaluate(&format!("(socket.onmessage({{ data: {reset} }}), null)"))
        .await;
    until_says(&ann, "messages", "the list begins anew").await;
    until_texts(&ann, &[]).await;
    say(&ann, "new").await;
    until_texts(&ann, &["new"]).await;
}
