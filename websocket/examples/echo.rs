//! The smallest complete WebSocket server: it sends back what it gets.
//!
//! `cargo run -p websocket --example echo`
//!
//! It uses actix-web and actix-ws, and nothing from `shared`. It has no limits and no heartbeat, does not check the
//! origin, and does not end its connections at a stop. The lesson itself, `src/main.rs`, has all that.

use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, rt, web};
use actix_ws::Message;
use futures_util::StreamExt as _;

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8005".to_owned());
    // actix calls this closure once in each worker thread.
    let server = HttpServer::new(|| App::new().route("/echo", web::get().to(echo)));
    let server = server.bind(format!("127.0.0.1:{port}"))?;
    for address in server.addrs() {
        println!("echo: http://{address}/");
    }
    server.run().await
}

/// Handles `GET /echo`: responds to the handshake, and starts a task that talks to the client.
async fn echo(request: HttpRequest, body: web::Payload) -> Result<HttpResponse, Error> {
    // `response` is the 101, `session` sends frames, and `messages` is the stream of the client's frames.
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    // The client sends its first frame after the response. So the handler returns, and the task outlives it.
    rt::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            let sent = match message {
                Message::Text(text) => session.text(text).await,
                Message::Binary(bytes) => session.binary(bytes).await,
                // actix-ws answers neither a ping nor a Close frame by itself.
                Message::Ping(bytes) => session.pong(&bytes).await,
                Message::Close(reason) => {
                    session.close(reason).await.ok();
                    return;
                }
                // A pong needs no answer. Long messages in several frames are left out here.
                _ => Ok(()),
            };
            if sent.is_err() {
                return; // The connection is closed.
            }
        }
    });
    Ok(response)
}
