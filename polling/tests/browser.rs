//! The page in a real browser. `cargo test -p polling --test browser -- --ignored`

use testing::Server;
use testing::browser::conformance::{self, KeepsOpen, check_mistakes};
use testing::browser::{Browser, Tab};

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
