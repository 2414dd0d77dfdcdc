//! What crosses the network, below the messages.

use super::*;

/// Waits until the timeline's sentence begins with `pattern`, and a new update with this name is drawn.
async fn until_drawn(tab: &Tab<'_>, pattern: &str) {
    tab.until(&format!(
        "document.getElementById('timeline-pattern').textContent.startsWith('{pattern}')"
    ))
    .await;
    // The labels name the update. It is this one, because the rows were cleared before.
    tab.until(
        "[...document.querySelectorAll('#timeline [data-kind=\"news\"]')]
            .some((mark) => mark.querySelector('.label')?.textContent.startsWith('message '))",
    )
    .await;
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_timeline_shows_each_transport_as_its_own_pattern() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    ann.emulate(1280, "light").await;
    let panel = "document.getElementById('timeline').checkVisibility()";
    assert_eq!(ann.evaluate(panel).await, false, "it is closed at first");
    ann.click("#network summary").await;
    ann.until(panel).await;
    let mut texts = Vec::new();
    for (transport, pattern) in [
        ("websocket", "A road"),
        ("sse", "One long bar"),
        ("long-poll", "Bricks"),
    ] {
        choose_transport(&ann, transport).await;
        until_transport(&ann, transport).await;
        ann.evaluate("(document.getElementById('wire-clear').click(), null)")
            .await;
        texts.push(format!("over {transport}"));
        say(&ann, &format!("over {transport}")).await;
        until_texts(&ann, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
        until_drawn(&ann, pattern).await;
        // The message has come once. That it was typed, and that the server has it, is no news.
        assert_eq!(ann.text("wire-updates").await, "1", "{transport}");
    }
    // All transports of a room are drawn on one strip, so the change from one to another is in sight.
    let addresses =
        "[...document.querySelectorAll('#timeline .address')].map((text) => text.textContent)";
    assert_eq!(ann.evaluate(addresses).await, json!(["/rooms/lobby/…"]));
    assert_eq!(browser.console_errors().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_delay_is_drawn_only_where_it_is_known() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    let second_tab = browser
        .open(&format!(
            "http://ann.localhost:{}/?room=lobby",
            server.address().port()
        ))
        .await;
    second_tab.until_status("open").await;
    let bob = join(&browser, &server, "Bob").await;
    let marks = |kind: &str| {
        format!("document.querySelectorAll('#timeline [data-kind=\"news\"] {kind}').length")
    };
    let [known, unknown] = [marks(".delay"), marks(".mark.unknown")];
    for tab in [&ann, &second_tab] {
        tab.emulate(1280, "light").await;
        tab.click("#network summary").await;
    }
    let mut texts = Vec::new();
    for transport in ["websocket", "sse", "long-poll"] {
        for tab in [&ann, &second_tab] {
            choose_transport(tab, transport).await;
            until_transport(tab, transport).await;
            tab.evaluate("(document.getElementById('wire-clear').click(), null)")
                .await;
        }
        // Bob's page belongs to another origin, so no page of Ann can know when he has sent his message. Her own message
        // comes first: it must not lend him its time.
        for (author, text) in [(&ann, "mine"), (&bob, "his")] {
            let text = format!("{text} over {transport}");
            say(author, &text).await;
            texts.push(text);
            for tab in [&ann, &second_tab] {
                until_texts(tab, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
            }
        }
        for tab in [&ann, &second_tab] {
            tab.until(&format!("{known} === 1 && {unknown} === 1"))
                .await;
        }
    }
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_open_panel_leaves_the_form_in_sight() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    say(&ann, "Hi").await;
    ann.emulate(1280, "light").await;
    ann.click("#network summary").await;
    for (width, scheme) in [(1280, "light"), (375, "dark")] {
        ann.emulate(width, scheme).await;
        for part in [
            "room-title",
            "status",
            "text",
            "send-button",
            "timeline-pattern",
        ] {
            assert_eq!(
                ann.evaluate(&in_sight(part)).await,
                true,
                "{width} px: {part}"
            );
        }
        let fits = "document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(ann.evaluate(fits).await, true, "{width} px");
        ann.is_accessible(&format!("{width} px, {scheme}")).await;
    }
    let repeated = "[...document.querySelectorAll('[id]')].map(({ id }) => id).filter((id, index, all) => all.indexOf(id) !== index)";
    assert_eq!(ann.evaluate(repeated).await, json!([]));
}
