//! Nothing is silent and nothing untrue when something is wrong.

use std::time::{Duration, Instant};

use super::*;

/// What no sentence of the page may have in it: the words of HTTP and of programmers, and statuses.
const JARGON: &str = r"/\b(HTTP|GET|POST|PUT|JSON|body|bytes|cookie|token|Bearer|session|header|status|timed out|fetch|signal|undefined|null|[45]\d\d)\b/i";

/// Responds to the requests of the page whose path and method match, as a server would that speaks to programmers.
async fn respond_to(tab: &Tab<'_>, method: &str, path: &str, status: u16, body: &str) {
    let body = json!(body);
    tab.evaluate(&format!(
        "(() => {{ window.realFetch ??= fetch;
            window.fetch = (path, options) => options.method === '{method}' && path.includes('{path}')
                ? Promise.resolve(new Response({body}, {{ status: {status} }})) : realFetch(path, options);
            return null; }})()"
    ))
    .await;
}

/// The error that the page shows. It must be a sentence, and have no jargon in it.
async fn sentence(tab: &Tab<'_>, context: &str) -> String {
    tab.until("document.getElementById('error').textContent !== ''")
        .await;
    let error = tab.text("error").await;
    let jargon = format!("{JARGON}.test(document.getElementById('error').textContent)");
    assert_eq!(tab.evaluate(&jargon).await, false, "{context}: {error}");
    assert!(error.ends_with(['.', '?']), "{context}: {error}");
    error
}

const FOR_PROGRAMMERS: &str =
    r#"{"error":"The body of this POST has no token, see the Bearer header: 401."}"#;
const FROM_A_PROXY: &str = "<!DOCTYPE html><h1>Bad gateway</h1>";

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn no_word_of_http_reaches_a_user() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = visit(&browser, &server, "Ann").await;
    ann.type_text("#name", "Ann").await;
    for status in [400, 401, 403, 404, 405, 408, 413, 415, 418, 500, 502, 504] {
        for body in [FOR_PROGRAMMERS, FROM_A_PROXY] {
            respond_to(&ann, "POST", "/session", status, body).await;
            ann.click("#join-button").await;
            sentence(&ann, &format!("{status}, joining")).await;
            ann.type_text("#name", "n").await; // It goes when one writes on.
            assert_eq!(ann.text("error").await, "");
        }
    }
    // The server's own sentence where that says which rule is broken, and one of the page if it comes from a proxy.
    let taken = r#"{"error":"Somebody else has that name. Choose another."}"#;
    for (status, body) in [
        (409, taken),
        (409, FROM_A_PROXY),
        (422, "{}"),
        (429, "{"),
        (503, r#"{"error":{}}"#),
        (200, FROM_A_PROXY),
    ] {
        respond_to(&ann, "POST", "/session", status, body).await;
        ann.click("#join-button").await;
        sentence(&ann, &format!("{status} {body}, joining")).await;
        ann.type_text("#name", "n").await;
    }
    ann.evaluate("(window.fetch = () => Promise.reject(new TypeError('Failed to fetch')), null)")
        .await;
    ann.click("#join-button").await;
    sentence(&ann, "no server").await;
    ann.evaluate("(window.fetch = realFetch, document.getElementById('name').value = '', null)")
        .await;
    ann.type_text("#name", "Ann\n").await;
    ann.until_status("open").await;

    // A message that is refused for good. It is not lost.
    choose_transport(&ann, "long-poll").await;
    until_transport(&ann, "long-poll").await;
    for status in [400, 404, 405, 413, 415, 422] {
        let body = if status == 422 { "{}" } else { FOR_PROGRAMMERS };
        respond_to(&ann, "POST", "/messages", status, body).await;
        say(&ann, "unlucky").await;
        sentence(&ann, &format!("{status}, sending")).await;
        let unlucky = "document.getElementById('text').value === 'unlucky'
            && !document.querySelector('[data-pending]')";
        ann.until(unlucky).await;
        ann.evaluate("(document.getElementById('text').value = '', null)")
            .await;
    }
    // One that is refused for now waits, and says why.
    for status in [408, 500, 503] {
        respond_to(&ann, "POST", "/messages", status, FROM_A_PROXY).await;
        say(&ann, "patient").await;
        until_says(&ann, "waiting", "1 message waits to be sent again.").await;
        let jargon = format!("{JARGON}.test(document.getElementById('waiting').textContent)");
        assert_eq!(ann.evaluate(&jargon).await, false, "{status}");
        respond_to(&ann, "POST", "nothing", 500, "").await;
        ann.until("!document.querySelector('[data-pending]')").await;
        assert_eq!(ann.text("waiting").await, "");
    }
    respond_to(&ann, "POST", "/messages", 401, FOR_PROGRAMMERS).await;
    say(&ann, "who am I?").await;
    let error = sentence(&ann, "401, sending").await;
    assert!(error.ends_with("Choose your name again."), "{error}");
    assert_eq!(browser.console_errors().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_hung_server_is_noticed_within_two_and_a_half_heartbeats_on_each_transport() {
    let flags = [&IN_MEMORY[..], &["--heartbeat", "1"]].concat();
    let server = Server::start(BINARY, &flags);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    let shown = "document.getElementById('status').textContent";
    for transport in ["websocket", "sse", "long-poll"] {
        choose_transport(&ann, transport).await;
        until_transport(&ann, transport).await;
        ann.until(&format!("/last heard just now/.test({shown})"))
            .await;
        server.signal(Signal::STOP);
        let stopped = Instant::now();
        ann.until("document.getElementById('status').dataset.state !== 'open'")
            .await;
        let noticed = stopped.elapsed();
        // Half a second for the browser and the driver.
        assert!(
            noticed < Duration::from_millis(3_000),
            "{transport}: {noticed:?}"
        );
        ann.until(&format!(
            "/silent for too long/.test({shown}) && /last heard [2-9] s ago/.test({shown})"
        ))
        .await;
        server.signal(Signal::CONT);
        ann.until_status("open").await;
        ann.until(&format!("!/silent/.test({shown})")).await;
    }
}

/// With the default heartbeat 2.5 of them are 37.5 s. A message without an answer says the same much earlier.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_message_that_gets_no_answer_ends_the_connection() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    // Ten seconds are long for a test.
    ann.evaluate(
        "(() => { const real = setTimeout; const timeout = AbortSignal.timeout.bind(AbortSignal);
            window.setTimeout = (act, wait, ...more) => real(act, wait === 10000 ? 500 : wait, ...more);
            AbortSignal.timeout = (wait) => timeout(wait === 10000 ? 500 : wait); return null; })()",
    )
    .await;
    for transport in ["websocket", "sse", "long-poll"] {
        choose_transport(&ann, transport).await;
        until_transport(&ann, transport).await;
        server.signal(Signal::STOP);
        say(&ann, transport).await;
        ann.until("document.getElementById('status').dataset.state !== 'open'")
            .await;
        until_says(&ann, "status", "The server does not answer.").await;
        until_says(&ann, "waiting", "1 message waits for the server").await;
        server.signal(Signal::CONT);
        ann.until("!document.querySelector('[data-pending]')").await;
        ann.until_status("open").await;
    }
    until_texts(&ann, &["websocket", "sse", "long-poll"]).await;
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_status_counts_down_to_the_next_try_and_one_can_try_now() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("chat.db");
    let flags = ["--database", database.to_str().unwrap()];
    let server = Server::start(BINARY, &flags);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    assert_eq!(
        ann.evaluate("document.getElementById('retry').hidden")
            .await,
        true
    );
    // Each wait is as long as it can be, and no timer ends one of more than a second: only the button does.
    ann.evaluate(
        "(() => { const real = setTimeout; Math.random = () => 0;
            window.setTimeout = (act, wait, ...more) => real(act, [2000, 4000, 8000].includes(wait) ? 600000 : wait, ...more);
            return null; })()",
    )
    .await;
    let port = server.address().port();
    kill(server);
    let countdown =
        "/next try in (\\d) s/.exec(document.getElementById('status').textContent)?.[1]";
    ann.until(&format!("{countdown} === '2'")).await;
    until_says(&ann, "status", "The server cannot be reached").await;
    until_says(&ann, "status", "last heard ").await;
    ann.until(&format!("{countdown} === '1'")).await;
    ann.until(&format!("{countdown} === '0'")).await;
    // Still no server: the next wait is longer. By keyboard, and the focus is not lost with the button.
    ann.type_text("#retry", "\n").await;
    ann.until(&format!("{countdown} === '4'")).await;
    let focused = "['retry', 'status'].includes(document.activeElement.id)";
    assert_eq!(ann.evaluate(focused).await, true);
    let _server = Server::start_on(port, BINARY, &flags);
    ann.click("#retry").await;
    ann.until_status("open").await;
    assert_eq!(
        ann.evaluate("document.getElementById('retry').hidden")
            .await,
        true
    );
    let failed = "/reached|next try/.test(document.getElementById('status').textContent)";
    assert_eq!(ann.evaluate(failed).await, false);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_network_that_is_back_is_used_at_once() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let [ann, bob] = [
        join(&browser, &server, "Ann").await,
        join(&browser, &server, "Bob").await,
    ];
    // The connection from before is open for the page, and nothing comes over it any more.
    ann.evaluate(
        "(() => { const real = WebSocket; window.opened = 0;
            window.WebSocket = class extends real { constructor(url) { super(url); opened += 1; } };
            dispatchEvent(new Event('online')); return null; })()",
    )
    .await;
    ann.until("opened === 1 && document.getElementById('status').dataset.state === 'open'")
        .await;
    say(&bob, "still here?").await;
    until_texts(&ann, &["still here?"]).await;
    let notices = "document.querySelectorAll('.notice').length";
    assert_eq!(bob.evaluate(notices).await, 0, "Ann has not left");
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

/// Posts messages whose texts are numbers, in their order.
async fn post_many(tab: &Tab<'_>, numbers: std::ops::Range<u32>) {
    let (start, end) = (numbers.start, numbers.end);
    tab.evaluate(&format!(
        "(async () => {{ const headers = {{ 'Content-Type': 'application/json' }};
            for (let n = {start}; n < {end}; n++) {{
                const body = JSON.stringify({{ key: `many ${{n}}`, text: `${{n}}` }});
                await fetch('/rooms/lobby/messages', {{ method: 'POST', headers, body }});
            }} return null; }})()"
    ))
    .await;
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
