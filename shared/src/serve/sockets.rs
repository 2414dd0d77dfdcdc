//! What is set on each connection's socket.

use std::{any::Any, io, time::Duration};

use actix_web::{dev::Extensions, rt::net::TcpStream};
use socket2::{SockRef, TcpKeepalive};

/// How long a peer may leave what it was sent unacknowledged, or its receive window shut, before
/// the connection is given up. Long enough for a laptop to change its network.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a silent peer is asked whether it is still there.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// Lets the system notice peers that are gone. One whose network vanished sends no FIN, so that the
/// connection would stay for ever: keep-alive finds it when nothing is being sent, and
/// `TCP_USER_TIMEOUT` (RFC 5482) when something is, also if the peer is there but does not read.
pub(super) fn notice_dead_peers(connection: &dyn Any, _data: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else {
        return;
    };
    if let Err(error) = set_timeouts(stream) {
        log::warn!("cannot set the timeouts of a connection: {error}");
    }
}

fn set_timeouts(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new()
        .with_time(PROBE_INTERVAL)
        .with_interval(PROBE_INTERVAL);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(PEER_TIMEOUT))?;
    Ok(())
}
