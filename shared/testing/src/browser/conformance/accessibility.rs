//! The promise that everybody can use the page.

use std::{env, fs};

use serde_json::json;

use super::wire;
use crate::browser::{Browser, Tab};
use crate::{Server, Signal};

/// For example with a screen reader, with the keyboard only, with low vision, or on a small screen.
pub(super) async fn the_page_can_be_used_by_everybody(browser: &Browser, binary: &str) {
    let server = Server::start(binary, &["--heartbeat", "0.4"]);
    let tab = browser.open_lesson(&server).await;
    tab.click("#clock-toggle").await;
    tab.until_clock().await;
    wire::open_all_rows(&tab).await;
    tab.type_text("input[name=username]", "   \n").await;
    tab.until("document.getElementById('error').textContent")
        .await;
    for (width, scheme) in [
        (1600, "light"),
        (1280, "dark"),
        (360, "light"),
        (360, "dark"),
    ] {
        tab.emulate(width, scheme).await;
        let fits = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(
            tab.evaluate(fits).await,
            0,
            "it scrolls sideways at {width} px"
        );
        tab.is_accessible(&format!("{width} px, {scheme}")).await;
    }
    // The status has other colours when something is wrong.
    server.signal(Signal::KILL);
    tab.until("document.getElementById('status').dataset.state !== 'open'")
        .await;
    for scheme in ["light", "dark"] {
        tab.emulate(360, scheme).await;
        tab.is_accessible(&format!("without a server, {scheme}"))
            .await;
    }
}

impl Tab<'_> {
    /// Checks the page with axe-core, <https://github.com/dequelabs/axe-core>. The environment variable `AXE` names its
    /// file, `axe.min.js` (`npm install axe-core`). Without the variable this prints a line and checks nothing.
    pub async fn is_accessible(&self, what: &str) {
        let Some(file) = env::var_os("AXE") else {
            eprintln!("AXE does not name axe.min.js: {what} is not checked");
            return;
        };
        let axe = fs::read_to_string(file).expect("AXE names axe.min.js");
        self.evaluate(&format!("(() => {{ {axe}\n return null; }})()"))
            .await;
        let found = self.evaluate(
            "axe.run(document).then(({ violations, passes }) => ({ passes: passes.length,
                violations: violations.map(({ id, impact, help, nodes }) =>
                    `${impact}: ${id}: ${help}: ${nodes.map(({ target }) => target).join(', ')}`) }))",
        );
        let found = found.await;
        assert!(
            found["passes"].as_u64() > Some(10),
            "axe has looked: {found}"
        );
        assert_eq!(found["violations"], json!([]), "{what}");
    }
}
