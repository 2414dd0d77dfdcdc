//! The promises of the list of users and of the guided steps: nothing jumps, nothing is lost from sight.

use serde_json::json;

use crate::Server;
use crate::browser::{Browser, Tab};

/// The largest sum of layout shifts while news comes, as browsers measure it: <https://web.dev/articles/cls>.
const MAX_SHIFT: f64 = 0.02;

/// Who deletes with the keyboard goes on where they were, and what stays on the page is not touched.
pub(super) async fn removing_a_user_keeps_focus_and_the_others(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    for name in ["a", "b", "c", "d"] {
        server.add_user(name).await;
    }
    let tab = browser.open_lesson(&server).await;
    tab.until_users(&["张三", "Alice", "a", "b", "c", "d"])
        .await;
    tab.evaluate(
        "(() => {
            window.nodes = [0, 0];
            const count = (changes) => changes.forEach(({ addedNodes, removedNodes }) => {
                nodes[0] += addedNodes.length;
                nodes[1] += removedNodes.length;
            });
            new MutationObserver(count).observe(document.getElementById('users'), { childList: true });
            document.querySelector('#users li:nth-child(2) button').focus();
            return null;
        })()",
    )
    .await;
    // Somebody else removes the first one: focus stays on Alice.
    server
        .client
        .delete(server.url("/users/1"))
        .send()
        .await
        .expect("a response");
    tab.until_users(&["Alice", "a", "b", "c", "d"]).await;
    let focused = "document.activeElement.getAttribute('aria-label')";
    assert_eq!(tab.evaluate(focused).await, "Remove Alice");
    assert_eq!(tab.evaluate("nodes").await, json!([0, 1]), "added, removed");
    tab.type_text("#users li:first-child button", "\n").await;
    tab.until_users(&["a", "b", "c", "d"]).await;
    assert_eq!(tab.evaluate(focused).await, "Remove a");
    // The last one: focus goes to the one before it.
    tab.type_text("#users li:last-child button", "\n").await;
    tab.until_users(&["a", "b", "c"]).await;
    assert_eq!(tab.evaluate(focused).await, "Remove c");
}

pub(super) async fn the_newest_user_is_in_sight(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    for number in 0..20 {
        server.add_user(&format!("user {number}")).await;
    }
    tab.until(
        "(() => {
            const list = document.getElementById('users').getBoundingClientRect();
            const last = document.querySelector('#users li:last-child');
            return last.textContent === 'user 19' && last.getBoundingClientRect().bottom <= list.bottom + 1;
        })()",
    )
    .await;
}

/// The error belongs to the name that was refused, not to the next one.
pub(super) async fn an_error_goes_when_the_name_changes(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    let long = "x".repeat(33);
    tab.type_text("input[name=username]", &format!("{long}\n"))
        .await;
    tab.until("document.getElementById('error').textContent.includes('32')")
        .await;
    assert_eq!(
        tab.evaluate("document.querySelector('input[name=username]').value")
            .await,
        json!(long),
        "it can be mended"
    );
    tab.type_text("input[name=username]", "y").await;
    assert_eq!(tab.text("error").await, "");
    // Impatience adds nobody twice.
    tab.evaluate(
        "(() => {
            const form = document.getElementById('add');
            form.elements.username.value = 'once';
            for (let i = 0; i < 4; i++) form.requestSubmit();
            return null;
        })()",
    )
    .await;
    server.add_user("later").await;
    tab.until("document.getElementById('users').textContent.includes('later')")
        .await;
    tab.until("document.querySelector('input[name=username]').value === ''")
        .await;
    let count = "[...document.querySelectorAll('#users li')].filter((item) => item.textContent === 'once').length";
    assert_eq!(tab.evaluate(count).await, 1);
}

/// News moves nothing on the page.
pub(super) async fn nothing_jumps_while_news_comes(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &["--heartbeat", "0.4"]);
    let tab = browser.open_lesson(&server).await;
    if tab
        .evaluate("PerformanceObserver.supportedEntryTypes.includes('layout-shift')")
        .await
        != true
    {
        eprintln!("this browser does not measure layout shifts");
        return;
    }
    for (width, top) in [(1280, 0), (360, 0), (360, 400)] {
        tab.emulate(width, "light").await;
        tab.click("#clock-toggle").await;
        tab.evaluate(&format!("scrollTo(0, {top})")).await;
        observe_shifts(&tab).await;
        for group in 0..4 {
            add_three_users(&server, &tab, group).await;
        }
        server.cut().await;
        server.add_user("last").await;
        tab.until("document.querySelector('#users li:last-child').textContent === 'last'")
            .await;
        tab.until_status("open").await;
        let shifts = tab.evaluate("shifts").await;
        let sum: f64 = shifts
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|shift| shift[0].as_f64())
            .sum();
        assert!(sum <= MAX_SHIFT, "{width} px, {top}: {sum}: {shifts}");
        tab.click("#clock-toggle").await;
    }
}

/// Adds three users, and waits until the page shows the last one. With polling, that takes a second.
async fn add_three_users(server: &Server, tab: &Tab<'_>, group: u32) {
    let mut id = 0;
    for number in 0..3 {
        id = server.add_user(&format!("somebody {group}.{number}")).await;
    }
    let shown = format!("document.querySelector('#users [data-id=\"{id}\"]')");
    tab.until(&shown).await;
}

/// Collects layout shifts from now on, each with the elements that have moved.
async fn observe_shifts(tab: &Tab<'_>) {
    // What was shifted before belongs to the change of the width.
    tab.evaluate(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
            window.shifts = [];
            window.observer?.disconnect();
            const name = ({ node }) => node?.id || node?.className || node?.nodeName;
            window.observer = new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
                if (!entry.hadRecentInput) shifts.push([entry.value, entry.sources.map(name)]);
            }));
            observer.observe({ type: 'layout-shift' });
            done(null);
        })))",
    )
    .await;
}

/// A step is ticked when it has happened, and not before.
pub(super) async fn the_steps_are_ticked_when_they_have_happened(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    let seen =
        "[...document.querySelectorAll('#steps [data-seen]')].map((item) => item.dataset.step)";
    assert_eq!(tab.evaluate(seen).await, json!([]));
    let count = "document.querySelectorAll('#steps li').length";
    let count = tab.evaluate(count).await.as_u64();
    assert!(
        (3..=4).contains(&count.unwrap_or_default()),
        "{count:?} steps"
    );
    // What is added here does not come from elsewhere.
    tab.type_text("input[name=username]", "mine\n").await;
    tab.until_users(&["张三", "Alice", "mine"]).await;
    let elsewhere = format!("{seen}.includes('elsewhere')");
    assert_eq!(tab.evaluate(&elsewhere).await, false);
    let other = browser.open_lesson(&server).await;
    other.type_text("input[name=username]", "yours\n").await;
    other.until_users(&["张三", "Alice", "mine", "yours"]).await;
    let lonely = browser.open_lesson(&server).await;
    other.click("#users li:last-child .remove").await;
    lonely.until(&elsewhere).await;
    // A reload does not forget it, and another tab has its own.
    lonely
        .evaluate("(window.old = true, location.reload())")
        .await;
    lonely.until(&format!("!window.old && {elsewhere}")).await;
    assert_eq!(other.evaluate(&elsewhere).await, false);
}
