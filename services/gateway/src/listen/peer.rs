//! Who is at the other end of a connection, as far as the connection itself proves it: read once, for all its requests.

use std::net::SocketAddr;

use rustls::ServerConnection;

use crate::authn::{User, certificate};

/// A connection's other end.
#[derive(Debug, Clone)]
pub struct Peer {
    pub address: SocketAddr,
    /// Whom the client's certificate speaks for, which the handshake verified against the cluster's CA; none for who
    /// sent none.
    pub user: Option<User>,
}

impl Peer {
    pub fn of(address: SocketAddr, connection: &ServerConnection) -> Peer {
        let chain = connection.peer_certificates().unwrap_or_default();
        Peer { address, user: chain.first().and_then(certificate::user) }
    }
}
