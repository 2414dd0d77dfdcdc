//! Nothing is silent and nothing untrue when something is wrong.

use std::time::{Duration, Instant};

use super::*;

/// What no sentence of the page may have in it: the words of HTTP and of programmers, and statuses.
const JARGON: &str = r"/\b(HTTP|GET|POST|PUT|JSON|body|bytes|cookie|token|Bearer|session|header|status|timed out|fetch|signal|undefined|null|[45]\d\d)\b/i";

/// Responds to the requests of the page whose path and method match, as a server would that speaks to programmers.
pub(super) async fn respond_to(tab: &Tab<'_>, method: &str, path: &str, status: u16, body: &str) {
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
async fn expect_error_text(tab: &Tab<'_>, context: &str) -> String {
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
            expect_error_text(&ann, &format!("{status}, joining")).await;
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
        expect_error_text(&ann, &format!("{status} {body}, joining")).await;
        ann.type_text("#name", "n").await;
    }
    ann.evaluate("(window.fetch = () => Promise.reject(new TypeError('Failed to fetch')), null)")
        .await;
    ann.click("#join-button").await;
    expect_error_text(&ann, "no server").await;
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
        expect_error_text(&ann, &format!("{status}, sending")).await;
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
    let error = expect_error_text(&ann, "401, sending").await;
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
        assert!(noticed < Duration::from_secs(3), "{transport}: {noticed:?}");
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
    // The new server does not know the name, so the cookie is not valid any more.
    let _server = restart(server, &flags);
    until_says(&ann, "error", "Choose your name again").await;
    ann.until("document.getElementById('join').checkVisibility()")
        .await;
    ann.click("#join button").await;
    ann.until_status("open").await;
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

/// Two and a half heartbeats are 37.5 s by default. The page does not look well all that time.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_late_server_is_called_silent_before_it_counts_as_dead() {
    let flags = [&IN_MEMORY[..], &["--heartbeat", "4"]].concat();
    let server = Server::start(BINARY, &flags);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    let color = "getComputedStyle(document.getElementById('status')).color";
    let well = ann.evaluate(color).await;
    server.signal(Signal::STOP);
    until_says(&ann, "status", "connected, but the server is silent").await;
    until_says(&ann, "status", "something is due every 4 s").await;
    ann.until_status("open").await;
    assert_ne!(ann.evaluate(color).await, well, "it is not green any more");
    server.signal(Signal::CONT);
    until_says(&ann, "status", "last heard just now").await;
    let silent = "/silent/.test(document.getElementById('status').textContent)";
    assert_eq!(ann.evaluate(silent).await, false);
    assert_eq!(ann.evaluate(color).await, well);
}
