//! Ports that stay ours while nobody listens on them.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A TCP port of this machine, kept for one process that will listen on it, now and after each restart.
///
/// A bound socket that doesn't listen: the kernel gives its port to no bind to port 0 and to no outgoing connection,
/// while a listener that sets `SO_REUSEADDR` (as Go's and tokio's do) may take it by number. See socket(7) and
/// `inet_csk_bind_conflict` in the kernel.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    _held: TcpSocket,
}

impl Port {
    /// Holds this address; port 0 takes a free one.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens there, and what else the kernel says of the address.
    pub fn hold(address: SocketAddr) -> std::io::Result<Port> {
        let held = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        held.set_reuseaddr(true)?;
        held.bind(address)?;
        Ok(Port { address: held.local_addr()?, _held: held })
    }

    /// The address with its real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_held_port_is_there_for_who_names_it_and_for_nobody_else() {
        let held = Port::hold("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = TcpListener::bind(held.address()).unwrap();
        let taken = Port::hold(held.address()).unwrap_err();
        assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
        drop(listener);
        TcpListener::bind(held.address()).unwrap();
    }
}
