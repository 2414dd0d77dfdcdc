//! Tests of the page in a real browser: `cargo test -p chat --test browser -- --ignored`
//!
//! A browser has one cookie for each host, and so one name. To have several users in one browser, each user opens the
//! page under another host name, such as `ann.localhost`. Browsers resolve these names to this machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a broken promise ends the test, and a long test has steps that follow each other"
)]

// In a folder, because cargo takes each file beside this one for another test program.
#[path = "browser/connections.rs"]
mod connections;
#[path = "browser/delivery.rs"]
mod delivery;
#[path = "browser/events.rs"]
mod events;
#[path = "browser/history.rs"]
mod history;
#[path = "browser/languages.rs"]
mod languages;
#[path = "browser/network.rs"]
mod network;
#[path = "browser/page.rs"]
mod page;
#[path = "browser/people.rs"]
mod people;
#[path = "browser/trouble.rs"]
mod trouble;
#[path = "browser/writing.rs"]
mod writing;

use serde_json::{Value, json};
use testing::browser::{Browser, Tab};
use testing::{Server, Signal};

/// The chat itself, as `cargo run` starts it.
const BINARY: &str = env!("CARGO_BIN_EXE_chat");

/// Flags of a server with a database in memory and without a limit for the rate of messages.
const IN_MEMORY: [&str; 4] = ["--database", ":memory:", "--rate", "0"];

/// Opens the page for a user who has no name yet.
async fn visit<'a>(browser: &'a Browser, server: &Server, name: &str) -> Tab<'a> {
    let host = name.to_lowercase();
    let port = server.address().port();
    let tab = browser
        .open(&format!("http://{host}.localhost:{port}/?room=lobby"))
        .await;
    tab.until("document.activeElement.name === 'name'").await;
    tab
}

async fn join<'a>(browser: &'a Browser, server: &Server, name: &str) -> Tab<'a> {
    let tab = visit(browser, server, name).await;
    tab.type_text("#name", &format!("{name}\n")).await;
    tab.until_status("open").await;
    tab
}

async fn say(tab: &Tab<'_>, text: &str) {
    tab.type_text("#text", &format!("{text}\n")).await;
}

/// JavaScript for the texts of the acknowledged messages, in the order of the page.
const TEXTS: &str =
    "[...document.querySelectorAll('#messages li[data-id] .text')].map((text) => text.textContent)";

/// Waits until the page shows exactly these messages, and none that is not acknowledged.
async fn until_texts(tab: &Tab<'_>, texts: &[&str]) {
    let wanted = json!(json!(texts).to_string());
    tab.until(&format!(
        "JSON.stringify({TEXTS}) === {wanted} && !document.querySelector('[data-pending]')"
    ))
    .await;
}

async fn until_transport(tab: &Tab<'_>, transport: &str) {
    tab.until(&format!(
        "document.getElementById('status').dataset.transport === '{transport}'"
    ))
    .await;
    tab.until_status("open").await;
}

/// Waits until the element with this id contains `text`.
async fn until_says(tab: &Tab<'_>, id: &str, text: &str) {
    let text = json!(text);
    tab.until(&format!(
        "document.getElementById('{id}').textContent.includes({text})"
    ))
    .await;
}

/// Whether an element is on the screen, and nothing covers its centre.
fn in_sight(id: &str) -> String {
    format!(
        "(() => {{ const element = document.getElementById('{id}'); const box = element.getBoundingClientRect();
            const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
            return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight && (top === element || element.contains(top)); }})()"
    )
}

async fn choose_transport(tab: &Tab<'_>, transport: &str) {
    let choosing = format!(
        "(() => {{ const select = document.getElementById('transport');
            select.value = '{transport}'; select.dispatchEvent(new Event('change')); return null; }})()"
    );
    tab.evaluate(&choosing).await;
}

/// Goes back to the form. On a narrow screen the button is in a menu.
async fn leave(tab: &Tab<'_>) {
    tab.evaluate("document.getElementById('settings').open = true")
        .await;
    tab.click("#leave").await;
}

/// Kills the server and starts another one on the same port.
fn restart(server: Server, flags: &[&str]) -> Server {
    let port = server.address().port();
    kill(server);
    Server::start_on(port, BINARY, flags)
}

fn kill(server: Server) {
    server.signal(Signal::KILL);
    assert_eq!(server.wait().code, None);
}

/// Posts messages whose texts are numbers, in their order.
async fn post_many(tab: &Tab<'_>, numbers: std::ops::Range<u32>) {
    // The browser allows each script ten seconds.
    for start in numbers.clone().step_by(50) {
        let end = numbers.end.min(start + 50);
        tab.evaluate(&format!(
            "(async () => {{ const headers = {{ 'Content-Type': 'application/json' }};
                for (let n = {start}; n < {end}; n++) {{
                    const body = JSON.stringify({{ key: `many ${{n}}`, text: `${{n}}` }});
                    await fetch('/rooms/lobby/messages', {{ method: 'POST', headers, body }});
                }} return null; }})()"
        ))
        .await;
    }
}
