//! [`Maker`]: whoever makes the changes.

use std::{io, net::SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::decoder::{Wire, number_in};

/// The user that comes and goes.
const ADD: &str = "POST /users HTTP/1.1\r\nHost: 127.0.0.1:8001\r\nContent-Type: application/json\r\n\
    Content-Length: 19\r\n\r\n{\"username\":\"news\"}";

/// Makes the changes, over a connection of its own.
pub(super) struct Maker {
    address: SocketAddr,
    /// Opened for the first change: a server does not wait for long for the first request.
    stream: Option<TcpStream>,
    wire: Wire,
    /// The user that it has added and not removed again.
    added: Option<u64>,
}

impl Maker {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            wire: Wire::new(""),
            added: None,
        }
    }

    /// In a lesson: adds a user or removes the one that was added.
    pub(super) async fn change(&mut self) -> io::Result<()> {
        if let Some(id) = self.added.take() {
            let remove = format!("DELETE /users/{id} HTTP/1.1\r\nHost: 127.0.0.1:8001\r\n\r\n");
            self.ask(remove.as_bytes()).await?;
        } else {
            let answer = self.ask(ADD.as_bytes()).await?;
            self.added = number_in(&answer, "id");
        }
        Ok(())
    }

    /// For the limit: the bytes that it is to send to its clients.
    pub(super) async fn post(&mut self, news: &[u8]) -> io::Result<()> {
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", news.len());
        self.ask(&[head.as_bytes(), news].concat()).await?;
        Ok(())
    }

    /// Sends a request and returns the whole answer.
    pub(super) async fn ask(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await?,
        };
        stream.set_nodelay(true)?;
        stream.write_all(request).await?;
        while self.wire.message().map_err(io::Error::other)?.is_none() {
            if stream.read_buf(self.wire.room()).await? == 0 {
                return Err(io::Error::other("the server has closed the connection"));
            }
        }
        self.stream = Some(stream);
        Ok(self.wire.last_message().to_vec())
    }
}
