//! The page in a real browser. `cargo test -p polling --test browser -- --ignored`

use testing::browser::conformance::{
    self, KeepsOpen, check_mistakes, the_language_is_chosen_without_a_script,
    the_link_switches_to_english, the_page_is_all_chinese,
};
use testing::browser::{Browser, Tab};
use testing::{Server, Signal};

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_page_keeps_what_every_page_promises() {
    conformance::check_all(BINARY, KeepsOpen::Nothing).await;
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_page_is_there_in_chinese_as_it_promises() {
    conformance::check_chinese(BINARY).await;
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_response_without_its_body_is_no_mistake_as_the_page_promises() {
    conformance::check_partial_responses(&Browser::start().await, BINARY).await;
}

/// One lesson stands for all: what checks `client.js` is the same.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_page_explains_mistakes_in_client_js_as_it_promises() {
    check_mistakes(&Browser::start().await, BINARY).await;
}

/// Opens the login page and waits until it shows a code.
async fn open_login<'browser>(browser: &'browser Browser, server: &Server) -> Tab<'browser> {
    let tab = browser.open(&server.url("/login")).await;
    tab.until("!document.getElementById('code').hidden").await;
    tab.until(&status_starts_with("Waiting for a phone")).await;
    tab
}

/// Returns JavaScript that checks whether the page's status starts with `text`.
fn status_starts_with(text: &str) -> String {
    format!("document.getElementById('status').textContent.startsWith('{text}')")
}

/// A second browser plays the phone, because it shares no cookies with the first one.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_person_logs_in_with_a_phone() {
    let server = Server::start(BINARY, &[]);
    let (laptop, phone) = (Browser::start().await, Browser::start().await);
    let login = open_login(&laptop, &server).await;
    login.is_accessible("the login page").await;
    let link = login.evaluate("document.getElementById('link').href").await;
    let scan = phone.open(link.as_str().unwrap_or_default()).await;
    login.until(&status_starts_with("Scanned.")).await;
    // The seconds count down, and so does the page.
    let seconds =
        "Number(/another (\\d+) s/.exec(document.getElementById('deadline').textContent)[1])";
    let first = login.evaluate(seconds).await.as_u64().unwrap_or_default();
    assert!((100..=120).contains(&first), "{first} s");
    login.until(&format!("{seconds} < {first}")).await;
    scan.until("!document.getElementById('choice').disabled")
        .await;
    scan.is_accessible("the phone's page").await;
    scan.type_text("#username", "<b>李四</b>\n").await;
    login
        .until(&status_starts_with("Logged in as <b>李四</b>"))
        .await;

    login.click("#again").await;
    login
        .until(&status_starts_with("Waiting for a phone"))
        .await;

    // The link is used up: a page says so, and there is no form any more.
    let again = phone.open(link.as_str().unwrap_or_default()).await;
    again
        .until("document.querySelector('h1').textContent.includes('used up') && !document.getElementById('confirm')")
        .await;
    again
        .is_accessible("the page of a link that is used up")
        .await;
    assert_eq!(laptop.console_errors().await, [""; 0]);
    assert_eq!(phone.console_errors().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_login_that_is_refused_offers_a_new_code() {
    let (server, browser) = (Server::start(BINARY, &[]), Browser::start().await);
    let login = open_login(&browser, &server).await;
    let link = login.evaluate("document.getElementById('link').href").await;
    let scan = browser.open(link.as_str().unwrap_or_default()).await;
    scan.until("!document.getElementById('choice').disabled")
        .await;
    scan.click("#refuse").await;
    login
        .until(&status_starts_with("The login was refused"))
        .await;
    login.click("#again").await;
    login
        .until(&status_starts_with("Waiting for a phone"))
        .await;
    let other = login.evaluate("document.getElementById('link').href").await;
    assert_ne!(other, link);
    assert_eq!(browser.console_errors().await, [""; 0]);
}

/// Both pages, in everything that a login can come to.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_pages_of_a_login_are_there_in_chinese() {
    let server = Server::start(BINARY, &[]);
    the_language_is_chosen_without_a_script(&server, "/login").await;
    let (laptop, phone) = (Browser::start().await, Browser::start().await);
    let login = laptop.open(&server.url("/login?language=zh-CN")).await;
    login.until(&status_starts_with("等待手机扫码")).await;
    the_page_is_all_chinese(&login).await;

    let link = link_of(&login).await;
    let path = link.trim_start_matches(&server.url("")).to_owned();
    the_language_is_chosen_without_a_script(&server, &path).await;
    let scan = open_link_in_chinese(&phone, &login).await;
    login.until(&status_starts_with("已扫码")).await;
    // The name that is rejected stays, and the next one follows it.
    scan.type_text("#username", " \n").await;
    scan.until("document.getElementById('error').textContent")
        .await;
    the_page_is_all_chinese(&scan).await;
    scan.type_text("#username", "<b>李四</b>\n").await;
    scan.until(&status_starts_with("已确认")).await;
    the_page_is_all_chinese(&scan).await;
    login
        .until(&status_starts_with("登录成功：<b>李四</b>。"))
        .await;
    the_page_is_all_chinese(&login).await;
    let used_up = phone.open(&link).await;
    used_up.until("document.querySelector('h1')").await;
    the_page_is_all_chinese(&used_up).await;

    login.click("#again").await;
    login.until(&status_starts_with("等待手机扫码")).await;
    let scan = open_link_in_chinese(&phone, &login).await;
    scan.click("#refuse").await;
    scan.until(&status_starts_with("已拒绝")).await;
    the_page_is_all_chinese(&scan).await;
    login.until(&status_starts_with("手机上拒绝")).await;
    the_page_is_all_chinese(&login).await;
    the_link_switches_to_english(&login).await;
    login
        .until(&status_starts_with("Waiting for a phone"))
        .await;
    assert_eq!(laptop.console_errors().await, [""; 0]);
    assert_eq!(phone.console_errors().await, [""; 0]);
}

/// What the pages say while their server is away, and when it has forgotten all tickets.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_login_that_fails_is_explained_in_chinese() {
    let (server, browser) = (Server::start(BINARY, &[]), Browser::start().await);
    let login = browser.open(&server.url("/login?language=zh-CN")).await;
    login.until(&status_starts_with("等待手机扫码")).await;
    let scan = open_link_in_chinese(&browser, &login).await;
    let port = server.address().port();
    server.signal(Signal::KILL);
    assert_eq!(server.wait().code, None);
    scan.click("#refuse").await;
    for tab in [&login, &scan] {
        tab.until("document.getElementById('error').textContent.startsWith('连不上服务器')")
            .await;
        the_page_is_all_chinese(tab).await;
    }

    let server = Server::start_on(port, BINARY, &[]);
    scan.click("#refuse").await;
    scan.until(&status_starts_with("这个二维码不能用")).await;
    the_page_is_all_chinese(&scan).await;
    login.until(&status_starts_with("二维码已过期")).await;
    the_page_is_all_chinese(&login).await;
    server.signal(Signal::KILL);
    assert_eq!(server.wait().code, None);
    login.click("#again").await;
    login.until(&status_starts_with("没有拿到二维码")).await;
    the_page_is_all_chinese(&login).await;
}

/// Returns the link that the code of the login page contains.
async fn link_of(login: &Tab<'_>) -> String {
    let link = login.evaluate("document.getElementById('link').href").await;
    link.as_str().unwrap_or_default().to_owned()
}

/// Opens the link of the code as a phone does, in Chinese, and waits until a person can choose.
async fn open_link_in_chinese<'browser>(
    phone: &'browser Browser,
    login: &Tab<'_>,
) -> Tab<'browser> {
    let link = link_of(login).await + "?language=zh-CN";
    let scan = phone.open(&link).await;
    scan.until("!document.getElementById('choice').disabled")
        .await;
    the_page_is_all_chinese(&scan).await;
    scan
}
