//! Whose certificates are believed: those signed by the bundle that came with the webhook's address, or by whom this
//! machine trusts where none came. A certificate that stands in the bundle itself is believed as well, as Go does,
//! whatever it was made for: many a webhook signs its own.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// What a client needs to know of the servers that sign with `ca`.
///
/// # Errors
/// When that is no certificate. Reading this machine's own takes a while, so it happens beside.
pub(super) async fn config(ca: Vec<u8>) -> Result<ClientConfig, String> {
    let made = tokio::task::spawn_blocking(move || made(&ca)).await;
    made.map_err(|error| error.to_string())?
}

fn made(ca: &[u8]) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    if ca.is_empty() {
        return Ok(builder.with_root_certificates(of_this_machine()).with_no_client_auth());
    }
    let bundle =
        Bundle::read(ca, provider).map_err(|why| format!("unable to load root certificates: {why}"))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(bundle)).with_no_client_auth())
}

fn of_this_machine() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    };
    ROOTS.get_or_init(read).clone()
}

/// Certificates that are trusted, and those that they signed.
#[derive(Debug)]
struct Bundle {
    certificates: Vec<CertificateDer<'static>>,
    signed: Arc<WebPkiServerVerifier>,
}

impl Bundle {
    fn read(pem: &[u8], provider: Arc<CryptoProvider>) -> Result<Bundle, String> {
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        let signed = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(Bundle { certificates, signed: signed.map_err(|error| error.to_string())? })
    }
}

impl ServerCertVerifier for Bundle {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.signed.verify_server_cert(leaf, between, name, ocsp, now);
        if verified.is_ok() || !self.certificates.iter().any(|known| known == leaf) {
            return verified;
        }
        check_time(leaf, now)?;
        verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}

fn check_time(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let unreadable = || Error::InvalidCertificate(CertificateError::BadEncoding);
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).map_err(|_| unreadable())?;
    let now = i64::try_from(now.as_secs()).map_err(|_| unreadable())?;
    let validity = leaf.validity();
    if now > validity.not_after.timestamp() {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    if now < validity.not_before.timestamp() {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    fn own(name: &str, is_ca: bool) -> rcgen::Certificate {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    fn verified(
        bundle: &rcgen::Certificate,
        leaf: &rcgen::Certificate,
        name: &str,
        now: u64,
    ) -> Result<(), Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let bundle = Bundle::read(bundle.pem().as_bytes(), provider).unwrap();
        let (name, now) = (
            ServerName::try_from(name).unwrap(),
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(now)),
        );
        bundle.verify_server_cert(leaf.der(), &[], &name, &[], now).map(drop)
    }

    #[test]
    fn a_certificate_in_the_bundle_is_believed_for_its_names_and_its_time() {
        const NOW: u64 = 1_800_000_000;
        for is_ca in [true, false] {
            let leaf = own("a.b.svc", is_ca);
            assert_eq!(verified(&leaf, &leaf, "a.b.svc", NOW), Ok(()), "{is_ca}");
            let misnamed = verified(&leaf, &leaf, "c.b.svc", NOW);
            assert!(matches!(
                misnamed,
                Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }))
            ));
            let late = verified(&leaf, &leaf, "a.b.svc", 1 << 40);
            assert!(matches!(late, Err(Error::InvalidCertificate(_))), "{late:?}");
            assert!(verified(&own("a.b.svc", is_ca), &leaf, "a.b.svc", NOW).is_err());
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        assert!(Bundle::read(b"no certificate", provider).is_err());
    }
}
