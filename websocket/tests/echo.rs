//! The example `examples/echo.rs`, the smallest server of this lesson, over a real socket.
//!
//! `cargo test -p websocket echo` (without `--test`, because then cargo does not build the example)
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a broken promise ends the test"
)]

use futures_util::{SinkExt as _, StreamExt as _};
use testing::{Server, TEST_TIMEOUT, eventually};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

#[tokio::test]
async fn the_smallest_echo_answers_text_bytes_pings_and_close_frames() {
    // target/debug/deps/echo-0123456789abcdef
    let test = std::env::current_exe().unwrap();
    let example = test.ancestors().nth(2).unwrap().join("examples/echo");
    assert!(
        example.is_file(),
        "run: cargo build -p websocket --example echo"
    );
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
