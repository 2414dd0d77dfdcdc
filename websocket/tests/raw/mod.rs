//! [`RawClient`]: a WebSocket client without a library, so that it can send bad frames.

use std::time::{Duration, Instant};

use testing::{Server, TEST_TIMEOUT};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection after the handshake. It sends no answer by itself, not even to a ping.
pub(crate) struct RawClient(TcpStream);

impl RawClient {
    /// Returns the request that opens a WebSocket, with the key of RFC 6455 §1.3.
    pub(crate) fn handshake(path: &str) -> String {
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13";
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        format!("GET {path} HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n{key}\r\n\r\n")
    }

    /// Opens a WebSocket.
    pub(crate) async fn open(server: &Server, path: &str) -> Self {
        Self::after_handshake(server.send_raw(&Self::handshake(path)).await).await
    }

    /// Opens a WebSocket with a small receive window, for a client that stops reading.
    pub(crate) async fn open_with_small_window(server: &Server, path: &str) -> Self {
        let handshake = Self::handshake(path);
        Self::after_handshake(server.send_raw_small_window(&handshake).await).await
    }

    /// Reads and checks the response to the handshake.
    async fn after_handshake(mut connection: TcpStream) -> Self {
        // The response is read byte by byte, so that the first frame stays in the connection.
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            response.push(
                timeout(TEST_TIMEOUT, connection.read_u8())
                    .await
                    .unwrap()
                    .unwrap(),
            );
        }
        let response = String::from_utf8(response).unwrap();
        assert!(response.starts_with("HTTP/1.1 101"), "{response}");
        assert!(
            response.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            "the hash of the key, as in RFC 6455 §1.3: {response}"
        );
        Self(connection)
    }

    /// Returns the header of a masked frame with this first byte and a body of `length` bytes. The mask is zero, so
    /// that the body is readable.
    pub(crate) fn frame_header(first: u8, length: u64) -> Vec<u8> {
        let mut header = vec![first, 128 + 127];
        header.extend(length.to_be_bytes());
        header.extend([0, 0, 0, 0]);
        header
    }

    /// Returns a masked frame with this first byte and body.
    pub(crate) fn frame(first: u8, body: &[u8]) -> Vec<u8> {
        let mut frame = Self::frame_header(first, body.len() as u64);
        frame.extend(body);
        frame
    }

    /// Sends `bytes`.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Sends `bytes`. Returns false if the connection has ended.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Returns the first byte and the body of the next frame; `None` at the end of the connection.
    pub(crate) async fn read_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        timeout(TEST_TIMEOUT, self.read_frame_without_timeout())
            .await
            .expect("a frame in time")
    }

    async fn read_frame_without_timeout(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.0.read_u8().await.ok()?;
        let length = match self.0.read_u8().await.ok()? {
            126 => u64::from(self.0.read_u16().await.ok()?),
            127 => self.0.read_u64().await.ok()?,
            short => u64::from(short),
        };
        let mut body = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut body).await.ok()?;
        Some((first, body))
    }

    /// Reads until the server ends the connection. Returns all frames, and how long that took.
    pub(crate) async fn read_to_end(&mut self) -> (Vec<(u8, Vec<u8>)>, Duration) {
        let start = Instant::now();
        let mut frames = Vec::new();
        while let Some(frame) = self.read_frame().await {
            frames.push(frame);
        }
        (frames, start.elapsed())
    }
}
