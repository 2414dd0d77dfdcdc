//! What is written: several lines, the limit, links, and private messages.

use super::*;

/// Shift and Enter in `WebDriver`: a Shift stays down for all that is typed with it.
const NEW_LINE: &str = "\u{e008}\n";

/// Counts the messages that the page sends over a WebSocket from now on, in `window.sent`.
const COUNT_SENT: &str = "(() => { window.sent = 0; const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (frame) { if (frame.includes('\"message\"')) sent += 1; return send.call(this, frame) };
    return null; })()";

async fn set_text(tab: &Tab<'_>, text: &str) {
    let text = json!(text);
    tab.evaluate(&format!(
        "(() => {{ const field = document.getElementById('text'); field.value = {text};
            field.dispatchEvent(new Event('input')); return null; }})()"
    ))
    .await;
}

async fn value(tab: &Tab<'_>) -> String {
    let value = tab.evaluate("document.getElementById('text').value").await;
    value.as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn enter_sends_and_shift_enter_begins_a_line() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    let bob = join(&browser, &server, "Bob").await;
    let height = "document.getElementById('text').offsetHeight";
    let one_line = ann.evaluate(height).await.as_f64().unwrap();
    for part in ["one", NEW_LINE, "two", NEW_LINE] {
        ann.type_text("#text", part).await;
    }
    let three_lines = ann.evaluate(height).await.as_f64().unwrap();
    assert!(three_lines > one_line + 30.0, "{one_line}, {three_lines}");
    // The Enter of an input method chooses a word.
    for composing in ["isComposing: true", "keyCode: 229"] {
        let enter = format!(
            "document.getElementById('text').dispatchEvent(new KeyboardEvent('keydown', {{ key: 'Enter', {composing},
                bubbles: true, cancelable: true }}))"
        );
        assert_eq!(ann.evaluate(&enter).await, true, "{composing}");
    }
    assert_eq!(value(&ann).await, "one\ntwo\n");
    ann.type_text("#text", "\n").await;
    // The empty line at the end is not sent, and nor is a message of empty lines.
    ann.type_text("#text", NEW_LINE).await;
    ann.type_text("#text", NEW_LINE).await;
    ann.type_text("#text", "\n").await;
    set_text(&ann, "three").await;
    ann.click("#send-button").await;
    for tab in [&ann, &bob] {
        until_texts(tab, &["one\ntwo", "three"]).await;
    }
    let shown = "document.querySelector('#messages .text').innerText";
    assert_eq!(bob.evaluate(shown).await, "one\ntwo", "on two lines");
    assert_eq!(ann.evaluate(height).await.as_f64(), Some(one_line));
    // Also in a browser that cannot make the field as high as its text by itself.
    ann.evaluate("(CSS.supports = () => false, document.getElementById('text').style.fieldSizing = 'fixed', null)")
        .await;
    set_text(&ann, "one\ntwo\nthree").await;
    assert_eq!(ann.evaluate(height).await.as_f64(), Some(three_lines));
    set_text(&ann, "").await;
    assert_eq!(ann.evaluate(height).await.as_f64(), Some(one_line));
    // A long text does not push the room out of sight.
    set_text(&ann, &"line\n".repeat(100)).await;
    let highest = ann.evaluate(height).await.as_f64().unwrap();
    assert!(highest < 200.0, "{highest}");
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_text_that_is_too_long_is_not_sent_and_the_limit_is_shown_before() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    ann.evaluate(COUNT_SENT).await;
    assert_eq!(ann.text("counter").await, "up to 2,000 characters");
    set_text(&ann, &"x".repeat(1_799)).await;
    assert_eq!(ann.text("counter").await, "up to 2,000 characters");
    set_text(&ann, &"x".repeat(1_800)).await;
    assert_eq!(ann.text("counter").await, "1,800 of 2,000 characters");
    set_text(&ann, &"x".repeat(2_001)).await;
    assert_eq!(
        ann.text("counter").await,
        "2,001 of 2,000 characters: 1 too many"
    );
    ann.type_text("#text", "\n").await;
    until_says(
        &ann,
        "error",
        "at most 2,000 characters, and this one has 2,001",
    )
    .await;
    assert_eq!(value(&ann).await, "x".repeat(2_001));
    assert_eq!(ann.evaluate("sent").await, 0);
    assert_eq!(ann.text("messages").await, "");
    // An emoji is one character, for the page as for the server. The spaces at the end are not sent.
    let emoji = "🙂".repeat(2_000);
    set_text(&ann, &format!("{emoji}  ")).await;
    assert_eq!(ann.text("error").await, "", "it goes when one writes on");
    ann.type_text("#text", "\n").await;
    until_texts(&ann, &[&emoji]).await;
    assert_eq!(ann.text("counter").await, "up to 2,000 characters");
    assert_eq!(ann.evaluate("sent").await, 1);
    // A text that is far too long costs nothing either.
    set_text(&ann, &"x".repeat(20_000)).await;
    ann.click("#send-button").await;
    until_says(&ann, "error", "this one has 20,000").await;
    assert_eq!(ann.evaluate("sent").await, 1);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn pressing_twice_does_it_once() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = visit(&browser, &server, "Ann").await;
    // A server that needs a moment, so that there is time to press twice.
    ann.evaluate(
        "(() => { const real = fetch; window.asked = 0;
            window.fetch = async (path, options) => {
                if (path === '/session') asked += 1;
                await new Promise((done) => setTimeout(done, 300));
                return real(path, options); };
            return null; })()",
    )
    .await;
    ann.type_text("#name", "Ann\n\n\n").await;
    ann.evaluate("(document.getElementById('join-button').click(), null)")
        .await;
    ann.until("document.getElementById('join-button').disabled")
        .await;
    assert_eq!(ann.text("join-button").await, "Joining …");
    ann.until_status("open").await;
    assert_eq!(ann.evaluate("asked").await, 1);
    ann.evaluate(COUNT_SENT).await;
    ann.type_text("#text", "once\n\n").await;
    ann.click("#send-button").await;
    until_texts(&ann, &["once"]).await;
    assert_eq!(ann.evaluate("sent").await, 1);
}

/// A text, and the links in it.
const LINKS: [(&str, &[&str]); 29] = [
    ("see http://a.example/b.", &["http://a.example/b"]),
    ("HTTPS://A.EXAMPLE/", &["HTTPS://A.EXAMPLE/"]),
    (
        "http://a.example, or http://b.example!",
        &["http://a.example", "http://b.example"],
    ),
    ("(http://a.example/b)", &["http://a.example/b"]),
    (
        "http://a.example/Rust_(language)",
        &["http://a.example/Rust_(language)"],
    ),
    (
        "(http://a.example/Rust_(language)).",
        &["http://a.example/Rust_(language)"],
    ),
    ("[text](http://a.example/b)", &["http://a.example/b"]),
    ("<http://a.example/b>", &["http://a.example/b"]),
    ("\"http://a.example/b\"", &["http://a.example/b"]),
    ("'http://a.example/b'", &["http://a.example/b"]),
    (
        "http://a.example/b?c=d&e=f#g",
        &["http://a.example/b?c=d&e=f#g"],
    ),
    ("http://a.example/b/", &["http://a.example/b/"]),
    ("http://a.example/b…", &["http://a.example/b"]),
    ("**http://a.example/b**", &["http://a.example/b"]),
    (
        "看http://a.example/路径，很好。",
        &["http://a.example/路径"],
    ),
    ("（http://a.example/b）。", &["http://a.example/b"]),
    (
        "http://localhost:8006/?room=a",
        &["http://localhost:8006/?room=a"],
    ),
    (
        "http://a.example/%3Cscript%3E",
        &["http://a.example/%3Cscript%3E"],
    ),
    // No web address, or one that lies.
    ("javascript:alert(1)", &[]),
    ("data:text/html,<script>alert(1)</script>", &[]),
    ("ftp://a.example file:///etc/passwd mailto:a@b.example", &[]),
    ("http:// http://. https://?", &[]),
    ("http://bank.example@evil.example/", &[]),
    ("xhttp://a.example", &[]),
    ("<a href=\"javascript:alert(1)\">http</a>", &[]),
    // What follows the address is text: markup, quotes, and characters that change the direction of writing.
    (
        "http://a.example/\"onmouseover=\"alert(1)",
        &["http://a.example/"],
    ),
    (
        "http://a.example/<img src=x onerror=alert(1)>",
        &["http://a.example/"],
    ),
    ("http://a.example/\u{202e}gpj.exe", &["http://a.example/"]),
    ("http://a.example/\u{0}b", &["http://a.example/"]),
];

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn links_are_links_and_nothing_else_is_markup() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let ann = join(&browser, &server, "Ann").await;
    let bob = join(&browser, &server, "Bob").await;
    for (text, links) in LINKS {
        let split = format!(
            "import('/static/links.js').then(({{ withLinks }}) => {{
                const item = document.createElement('p');
                item.append(...withLinks({}));
                const links = [...item.querySelectorAll('*')];
                return [item.textContent, links.map((link) => link.getAttribute('href')),
                    links.map((link) => link.textContent), links.every(({{ localName }}) => localName === 'a')];
            }})",
            json!(text)
        );
        let split = ann.evaluate(&split).await;
        assert_eq!(split, json!([text, links, links, true]), "{text}");
    }
    // In the room. A text of nothing but brackets takes no time that one could notice.
    let hostile =
        "http://a.example/<img src=x onerror=pwned=1> javascript:pwned=1 (http://b.example/c).";
    let brackets = format!("http://a.example/{}", ")".repeat(1_900));
    say(&ann, hostile).await;
    set_text(&ann, &brackets).await;
    ann.type_text("#text", "\n").await;
    until_texts(&bob, &[hostile, &brackets]).await;
    let links = "[...document.querySelectorAll('#messages .text *')]
        .map(({ localName, attributes }) => [localName, ...[...attributes].map(({ name, value }) => `${name}=${value}`)].sort())";
    let link = |address: &str| {
        let href = format!("href={address}");
        json!([
            "a",
            "dir=ltr",
            href,
            "rel=noopener noreferrer nofollow",
            "target=_blank"
        ])
    };
    let wanted = [
        "http://a.example/",
        "http://b.example/c",
        "http://a.example/",
    ]
    .map(link);
    assert_eq!(bob.evaluate(links).await, json!(wanted));
    assert_eq!(bob.evaluate("typeof window.pwned").await, "undefined");
    let fast = format!(
        "import('/static/links.js').then(({{ withLinks }}) => {{ const start = performance.now();
            for (let n = 0; n < 300; n++) withLinks({});
            return performance.now() - start; }})",
        json!(brackets)
    );
    let duration = ann.evaluate(&fast).await.as_f64().unwrap();
    assert!(duration < 1_000.0, "{duration} ms for 300 messages");
    assert_eq!(browser.console_errors().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_private_message_says_whether_its_reader_is_here() {
    let server = Server::start(BINARY, &IN_MEMORY);
    let browser = Browser::start().await;
    let [ann, bob] = [
        join(&browser, &server, "Ann").await,
        join(&browser, &server, "Bob").await,
    ];
    until_says(&ann, "people-title", "(2)").await;
    ann.click("#roster li:nth-child(2) button").await;
    until_says(&ann, "to-all", "Only to Bob").await;
    assert_eq!(ann.text("recipient-note").await, "");
    leave(&bob).await;
    until_says(&ann, "recipient-note", "Bob has left.").await;
    say(&ann, "for later").await;
    until_texts(&ann, &["for later"]).await;
    until_says(&ann, "to-all", "Only to Bob").await;
    bob.click("#join-button").await;
    until_texts(&bob, &["for later"]).await;
    ann.until("document.getElementById('recipient-note').textContent === ''")
        .await;
    // A message to all needs no such note; one to an author who has left does.
    say(&bob, "I was here").await;
    until_says(&ann, "messages", "I was here").await;
    leave(&bob).await;
    ann.click("#to-all").await;
    until_says(&ann, "people-title", "(1)").await;
    assert_eq!(ann.text("recipient-note").await, "");
    ann.click("#messages .author button").await;
    until_says(&ann, "recipient-note", "Bob is not here.").await;
    // Somebody else with the same name is not the reader.
    ann.evaluate(
        "(() => { const real = fetch; window.fetch = (path, options) => path.startsWith('/names/')
            ? Promise.resolve(Response.json({ name: 'Bob', id: '17' })) : real(path, options); return null; })()",
    )
    .await;
    bob.click("#join-button").await;
    until_says(&ann, "recipient-note", "Bob is somebody else now.").await;
}
