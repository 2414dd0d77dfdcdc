//! The promises of the timeline: each technique draws a pattern of its own, and each mark belongs to a row of the wire.

use std::ops::RangeInclusive;

use serde_json::json;

use crate::Server;
use crate::browser::{Browser, Tab};

/// JavaScript that waits for the time in which the pattern of a lesson is observed. The page measures the time.
const FIVE_SECONDS: &str = "new Promise((done) => setTimeout(done, 5000))";

/// Keys in `WebDriver`.
const ARROW_LEFT: &str = "\u{E012}";
const ARROW_DOWN: &str = "\u{E015}";

/// How many requests polling sends in five seconds and in the time of two changes. On a busy machine a response may be late.
const REQUESTS_OF_POLLING: RangeInclusive<u64> = 4..=10;

/// What the timeline draws within five seconds in which the users change twice.
#[derive(Debug)]
struct Pattern {
    /// How the sentence below the timeline starts.
    name: &'static str,
    requests: RangeInclusive<u64>,
    /// The class of what fills the space between the lanes, once for each request.
    bar: &'static str,
    /// Whether a line in the middle shows that both sides may send.
    is_road: bool,
}

impl Pattern {
    fn of(lesson: &str) -> Self {
        let (name, requests, bar) = match lesson {
            "polling" => ("A comb", REQUESTS_OF_POLLING, "short"),
            // Two requests have got their response, and the next one waits.
            "long-polling" => ("Bricks", 3..=3, "waiting"),
            "websocket" => ("A road", 1..=1, "streaming"),
            _ => ("One long bar", 1..=1, "streaming"),
        };
        Self {
            name,
            requests,
            bar,
            is_road: lesson == "websocket",
        }
    }

    /// Checks what the page has drawn.
    async fn check(&self, tab: &Tab<'_>) {
        let requests = count_kind(tab, "request").await;
        let [news, empty] = [
            count_kind(tab, "news").await,
            count_kind(tab, "empty").await,
        ];
        let bars = count(tab, &format!("#timeline .{}", self.bar)).await;
        let drawn =
            format!("{requests} requests, {news} updates, {empty} without news, {bars} bars");
        eprintln!("{}: {drawn}", self.name);
        assert!(self.requests.contains(&requests), "{drawn}");
        assert_eq!((news, bars), (2, requests), "{drawn}");
        // The last request may still wait for its response. In a stream there is nothing but news.
        let unanswered = requests.saturating_sub(news + empty);
        assert!(
            unanswered <= 1 && empty <= requests.saturating_sub(1),
            "{drawn}"
        );
        assert_eq!(count_kind(tab, "break").await, 0);
        let roads = count(tab, "#timeline .road").await;
        assert_eq!(roads, u64::from(self.is_road));
        let sentence = tab.text("timeline-pattern").await;
        assert!(sentence.starts_with(self.name), "{sentence}");
    }
}

/// Counts what is drawn: elements with this `data-kind`.
async fn count_kind(tab: &Tab<'_>, kind: &str) -> u64 {
    count(tab, &format!("#timeline [data-kind={kind}]")).await
}

async fn count(tab: &Tab<'_>, selector: &str) -> u64 {
    let count = format!("document.querySelectorAll('{selector}').length");
    tab.evaluate(&count).await.as_u64().unwrap_or_default()
}

/// Waits until this many elements of a kind are drawn.
async fn until_kind(tab: &Tab<'_>, kind: &str, count: u64) {
    let selector = format!("#timeline [data-kind={kind}]");
    tab.until(&format!(
        "document.querySelectorAll('{selector}').length === {count}"
    ))
    .await;
}

/// Polling looks like a comb, long polling like bricks, a stream like a bar, a WebSocket like a road.
pub(super) async fn each_technique_draws_its_own_pattern(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &["--heartbeat", "60"]);
    let tab = browser.open_lesson(&server).await;
    let lesson = tab.evaluate("document.body.dataset.lesson").await;
    let lesson = lesson.as_str().unwrap_or_default().to_owned();
    tab.click("#wire-clear").await;
    for (index, name) in ["one", "two"].into_iter().enumerate() {
        // So long that a held request can be seen to wait.
        tab.evaluate("new Promise((done) => setTimeout(done, 1000))")
            .await;
        server.add_user(name).await;
        until_kind(&tab, "news", index as u64 + 1).await;
    }
    tab.evaluate(FIVE_SECONDS).await;
    Pattern::of(&lesson).check(&tab).await;
    each_mark_has_its_row(&tab).await;

    // A frame upwards is one more mark. Elsewhere it is a request.
    tab.type_text("input[name=username]", "mine\n").await;
    until_kind(&tab, "news", 3).await;
    assert_eq!(
        count_kind(&tab, "send").await,
        u64::from(lesson == "websocket")
    );
}

async fn each_mark_has_its_row(tab: &Tab<'_>) {
    let lonely = "[...document.querySelectorAll('#timeline [data-row]')]
        .filter(({ dataset }) => !document.querySelector(`#wire-rows > #${dataset.row}`)).length";
    assert_eq!(tab.evaluate(lonely).await, 0);
}

/// A break is torn, also for a person who sees no colours.
pub(super) async fn a_break_is_drawn(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &["--heartbeat", "0.4"]);
    let tab = browser.open_lesson(&server).await;
    assert_eq!(count_kind(&tab, "break").await, 0);
    server.signal(crate::Signal::KILL);
    assert_eq!(server.wait().code, None);
    tab.until("document.querySelector('#timeline [data-kind=break] .tear')")
        .await;
    // And the wait until the next try.
    tab.until("document.querySelector('#timeline .back-off')")
        .await;
}

/// What has the focus is selected in the drawing and in the wire.
pub(super) async fn a_mark_and_its_row_are_selected_together(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    server.add_user("Bob").await;
    tab.until_users(&["张三", "Alice", "Bob"]).await;
    let selected = "[document.querySelector('#timeline .marks .selected')?.dataset.row,
        document.querySelector('#wire-rows .selected')?.id]";
    let is_both = |row: &str| format!("((ids) => ids.every((id) => id === {row}))({selected})");

    // From the drawing to its newest mark, and to the mark before it.
    tab.type_text("#timeline", ARROW_LEFT).await;
    tab.until(&is_both("document.activeElement.dataset.row"))
        .await;
    let before = tab.evaluate("document.activeElement.dataset.row").await;
    tab.type_text("#timeline [data-row]:focus", ARROW_LEFT)
        .await;
    tab.until(&format!(
        "document.activeElement.dataset.row !== {before} && {}",
        is_both("document.activeElement.dataset.row")
    ))
    .await;
    // The reverse: from the wire.
    tab.type_text("#wire-rows", ARROW_DOWN).await;
    tab.until(&is_both("document.activeElement.closest('li')?.id"))
        .await;
    // Enter opens the row of a mark.
    tab.type_text("#timeline", ARROW_LEFT).await;
    tab.until(&is_both("document.activeElement.dataset.row"))
        .await;
    let row = tab.evaluate("document.activeElement.dataset.row").await;
    tab.type_text("#timeline [data-row]:focus", "\n").await;
    tab.until(&format!(
        "document.activeElement.closest('li')?.id === {row} && document.activeElement.closest('details').open"
    ))
    .await;
}

/// The drawing does not run away from a reader. What happens meanwhile is there afterwards.
pub(super) async fn a_paused_timeline_stands_still(browser: &Browser, binary: &str) {
    const POSITION: &str = "document.querySelector('#timeline .marks').style.transform";
    let server = Server::start(binary, &[]);
    let tab = browser.open_lesson(&server).await;
    let pressed = "document.getElementById('timeline-pause').getAttribute('aria-pressed')";
    tab.click("#timeline-pause").await;
    tab.until(&format!("{pressed} === 'true'")).await;
    let paused = tab.evaluate(POSITION).await;
    server.add_user("Bob").await;
    tab.until_users(&["张三", "Alice", "Bob"]).await;
    // Longer than two ticks of the drawing. The page measures the time.
    tab.evaluate("new Promise((done) => setTimeout(done, 2200))")
        .await;
    assert_eq!(tab.evaluate(POSITION).await, paused);
    tab.click("#timeline-pause").await;
    tab.until(&format!(
        "{pressed} === 'false' && {POSITION} !== {}",
        json!(paused)
    ))
    .await;
    assert!(count_kind(&tab, "news").await >= 2);
}

/// `/?view=timeline` is for a frame in another page, such as one that shows all lessons side by side.
pub(super) async fn the_reduced_page_is_the_timeline_and_the_totals(
    browser: &Browser,
    binary: &str,
) {
    let server = Server::start(binary, &[]);
    let tab = browser.open(&server.url("/?view=timeline")).await;
    tab.until("document.querySelector('#timeline [data-kind=news]')")
        .await;
    let visible = "['#timeline', '#wire-cost', '#users', '#status', '#add', 'header', '.client', '#wire-rows', '#cut']
        .filter((selector) => document.querySelector(selector).checkVisibility())";
    assert_eq!(
        tab.evaluate(visible).await,
        json!(["#timeline", "#wire-cost"])
    );
    for (width, scheme) in [(320, "light"), (480, "dark")] {
        tab.emulate(width, scheme).await;
        let fits = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(tab.evaluate(fits).await, 0, "{width} px");
        tab.is_accessible(&format!("the reduced page, {width} px, {scheme}"))
            .await;
    }
    // News goes on to arrive.
    server.add_user("Bob").await;
    until_kind(&tab, "news", 2).await;
}
