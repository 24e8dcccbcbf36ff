//! Ports for the programs of a test.

use std::io::Result;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of loopback that is this process's until it ends, though nobody listens on it between two programs of the
/// test: a socket is bound to it that never listens. The kernel gives the port to nobody who asks for any, while a
/// listener that sets `SO_REUSEADDR`, as ours and Go's do, may take it by number.
///
/// # Errors
/// When no port is left.
pub fn held() -> Result<u16> {
    let held = TcpSocket::new_v4()?;
    held.set_reuseaddr(true)?;
    held.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let port = held.local_addr()?.port();
    std::mem::forget(held);
    Ok(port)
}
