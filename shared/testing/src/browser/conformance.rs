//! The promises of every page of lessons 1 to 5, in a real browser. Each lesson's `tests/browser.rs` calls
//! [`check_all`] with its own binary, and has further tests for its technique.

mod accessibility;
mod embedding;
mod languages;
mod list;
mod mistakes;
mod timeline;
mod trouble;
mod wire;

pub use languages::{
    check_chinese, the_language_is_chosen_without_a_script, the_link_switches_to_english,
    the_page_is_all_chinese,
};
pub use mistakes::check_mistakes;
pub use trouble::{check_partial_responses, check_six_connections};
pub use wire::check_wire;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    Browser, Tab,
    relay::{Crossed, Relay},
};
use crate::{Server, Signal, TEST_TIMEOUT};

/// What the technique keeps open, and what `POST /cut` therefore ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepsOpen {
    /// Nothing. The server responds to each request at once.
    Nothing,
    /// A held request. At a cut the server responds, and the page sends the next request.
    Request,
    /// A stream or a WebSocket. After a cut the page opens a new one.
    Connection,
}

/// Checks every promise of this module against the lesson `binary`.
pub async fn check_all(binary: &str, keeps_open: KeepsOpen) {
    let browser = Browser::start().await;
    let promise = async |name: &str| {
        // In Firefox, a new WebSocket can be late while old pages try to connect to servers that have ended.
        browser.leave_all().await;
        eprintln!("{name}"); // The test runner shows it if the promise is broken.
    };
    promise("a user added in one tab shows in the other").await;
    a_user_added_in_one_tab_shows_in_the_other(&browser, binary).await;
    promise("a hostile name is text").await;
    a_hostile_name_is_text(&browser, binary).await;
    promise("the clock is off until it is switched on").await;
    the_clock_is_off_until_it_is_switched_on(&browser, binary).await;
    promise("the page sends nothing while switched off").await;
    the_page_sends_nothing_while_switched_off(&browser, binary).await;
    promise("the page recovers from a cut").await;
    the_page_recovers_from_a_cut(&browser, binary, keeps_open).await;
    promise("the list is right after a kill and a restart").await;
    the_list_is_right_after_a_kill_and_a_restart(&browser, binary).await;
    check_list(&browser, binary, &promise).await;
    check_trouble(&browser, binary, keeps_open, &promise).await;
    check_timeline(&browser, binary, &promise).await;
    promise("the wire shows what crossed it").await;
    wire::the_wire_shows_what_crossed_it(&browser, binary).await;
    promise("the wire shows what goes wrong").await;
    wire::the_wire_shows_what_goes_wrong(&browser, binary).await;
    promise("a row opens by keyboard and shows its bytes").await;
    wire::a_row_opens_by_keyboard_and_shows_its_bytes(&browser, binary).await;
    promise("the price of an update is that of the README").await;
    wire::the_price_of_an_update_is_that_of_the_readme(&browser, binary).await;
    promise("the oldest rows are removed first").await;
    wire::the_oldest_rows_are_removed_first(&browser, binary).await;
    promise("the page can be used by everybody").await;
    accessibility::the_page_can_be_used_by_everybody(&browser, binary).await;
    assert_eq!(browser.console_errors().await, [""; 0]);
    promise("an error in a page is noticed").await;
    an_error_in_a_page_is_noticed(&browser, binary).await;
}

async fn check_list(browser: &Browser, binary: &str, promise: &impl AsyncFn(&str)) {
    promise("removing a user keeps focus and the others").await;
    list::removing_a_user_keeps_focus_and_the_others(browser, binary).await;
    promise("the newest user is in sight").await;
    list::the_newest_user_is_in_sight(browser, binary).await;
    promise("an error goes when the name changes").await;
    list::an_error_goes_when_the_name_changes(browser, binary).await;
    promise("nothing jumps while news comes").await;
    list::nothing_jumps_while_news_comes(browser, binary).await;
    promise("the steps are ticked when they have happened").await;
    list::the_steps_are_ticked_when_they_have_happened(browser, binary).await;
}

async fn check_timeline(browser: &Browser, binary: &str, promise: &impl AsyncFn(&str)) {
    promise("each technique draws its own pattern").await;
    timeline::each_technique_draws_its_own_pattern(browser, binary).await;
    promise("a break is drawn").await;
    timeline::a_break_is_drawn(browser, binary).await;
    promise("a mark and its row are selected together").await;
    timeline::a_mark_and_its_row_are_selected_together(browser, binary).await;
    promise("a paused timeline stands still").await;
    timeline::a_paused_timeline_stands_still(browser, binary).await;
    promise("the reduced page is the timeline and the totals").await;
    timeline::the_reduced_page_is_the_timeline_and_the_totals(browser, binary).await;
    promise("an allowed site shows the timeline in a frame").await;
    embedding::an_allowed_site_shows_the_timeline_in_a_frame(browser, binary).await;
    promise("another site gets no timeline").await;
    embedding::another_site_gets_no_timeline(browser, binary).await;
}

async fn check_trouble(
    browser: &Browser,
    binary: &str,
    keeps_open: KeepsOpen,
    promise: &impl AsyncFn(&str),
) {
    promise("a hung server is noticed and welcomed back").await;
    trouble::a_hung_server_is_noticed_and_welcomed_back(browser, binary).await;
    promise("a restart is explained").await;
    trouble::a_restart_is_explained(browser, binary).await;
    promise("a request without an answer gets a sentence").await;
    trouble::a_request_without_an_answer_gets_a_sentence(browser, binary).await;
    promise("a full list gets a sentence").await;
    trouble::a_full_list_gets_a_sentence(browser, binary).await;
    promise("a cut is explained").await;
    trouble::a_cut_is_explained(browser, binary, keeps_open).await;
}

async fn a_user_added_in_one_tab_shows_in_the_other(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let [a, b] = [
        browser.open_lesson(&server).await,
        browser.open_lesson(&server).await,
    ];
    a.type_text("input[name=username]", "李四\n").await;
    for tab in [&a, &b] {
        tab.until_users(&["张三", "Alice", "李四"]).await;
    }
    // The other tab shows the age of the change when it arrived.
    b.until("/^\\d+ ms$/.test(document.getElementById('wire-age').textContent)")
        .await;
    b.click("#users li:first-child .remove").await;
    for tab in [&a, &b] {
        tab.until_users(&["Alice", "李四"]).await;
    }
    // A refused name shows an error in its own tab only.
    a.type_text("input[name=username]", "   \n").await;
    a.until("document.getElementById('error').textContent.length > 20")
        .await;
    assert_eq!(b.text("error").await, "");
    loads_nothing_from_elsewhere(&a).await;
}

/// If this fails, the tests do not notice errors on the console.
async fn an_error_in_a_page_is_noticed(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    for wrong in ["uncaught()", "console.error('seen')"] {
        // As code of the page, not of the driver.
        tab.evaluate(&format!("(setTimeout(() => {{ {wrong} }}), null)"))
            .await;
        let start = Instant::now();
        while browser.console_errors().await.is_empty() {
            assert!(start.elapsed() < TEST_TIMEOUT, "no error for {wrong}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Checks that the page has loaded everything from its own server.
async fn loads_nothing_from_elsewhere(tab: &Tab<'_>) {
    let foreign = "performance.getEntriesByType('resource').map((entry) => entry.name)
        .filter((name) => !/^(http|ws):/.test(name) || new URL(name).host !== location.host)";
    assert_eq!(tab.evaluate(foreign).await, json!([]));
}

/// As HTML, the first of these names would be a picture that runs a script.
async fn a_hostile_name_is_text(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    let mut shown = vec!["张三", "Alice"];
    for name in [
        "<img src=x onerror=pwned=1>",
        "</script><script>pwned=1//",
        "&lt;b&gt;\"'\\",
    ] {
        server.add_user(name).await;
        shown.push(name);
        tab.until_users(&shown).await;
    }
    // The wire shows them, too.
    wire::open_all_rows(&tab).await;
    let inside =
        "#users :not(li, span, button), #wire-rows :not(li, details, summary, p, span, pre)";
    let injected = format!("document.querySelectorAll('{inside}').length + typeof window.pwned");
    assert_eq!(tab.evaluate(&injected).await, "0undefined");
}

/// A browser opens at most six connections to a host, for all its tabs together. The clock would need one of them.
async fn the_clock_is_off_until_it_is_switched_on(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    let pressed = "['users', 'clock'].map((name) =>
        document.getElementById(`${name}-toggle`).getAttribute('aria-pressed'))";
    assert_eq!(tab.evaluate(pressed).await, json!(["true", "false"]));
    let never = tab.text("clock").await;
    assert!(!never.starts_with("20"), "{never}");
    tab.click("#clock-toggle").await;
    tab.until_clock().await;
    assert_eq!(tab.evaluate(pressed).await, json!(["true", "true"]));
    tab.until_next_second().await;
}

async fn the_page_sends_nothing_while_switched_off(browser: &Browser, binary: &str) {
    // This is longer than each technique's period, its back-off and a heartbeat. The page measures the time.
    const LATER: &str = "new Promise((done) => setTimeout(done, 2500))";
    let server = Server::start(binary, &["--heartbeat", "0.4"]);
    let relay = Relay::start(server.address()).await;
    let tab = browser.open(&relay.url("/")).await;
    tab.until_users(&["张三", "Alice"]).await;
    tab.click("#clock-toggle").await;
    tab.until_clock().await;
    tab.click("#clock-toggle").await;
    tab.click("#users-toggle").await;
    tab.until_status("closed").await;
    // Responses that were on their way may still arrive.
    let mut before = Crossed::default();
    while before != relay.crossed() {
        before = relay.crossed();
        tab.evaluate("new Promise((done) => setTimeout(done, 300))")
            .await;
    }
    assert_eq!(tab.evaluate(LATER).await, Value::Null);
    assert_eq!(relay.crossed(), before, "requests and bytes");

    server.add_user("meanwhile").await;
    tab.click("#users-toggle").await;
    tab.until_users(&["张三", "Alice", "meanwhile"]).await;
    tab.until_status("open").await;
}

async fn the_page_recovers_from_a_cut(browser: &Browser, binary: &str, keeps_open: KeepsOpen) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    tab.evaluate(
        "(() => {
            const state = document.getElementById('status');
            window.states = [];
            const look = () => states.push(state.dataset.state);
            new MutationObserver(look).observe(state, { attributes: true });
            return null;
        })()",
    )
    .await;
    tab.click("#cut").await;
    let recovered = match keeps_open {
        KeepsOpen::Nothing => "states.every((state) => state === 'open')",
        KeepsOpen::Request => {
            "[...document.querySelectorAll('#wire-rows .down')].some((row) => /GET \\/users\\S* → 204/.test(row.textContent))"
        }
        KeepsOpen::Connection => {
            "states.some((state) => state !== 'open') && states.at(-1) === 'open'"
        }
    };
    tab.until(recovered).await;
    server.add_user("afterwards").await;
    tab.until_users(&["张三", "Alice", "afterwards"]).await;
    tab.until_status("open").await;
}

async fn the_list_is_right_after_a_kill_and_a_restart(browser: &Browser, binary: &str) {
    let flags = ["--heartbeat", "0.4"];
    let server = Server::start(binary, &flags);
    let tab = browser.open_lesson(&server).await;
    server.add_user("forgotten").await;
    tab.until_users(&["张三", "Alice", "forgotten"]).await;
    tab.evaluate("(window.loaded = 'once', null)").await;

    let port = server.address().port();
    server.signal(Signal::KILL);
    assert_eq!(server.wait().code, None);
    tab.until("document.getElementById('status').dataset.state !== 'open'")
        .await;
    let server = Server::start_on(port, binary, &flags);
    tab.until_users(&["张三", "Alice"]).await;
    tab.until_status("open").await;
    server.add_user("afterwards").await;
    tab.until_users(&["张三", "Alice", "afterwards"]).await;
    assert_eq!(tab.evaluate("loaded").await, "once", "without a reload");
}
