//! [`Driver`]: the program between the tests and the browser, and the differences between the browsers.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::TEST_TIMEOUT;

/// The flags of Chromium, besides the one for its profile. Chromium does not start as root unless its sandbox is
/// switched off. Background requests to other hosts are switched off, too.
const CHROMIUM_FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Chromium ends when the pipe is closed, so it never outlives its chromedriver.
    "--remote-debugging-pipe",
];

/// How often to try to start the driver, which sometimes ends at once.
const MAX_STARTS: usize = 3;

/// Shows the page in Firefox with another width and colour scheme. This script runs in the browser's own window, where
/// the pages are elements.
const FIREFOX_EMULATION: &str = "\
    const browser = window.browsingContext.topChromeWindow.gBrowser.selectedBrowser; \
    browser.style.minWidth = browser.style.maxWidth = `${arguments[0]}px`; \
    browser.browsingContext.prefersColorSchemeOverride = arguments[1];";

/// The browsers that can be driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Chromium,
    Firefox,
}

impl Kind {
    /// Returns the browser that the environment variable `BROWSER` names, or Chromium.
    pub(super) fn from_environment() -> Self {
        match env::var("BROWSER").as_deref() {
            Ok("firefox") => Self::Firefox,
            _ => Self::Chromium,
        }
    }

    /// Returns the options with which the driver starts the browser. `folder` is for the profile.
    pub(super) fn capabilities(self, folder: &Path) -> Value {
        match self {
            Self::Chromium => {
                let profile = format!("--user-data-dir={}", folder.join("profile").display());
                let flags: Vec<_> = CHROMIUM_FLAGS.into_iter().chain([&*profile]).collect();
                json!({
                    "goog:chromeOptions": { "args": flags },
                    "goog:loggingPrefs": { "browser": "ALL" },
                })
            }
            // Firefox creates a profile in the folder for temporary files.
            Self::Firefox => json!({
                "moz:firefoxOptions": {
                    "args": ["-headless"],
                    "prefs": { "devtools.console.stdout.content": true },
                },
            }),
        }
    }

    /// Returns the commands that show a page as on a screen with this width in CSS pixels, in a colour scheme.
    pub(super) fn emulation(self, width: u32, scheme: &str) -> Vec<(&'static str, Value)> {
        const DEVTOOLS: &str = "/goog/cdp/execute";
        const CONTEXT: &str = "/moz/context";
        match self {
            Self::Chromium => {
                let screen = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
                let name = "Emulation.setDeviceMetricsOverride";
                let scheme = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
                let media = json!({ "features": scheme });
                vec![
                    (DEVTOOLS, json!({ "cmd": name, "params": screen })),
                    (
                        DEVTOOLS,
                        json!({ "cmd": "Emulation.setEmulatedMedia", "params": media }),
                    ),
                ]
            }
            Self::Firefox => vec![
                (CONTEXT, json!({ "context": "chrome" })),
                (
                    "/execute/sync",
                    json!({ "script": FIREFOX_EMULATION, "args": [width, scheme] }),
                ),
                (CONTEXT, json!({ "context": "content" })),
            ],
        }
    }

    /// Returns the command that starts the driver on a free port, and how to install the driver.
    fn command(self) -> (Command, &'static str) {
        match self {
            Self::Chromium => {
                let mut command = Command::new("chromedriver");
                command.arg("--port=0");
                (
                    command,
                    "chromedriver: apt-get install chromium chromium-driver",
                )
            }
            Self::Firefox => {
                let mut command = Command::new("geckodriver");
                command.args(["--port=0", "--websocket-port=0", "--allow-system-access"]);
                (
                    command,
                    "geckodriver: apt-get install firefox-esr; cargo install geckodriver",
                )
            }
        }
    }
}

/// A running driver.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) kind: Kind,
    pub(super) port: u16,
    /// The id of the session, as soon as there is one.
    session: String,
    child: Child,
    /// The file with the output of the driver and its browser.
    printed: PathBuf,
    /// How many lines of the output have been read.
    lines_read: AtomicUsize,
    /// Firefox's process.
    browser: Option<Pid>,
}

impl Driver {
    /// Starts the driver and waits until it prints its port. `folder` is for the files of the driver and the browser.
    pub(super) fn start(kind: Kind, folder: &Path) -> Self {
        // chromedriver finds a port that is free for IPv6, and ends if the same port is not free for IPv4.
        (0..MAX_STARTS)
            .find_map(|_| Self::try_start(kind, folder))
            .expect("a driver that does not end")
    }

    /// Does the same as [`Driver::start`] once. Returns `None` if the driver ends.
    fn try_start(kind: Kind, folder: &Path) -> Option<Self> {
        let printed = folder.join("printed");
        let file = File::create(&printed).expect("a file");
        let (mut command, how_to_install) = kind.command();
        command.env("TMPDIR", folder).stdin(Stdio::null());
        command
            .stderr(file.try_clone().expect("a file"))
            .stdout(file);
        let mut driver = Self {
            kind,
            port: 0,
            session: String::new(),
            child: command.spawn().expect(how_to_install),
            printed,
            lines_read: AtomicUsize::default(),
            browser: None,
        };
        let start = Instant::now();
        while driver.port == 0 {
            let printed = driver.printed();
            assert!(start.elapsed() < TEST_TIMEOUT, "no port in {printed:?}");
            driver.port = whole_lines(&printed).find_map(port_in).unwrap_or_default();
            if driver.port == 0 && driver.child.try_wait().is_ok_and(|exit| exit.is_some()) {
                eprintln!("the driver has ended: {printed}");
                return None;
            }
            thread::sleep(Duration::from_millis(2));
        }
        Some(driver)
    }

    /// Stores the id of the new `session`, so that the session can be ended later. Returns the id.
    pub(super) fn set_session(&mut self, session: &Value) -> &str {
        let process = session["capabilities"]["moz:processID"].as_i64();
        let process = process.and_then(|id| i32::try_from(id).ok());
        self.browser = process.and_then(Pid::from_raw);
        let id = session["sessionId"].as_str().expect("a session");
        id.clone_into(&mut self.session);
        &self.session
    }

    /// Returns the output of the driver and its browser so far.
    fn printed(&self) -> String {
        let bytes = fs::read(&self.printed).expect("a file");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Returns the errors that Firefox has printed since the last call.
    pub(super) fn printed_errors(&self) -> Vec<String> {
        let printed = self.printed();
        let lines = whole_lines(&printed).count();
        let read = self.lines_read.swap(lines, Ordering::Relaxed);
        let new = whole_lines(&printed).skip(read);
        // Firefox also prints problems of its own, but with a name that has no quotes.
        let is_error = |line: &&str| {
            line.starts_with("console.error: \"") || line.starts_with("JavaScript error: http://")
        };
        new.filter(is_error).map(str::to_owned).collect()
    }

    /// Ends the browser. chromedriver ends itself, too. The driver responds after the browser has ended.
    fn shut_down(&mut self) -> io::Result<()> {
        let request = match self.kind {
            Kind::Chromium => "GET /shutdown",
            Kind::Firefox => &format!("DELETE /session/{}", self.session),
        };
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        connection.set_read_timeout(Some(TEST_TIMEOUT))?;
        let host = format!("127.0.0.1:{}", self.port);
        connection.write_all(format!("{request} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())?;
        connection.read(&mut [0; 1024]).map(drop)
    }
}

/// Returns the lines of `text`, without the last one if it is incomplete.
fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'))
}

/// Returns the port in `ChromeDriver was started successfully on port 40161.` or `… Listening on 127.0.0.1:40161`.
fn port_in(line: &str) -> Option<u16> {
    let end = line.rsplit_once("successfully on port ");
    let (_, port) = end.or_else(|| line.rsplit_once("Listening on 127.0.0.1:"))?;
    port.trim_end_matches('.').parse().ok()
}

impl Drop for Driver {
    fn drop(&mut self) {
        // A driver that does not respond is killed. Chromium ends with its driver; Firefox does not.
        let shut_down = self.shut_down();
        self.child.kill().ok();
        self.child.wait().ok();
        if let (Err(_), Some(browser)) = (shut_down, self.browser) {
            kill_process(browser, Signal::KILL).ok();
        }
    }
}
