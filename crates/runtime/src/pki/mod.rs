//! Certificates: what a CA of ours signs, and where its key rests.
//!
//! Two CAs, kept apart. The *local* one lives in files, because NATS has to be reached before anything can be
//! read from the log; it signs nothing but nats-server's certificate. The *cluster's* one signs the API server,
//! people, services and nodes; it rests in the log as a sealed Secret ([`cluster`]).

mod authority;
pub mod cluster;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;

use crate::files;
pub use authority::{CertificateAuthority, Leaf};

/// Why a certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    #[error("cannot make a certificate for {name}")]
    Make { name: String, source: rcgen::Error },
    #[error("the certificate authority {name} is not readable")]
    Read { name: String, source: rcgen::Error },
    #[error("the certificate authority {name} is not one to trust: {why}")]
    Distrust { name: String, why: String },
    #[error("cannot keep the certificate authority in {path}")]
    Files { path: PathBuf, source: std::io::Error },
}

/// The CA of this machine's nats-server.
#[derive(Debug, Clone)]
pub struct LocalCa {
    authority: CertificateAuthority,
    roots: Arc<RootCertStore>,
}

const LOCAL: &str = "rutter-local-ca";

impl LocalCa {
    /// The CA kept in `dir`, made on the first call.
    ///
    /// # Errors
    /// When the files can't be written, can be read by others, or don't hold a CA.
    pub fn open(dir: &Path) -> Result<LocalCa, PkiError> {
        let path = dir.join("local-ca.pem");
        let fail = |source| PkiError::Files { path: path.clone(), source };
        if !path.exists() {
            let made = CertificateAuthority::generate(LOCAL, jiff::Timestamp::now())?;
            files::create_private(&path, made.to_pem().as_bytes()).map_err(fail)?;
        }
        let authority = CertificateAuthority::from_pem(LOCAL, &files::read_private(&path).map_err(fail)?)?;
        let roots = crate::nats::roots(authority.certificate_pem().as_bytes())
            .map_err(|why| PkiError::Distrust { name: LOCAL.to_owned(), why })?;
        Ok(LocalCa { authority, roots })
    }

    /// What a client trusts.
    #[must_use]
    pub fn roots(&self) -> Arc<RootCertStore> {
        self.roots.clone()
    }

    /// The certificate to trust, PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        self.authority.certificate_pem()
    }

    /// A certificate for a nats-server under these names and addresses, and at localhost; its peers in a cluster
    /// know it by the same.
    ///
    /// # Errors
    /// [`PkiError::Make`].
    pub fn server_certificate(&self, name: &str, reached_as: &[String]) -> Result<Leaf, PkiError> {
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        names.extend_from_slice(reached_as);
        names.sort();
        names.dedup();
        self.authority.peer_certificate(name, &names, jiff::Timestamp::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_trusts_what_the_first_one_signed() {
        let dir = tempfile::tempdir().unwrap();
        let first = LocalCa::open(dir.path()).unwrap();
        let second = LocalCa::open(dir.path()).unwrap();
        assert_eq!(first.certificate_pem(), second.certificate_pem());
    }
}
