//! Tests of the course behind nginx, with the real `deploy/nginx.conf`, Redis, and a real browser:
//! `cargo test -p chat --test chat deploy -- --ignored --test-threads=1`

mod lessons;
mod proxy;
mod restart;
mod rules;

use testing::Server;
use testing::browser::{Browser, Tab};
use testing::redis::Redis;

use crate::client::BINARY;
use proxy::Proxy;

/// Starts a server of the chat on `port`, or on a free one if it is 0.
fn start_chat(port: u16, redis: &Redis) -> Server {
    let flags = ["--rate", "0", "--redis", &redis.url()];
    Server::start_on(port, BINARY, &flags)
}

/// Joins the lobby through the proxy. Each name has a host of its own, because a browser has one cookie, and so one
/// name, for a host. Browsers resolve `ann.localhost` to this machine.
async fn join<'a>(browser: &'a Browser, proxy: &Proxy, name: &str) -> Tab<'a> {
    let host = format!("{}.localhost", name.to_lowercase());
    let url = proxy.url(&host, 6) + "?room=lobby";
    let tab = browser.open(&url).await;
    tab.until("document.activeElement.name === 'name'").await;
    tab.type_text("#name", &format!("{name}\n")).await;
    tab.until_status("open").await;
    tab
}
