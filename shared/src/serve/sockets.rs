//! What is set on each connection's socket.

use std::{any::Any, io, time::Duration};

use actix_web::rt::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};

use super::capacity::Capacity;

/// How many heartbeats a client may leave what it was sent unacknowledged, or its receive window shut, before the
/// connection is given up. The same as for a WebSocket client that is silent.
const MISSED_HEARTBEATS: u32 = 2;

/// The longest time for that, however long the heartbeat is. Long enough for a laptop to change its network.
const MAX_PEER_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a silent peer is asked whether it is still there.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// How many bytes the system takes for a client beyond what it has sent already. By default this grows to 4 MiB
/// (`tcp_wmem`), which a client that does not read would fill. It bounds no speed: what is on its way does not count.
const UNSENT_BYTES: u32 = 32 * 1024;

/// Sets the options of a new connection, and warns if it is one of the last that the server takes.
pub(super) fn configure(connection: &dyn Any, capacity: &Capacity, heartbeat: Duration) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else {
        return;
    };
    #[cfg(unix)]
    {
        use std::os::fd::AsRawFd as _;
        capacity.warn_if_nearly_used(usize::try_from(stream.as_raw_fd()).unwrap_or_default());
    }
    let socket = SockRef::from(stream);
    let peer_timeout = MAX_PEER_TIMEOUT.min(heartbeat * MISSED_HEARTBEATS);
    if let Err(error) =
        set_timeouts(&socket, peer_timeout).and_then(|()| limit_unsent_bytes(&socket))
    {
        log::warn!("cannot set the options of a connection: {error}");
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
/// there, except for a WebSocket peer with less than 8 KiB waiting for it (`websocket/closing.rs`).
fn set_timeouts(socket: &SockRef<'_>, peer_timeout: Duration) -> io::Result<()> {
    let probes = TcpKeepalive::new()
        .with_time(PROBE_INTERVAL)
        .with_interval(PROBE_INTERVAL);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(peer_timeout))?;
    Ok(())
}

/// Limits what the system takes for a client that does not read (`TCP_NOTSENT_LOWAT`, `man 7 tcp` of Linux).
#[cfg(any(target_os = "linux", target_os = "android"))]
fn limit_unsent_bytes(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)
}

/// Limits what the system takes for a client that does not read. Here that includes what is on its way, so this also
/// bounds the speed to a client that is far away.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn limit_unsent_bytes(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_send_buffer_size(2 * UNSENT_BYTES as usize)
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
        let capacity = Capacity::of_this_process();
        configure(&stream, &capacity, Duration::from_secs(5));
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        let two_heartbeats = Some(Duration::from_secs(10));
        assert_eq!(socket.tcp_user_timeout().unwrap(), two_heartbeats);
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT_BYTES);
        configure(&stream, &capacity, Duration::from_secs(60));
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(MAX_PEER_TIMEOUT));
        drop(peer);
    }
}
