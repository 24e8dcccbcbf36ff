//! Whom to believe when only the hash of a CA is known: a server that shows that CA, and a certificate signed by it.
//!
//! Nothing is sent but the handshake; what it brings is the CA, with which the real connection is made.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};

const PATIENCE: Duration = Duration::from_secs(10);
const DEFAULT_PORT: u16 = 6443;

/// The CA of `server` (`https://host:port`), if it is the one with this SHA-256 (hexadecimal).
pub(super) async fn authority(server: &str, pin: &str) -> Result<CertificateDer<'static>> {
    let uri: http::Uri = server.parse().with_context(|| format!("{server} is no address"))?;
    ensure!(uri.scheme_str() == Some("https"), "{server} is no https address");
    let host = uri.host().with_context(|| format!("{server} names no host"))?;
    let host = host.trim_matches(['[', ']']).to_owned();
    let (port, pin) = (uri.port_u16().unwrap_or(DEFAULT_PORT), pin.to_owned());
    tokio::task::spawn_blocking(move || shown(&host, port, &pin)).await?
}

fn shown(host: &str, port: u16, pin: &str) -> Result<CertificateDer<'static>> {
    let verifier = Arc::new(Pinned::new(pin));
    let config = ClientConfig::builder_with_provider(verifier.provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())?;
    let mut connection = ClientConnection::new(Arc::new(config), name)?;
    let mut stream = connected(host, port).with_context(|| format!("{host}:{port} can't be reached"))?;
    while connection.is_handshaking() {
        connection
            .complete_io(&mut stream)
            .with_context(|| format!("{host}:{port} is not the server that this token is for"))?;
    }
    verifier.found.get().cloned().context("the server showed no certificate")
}

fn connected(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Accepts the certificates of one CA, known by its hash, and keeps the CA that it saw.
#[derive(Debug)]
struct Pinned {
    pin: String,
    provider: Arc<CryptoProvider>,
    found: OnceLock<CertificateDer<'static>>,
}

impl Pinned {
    fn new(pin: &str) -> Pinned {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Pinned { pin: pin.to_ascii_lowercase(), provider, found: OnceLock::new() }
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        let digest = Sha256::digest(certificate);
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>() == self.pin
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let authority = intermediates.iter().find(|shown| self.is_pinned(shown)).ok_or(unknown)?;
        let authority = authority.clone().into_owned();
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), self.provider.clone());
        let verifier = verifier.build().map_err(|error| Error::General(error.to_string()))?;
        let verified = verifier.verify_server_cert(end_entity, &[], server_name, ocsp_response, now)?;
        self.found.get_or_init(|| authority);
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rustls_pki_types::pem::PemObject;
    use rutter_runtime::pki::CertificateAuthority;

    use super::*;

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    fn hex(certificate: &CertificateDer<'_>) -> String {
        Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn only_a_server_of_the_pinned_authority_is_believed() {
        let ours = CertificateAuthority::generate("ours", Timestamp::now()).unwrap();
        let others = CertificateAuthority::generate("others", Timestamp::now()).unwrap();
        let name = ServerName::try_from("api.example").unwrap();
        let leaf = |authority: &CertificateAuthority| {
            let names = ["api.example".to_owned()];
            der(&authority.server_certificate("api", &names, Timestamp::now()).unwrap().certificate_pem)
        };
        let authority = der(ours.certificate_pem());
        let pinned = Pinned::new(&hex(&authority));
        let verify = |leaf: &CertificateDer<'_>, shown: &[CertificateDer<'_>], name: &ServerName<'_>| {
            pinned.verify_server_cert(leaf, shown, name, &[], UnixTime::now()).is_ok()
        };

        // Another CA, signed by itself as well; ours, shown by someone whom it didn't sign; another server of ours.
        assert!(!verify(&leaf(&others), &[der(others.certificate_pem())], &name));
        assert!(!verify(&leaf(&others), std::slice::from_ref(&authority), &name));
        let elsewhere = ServerName::try_from("other.example").unwrap();
        assert!(!verify(&leaf(&ours), std::slice::from_ref(&authority), &elsewhere));
        assert_eq!(pinned.found.get(), None);

        assert!(verify(&leaf(&ours), std::slice::from_ref(&authority), &name));
        assert_eq!(pinned.found.get(), Some(&authority));
    }
}
