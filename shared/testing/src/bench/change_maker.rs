//! [`ChangeMaker`]: the client that makes the changes.

use std::{io, net::SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::decoder::{Decoder, number_in};

/// The request that adds a user. The next change removes that user.
const ADD: &str = "POST /users HTTP/1.1\r\nHost: 127.0.0.1:8001\r\nContent-Type: application/json\r\n\
    Content-Length: 19\r\n\r\n{\"username\":\"user\"}";

/// Makes the changes, on a connection of its own.
pub(super) struct ChangeMaker {
    address: SocketAddr,
    /// The connection, from the first change on. It is not opened before, because a server closes an idle connection.
    stream: Option<TcpStream>,
    decoder: Decoder,
    /// The id of the user that the next change removes, if the last change has added one.
    added: Option<u64>,
}

impl ChangeMaker {
    /// Returns a client for the server at `address`. It connects when it makes the first change.
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            decoder: Decoder::new(""),
            added: None,
        }
    }

    /// Changes the list of a lesson: adds a user, or removes the user that was added.
    pub(super) async fn change(&mut self) -> io::Result<()> {
        if let Some(id) = self.added.take() {
            let remove = format!("DELETE /users/{id} HTTP/1.1\r\nHost: 127.0.0.1:8001\r\n\r\n");
            self.request(remove.as_bytes()).await?;
        } else {
            let response = self.request(ADD.as_bytes()).await?;
            self.added = number_in(&response, "id");
        }
        Ok(())
    }

    /// Posts an update to the baseline or the bare hub, which sends it to its clients.
    pub(super) async fn post(&mut self, update: &[u8]) -> io::Result<()> {
        let length = update.len();
        let headers = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        self.request(&[headers.as_bytes(), update].concat()).await?;
        Ok(())
    }

    /// Sends a request and returns the whole response.
    pub(super) async fn request(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await?,
        };
        stream.set_nodelay(true)?;
        stream.write_all(request).await?;
        while self.decoder.message().map_err(io::Error::other)?.is_none() {
            if stream.read_buf(self.decoder.buffer_mut()).await? == 0 {
                return Err(io::Error::other("the server has closed the connection"));
            }
        }
        self.stream = Some(stream);
        Ok(self.decoder.last_message().to_vec())
    }
}
