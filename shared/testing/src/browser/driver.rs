//! [`Driver`]: the program between the tests and the browser, and what differs from one browser to the other.

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

/// What Chromium is started with, besides a profile of its own. As root it does not start with its
/// sandbox, and it should not call home.
const CHROMIUM_FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // It ends when the other end of the pipe does: it never outlives its chromedriver.
    "--remote-debugging-pipe",
];

/// How often a driver is started until one does not end at once.
const STARTS: usize = 3;

/// Shows the page in the window of Firefox in another width and colour scheme. This runs in the browser's own window,
/// where the pages are elements.
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
    /// What the environment asks for, or Chromium.
    pub(super) fn wanted() -> Self {
        match env::var("BROWSER").as_deref() {
            Ok("firefox") => Self::Firefox,
            _ => Self::Chromium,
        }
    }

    /// What the driver has to know about the browser that it starts. `folder` is for the profile.
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
            // It makes itself a profile in the folder for temporary files.
            Self::Firefox => json!({
                "moz:firefoxOptions": {
                    "args": ["-headless"],
                    "prefs": { "devtools.console.stdout.content": true },
                },
            }),
        }
    }

    /// The commands that show a page as on a screen so many CSS pixels wide, in a colour scheme.
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

    /// The driver on a free port, and how to get it.
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
    /// The session that it has, once it has one.
    pub(super) session: String,
    child: Child,
    /// What it and its browser have printed.
    printed: PathBuf,
    /// How many lines of that have been looked at.
    lines_read: AtomicUsize,
    /// Firefox's process.
    pub(super) browser: Option<Pid>,
}

impl Driver {
    /// Starts it and waits until it says which port it has. `folder` is for its files and the browser's.
    pub(super) fn start(kind: Kind, folder: &Path) -> Self {
        // chromedriver asks for a port that is free for IPv6, and ends if the same one is not for IPv4.
        (0..STARTS)
            .find_map(|_| Self::try_start(kind, folder))
            .expect("a driver that does not end")
    }

    /// `None` if it ends instead.
    fn try_start(kind: Kind, folder: &Path) -> Option<Self> {
        let printed = folder.join("printed");
        let file = File::create(&printed).expect("a file");
        let (mut command, how_to_get_it) = kind.command();
        command.env("TMPDIR", folder).stdin(Stdio::null());
        command
            .stderr(file.try_clone().expect("a file"))
            .stdout(file);
        let mut driver = Self {
            kind,
            port: 0,
            session: String::new(),
            child: command.spawn().expect(how_to_get_it),
            printed,
            lines_read: AtomicUsize::default(),
            browser: None,
        };
        let start = Instant::now();
        while driver.port == 0 {
            let said = driver.printed();
            assert!(start.elapsed() < TEST_TIMEOUT, "it names no port: {said:?}");
            driver.port = whole_lines(&said).find_map(port_in).unwrap_or_default();
            if driver.port == 0 && driver.child.try_wait().is_ok_and(|exit| exit.is_some()) {
                eprintln!("the driver has ended: {said}");
                return None;
            }
            thread::sleep(Duration::from_millis(2));
        }
        Some(driver)
    }

    fn printed(&self) -> String {
        let bytes = fs::read(&self.printed).expect("a file");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The errors that Firefox has printed since the last call.
    pub(super) fn printed_errors(&self) -> Vec<String> {
        let printed = self.printed();
        let lines = whole_lines(&printed).count();
        let read = self.lines_read.swap(lines, Ordering::Relaxed);
        let new = whole_lines(&printed).skip(read);
        // What Firefox itself finds fault with begins with a name without quotes.
        let is_error = |line: &&str| {
            line.starts_with("console.error: \"") || line.starts_with("JavaScript error: http://")
        };
        new.filter(is_error).map(str::to_owned).collect()
    }

    /// Asks it to end its browser, and if it can, itself. It answers when the browser has ended.
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

/// The last line may have arrived in part.
fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'))
}

/// `ChromeDriver was started successfully on port 40161.`, or geckodriver's `… Listening on 127.0.0.1:40161`.
fn port_in(line: &str) -> Option<u16> {
    let end = line.rsplit_once("successfully on port ");
    let (_, port) = end.or_else(|| line.rsplit_once("Listening on 127.0.0.1:"))?;
    port.trim_end_matches('.').parse().ok()
}

impl Drop for Driver {
    fn drop(&mut self) {
        // If it does not answer, it is killed, and Chromium ends with it, but Firefox does not.
        let shut_down = self.shut_down();
        self.child.kill().ok();
        self.child.wait().ok();
        if let (Err(_), Some(browser)) = (shut_down, self.browser) {
            kill_process(browser, Signal::KILL).ok();
        }
    }
}
