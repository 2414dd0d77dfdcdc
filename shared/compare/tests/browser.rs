//! The page in a real browser. `cargo test -p compare --test browser -- --ignored`
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a wrong response ends the test"
)]

#[path = "comparison/folder.rs"]
mod folder;
#[path = "comparison/started.rs"]
mod started;

use folder::Folder;
use serde_json::json;
use started::{Comparison, LESSONS, lesson_origins, program_of};
use testing::browser::conformance::{
    the_language_is_chosen_without_a_script, the_link_switches_to_english, the_page_is_all_chinese,
};
use testing::browser::{Browser, Tab};

/// The number in the cell of a figure, or null.
const FIGURE: &str = "(lesson, name) => {
    const text = document.querySelector(`[data-lesson='${lesson}'] [data-figure='${name}']`).textContent;
    return text === '–' ? null : Number(text.replace(/\\D/g, ''));
}";

/// Presses the button at the moment at which polling has just asked in vain: the next question is a second away.
const PRESS_AFTER_POLL: &str = "new Promise((resolve) => {
    const frame = document.querySelector('iframe[data-lesson=polling]');
    let withoutNews = Infinity;
    const listen = ({ source, data }) => {
        if (source !== frame.contentWindow || data.type !== 'totals') return;
        const isAnswered = data.totals.withoutNews > withoutNews;
        withoutNews = data.totals.withoutNews;
        if (!isAnswered) return;
        removeEventListener('message', listen);
        document.getElementById('change').click();
        resolve(true);
    };
    addEventListener('message', listen);
})";

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn one_press_shows_what_the_change_and_the_silence_cost_in_each_lesson() {
    let (server, browser) = (
        Comparison::start(&["--silence", "2"]),
        Browser::start().await,
    );
    let tab = open(&browser, &server.url("/")).await;
    tab.evaluate(PRESS_AFTER_POLL).await;
    until_news(&tab).await;
    let [polling, long_polling, iframe, sse, websocket] = figures(&tab, "delay").await;
    let others = [long_polling, iframe, sse, websocket];
    assert!(
        others.iter().all(|delay| *delay < polling),
        "{polling}, {others:?}"
    );
    assert!(
        polling > 300,
        "{polling} ms: a second between two questions"
    );
    assert_eq!(figures(&tab, "requests").await, [1, 1, 0, 0, 0]);
    let [polling, long_polling, iframe, sse, websocket] = figures(&tab, "bytes").await;
    assert!(
        polling > 500 && long_polling > 500,
        "headers: {polling}, {long_polling}"
    );
    assert!(long_polling > 2 * iframe, "{long_polling}, {iframe}");
    assert!(
        iframe > sse && sse > websocket,
        "{iframe}, {sse}, {websocket}"
    );

    tab.until("document.getElementById('silence-time').textContent === '0:02'")
        .await;
    let [polling, others @ ..] = figures(&tab, "silence-requests").await;
    assert!(polling >= 1, "polling asks in vain");
    assert_eq!(others, [0; 4]);
    let [polling, others @ ..] = figures(&tab, "silence-bytes").await;
    assert!(polling > 500, "{polling}");
    assert!(others.iter().all(|bytes| *bytes < 500), "{others:?}");
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// So the lists do not grow, and each press costs the same. It also works by keyboard.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_second_press_removes_the_user_of_the_first() {
    let (server, browser) = (Comparison::start(&[]), Browser::start().await);
    let tab = open(&browser, &server.url("/")).await;
    let mut names = Vec::new();
    for _ in 0..3 {
        tab.type_text("#change", "\n").await;
        until_news(&tab).await;
        let polling = &lesson_origins(&server).await[0];
        let list = server.client.get(format!("{polling}/users")).send().await;
        names.push(list.unwrap().text().await.unwrap().contains("One change"));
    }
    assert_eq!(names, [true, false, true]);
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// A lesson without a server gets a sentence, and delays no other.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_lesson_that_does_not_answer_is_named() {
    let folder = folder_without_sse();
    let (server, browser) = (
        Comparison::of(&folder.path("compare"), &[]),
        Browser::start().await,
    );
    let tab = browser.open(&server.url("/")).await;
    let ready = "document.getElementById('change').ariaDisabled === 'false'";
    let problems = "document.getElementById('problems').textContent";
    tab.until(ready).await;
    let named = "Server-Sent Events: the frame has no list of users yet.";
    assert_eq!(tab.evaluate(problems).await, named);
    tab.click("#change").await;
    tab.until(&format!(
        "{ready} && {problems}.includes('cannot be reached')"
    ))
    .await;
    for lesson in LESSONS {
        let delay = tab
            .evaluate(&format!("({FIGURE})('{lesson}', 'delay')"))
            .await;
        assert_eq!(delay.is_null(), lesson == "sse", "{lesson}: {delay}");
    }
    // What is unknown is not 0.
    tab.until("document.getElementById('silence-time').textContent")
        .await;
    for lesson in LESSONS {
        let bytes = tab
            .evaluate(&format!("({FIGURE})('{lesson}', 'silence-bytes')"))
            .await;
        assert_eq!(bytes.is_null(), lesson == "sse", "{lesson}: {bytes}");
    }
}

/// The frames, too: their lessons get the same cookie, because a browser sends it to all ports of a host.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_page_is_there_in_chinese() {
    let (server, browser) = (
        Comparison::start(&["--silence", "2"]),
        Browser::start().await,
    );
    the_language_is_chosen_without_a_script(&server, "/").await;
    let port = server.address().port();
    for host in ["127.0.0.1", "localhost"] {
        let tab = open(&browser, &format!("http://{host}:{port}/?language=zh-CN")).await;
        the_page_is_all_chinese(&tab).await;
        let frames = "[...document.querySelectorAll('iframe')].map((frame) => frame.src)";
        let frames = tab.evaluate(frames).await;
        let frames = frames.as_array().unwrap();
        assert_eq!(frames.len(), LESSONS.len());
        for frame in frames {
            let frame = browser.open(frame.as_str().unwrap()).await;
            let language = frame.evaluate("document.documentElement.lang").await;
            assert_eq!(language, "zh-CN", "{host}");
        }
        tab.click("summary").await;
        // The change adds the user, and the next one removes it.
        for _ in 0..2 {
            tab.click("#change").await;
            until_news(&tab).await;
            the_page_is_all_chinese(&tab).await;
        }
        tab.until("document.getElementById('silence-time').textContent === '0:02'")
            .await;
        the_page_is_all_chinese(&tab).await;
        the_link_switches_to_english(&tab).await;
    }
    assert_eq!(browser.console_errors().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_lesson_that_does_not_answer_is_named_in_chinese() {
    let folder = folder_without_sse();
    let (server, browser) = (
        Comparison::of(&folder.path("compare"), &[]),
        Browser::start().await,
    );
    let tab = browser.open(&server.url("/?language=zh-CN")).await;
    let problems = "document.getElementById('problems').textContent";
    for problem in [
        "服务器发送事件（SSE）：框架里还没有",
        "服务器发送事件（SSE）：连不上服务器",
        "服务器发送事件（SSE）：上一次改动",
    ] {
        tab.until(&format!("{problems}.startsWith('{problem}')"))
            .await;
        the_page_is_all_chinese(&tab).await;
        tab.click("#change").await;
    }
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_page_can_be_used_by_everybody() {
    let (server, browser) = (
        Comparison::start(&["--silence", "1"]),
        Browser::start().await,
    );
    let tab = open(&browser, &server.url("/")).await;
    tab.click("#change").await;
    until_news(&tab).await;
    for (width, scheme) in [
        (1280, "light"),
        (1280, "dark"),
        (360, "light"),
        (360, "dark"),
    ] {
        tab.emulate(width, scheme).await;
        let fits = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(
            tab.evaluate(fits).await,
            0,
            "it scrolls sideways at {width} px"
        );
        tab.is_accessible(&format!("{width} px, {scheme}")).await;
    }
}

/// Returns a folder with the real lessons, except lesson 4, which prints an address without listening.
fn folder_without_sse() -> Folder {
    let others = LESSONS.iter().filter(|name| **name != "sse");
    let others: Vec<_> = others.map(|name| (*name, program_of(name))).collect();
    let others: Vec<_> = others
        .iter()
        .map(|(name, program)| (*name, &**program))
        .collect();
    Folder::with(&others)
}

/// Opens the page and waits until all lessons are connected.
async fn open<'browser>(browser: &'browser Browser, url: &str) -> Tab<'browser> {
    let tab = browser.open(url).await;
    until_ready(&tab).await;
    tab
}

async fn until_ready(tab: &Tab<'_>) {
    tab.until("document.getElementById('change').ariaDisabled === 'false'")
        .await;
    assert_eq!(
        tab.evaluate("document.getElementById('problems').textContent")
            .await,
        ""
    );
}

/// Waits until all lessons have the news of a change.
async fn until_news(tab: &Tab<'_>) {
    until_ready(tab).await;
    tab.until(&format!(
        "{}.every((lesson) => ({FIGURE})(lesson, 'delay') !== null)",
        json!(LESSONS)
    ))
    .await;
}

/// Returns a figure of each lesson.
async fn figures(tab: &Tab<'_>, name: &str) -> [i64; 5] {
    let mut figures = [0; 5];
    for (lesson, figure) in LESSONS.iter().zip(&mut figures) {
        let value = tab
            .evaluate(&format!("({FIGURE})('{lesson}', '{name}')"))
            .await;
        assert!(value.is_i64(), "{lesson}, {name}: {value}");
        *figure = value.as_i64().unwrap_or_default();
    }
    figures
}
