//! The page in a real browser. `cargo test -p polling --test browser -- --ignored`

use testing::Server;
use testing::browser::conformance::{self, KeepsOpen};
use testing::browser::{Browser, Tab};

/// The lesson itself, as `cargo run` starts it.
const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn the_page_keeps_what_every_page_promises() {
    conformance::check_all(BINARY, KeepsOpen::Nothing).await;
}

/// Opens the login page and waits for its code.
async fn open_login<'browser>(browser: &'browser Browser, server: &Server) -> Tab<'browser> {
    let tab = browser.open(&server.url("/login")).await;
    tab.until("!document.getElementById('code').hidden").await;
    tab.until(&says("Waiting for a phone")).await;
    tab
}

/// Whether the page's status begins with a sentence.
fn says(sentence: &str) -> String {
    format!("document.getElementById('status').textContent.startsWith('{sentence}')")
}

/// Another browser plays the phone: it shares no cookie with the one that logs in.
#[tokio::test]
#[ignore = "needs a browser and its driver"]
async fn a_login_by_phone_goes_from_the_code_to_the_name() {
    let server = Server::start(BINARY, &[]);
    let (laptop, phone) = (Browser::start().await, Browser::start().await);
    let login = open_login(&laptop, &server).await;
    login.is_accessible("the login page").await;
    let link = login.evaluate("document.getElementById('link').href").await;
    let scan = phone.open(link.as_str().unwrap_or_default()).await;
    login.until(&says("Scanned.")).await;
    scan.until("!document.getElementById('choice').disabled")
        .await;
    scan.is_accessible("the phone's page").await;
    scan.type_text("#username", "<b>李四</b>\n").await;
    login.until(&says("Logged in as <b>李四</b>")).await;

    // The link has done its work.
    let again = phone.open(link.as_str().unwrap_or_default()).await;
    again
        .until("document.body.textContent.length > 20 && !document.getElementById('confirm')")
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
    login.until(&says("The login was refused")).await;
    login.click("#again").await;
    login.until(&says("Waiting for a phone")).await;
    let other = login.evaluate("document.getElementById('link').href").await;
    assert_ne!(other, link);
    assert_eq!(browser.console_errors().await, [""; 0]);
}
