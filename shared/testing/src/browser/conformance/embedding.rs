//! The promise of `/?view=timeline`: a page of an allowed origin may show it in a frame and gets its reports.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::Server;
use crate::browser::{Browser, Tab};

/// The script of a page that shows the timeline of a server in a frame.
const SCRIPT: &str = "
    const [frame] = document.querySelectorAll('iframe');
    const origin = new URL(frame.src).origin;
    window.updates = [];
    window.totals = null;
    addEventListener('message', ({ origin: sender, data }) => {
        if (sender !== origin) return;
        if (data.type === 'update') updates.push(data);
        else totals = data.totals;
    });
    frame.onload = () => {
        window.hasLoaded = true;
        frame.contentWindow.postMessage({ type: 'subscribe' }, origin);
    };
    window.add = async (username) => {
        frame.contentWindow.postMessage({ type: 'change', time: Date.now() }, origin);
        const headers = { 'Content-Type': 'application/json' };
        return (await fetch(`${origin}/users`, { method: 'POST', headers, body: JSON.stringify({ username }) })).status;
    };";

/// A server of another origin, with one page.
struct OtherSite {
    address: SocketAddr,
    listener: Option<TcpListener>,
    serving: Option<AbortHandle>,
}

impl OtherSite {
    async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self {
            address: listener.local_addr().expect("an address"),
            listener: Some(listener),
            serving: None,
        }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves a page with the timeline of `server` in a frame.
    fn serve(&mut self, server: &Server) {
        let url = server.url("/?view=timeline");
        let page = format!(
            "<!DOCTYPE html><title>Other</title><iframe src=\"{url}\"></iframe><script>{SCRIPT}</script>"
        );
        let length = page.len();
        let headers = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close";
        let response = format!("{headers}\r\ncontent-length: {length}\r\n\r\n{page}");
        let listener = self.listener.take().expect("it serves once");
        let serving = tokio::spawn(async move {
            while let Ok((mut browser, _)) = listener.accept().await {
                if matches!(browser.read(&mut [0; 4096]).await, Ok(1..)) {
                    browser.write_all(response.as_bytes()).await.ok();
                }
            }
        });
        self.serving = Some(serving.abort_handle());
    }
}

impl Drop for OtherSite {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

/// Opens the page of another origin, which the server allows or not.
async fn open_other<'browser>(browser: &'browser Browser, site: &OtherSite) -> Tab<'browser> {
    let tab = browser.open(&format!("{}/", site.origin())).await;
    tab.until("window.hasLoaded").await;
    tab
}

pub(super) async fn an_allowed_site_shows_the_timeline_in_a_frame(browser: &Browser, binary: &str) {
    let mut site = OtherSite::listen().await;
    let server = Server::start(binary, &["--allow-origin", &site.origin()]);
    site.serve(&server);
    let tab = open_other(browser, &site).await;
    tab.until("totals !== null && totals.updates >= 1").await;
    let before = tab.evaluate("updates.length").await;
    let paid = tab.evaluate("totals.cost * totals.updates").await;
    assert_eq!(tab.evaluate("add('Bob')").await, 201);
    // The frame knows when the change was made, so it can say how late the update is.
    tab.until(&format!(
        "updates.length > {before} && updates.at(-1).bytes > 50 && updates.at(-1).path.startsWith('/users')
            && totals.age.users !== null && totals.cost > 50"
    ))
    .await;
    // The price of the update is what the totals have grown by. They contain a rounded average.
    tab.until(&format!(
        "Math.abs(totals.cost * totals.updates - {paid} - updates.at(-1).bytes) <= totals.updates"
    ))
    .await;
}

pub(super) async fn another_site_gets_no_timeline(browser: &Browser, binary: &str) {
    let mut site = OtherSite::listen().await;
    let server = Server::start(binary, &["--allow-origin", "http://127.0.0.1:1"]);
    site.serve(&server);
    let tab = open_other(browser, &site).await;
    let refused = "add('Bob').then(String, () => 'refused')";
    assert_eq!(tab.evaluate(refused).await, "refused");
    assert_eq!(
        tab.evaluate("String(totals)").await,
        "null",
        "the frame is empty"
    );
    // The browser reports on its console that it shows no frame and may not send a request.
    browser.console_errors().await;
}
