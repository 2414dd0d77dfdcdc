//! The promises for when something goes wrong: the page always says something, and what it says is true.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time;

use super::KeepsOpen;
use crate::browser::driver::Kind;
use crate::browser::relay::{AfterPart, Relay};
use crate::browser::{Browser, CHECK_INTERVAL, Tab};
use crate::{Server, Signal};

/// The heartbeat in seconds of a server that is going to hang. With a shorter one the requests of lessons 1 and 2, which
/// have no heartbeat, would have too little time.
const HEARTBEAT: f64 = 2.0;

/// After how many heartbeats every page knows that its server hangs.
const MISSED_HEARTBEATS: f64 = 2.5;

/// How much later than promised a page on a busy machine may show something.
const TOLERANCE: Duration = Duration::from_millis(700);

/// How soon a page shows that its server is back.
const PROMPTLY: Duration = Duration::from_secs(2);

/// JavaScript for the text of an element.
fn text_of(id: &str) -> String {
    format!("document.getElementById('{id}').textContent")
}

/// Waits until the page's state is open, or until it is not, and returns how long that took.
async fn until_open(tab: &Tab<'_>, is_open: bool, limit: Duration) -> Duration {
    let start = Instant::now();
    let state = "document.getElementById('status').dataset.state === 'open'";
    while tab.evaluate(state).await != is_open {
        let text = tab.text("status").await;
        assert!(start.elapsed() < limit, "after {limit:?} still {text:?}");
        time::sleep(CHECK_INTERVAL).await;
    }
    start.elapsed()
}

/// A server that is stopped with SIGSTOP (Ctrl-Z) keeps its connections open and says nothing.
pub(super) async fn a_hung_server_is_noticed_and_welcomed_back(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &["--heartbeat", &HEARTBEAT.to_string()]);
    let tab = browser.open_lesson(&server).await;
    tab.until(&format!("{} === 'true'", retry_is_disabled()))
        .await;
    server.signal(Signal::STOP);
    let limit = Duration::from_secs_f64(MISSED_HEARTBEATS * HEARTBEAT) + TOLERANCE;
    let noticed = until_open(&tab, false, limit).await;
    // It says since when, and that one need not wait.
    tab.until(&format!(
        "/last heard from the server \\d+ s ago/.test({}) && {} === 'false'",
        text_of("status"),
        retry_is_disabled()
    ))
    .await;
    server.signal(Signal::CONT);
    let recovered = until_open(&tab, true, PROMPTLY).await;
    eprintln!("a hung server: noticed after {noticed:?}, recovered after {recovered:?}");
    server.add_user("afterwards").await;
    tab.until_users(&["张三", "Alice", "afterwards"]).await;
    // It was the same server all the time.
    assert_eq!(tab.text("notice").await, "");
}

fn retry_is_disabled() -> &'static str {
    "document.getElementById('retry').ariaDisabled"
}

/// The list in memory is gone, and the page says why.
pub(super) async fn a_restart_is_explained(browser: &Browser, binary: &str) {
    let flags = ["--heartbeat", "0.4"];
    let server = Server::start(binary, &flags);
    let tab = browser.open_lesson(&server).await;
    server.add_user("forgotten").await;
    tab.until_users(&["张三", "Alice", "forgotten"]).await;
    assert_eq!(tab.text("notice").await, "");
    let port = server.address().port();
    server.signal(Signal::KILL);
    assert_eq!(server.wait().code, None);
    let counts_down = format!(
        "/next attempt in \\d+ s|trying now|asks again within/.test({})",
        text_of("status")
    );
    tab.until(&counts_down).await;
    let server = Server::start_on(port, binary, &flags);
    // A person who does not want to wait can try now.
    tab.evaluate("document.getElementById('retry').click()")
        .await;
    until_open(&tab, true, PROMPTLY).await;
    tab.until_users(&["张三", "Alice"]).await;
    tab.until(&format!("{}.includes('started again')", text_of("notice")))
        .await;
    tab.until("document.querySelector('[data-step=restart]')?.dataset.seen !== undefined || !document.querySelector('[data-step=restart]')")
        .await;
    // A change is no restart.
    server.add_user("afterwards").await;
    tab.until_users(&["张三", "Alice", "afterwards"]).await;
    assert_eq!(tab.text("notice").await, "");
}

/// A request that the server does not answer must not leave the page silent.
pub(super) async fn a_request_without_an_answer_gets_a_sentence(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    server.signal(Signal::STOP);
    // Nobody can add somebody twice by being impatient.
    tab.type_text("input[name=username]", "Bob\n\n\n").await;
    tab.until(&format!(
        "{}.includes('has not answered')",
        text_of("error")
    ))
    .await;
    server.signal(Signal::CONT);
    tab.until_users(&["张三", "Alice", "Bob"]).await;
    tab.until(&format!("{} === ''", text_of("error"))).await;

    server.signal(Signal::KILL);
    assert_eq!(server.wait().code, None);
    tab.click("#users li:first-child .remove").await;
    tab.until(&format!(
        "{}.includes('cannot be reached')",
        text_of("error")
    ))
    .await;
    // In lesson 3 nothing but this failure shows that the connection is broken, so the state must not stay green.
    until_open(&tab, false, PROMPTLY).await;
}

/// Cutting shows something in every lesson, also where there is nothing to cut.
pub(super) async fn a_cut_is_explained(browser: &Browser, binary: &str, keeps_open: KeepsOpen) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    let before = tab.text("cut-result").await;
    tab.click("#cut").await;
    let result = text_of("cut-result");
    let changed = format!("{result} !== {} && {result}", json!(before));
    let after = tab.until(&changed).await.to_string();
    let is_nothing = after.contains("nothing to cut");
    assert_eq!(is_nothing, keeps_open == KeepsOpen::Nothing, "{after}");
    tab.until("document.querySelector('[data-step=cut]').dataset.seen !== undefined")
        .await;
}

/// A browser gives one server six connections for all tabs. A request for which none is left waits in the browser, and
/// no page can see that; but the tabs can count together.
///
/// # Panics
/// When the page says nothing, or something else.
pub async fn check_six_connections(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let mut tabs = Vec::new();
    for _ in 0..3 {
        let tab = browser.open_lesson(&server).await;
        tab.click("#clock-toggle").await;
        tab.until_clock().await;
        tabs.push(tab);
    }
    let [first, .., last] = &tabs[..] else {
        unreachable!("three tabs")
    };
    last.type_text("input[name=username]", "Bob\n").await;
    let sentence = format!(
        "/waits in the browser.*keep 6 open/.test({})",
        text_of("error")
    );
    if browser.driver.kind == Kind::Firefox {
        // Firefox opens a few more connections for what a person has asked for (its setting
        // `network.http.max-urgent-start-excessive-connections-per-host`).
        last.until_users(&["张三", "Alice", "Bob"]).await;
        return;
    }
    last.until(&sentence).await;
    first.click("#clock-toggle").await;
    last.until_users(&["张三", "Alice", "Bob"]).await;
    last.until(&format!("{} === ''", text_of("error"))).await;
}

/// The body of a response comes after its headers. If it does not come, the network is to blame, and not the student who
/// has changed `client.js`.
///
/// # Panics
/// When the page shows a mistake in `client.js`, or does not recover.
pub async fn check_partial_responses(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &["--heartbeat", "0.4"]);
    let mut users = vec!["张三", "Alice"];
    for (after, name) in [(AfterPart::Silence, "Bob"), (AfterPart::Close, "Carol")] {
        let relay = Relay::start(server.address()).await;
        let tab = browser.open(&relay.url("/")).await;
        tab.until_users(&users).await;
        relay.set_partial(Some(after));
        server.add_user(name).await;
        tab.until_status("closed").await;
        assert_eq!(tab.text("client-error").await, "", "{after:?}");
        relay.set_partial(None);
        users.push(name);
        tab.until_users(&users).await;
        tab.until_status("open").await;
    }
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// A server that is full refuses with a sentence, whichever way the user was sent.
pub(super) async fn a_full_list_gets_a_sentence(browser: &Browser, binary: &str) {
    const MAX_USERS: usize = 1_000;
    let server = Server::start(binary, &[]);
    for number in 2..MAX_USERS {
        server.add_user(&format!("user {number}")).await;
    }
    let tab = browser.open_lesson(&server).await;
    tab.until(&format!(
        "document.querySelectorAll('#users li').length === {MAX_USERS}"
    ))
    .await;
    tab.type_text("input[name=username]", "one too many\n")
        .await;
    tab.until(&format!("/full|1,?000/.test({})", text_of("error")))
        .await;
    // What was typed is not lost.
    let typed = "document.querySelector('input[name=username]').value";
    assert_eq!(tab.evaluate(typed).await, "one too many");
}
