//! The settings of each connection's socket.

use std::{any::Any, io, time::Duration};

use actix_web::rt::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};

use super::capacity::Capacity;

/// How many heartbeats a client may acknowledge nothing, or have no room for more bytes, before the system closes the
/// connection. It is the same number as for a WebSocket client that is silent.
const MISSED_HEARTBEATS: u32 = 2;

/// The longest time for that, however long the heartbeat is. It is long enough for a laptop to change its network.
const MAX_CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection is silent before the system asks whether the client is still there, and how often it repeats
/// the question (a TCP keep-alive probe).
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// How many bytes the system accepts for a client beyond those that it has already sent. By default, this buffer grows
/// to 4 MiB (`tcp_wmem`), and a client that does not read would fill it. The limit does not make a connection slower,
/// because bytes that have been sent and not yet acknowledged do not count.
const UNSENT_BYTES: u32 = 32 * 1024;

/// Sets the options of a new connection, and warns if the server can accept only a few more.
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
    let client_timeout = MAX_CLIENT_TIMEOUT.min(heartbeat * MISSED_HEARTBEATS);
    if let Err(error) =
        set_timeouts(&socket, client_timeout).and_then(|()| limit_unsent_bytes(&socket))
    {
        log::warn!("cannot set the options of a connection: {error}");
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
/// disconnects. The exception is a WebSocket with less than 8 KiB to send (`websocket/closing.rs`).
fn set_timeouts(socket: &SockRef<'_>, client_timeout: Duration) -> io::Result<()> {
    let probes = TcpKeepalive::new()
        .with_time(PROBE_INTERVAL)
        .with_interval(PROBE_INTERVAL);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(client_timeout))?;
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
    async fn a_connection_has_keep_alive_and_a_user_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let (stream, _) = accepted.unwrap();
        let capacity = Capacity::of_this_process();
        configure(&stream, &capacity, Duration::from_secs(5));
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        let two_heartbeats = Some(Duration::from_secs(10));
        assert_eq!(socket.tcp_user_timeout().unwrap(), two_heartbeats);
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), UNSENT_BYTES);
        configure(&stream, &capacity, Duration::from_secs(60));
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(MAX_CLIENT_TIMEOUT));
        drop(client);
    }
}
