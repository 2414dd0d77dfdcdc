//! A headless browser for the tests of a page: Chromium, driven through Debian's `chromedriver`, or, if the environment
//! variable `BROWSER` is `firefox`, Firefox, driven through `geckodriver`.
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
//! Both drivers understand `WebDriver`, which is JSON over HTTP: <https://www.w3.org/TR/webdriver2/>. The tests need
//! only a few commands, which are sent with reqwest. (fantoccini, a client for all commands, was tried. It needs more
//! code here, because each command of a single browser needs a type of its own, and 21 more packages.)

pub mod conformance;
mod driver;
mod lesson;
pub mod relay;

use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::Mutex, time};

use crate::TEST_TIMEOUT;
use driver::{Driver, Kind};

/// How long to wait between two checks of a page. A check keeps the browser busy for milliseconds, and a page that is
/// checked all the time is slow.
const CHECK_INTERVAL: Duration = Duration::from_millis(25);

/// JavaScript for whether a tab has loaded its page.
const LOADED: &str = "document.URL !== 'about:blank' && document.readyState === 'complete'";

/// The name under which `WebDriver` returns a reference to an element (its "web element identifier").
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The Enter key in `WebDriver`.
const ENTER: &str = "\u{E007}";

/// A running browser with a new profile. Dropping it ends the browser.
///
/// Its tabs share cookies and connections, as the tabs of one person do. For a second person, start a second browser.
#[derive(Debug)]
pub struct Browser {
    driver: Driver,
    /// The URL of the `WebDriver` session.
    session: String,
    client: Client,
    /// The handle of the tab that gets the commands, locked while a command is sent. A command to another tab needs two
    /// requests, and the first one selects the tab. So the lock is held over an `.await`, which only tokio's mutex allows.
    selected: Mutex<Value>,
    /// The handles of the open tabs.
    opened: Mutex<Vec<Value>>,
    /// The profile and other files of the browser. They are removed after the driver has ended, because fields are
    /// dropped in their order.
    _folder: TempDir,
}

/// One page. It has a window of its own, because a browser slows down tabs in the background.
#[derive(Debug)]
pub struct Tab<'browser> {
    browser: &'browser Browser,
    handle: Value,
}

impl Browser {
    /// Starts a driver on a free port, and the browser through it.
    pub async fn start() -> Self {
        let folder = TempDir::new().expect("a folder for the profile");
        let kind = Kind::from_environment();
        let mut capabilities = kind.capabilities(folder.path());
        // Commands must not wait until a page has loaded, because a page with a stream may load for ever.
        capabilities["pageLoadStrategy"] = json!("none");
        capabilities["timeouts"] = json!({ "script": TEST_TIMEOUT.as_millis() });
        // A test that needs TLS makes a certificate of its own.
        capabilities["acceptInsecureCerts"] = json!(true);
        let driver = Driver::start(kind, folder.path());
        let client = Client::builder().no_proxy().timeout(3 * TEST_TIMEOUT);
        let mut browser = Self {
            session: format!("http://127.0.0.1:{}/session", driver.port),
            driver,
            client: client.build().expect("a client without TLS"),
            selected: Mutex::default(),
            opened: Mutex::default(),
            _folder: folder,
        };
        let request = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let session = browser.command("", request).await;
        let session = session.expect("a browser starts");
        let id = browser.driver.set_session(&session);
        browser.session = format!("{}/{id}", browser.session);
        browser
    }

    /// Opens `url` in a new tab and waits until the page has loaded.
    pub async fn open(&self, url: &str) -> Tab<'_> {
        let tab = self.open_empty().await;
        let opening = tab.command("/url", json!({ "url": url })).await;
        opening.expect("a URL");
        tab.until(LOADED).await;
        tab
    }

    /// Opens a new tab with an empty page.
    pub async fn open_empty(&self) -> Tab<'_> {
        let window = self.command("/window/new", json!({ "type": "window" }));
        let window = window.await.expect("a new window");
        let tab = Tab {
            browser: self,
            handle: window["handle"].clone(),
        };
        self.opened.lock().await.push(tab.handle.clone());
        tab
    }

    /// Opens an empty page in all tabs.
    pub async fn leave_all(&self) {
        for handle in self.opened.lock().await.drain(..) {
            let browser = self;
            let tab = Tab { browser, handle };
            // Not the command `/url`: in Firefox it fails ("Address rejected") if a frame of the old page finds no
            // server meanwhile.
            tab.evaluate("location.replace('about:blank')").await;
            tab.until("document.URL === 'about:blank'").await;
        }
    }

    /// Returns the errors of all tabs since the last call: uncaught exceptions, `console.error`, and violations of a
    /// Content-Security-Policy (Firefox does not report these). Failed requests are left out, because tests that stop
    /// the server expect them.
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

    /// Sends a `WebDriver` command and returns the value of the response, or the driver's error message.
    async fn command(&self, path: &str, body: Value) -> Result<Value, String> {
        let url = format!("{}{path}", self.session);
        let response = self.client.post(url).json(&body).send().await;
        let response = response.map_err(|error| format!("the driver: {error}"))?;
        let is_success = response.status().is_success();
        let mut response: Value = response.json().await.map_err(|error| error.to_string())?;
        if is_success {
            return Ok(response["value"].take());
        }
        let message = response["value"]["message"].as_str().unwrap_or_default();
        Err(message.lines().next().unwrap_or_default().to_owned())
    }
}

impl Tab<'_> {
    /// Returns the value of a JavaScript expression. If it is a promise, returns what the promise resolves to.
    pub async fn evaluate(&self, expression: &str) -> Value {
        match self.try_evaluate(expression).await {
            Ok(value) => value,
            Err(error) => panic!("{expression}: {error}"),
        }
    }

    /// Waits until a JavaScript expression is truthy, and returns its value. If the expression throws, for example
    /// because an element is missing, this tries again.
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
                _ => time::sleep(CHECK_INTERVAL).await,
            }
        }
    }

    /// Returns whether the tab has loaded its page. While the browser waits for the first byte of a page, the driver does
    /// not respond; then this waits for [`TEST_TIMEOUT`] and returns false.
    pub async fn has_loaded(&self) -> bool {
        self.try_evaluate(LOADED).await == Ok(Value::Bool(true))
    }

    /// Clicks on the element that the CSS selector finds, as a mouse does.
    pub async fn click(&self, selector: &str) {
        self.element_command(selector, "click", json!({})).await;
    }

    /// Types into the element that the CSS selector finds, as a keyboard does; `\n` is the Enter key.
    pub async fn type_text(&self, selector: &str, text: &str) {
        let keys = json!({ "text": text.replace('\n', ENTER) });
        self.element_command(selector, "value", keys).await;
    }

    /// Shows the page as on a screen with this width in CSS pixels, in a colour `scheme`: `light` or `dark`.
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

    /// Does the same as [`Tab::evaluate`], but returns the error if the expression throws.
    async fn try_evaluate(&self, expression: &str) -> Result<Value, String> {
        let script = format!("return ({expression});");
        let body = json!({ "script": script, "args": [] });
        self.command("/execute/sync", body).await
    }

    /// Sends a command to the element that the CSS selector finds.
    async fn element_command(&self, selector: &str, name: &str, body: Value) {
        let query = json!({ "using": "css selector", "value": selector });
        let sending = async {
            let element = self.command("/element", query).await?;
            let id = element[ELEMENT].as_str().unwrap_or_default();
            self.command(&format!("/element/{id}/{name}"), body).await
        };
        if let Err(error) = sending.await {
            panic!("{name} {selector}: {error}")
        }
    }

    /// Sends a command to this tab.
    async fn command(&self, path: &str, body: Value) -> Result<Value, String> {
        let mut selected = self.browser.selected.lock().await;
        if *selected != self.handle {
            let window = json!({ "handle": self.handle });
            self.browser.command("/window", window).await?;
            selected.clone_from(&self.handle);
        }
        self.browser.command(path, body).await
    }
}

/// Returns whether the value is true for JavaScript.
fn is_truthy(value: &Value) -> bool {
    !(value.is_null() || *value == false || *value == 0 || *value == "")
}
