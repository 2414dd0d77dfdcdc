//! The page of lessons 1 to 5 in a [`Tab`].

use serde_json::json;

use super::{Browser, Tab};
use crate::Server;

impl Browser {
    /// Opens the page of a lesson and waits until it shows the list.
    pub async fn open_lesson(&self, server: &Server) -> Tab<'_> {
        self.open_lesson_at(&server.url("/")).await
    }

    /// Does the same as [`Browser::open_lesson`], for a lesson behind a proxy.
    pub async fn open_lesson_at(&self, url: &str) -> Tab<'_> {
        let tab = self.open(url).await;
        tab.until_status("open").await;
        tab.until("document.querySelectorAll('#users li').length >= 2")
            .await;
        tab
    }
}

impl Tab<'_> {
    /// Waits until the status of the page is `connecting`, `open` or `closed`.
    pub async fn until_status(&self, state: &str) {
        let is = format!("document.getElementById('status').dataset.state === '{state}'");
        self.until(&is).await;
    }

    /// Waits until the page shows these users, in this order, and no others.
    pub async fn until_users(&self, users: &[&str]) {
        let shown = "[...document.querySelectorAll('#users li')].map((item) => item.textContent)";
        let wanted = json!(json!(users).to_string());
        self.until(&format!("JSON.stringify({shown}) === {wanted}"))
            .await;
    }

    /// Waits until the clock shows a later time.
    pub async fn until_next_second(&self) {
        let now = self.text("clock").await;
        self.until(&format!(
            "document.getElementById('clock').textContent > '{now}'"
        ))
        .await;
    }

    /// Waits until the page shows the server's time.
    pub async fn until_clock(&self) {
        self.until("/^20\\d\\d-/.test(document.getElementById('clock').textContent)")
            .await;
    }

    /// Returns the text of the element with this id.
    pub async fn text(&self, id: &str) -> String {
        let text = format!("document.getElementById('{id}').textContent");
        let text = self.evaluate(&text).await;
        text.as_str().unwrap_or_default().to_owned()
    }
}
