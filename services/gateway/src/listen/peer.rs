//! Who is at the other end of a connection, as far as the connection itself proves it.

use std::net::SocketAddr;

use rustls::ServerConnection;
use rustls_pki_types::CertificateDer;

/// A connection's other end.
#[derive(Debug, Clone)]
pub struct Peer {
    pub address: SocketAddr,
    /// The client's certificate, verified by the handshake against the cluster's CA; none for who sent none.
    pub certificate: Option<CertificateDer<'static>>,
}

impl Peer {
    pub fn of(address: SocketAddr, connection: &ServerConnection) -> Peer {
        let chain = connection.peer_certificates().unwrap_or_default();
        Peer { address, certificate: chain.first().map(|leaf| leaf.clone().into_owned()) }
    }
}
