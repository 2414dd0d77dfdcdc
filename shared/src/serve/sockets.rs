//! What is set on each connection's socket.

use std::{any::Any, io, net::Shutdown, sync::Arc, time::Duration};

use actix_web::{dev::Extensions, rt::net::TcpStream};
use socket2::{SockRef, Socket, TcpKeepalive};

/// How long a peer may leave what it was sent unacknowledged, or its receive window shut, before
/// the connection is given up. Long enough for a laptop to change its network.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a silent peer is asked whether it is still there.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// The socket of a connection, for handlers: `request.conn_data::<Connection>()`.
#[derive(Debug, Clone)]
pub struct Connection(Arc<Socket>);

impl Connection {
    /// Takes nothing more from the peer: once what has arrived is read, the connection ends as if the
    /// peer had closed it.
    pub(crate) fn stop_reading(&self) {
        self.shut(Shutdown::Read);
    }

    /// Ends the connection at once, whatever is still to be sent. Nothing else gets rid of a peer that
    /// has stopped reading: what is meant to end it waits behind what it does not read.
    pub fn shut_down(&self) {
        self.shut(Shutdown::Both);
    }

    fn shut(&self, how: Shutdown) {
        if let Err(error) = self.0.shutdown(how) {
            log::debug!("the connection had ended already: {error}");
        }
    }
}

/// Sets the timeouts of a new connection and keeps a handle to its socket for the handlers.
pub(super) fn prepare(connection: &dyn Any, data: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else {
        return;
    };
    let socket = SockRef::from(stream);
    match notice_dead_peers(&socket).and_then(|()| socket.try_clone()) {
        Ok(socket) => {
            data.insert(Connection(Arc::new(socket)));
        }
        Err(error) => log::warn!("cannot prepare a connection: {error}"),
    }
}

/// Lets the system notice peers that are gone. One whose network vanished sends no FIN, so that the
/// connection would stay for ever: keep-alive finds it when nothing is being sent, and
/// `TCP_USER_TIMEOUT` (RFC 5482) when something is, also if the peer is there but does not read.
fn notice_dead_peers(socket: &Socket) -> io::Result<()> {
    let probes = TcpKeepalive::new()
        .with_time(PROBE_INTERVAL)
        .with_interval(PROBE_INTERVAL);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(PEER_TIMEOUT))?;
    Ok(())
}
