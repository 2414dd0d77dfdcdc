//! The settings of each connection's socket.

use std::{any::Any, io, time::Duration};

use actix_web::rt::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};

use super::capacity::Capacity;

/// How long a client may acknowledge nothing, or have no room for more bytes, before the system closes the connection.
/// It is long enough for a laptop to change its network.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection is silent before the system asks whether the client is still there, and how often it repeats
/// the question (a TCP keep-alive probe).
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// Sets the timeouts of a new connection, and warns if the server can accept only a few more.
pub(super) fn configure(connection: &dyn Any, capacity: &Capacity) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else {
        return;
    };
    #[cfg(unix)]
    {
        use std::os::fd::AsRawFd as _;
        capacity.warn_if_nearly_used(usize::try_from(stream.as_raw_fd()).unwrap_or_default());
    }
    if let Err(error) = set_timeouts(&SockRef::from(stream)) {
        log::warn!("cannot set the timeouts of a connection: {error}");
    }
}

/// Makes the system close the connections of clients that have vanished.
///
/// A client whose network has failed sends no FIN, so its connection would stay open for ever. Keep-alive finds such a
/// client while the server sends nothing, and `TCP_USER_TIMEOUT` (RFC 5482) while it sends something.
///
/// `TCP_USER_TIMEOUT` also closes the connection of a client that has stopped reading. This process cannot do that:
/// while actix-http waits for room in the socket, it polls neither the handler nor the response's body.
///
/// Only Linux has `TCP_USER_TIMEOUT`. On other systems, a client that has stopped reading keeps its connection until it
/// disconnects. The exception is a WebSocket with less than 32 KiB to send (`websocket/closing.rs`).
fn set_timeouts(socket: &SockRef<'_>) -> io::Result<()> {
    let probes = TcpKeepalive::new()
        .with_time(PROBE_INTERVAL)
        .with_interval(PROBE_INTERVAL);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(CLIENT_TIMEOUT))?;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_connection_has_keep_alive_and_a_user_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (stream, _) = accepted.unwrap();
        configure(&stream, &Capacity::of_this_process());
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(CLIENT_TIMEOUT));
        drop(client);
    }
}
