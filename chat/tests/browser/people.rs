//! What people in a room see of each other.

use super::*;

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn two_browsers_chat_and_each_sees_every_event() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let [one, two] = [Browser::start().await, Browser::start().await];
    let ann = join(&one, &server, "Ann").await;
    until_says(&ann, "roster", "Ann (you)").await;
    until_says(&ann, "beginning", "This is where #lobby begins").await;

    // A name has one holder, whatever its case.
    let bob = visit(&two, &server, "Bob").await;
    bob.type_text("#name", "ANN\n").await;
    until_says(&bob, "error", "Somebody else has that name").await;
    bob.evaluate("document.getElementById('name').value = ''")
        .await;
    bob.type_text("#name", "Bob\n").await;
    bob.until_status("open").await;
    assert_eq!(bob.text("error").await, "");

    until_says(&ann, "messages", "Bob has joined").await;
    until_says(&ann, "roster", "Bob").await;
    until_says(&ann, "people-title", "(2)").await;
    bob.type_text("#text", "He").await;
    until_says(&ann, "typing", "Bob is typing").await;
    bob.type_text("#text", "llo, Ann\n").await;
    for tab in [&ann, &bob] {
        until_texts(tab, &["Hello, Ann"]).await;
        // All that was said is in sight, and nothing earlier is offered.
        tab.until("document.getElementById('older').hidden && !document.getElementById('beginning').hidden")
            .await;
    }
    assert_eq!(
        ann.text("typing").await,
        "",
        "who has said it is not typing it"
    );
    let time = "/^20\\d\\d-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d$/.test(document.querySelector('#messages [data-id] time').textContent)";
    assert_eq!(ann.evaluate(time).await, true, "the server's time");
    // For Ann the first item is "Bob has joined", and for Bob it is his message.
    let days =
        "[...document.querySelectorAll('#messages li')].map((item) => 'day' in item.dataset)";
    assert_eq!(ann.evaluate(days).await, json!([true, false]));
    assert_eq!(bob.evaluate(days).await, json!([true]));
    say(&ann, "你好").await;
    for tab in [&ann, &bob] {
        until_texts(tab, &["Hello, Ann", "你好"]).await;
    }
    leave(&bob).await;
    until_says(&ann, "messages", "Bob has left").await;
    until_says(&ann, "people-title", "(1)").await;
    for browser in [&one, &two] {
        assert_eq!(browser.console_errors().await, [""; 0]);
    }
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_private_message_is_seen_by_two_and_nobody_else() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let [ann, bob, eve] = [
        join(&browser, &server, "Ann").await,
        join(&browser, &server, "Bob").await,
        join(&browser, &server, "Eve").await,
    ];
    until_says(&ann, "people-title", "(3)").await;
    ann.click("#roster li:nth-child(2) button").await;
    until_says(&ann, "to-all", "Only to Bob").await;
    say(&ann, "psst").await;
    until_texts(&ann, &["psst"]).await;
    until_texts(&bob, &["psst"]).await;
    assert_eq!(
        bob.evaluate("document.querySelector('.private .author').textContent")
            .await,
        "Ann only to you"
    );
    // The answer, by clicking on the name of the author; and the way back to all.
    bob.click("#messages .private .author button").await;
    say(&bob, "what?").await;
    until_texts(&ann, &["psst", "what?"]).await;
    for (tab, back) in [(&ann, "\u{e00c}"), (&bob, "")] {
        if back.is_empty() {
            tab.click("#to-all").await;
        } else {
            tab.type_text("#text", back).await;
        }
        tab.until("document.getElementById('to-all').hidden").await;
    }
    say(&ann, "for all").await;
    until_texts(&eve, &["for all"]).await;
    // Nor after a reload, from the history.
    eve.evaluate("location.reload()").await;
    until_texts(&eve, &["for all"]).await;
    until_texts(&bob, &["psst", "what?", "for all"]).await;
    assert_eq!(browser.console_errors().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn two_tabs_are_one_person_until_one_takes_another_name() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let first = join(&browser, &server, "Ann").await;
    // The second one knows the name already.
    let url = first.evaluate("document.URL").await;
    let second = browser.open(url.as_str().unwrap()).await;
    second.until_status("open").await;
    assert_eq!(second.text("people-title").await, "Who is here (1)");
    say(&first, "from the first").await;
    until_texts(&second, &["from the first"]).await;
    say(&second, "from the second").await;
    until_texts(&first, &["from the first", "from the second"]).await;
    assert_eq!(
        first
            .evaluate("document.querySelectorAll('.mine').length")
            .await,
        2
    );

    leave(&second).await;
    second
        .evaluate("document.getElementById('name').value = ''")
        .await;
    second.type_text("#name", "Anna\n").await;
    until_says(&first, "error", "you are no longer \u{2068}Ann\u{2069}").await;
    first
        .until("document.getElementById('send').checkVisibility() === false")
        .await;
    assert_eq!(
        first
            .evaluate("document.getElementById('name').value")
            .await,
        "Anna"
    );
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn script_in_every_field_is_text() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let evil = "<img src=x onerror=a()>";
    let ann = join(&browser, &server, "Ann").await;
    let bob = visit(&browser, &server, "Bob").await;
    bob.type_text("#name", &format!("{evil}\n")).await;
    bob.until_status("open").await;
    until_says(&ann, "roster", evil).await;
    until_says(&ann, "messages", evil).await;
    bob.type_text("#text", "x").await;
    until_says(&ann, "typing", evil).await;
    say(&bob, "</p><script>pwned=1</script>").await;
    until_texts(&ann, &["x</p><script>pwned=1</script>"]).await;
    ann.click("#messages .author button").await;
    until_says(&ann, "to-all", evil).await;
    say(&ann, evil).await;
    until_texts(&bob, &["x</p><script>pwned=1</script>", evil]).await;
    for tab in [&ann, &bob] {
        let injected =
            "document.querySelectorAll('main img, main script').length + typeof window.pwned";
        assert_eq!(tab.evaluate(injected).await, "0undefined");
    }
    assert_eq!(browser.console_errors().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_title_counts_unseen_messages() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let [ann, bob] = [
        join(&browser, &server, "Ann").await,
        join(&browser, &server, "Bob").await,
    ];
    let hide = |hidden: bool| {
        format!(
            "(Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }}),
        document.dispatchEvent(new Event('visibilitychange')), null)"
        )
    };
    ann.evaluate(&hide(true)).await;
    say(&bob, "one").await;
    say(&bob, "two").await;
    ann.until("document.title === '(2) #lobby · Ann'").await;
    ann.evaluate(&hide(false)).await;
    ann.until("document.title === '#lobby · Ann'").await;
}
