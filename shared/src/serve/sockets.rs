//! What is set on each connection's socket.

use std::{any::Any, io, time::Duration};

use actix_web::rt::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};

use super::capacity::Capacity;

/// How long a peer may leave what it was sent unacknowledged, or its receive window shut, before
/// the connection is given up. Long enough for a laptop to change its network.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a silent peer is asked whether it is still there.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// Sets the timeouts of a new connection, and warns if it is one of the last that the server takes.
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

/// Lets the system end the connections of peers that are gone.
///
/// A peer whose network vanished sends no FIN, so its connection would stay for ever. Keep-alive finds it when nothing
/// is being sent, and `TCP_USER_TIMEOUT` (RFC 5482) when something is.
///
/// `TCP_USER_TIMEOUT` also ends the connection of a peer that is there but has stopped reading. Nothing in this process
/// could: while actix-http has more to send than it can, it looks at neither the handler nor the response's body.
///
/// Only Linux has `TCP_USER_TIMEOUT`. Elsewhere a peer that does not read keeps its connection for as long as it is
/// there, except for a WebSocket peer with less than 32 KiB waiting for it (`websocket/closing.rs`).
fn set_timeouts(socket: &SockRef<'_>) -> io::Result<()> {
    let probes = TcpKeepalive::new()
        .with_time(PROBE_INTERVAL)
        .with_interval(PROBE_INTERVAL);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(PEER_TIMEOUT))?;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_peer_that_reads_nothing_or_has_vanished_is_noticed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap());
        let (peer, accepted) = tokio::join!(peer, listener.accept());
        let (stream, _) = accepted.unwrap();
        configure(&stream, &Capacity::of_this_process());
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(PEER_TIMEOUT));
        drop(peer);
    }
}
