//! The chat that everybody writes first: one broadcast channel, and one WebSocket for each page.
//!
//! `cargo run -p chat --example small`
//!
//! Open <http://127.0.0.1:8006/> in two tabs and write something. It works. `tests/chat/small.rs` shows what happens
//! when a connection breaks, when a message is sent again, and when the server restarts. The chat in `src/` mends that.

use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, rt, web};
use actix_ws::Message;
use futures_util::StreamExt as _;
use shared::clock;
use tokio::sync::broadcast::{self, Sender};

/// How many lines a page may be behind.
const CAPACITY: usize = 100;

const PAGE: &str = r#"<!doctype html><html lang="en"><meta charset="utf-8"><title>Small chat</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<form><label>Name <input name="person"></label> <label>Message <input name="text"></label> <button>Send</button></form>
<ul aria-live="polite"></ul><script type="module">
  const { person, text } = document.forms[0].elements;
  const socket = new WebSocket(`ws://${location.host}/ws`);
  socket.onmessage = ({ data }) => {
    const item = document.createElement("li");
    item.textContent = data;
    document.querySelector("ul").append(item);
  };
  document.forms[0].onsubmit = (event) => {
    event.preventDefault();
    socket.send(`${person.value}: ${text.value}`);
    text.value = "";
  };
</script>"#;

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8006".to_owned());
    let lines = web::Data::new(broadcast::channel::<String>(CAPACITY).0);
    let server = HttpServer::new(move || {
        let app = App::new().app_data(lines.clone());
        app.route("/", web::get().to(async || web::Html::new(PAGE)))
            .route("/ws", web::get().to(talk))
    });
    let server = server.bind(format!("127.0.0.1:{port}"))?;
    for address in server.addrs() {
        println!("small: http://{address}/");
    }
    server.run().await
}

/// Connects a page: its lines go to everybody who is connected, and the lines of everybody go to the page.
async fn talk(
    request: HttpRequest,
    body: web::Payload,
    lines: web::Data<Sender<String>>,
) -> Result<HttpResponse, Error> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    let mut receiver = lines.subscribe();
    rt::spawn(async move {
        // `recv` fails when the page is `CAPACITY` lines behind. Then the page gets nothing more.
        while let Ok(line) = receiver.recv().await {
            if session.text(line).await.is_err() {
                break;
            }
        }
    });
    rt::spawn(async move {
        while let Some(Ok(Message::Text(text))) = messages.next().await {
            let line = format!("{} {text}", clock::format(chrono::Local::now()));
            lines.send(line).ok();
        }
    });
    Ok(response)
}
