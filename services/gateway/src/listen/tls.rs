//! The TLS side of the listener: our certificate, and client certificates of the cluster's CA if a client has one.

use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// What TLS could not be set up with.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("the client CA is not usable")]
    ClientCa(#[source] rustls::server::VerifierBuilderError),
    #[error("the certificate or its key is not usable")]
    Identity(#[source] rustls::Error),
}

/// An acceptor that asks for a client certificate and lets those in who have none: they may bring a token, or stay
/// anonymous. A certificate of another CA fails the handshake, as upstream's does not: it is an error worth showing.
pub fn acceptor(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    client_ca: &[CertificateDer<'static>],
) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in client_ca {
        roots.add(certificate.clone()).map_err(TlsError::Identity)?;
    }
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(TlsError::ClientCa)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Identity)?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .map_err(TlsError::Identity)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
