//! A headless browser, for the tests of a lesson's page: Chromium, driven through Debian's `chromedriver`, or, if
//! the environment says `BROWSER=firefox`, Firefox, through `geckodriver`.
//!
//! ```no_run
//! # async fn example(server: testing::Server) {
//! # use testing::browser::Browser;
//! let browser = Browser::start().await;
//! let [a, b] = [browser.open(&server.url("/")).await, browser.open(&server.url("/")).await];
//! a.type_text("input[name=username]", "Bob\n").await;
//! b.until("document.querySelectorAll('#users li').length === 3").await;
//! assert!(browser.console_errors().await.is_empty());
//! # }
//! ```
//!
//! The two talk `WebDriver`, which is JSON over HTTP: <https://www.w3.org/TR/webdriver2/>. The few commands that
//! tests need are sent with reqwest; fantoccini, without its TLS features, wants a connector that it does not offer.

pub mod conformance;
mod driver;
mod lesson;
pub mod relay;

use std::time::{Duration, Instant};

use reqwest::Client;
use rustix::process::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::Mutex, time};

use crate::TEST_TIMEOUT;
use driver::{Driver, Kind};

/// How long to wait between two looks at a page.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// By this name `WebDriver` gives out a reference to an element (its "web element identifier").
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What `WebDriver` takes for the Enter key.
const ENTER: &str = "\u{E007}";

/// A running browser with a fresh profile. It ends when this is dropped.
///
/// Its tabs share cookies and connections, as the tabs of one person do. For a second person, start a
/// second browser.
#[derive(Debug)]
pub struct Browser {
    driver: Driver,
    /// The address of the `WebDriver` session.
    session: String,
    client: Client,
    /// `WebDriver` talks to one window at a time. Whoever chooses it holds this until the answer is there,
    /// over two awaits, which is what tokio's mutex is for.
    choosing: Mutex<()>,
    /// The tabs, by their handles.
    opened: Mutex<Vec<Value>>,
    /// The profile and whatever else the two write. It is removed after the driver has ended: fields are
    /// dropped in their order.
    _folder: TempDir,
}

/// One page. In `WebDriver`'s words it is a window: a tab behind another one would be put to sleep.
#[derive(Debug)]
pub struct Tab<'browser> {
    browser: &'browser Browser,
    handle: Value,
}

impl Browser {
    /// Starts a driver on a free port, and the browser through it.
    pub async fn start() -> Self {
        let folder = TempDir::new().expect("a folder for the profile");
        let kind = Kind::wanted();
        let mut wanted = kind.capabilities(folder.path());
        // Do not wait for a page to load before each command: a page that streams may never have.
        wanted["pageLoadStrategy"] = json!("none");
        wanted["timeouts"] = json!({ "script": TEST_TIMEOUT.as_millis() });
        let wanted = json!({ "capabilities": { "alwaysMatch": wanted } });
        let driver = Driver::start(kind, folder.path());
        let client = Client::builder()
            .no_proxy()
            .timeout(3 * TEST_TIMEOUT)
            .build();
        let mut browser = Self {
            session: format!("http://127.0.0.1:{}/session", driver.port),
            driver,
            client: client.expect("a client without TLS"),
            choosing: Mutex::default(),
            opened: Mutex::default(),
            _folder: folder,
        };
        let session = browser.command("", wanted).await.expect("a browser starts");
        let id = session["sessionId"].as_str().expect("a session");
        id.clone_into(&mut browser.driver.session);
        let process = session["capabilities"]["moz:processID"].as_i64();
        let process = process.and_then(|id| i32::try_from(id).ok());
        browser.driver.browser = process.and_then(Pid::from_raw);
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    /// Opens `url` in a new tab and waits until the page has loaded.
    pub async fn open(&self, url: &str) -> Tab<'_> {
        let window = self.command("/window/new", json!({ "type": "window" }));
        let window = window.await.expect("a new window");
        let tab = Tab {
            browser: self,
            handle: window["handle"].clone(),
        };
        let going = tab.command("/url", json!({ "url": url })).await;
        going.expect("an address");
        tab.until("document.URL !== 'about:blank' && document.readyState === 'complete'")
            .await;
        self.opened.lock().await.push(tab.handle.clone());
        tab
    }

    /// Leaves the pages that are open in all tabs.
    pub async fn leave_all(&self) {
        for handle in self.opened.lock().await.drain(..) {
            let browser = self;
            let tab = Tab { browser, handle };
            // Not by the driver's command, which fails in Firefox ("Address rejected") if at that moment a frame
            // of the page that is left finds no server.
            tab.evaluate("location.replace('about:blank')").await;
            tab.until("document.URL === 'about:blank'").await;
        }
    }

    /// What went wrong in all tabs since the last call: uncaught exceptions, `console.error`, what a
    /// Content-Security-Policy forbade (Firefox does not tell that). Requests that failed are left out: where a
    /// test stops the server, they have to.
    pub async fn console_errors(&self) -> Vec<String> {
        if self.driver.kind == Kind::Firefox {
            return self.driver.printed_errors();
        }
        let log = self.command("/se/log", json!({ "type": "browser" })).await;
        let log = log.expect("the browser's log");
        let entries = log.as_array().expect("a list");
        let is_error = |entry: &&Value| entry["level"] == "SEVERE" && entry["source"] != "network";
        let message = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        entries.iter().filter(is_error).map(message).collect()
    }

    /// Sends a `WebDriver` command and returns its answer, or the driver's words for what went wrong.
    async fn command(&self, path: &str, body: Value) -> Result<Value, String> {
        let url = format!("{}{path}", self.session);
        let answer = self.client.post(url).json(&body).send().await;
        let answer = answer.map_err(|error| format!("the driver: {error}"))?;
        let went_well = answer.status().is_success();
        let mut answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        if went_well {
            return Ok(answer["value"].take());
        }
        let message = answer["value"]["message"].as_str().unwrap_or_default();
        Err(message.lines().next().unwrap_or_default().to_owned())
    }
}

impl Tab<'_> {
    /// The value of a JavaScript expression; if it is a promise, what it resolves to.
    pub async fn evaluate(&self, expression: &str) -> Value {
        match self.try_evaluate(expression).await {
            Ok(value) => value,
            Err(error) => panic!("{expression}: {error}"),
        }
    }

    /// Waits until a JavaScript expression is true (or another truthy value, which is returned). One
    /// that throws, say because an element is not there yet, is not true yet.
    pub async fn until(&self, expression: &str) -> Value {
        let start = Instant::now();
        loop {
            let outcome = self.try_evaluate(expression).await;
            match outcome {
                Ok(value) if is_truthy(&value) => return value,
                outcome if start.elapsed() > TEST_TIMEOUT => {
                    let errors = self.browser.console_errors().await;
                    panic!(
                        "not within {TEST_TIMEOUT:?}: {expression}\n{outcome:?}\nconsole: {errors:?}"
                    )
                }
                _ => time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// Clicks on the element that the CSS selector finds, as a mouse does.
    pub async fn click(&self, selector: &str) {
        self.to_element(selector, "click", json!({})).await;
    }

    /// Types into the element that the CSS selector finds, as a keyboard does; `\n` is the Enter key.
    pub async fn type_text(&self, selector: &str, text: &str) {
        let keys = json!({ "text": text.replace('\n', ENTER) });
        self.to_element(selector, "value", keys).await;
    }

    /// Shows the page as on a screen so many CSS pixels wide, in a colour `scheme`: `light` or `dark`.
    pub async fn emulate(&self, width: u32, scheme: &str) {
        for (path, body) in self.browser.driver.kind.emulation(width, scheme) {
            let done = self.command(path, body).await;
            done.expect("a command that the browser knows");
        }
        self.until(&format!(
            "innerWidth === {width} && matchMedia('(prefers-color-scheme: {scheme})').matches"
        ))
        .await;
    }

    async fn to_element(&self, selector: &str, action: &str, body: Value) {
        let query = json!({ "using": "css selector", "value": selector });
        let acting = async {
            let element = self.command("/element", query).await?;
            let id = element[ELEMENT].as_str().unwrap_or_default();
            self.command(&format!("/element/{id}/{action}"), body).await
        };
        if let Err(error) = acting.await {
            panic!("{action} {selector}: {error}")
        }
    }

    async fn try_evaluate(&self, expression: &str) -> Result<Value, String> {
        let script = format!("return ({expression});");
        let body = json!({ "script": script, "args": [] });
        self.command("/execute/sync", body).await
    }

    /// Sends a command to this tab.
    async fn command(&self, path: &str, body: Value) -> Result<Value, String> {
        let _choosing = self.browser.choosing.lock().await;
        let window = json!({ "handle": self.handle });
        self.browser.command("/window", window).await?;
        self.browser.command(path, body).await
    }
}

/// Whether JavaScript takes the value for true.
fn is_truthy(value: &Value) -> bool {
    !(value.is_null() || *value == false || *value == 0 || *value == "")
}
