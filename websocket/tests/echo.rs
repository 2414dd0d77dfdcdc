//! The example `examples/echo.rs`, the smallest server of this lesson, over a real socket.
//!
//! `cargo test -p websocket --test echo`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a broken promise ends the test"
)]

use futures_util::{SinkExt as _, StreamExt as _};
use testing::{Server, TEST_TIMEOUT, build_example, eventually};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

#[tokio::test]
async fn the_smallest_echo_answers_text_bytes_pings_and_close_frames() {
    let example = build_example("websocket", "echo");
    let server = Server::start_with(example.to_str().unwrap(), &[("PORT", "0")]);
    let (mut socket, _) = connect_async(format!("ws://{}/echo", server.address()))
        .await
        .unwrap();
    let close = CloseFrame {
        code: 3000.into(),
        reason: "bye".into(),
    };
    for (message, answer) in [
        (Message::text("张三"), Message::text("张三")),
        (Message::binary(vec![0, 255]), Message::binary(vec![0, 255])),
        (Message::Ping("?".into()), Message::Pong("?".into())),
        (
            Message::Close(Some(close.clone())),
            Message::Close(Some(close)),
        ),
    ] {
        socket.send(message).await.unwrap();
        let received = timeout(TEST_TIMEOUT, socket.next()).await;
        assert_eq!(received.unwrap().unwrap().unwrap(), answer);
    }
    drop(socket);
    eventually("the connection is closed", TEST_TIMEOUT, || {
        server.connections() == 0
    })
    .await;
}
