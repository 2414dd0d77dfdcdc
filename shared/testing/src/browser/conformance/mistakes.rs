//! The promise to a student who edits `client.js`: whatever goes wrong there, the page has a sentence for it.

use super::languages::the_page_is_all_chinese;
use crate::Server;
use crate::browser::relay::Relay;
use crate::browser::{Browser, Tab};

/// The functions that a `client.js` needs besides the one with the mistake.
const CLOCK: &str = "export const watchClock = () => () => {};";

/// Mistakes in `watchUsers`, and parts of the sentence that the page shows.
const MISTAKES: [(&str, &[&str]); 15] = [
    (
        "export function watchUsers( {",
        &["cannot be loaded", "SyntaxError"],
    ),
    (
        "export function watchUser() {}",
        &["does not export", "watchUsers"],
    ),
    (
        "export function watchUsers() {\n  foo.bar();\n}",
        &["line 2", "ReferenceError", "foo"],
    ),
    (
        "export function watchUsers() {\n  setTimeout(() => foo.bar(), 10);\n  return () => {};\n}",
        &["line 2", "ReferenceError", "foo"],
    ),
    (
        "export function watchUsers() {\n  (async () => {\n    await null;\n    foo.bar();\n  })();\n  return () => {};\n}",
        &["line 4", "ReferenceError", "foo"],
    ),
    (
        "export function watchUsers(show, status) {\n  status('open');\n}",
        &["has returned undefined"],
    ),
    (
        "export function watchUsers(show) {\n  show([{ id: 1, username: 'x' }]);\n  return () => {};\n}",
        &["called show with an array", "{ version, users"],
    ),
    (
        "export function watchUsers(show) {\n  show(fetch('/health'));\n  return () => {};\n}",
        &["called show with a promise", "await"],
    ),
    (
        "export function watchUsers(show) {\n  show('{\"version\":1}');\n  return () => {};\n}",
        &["called show with the text"],
    ),
    (
        "export function watchUsers(show) {\n  show();\n  return () => {};\n}",
        &["called show with undefined"],
    ),
    (
        "export function watchUsers(show, status) {\n  status('opened');\n  return () => {};\n}",
        &["called status with the text \"opened\""],
    ),
    (
        "export function watchUsers(show, status) {\n  status('open', 1000);\n  return () => {};\n}",
        &["called status with 1000 for the facts", "retryIn"],
    ),
    (
        "export function watchUsers(show, status) {\n  status('closed', { retryIn: '1 s' });\n  return () => {};\n}",
        &["called status with the text \"1 s\" for retryIn"],
    ),
    (
        "export function watchUsers() {\n  return () => {};\n}",
        &["neither show nor status"],
    ),
    (
        "export function watchUsers(show, status) {\n  const request = new XMLHttpRequest();\n  request.open('GET', '/health');\n  request.send();\n  status('open');\n  return () => {};\n}",
        &["XMLHttpRequest"],
    ),
];

/// Opens the page of the lesson `binary` with each wrong `client.js`.
pub async fn check_mistakes(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &[]);
    for (mistake, expected) in MISTAKES {
        let client = format!("{mistake}\n{CLOCK}\n");
        let relay = Relay::start_with_client(server.address(), &client).await;
        let tab = browser.open(&relay.url("/")).await;
        let shown = "document.getElementById('client-error').textContent";
        for part in expected {
            tab.until(&format!("{shown}.includes({})", serde_json::json!(part)))
                .await;
        }
        assert!(
            tab.text("client-error").await.starts_with("client.js"),
            "{mistake}"
        );
        tab.is_accessible(mistake).await;
    }
    a_watcher_that_cannot_be_stopped_is_not_started_twice(browser, &server).await;
    a_mistake_in_the_real_file_is_no_missing_answer(browser, &server).await;
    the_sentences_are_there_in_chinese(&server).await;
}

/// What the browser says of an error stays English.
async fn the_sentences_are_there_in_chinese(server: &Server) {
    let browser = Browser::start().await;
    for (mistake, _) in MISTAKES {
        let client = format!("{mistake}\n{CLOCK}\n");
        let relay = Relay::start_with_client(server.address(), &client).await;
        let tab = browser.open(&relay.url("/?language=zh-CN")).await;
        tab.until("document.getElementById('client-error').textContent")
            .await;
        the_page_is_all_chinese(&tab).await;
    }
}

async fn a_watcher_that_cannot_be_stopped_is_not_started_twice(browser: &Browser, server: &Server) {
    let client = "window.starts = 0;\nexport function watchUsers(show, status) {\n  window.starts++;\n  status('open');\n}";
    let client = format!("{client}\n{CLOCK}\n");
    let relay = Relay::start_with_client(server.address(), &client).await;
    let tab = browser.open(&relay.url("/")).await;
    tab.until("window.starts === 1").await;
    for _ in 0..3 {
        tab.click("#users-toggle").await;
    }
    tab.until("document.getElementById('client-error').textContent.includes('cannot be stopped')")
        .await;
    assert_eq!(tab.evaluate("window.starts").await, 1);
}

/// The lesson's own file with one wrong letter.
async fn a_mistake_in_the_real_file_is_no_missing_answer(browser: &Browser, server: &Server) {
    let own = server
        .get("/static/client.js")
        .await
        .text()
        .await
        .expect("text");
    let wrong = own.replacen("JSON.parse(", "JSON.pase(", 1);
    assert_ne!(own, wrong, "there is something to misspell");
    let relay = Relay::start_with_client(server.address(), &wrong).await;
    let tab = browser.open(&relay.url("/")).await;
    tab.until("/line \\d+.*pase is not a function/.test(document.getElementById('client-error').textContent)").await;
    mistake_is_marked(&tab).await;
}

/// The page marks the line in its listing.
async fn mistake_is_marked(tab: &Tab<'_>) {
    tab.until("document.querySelector('.source .mistake').textContent.includes('JSON.parse(')")
        .await;
}
