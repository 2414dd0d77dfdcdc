//! A WebSocket client that sends what no library would: bytes.

use std::time::{Duration, Instant};

use testing::{Server, TEST_TIMEOUT};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An open connection after its handshake. It answers nothing by itself.
pub(crate) struct Raw(TcpStream);

impl Raw {
    /// The request that opens a WebSocket, with the key of RFC 6455 §1.3.
    pub(crate) fn handshake(path: &str) -> String {
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13";
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        format!("GET {path} HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n{key}\r\n\r\n")
    }

    pub(crate) async fn open(server: &Server, path: &str) -> Self {
        Self::opened(server.send_raw(&Self::handshake(path)).await).await
    }

    /// For a client that is going to stop reading.
    pub(crate) async fn with_little_room(server: &Server, path: &str) -> Self {
        let handshake = Self::handshake(path);
        Self::opened(server.send_raw_small_window(&handshake).await).await
    }

    async fn opened(mut connection: TcpStream) -> Self {
        // Byte by byte, so that no frame is read along with the head.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(
                timeout(TEST_TIMEOUT, connection.read_u8())
                    .await
                    .unwrap()
                    .unwrap(),
            );
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(
            head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            "the answer of RFC 6455 §1.3: {head}"
        );
        Self(connection)
    }

    /// The head of a frame with the given first byte that announces `length` bytes.
    pub(crate) fn head(first: u8, length: u64) -> Vec<u8> {
        let mut head = vec![first, 128 + 127];
        head.extend(length.to_be_bytes());
        head.extend([0, 0, 0, 0]);
        head
    }

    /// A frame whose mask is zero, so that its body is readable.
    pub(crate) fn frame(first: u8, body: &[u8]) -> Vec<u8> {
        let mut frame = Self::head(first, body.len() as u64);
        frame.extend(body);
        frame
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Sends until the server takes no more; whether it took all.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// The first byte and the body of the next frame; `None` at the end of the connection.
    pub(crate) async fn read_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        timeout(TEST_TIMEOUT, self.read_frame_at_leisure())
            .await
            .expect("a frame in time")
    }

    async fn read_frame_at_leisure(&mut self) -> Option<(u8, Vec<u8>)> {
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

    /// All frames until the server ends the connection, and how long that took.
    pub(crate) async fn read_to_the_end(&mut self) -> (Vec<(u8, Vec<u8>)>, Duration) {
        let start = Instant::now();
        let mut frames = Vec::new();
        while let Some(frame) = self.read_frame().await {
            frames.push(frame);
        }
        (frames, start.elapsed())
    }
}
