//! The promise that every page is there in two languages: as a whole, and with room for both.

use reqwest::Client;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use serde_json::json;

use super::wire;
use crate::browser::{Browser, Tab};
use crate::{Server, Signal};

/// The widths at which a page is looked at, in CSS pixels: a computer, and a small phone.
const WIDTHS: [u32; 2] = [1280, 360];

/// A key in `WebDriver`.
const BACKSPACE: &str = "\u{E003}";

/// JavaScript for every text of a page that is not Chinese: three or more English words in a row, and a button, a heading
/// or a label without a Chinese word. From the first call on it also remembers what was on the page for a short time.
///
/// Left out: code and keys, what somebody has typed (`dir="auto"`), and what is marked as another language, such as the
/// error sentences of a server and the link that switches.
const ENGLISH: &str = r##"(() => {
    const OTHER = "[lang]:not([lang|=zh])";
    const SKIPPED = `pre, code, kbd, script, style, noscript, template, [dir=auto], ${OTHER}`;
    const LABELS = "button, h1, h2, h3, label, legend, summary, dt, th, output, [role=status], [role=alert]";
    const WORDS = /[A-Za-z][A-Za-z'’-]*(?:[\s,]+[A-Za-z][A-Za-z'’-]*){2,}/;
    const NAMES = /WebSocket|SSE|Comet|iframe/g;
    const isLonely = (text) => !/\p{Script=Han}/u.test(text) && /[A-Za-z]{3}/.test(text.replace(NAMES, ""));
    const blockOf = (element) => {
        let block = element;
        while (block.parentElement && getComputedStyle(block).display.startsWith("inline") && !block.matches("button")) {
            block = block.parentElement;
        }
        return block;
    };
    const textsOf = (root) => {
        const texts = new Map();
        const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const { parentElement, textContent } = walker.currentNode;
            const block = blockOf(parentElement);
            texts.set(block, (texts.get(block) ?? "") + (parentElement.closest(SKIPPED) ? " … " : textContent));
        }
        return texts;
    };
    const find = () => {
        const titles = [...document.querySelectorAll("head title")].filter((title) => !title.closest(OTHER));
        const found = titles.map((title) => title.textContent).filter((text) => WORDS.test(text));
        for (const [block, text] of textsOf(document.body)) {
            const isLabel = block.closest(LABELS) && !block.closest("#wire-rows");
            if (WORDS.test(text) || (isLabel && isLonely(text))) found.push(text);
        }
        for (const element of document.querySelectorAll("[aria-label], [title], [placeholder], [alt], [aria-description]")) {
            if (element.closest(OTHER)) continue;
            for (const name of ["aria-label", "title", "placeholder", "alt", "aria-description"]) {
                const text = element.getAttribute(name);
                if (text && (WORDS.test(text) || isLonely(text))) found.push(`${name}: ${text}`);
            }
        }
        for (const { textContent } of document.querySelectorAll("noscript")) {
            const { body } = new DOMParser().parseFromString(textContent, "text/html");
            body.querySelectorAll("code").forEach((code) => code.remove());
            if (WORDS.test(body.textContent)) found.push(body.textContent);
        }
        return found.map((text) => text.trim().replace(/\s+/g, " ").slice(0, 200));
    };
    const remember = () => find().forEach((text) => window.englishTexts.add(text));
    if (!window.englishTexts) {
        window.englishTexts = new Set();
        let scheduled = null;
        new MutationObserver(() => {
            scheduled ??= setTimeout(() => {
                scheduled = null;
                remember();
            }, 20);
        }).observe(document.documentElement, { subtree: true, childList: true, characterData: true, attributes: true });
    }
    remember();
    return [...window.englishTexts];
})()"##;

/// JavaScript for every element whose content is wider than itself, or is cut off below, except those that scroll, and
/// those that only a screen reader reads.
const CUT_OFF: &str = r#"(() => {
    const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
    const { scrollWidth } = document.documentElement;
    const found = scrollWidth > innerWidth ? [`the page is ${scrollWidth} px wide`] : [];
    for (const element of document.body.querySelectorAll("*")) {
        if (element.closest("svg, .unseen") || !element.checkVisibility() || element.clientWidth === 0) continue;
        const { overflowY, clipPath } = getComputedStyle(element);
        if (clipPath !== "none") continue;
        // What scrolls may reach over the padding of its parent.
        const isScrolled = [element, ...element.children].some(scrolls);
        const isWide = !isScrolled && element.scrollWidth > element.clientWidth + 1;
        const isHigh = overflowY === "hidden" && element.scrollHeight > element.clientHeight + 1;
        const name = `${element.localName}#${element.id}.${element.className}`;
        if (isWide || isHigh) found.push(`${name}: ${element.textContent.trim().slice(0, 80)}`);
    }
    return found;
})()"#;

/// Checks that everything on a page is Chinese, and that nothing is cut off. From the second call on this includes what
/// was there for a moment since the first one.
///
/// # Panics
/// When something is English or is cut off.
pub async fn the_page_is_all_chinese(tab: &Tab<'_>) {
    let language = tab.evaluate("document.documentElement.lang").await;
    assert_eq!(language, "zh-CN");
    assert_eq!(tab.evaluate(ENGLISH).await, json!([]), "not Chinese");
    for width in WIDTHS {
        tab.emulate(width, "light").await;
        let cut_off = tab.evaluate(CUT_OFF).await;
        assert_eq!(cut_off, json!([]), "cut off at {width} px");
    }
}

/// Checks that the page at `path` follows `Accept-Language` and the cookie, and that its link switches the language
/// without JavaScript.
///
/// # Panics
/// When it does not.
pub async fn the_language_is_chosen_without_a_script(server: &Server, path: &str) {
    let client = Client::builder().no_proxy().redirect(Policy::none());
    let client = client.build().expect("a client without TLS");
    let get = async |path: &str, cookie: &str| {
        let request = client.get(server.url(path)).header(COOKIE, cookie);
        let request = request.header("accept-language", "zh-CN,zh;q=0.9");
        request.send().await.expect("a response")
    };
    let text = async |cookie: &str| get(path, cookie).await.text().await.expect("text");
    let chinese = text("").await;
    assert!(chinese.contains("<html lang=\"zh-CN\""), "{path}");
    assert!(chinese.contains("href=\"?language=en\""), "{path}: a link");
    let switched = get(&format!("{path}?language=en"), "").await;
    assert_eq!(switched.status(), 303, "{path}");
    assert_eq!(switched.headers()[LOCATION], path);
    let cookie = switched.headers()[SET_COOKIE].to_str().expect("text");
    let english = text(cookie.split(';').next().unwrap_or_default()).await;
    assert!(english.contains("<html lang=\"en\""), "{path}");
    assert!(english.contains("href=\"?language=zh-CN\""), "{path}");
}

/// Checks that the link in the open page leads to the same page in English.
///
/// # Panics
/// When it does not.
pub async fn the_link_switches_to_english(tab: &Tab<'_>) {
    let address = "location.pathname";
    let before = tab.evaluate(address).await;
    tab.click(".language").await;
    tab.until("document.documentElement.lang === 'en' && document.readyState === 'complete'")
        .await;
    assert_eq!(tab.evaluate(address).await, before);
    assert_eq!(tab.evaluate("location.search").await, "");
}

/// Checks the page of the lesson `binary` in Chinese: in use, while its server hangs, without a server, and after a
/// restart. It has a browser of its own, because a browser keeps the choice of a language for all pages of a host.
///
/// # Panics
/// When a part of the page is English or is cut off.
pub async fn check_chinese(binary: &str) {
    let flags = ["--heartbeat", "0.4"];
    let server = Server::start(binary, &flags);
    the_language_is_chosen_without_a_script(&server, "/").await;
    let browser = Browser::start().await;
    let tab = browser.open(&server.url("/?language=zh-CN")).await;
    tab.until_status("open").await;
    tab.until_users(&["张三", "Alice"]).await;
    the_page_is_all_chinese(&tab).await;
    use_everything(&tab).await;
    the_page_is_all_chinese(&tab).await;

    hang_for_a_while(&server, &tab).await;
    the_page_is_all_chinese(&tab).await;

    let port = server.address().port();
    server.signal(Signal::KILL);
    assert_eq!(server.wait().code, None);
    tab.click("#users li:first-child .remove").await;
    tab.until("document.getElementById('error').textContent")
        .await;
    tab.until("document.getElementById('status').dataset.state !== 'open'")
        .await;
    the_page_is_all_chinese(&tab).await;
    let _server = Server::start_on(port, binary, &flags);
    tab.click("#retry").await;
    tab.until_users(&["张三", "Alice"]).await;
    tab.until("document.getElementById('notice').textContent")
        .await;
    the_page_is_all_chinese(&tab).await;
    the_link_switches_to_english(&tab).await;
    tab.until_status("open").await;
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// Stops the server until the page has noticed, lets it go on, and uses the page again.
async fn hang_for_a_while(server: &Server, tab: &Tab<'_>) {
    server.signal(Signal::STOP);
    tab.type_text("input[name=username]", "Bob\n").await;
    tab.until("document.getElementById('error').textContent")
        .await;
    server.signal(Signal::CONT);
    // A frame of lesson 5 may be lost with its connection, so nobody knows whether Bob is there.
    tab.until_status("open").await;
    for toggle in ["#users-toggle", "#clock-toggle", "#users-toggle"] {
        tab.click(toggle).await;
        tab.is_accessible("the page in Chinese").await;
    }
    tab.until_status("open").await;
}

/// Everything that can be done with a page whose server runs.
async fn use_everything(tab: &Tab<'_>) {
    tab.click("#clock-toggle").await;
    tab.until_clock().await;
    tab.type_text("input[name=username]", "   \n").await;
    tab.until("document.getElementById('error').textContent")
        .await;
    let keys = format!("{BACKSPACE}{BACKSPACE}{BACKSPACE}李四\n");
    tab.type_text("input[name=username]", &keys).await;
    tab.until_users(&["张三", "Alice", "李四"]).await;
    tab.click("#users li:first-child .remove").await;
    tab.until_users(&["Alice", "李四"]).await;
    if tab
        .evaluate("document.getElementById('echo') !== null")
        .await
        == true
    {
        tab.type_text("#echo-text", "你好\n").await;
        tab.until("document.getElementById('echo-answer').textContent.includes('你好')")
            .await;
    }
    let before = tab.text("cut-result").await;
    tab.click("#cut").await;
    tab.until(&format!(
        "document.getElementById('cut-result').textContent !== {}",
        json!(before)
    ))
    .await;
    tab.until_status("open").await;
    wire::open_all_rows(tab).await;
    tab.click("#timeline-pause").await;
    tab.click("#timeline-pause").await;
}
