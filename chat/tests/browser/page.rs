//! What the page shows, where, and on which screen.

use super::*;

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_first_error_stands_at_the_form() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    for width in [1280, 375] {
        let tab = visit(&browser, &server, "Ann").await;
        tab.emulate(width, "light").await;
        tab.type_text("#name", &format!("{}\n", "x".repeat(33)))
            .await;
        until_says(&tab, "error", "A name has 1 to 24 characters.").await;
        let distance = "document.getElementById('error').getBoundingClientRect().top
            - document.getElementById('name').getBoundingClientRect().bottom";
        let distance = tab.evaluate(distance).await.as_f64().unwrap();
        assert!((-8.0..16.0).contains(&distance), "{width} px: {distance}");
        assert_eq!(tab.evaluate(&in_sight("error")).await, true);
        assert_eq!(tab.evaluate("document.activeElement.id").await, "name");
        tab.type_text("#name", "\u{e003}").await;
        assert_eq!(tab.text("error").await, "", "it goes when one writes on");
    }
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn on_a_phone_the_room_and_its_state_stay_in_sight() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let bob = join(&browser, &server, "Bob").await;
    for number in 0..30 {
        say(&bob, &format!("message {number}")).await;
    }
    let ann = visit(&browser, &server, "Ann").await;
    ann.emulate(375, "light").await;
    ann.type_text("#name", "Ann\n").await;
    ann.until(&format!("{TEXTS}.length === 30")).await;
    let fits = "document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth";
    let parts = ["room-title", "status", "text", "send-button", "roster"];
    for part in parts {
        assert_eq!(ann.evaluate(&in_sight(part)).await, true, "{part}");
    }
    assert_eq!(ann.evaluate(fits).await, true);
    // All that was said last is there, and the names are on one line.
    let last = "document.querySelector('#messages li:last-child').getBoundingClientRect().bottom
        <= document.getElementById('scroll').getBoundingClientRect().bottom";
    assert_eq!(ann.evaluate(last).await, true);
    let lines = "new Set([...document.querySelectorAll('#roster li > :last-child')].map((name) => {
        const range = document.createRange(); range.selectNodeContents(name);
        return Math.round(range.getBoundingClientRect().bottom); })).size";
    assert_eq!(ann.evaluate(lines).await, 1);
    // The settings are a menu, and it closes with Escape.
    let menu = "document.getElementById('transport').checkVisibility()";
    assert_eq!(ann.evaluate(menu).await, false);
    ann.click("#settings summary").await;
    assert_eq!(ann.evaluate(menu).await, true);
    assert_eq!(ann.evaluate(&in_sight("leave")).await, true);
    ann.type_text("#settings summary", "\u{e00c}").await;
    assert_eq!(ann.evaluate(menu).await, false);

    kill(server);
    ann.until_status("closed").await;
    until_says(&ann, "status", "The server cannot be reached").await;
    for part in ["room-title", "status", "retry", "text"] {
        assert_eq!(ann.evaluate(&in_sight(part)).await, true, "{part}");
    }
    assert_eq!(ann.evaluate(fits).await, true);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn without_scripts_the_page_says_what_it_needs() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = visit(&browser, &server, "Ann").await;
    // A parser that runs no scripts reads what is in `noscript`.
    let text = "fetch('/').then((response) => response.text()).then((html) =>
        new DOMParser().parseFromString(html, 'text/html').querySelector('noscript p').textContent)";
    let text = ann.evaluate(text).await;
    assert!(
        text.as_str().unwrap().contains("needs JavaScript"),
        "{text}"
    );
}

/// The text of the state changes every second: nothing else may move.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn nothing_moves_while_the_times_change_and_news_comes() {
    let flags = [&IN_MEMORY[..], &["--heartbeat", "3"]].concat();
    let server = Server::start(BINARY, &flags);
    let browser = Browser::start().await;
    let bob = join(&browser, &server, "Bob").await;
    let ann = visit(&browser, &server, "Ann").await;
    for number in 0..15 {
        say(&bob, &format!("message {number}")).await;
    }
    for width in [1280, 375] {
        ann.emulate(width, "light").await;
        if width == 1280 {
            ann.type_text("#name", "Ann\n").await;
        }
        ann.until(&format!("{TEXTS}.length >= 15")).await;
        ann.evaluate(
            "(() => { window.shift = 0; new PerformanceObserver((list) => {
                for (const { value } of list.getEntries()) window.shift += value; }).observe({ type: 'layout-shift' });
                return null; })()",
        )
        .await;
        let positions = "JSON.stringify(['room-title', 'scroll', 'text', 'roster'].map((id) => document.getElementById(id).getBoundingClientRect()))";
        let before = ann.evaluate(positions).await;
        for seconds in ["just now", "2 s ago", "just now"] {
            until_says(&ann, "status", seconds).await;
        }
        assert_eq!(ann.evaluate(positions).await, before, "{width} px");
        say(&bob, "more").await;
        until_says(&ann, "messages", "more").await;
        let shift = ann.evaluate("window.shift").await.as_f64().unwrap();
        assert!(shift < 0.02, "{width} px: {shift}");
    }
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
    say(&ann, "psst http://a.example/").await;
    ann.until(&format!("{TEXTS}.length === 3")).await;
    // With all there is on the page: an open detail, a note, a counter and an error.
    ann.click("#messages li:last-child summary").await;
    ann.until("document.querySelector('#messages li:last-child dl').checkVisibility()")
        .await;
    leave(&bob).await;
    until_says(&ann, "recipient-note", "Bob has left.").await;
    ann.evaluate(&format!(
        "(document.getElementById('text').value = '{}', null)",
        "x".repeat(2_001)
    ))
    .await;
    ann.type_text("#text", "x\n").await;
    until_says(&ann, "error", "at most 2,000 characters").await;
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
    kill(server);
    ann.until_status("closed").await;
    ann.until("document.getElementById('retry').checkVisibility()")
        .await;
    ann.is_accessible("without a server, 360 px, dark").await;
}
