//! A certificate authority: its key, its certificate, and what it signs (RFC 5280).

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

use super::PkiError;

/// Years that an authority is valid; replacing it is a decision, not an accident.
const AUTHORITY_YEARS: i64 = 10;
/// Days that a leaf is valid; services make theirs anew at every start.
const LEAF_DAYS: i64 = 365;

/// A certificate with its key, PEM. The key is a secret.
#[derive(Clone)]
pub struct Leaf {
    pub certificate_pem: String,
    pub key_pem: String,
}

impl std::fmt::Debug for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leaf(…)")
    }
}

/// A key that signs certificates, with its own certificate.
#[derive(Clone)]
pub struct CertificateAuthority {
    certificate_pem: String,
    key: Arc<KeyPair>,
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CertificateAuthority(…)")
    }
}

impl CertificateAuthority {
    /// A new, self-signed authority.
    ///
    /// # Errors
    /// [`PkiError::Make`].
    pub fn generate(name: &str, now: Timestamp) -> Result<CertificateAuthority, PkiError> {
        let make = |source| PkiError::Make { name: name.to_owned(), source };
        let key = KeyPair::generate().map_err(make)?;
        let mut params = valid(now, Span::new().years(AUTHORITY_YEARS));
        params.distinguished_name = subject(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).map_err(make)?;
        Ok(CertificateAuthority { certificate_pem: certificate.pem(), key: Arc::new(key) })
    }

    /// Reads what [`CertificateAuthority::to_pem`] wrote: certificate and key in one text.
    ///
    /// # Errors
    /// [`PkiError::Read`].
    pub fn from_pem(name: &str, pem: &str) -> Result<CertificateAuthority, PkiError> {
        let key_at = pem.find("-----BEGIN PRIVATE KEY-----").unwrap_or(pem.len());
        let (certificate, key) = pem.split_at(key_at);
        CertificateAuthority::from_parts(name, certificate, key)
    }

    /// Reads an authority from its certificate and its key (PKCS #8), both PEM.
    ///
    /// # Errors
    /// [`PkiError::Read`] when either is not what it should be.
    pub fn from_parts(name: &str, certificate: &str, key: &str) -> Result<CertificateAuthority, PkiError> {
        let read = |source| PkiError::Read { name: name.to_owned(), source };
        let key = KeyPair::from_pem(key).map_err(read)?;
        Issuer::from_ca_cert_pem(certificate, &key).map_err(read)?;
        Ok(CertificateAuthority { certificate_pem: certificate.to_owned(), key: Arc::new(key) })
    }

    /// Certificate and key in one text. A secret.
    #[must_use]
    pub fn to_pem(&self) -> String {
        format!("{}{}", self.certificate_pem, self.key.serialize_pem())
    }

    /// The certificate to trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The key, PKCS #8 in PEM. A secret.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// A certificate for a server that is reached under `names` (DNS names and IP addresses).
    ///
    /// # Errors
    /// [`PkiError::Make`], such as for a name that can't stand in a certificate.
    pub fn server_certificate(&self, name: &str, names: &[String], now: Timestamp) -> Result<Leaf, PkiError> {
        self.sign(name, &[], names, &[ExtendedKeyUsagePurpose::ServerAuth], now)
    }

    /// A certificate for a server that also connects to its peers by it.
    ///
    /// # Errors
    /// As [`CertificateAuthority::server_certificate`].
    pub fn peer_certificate(&self, name: &str, names: &[String], now: Timestamp) -> Result<Leaf, PkiError> {
        let both = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(name, &[], names, &both, now)
    }

    /// A certificate for a client: as upstream reads it, the common name is the user and each organization a
    /// group (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates>).
    ///
    /// # Errors
    /// [`PkiError::Make`].
    pub fn client_certificate(&self, user: &str, groups: &[&str], now: Timestamp) -> Result<Leaf, PkiError> {
        self.sign(user, groups, &[], &[ExtendedKeyUsagePurpose::ClientAuth], now)
    }

    fn sign(
        &self,
        name: &str,
        groups: &[&str],
        names: &[String],
        purposes: &[ExtendedKeyUsagePurpose],
        now: Timestamp,
    ) -> Result<Leaf, PkiError> {
        let make = |source| PkiError::Make { name: name.to_owned(), source };
        let mut params = valid(now, Span::new().days(LEAF_DAYS));
        params.subject_alt_names = CertificateParams::new(names.to_vec()).map_err(make)?.subject_alt_names;
        params.distinguished_name = subject(name, groups);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = purposes.to_vec();
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(make)?;
        let issuer = Issuer::from_ca_cert_pem(&self.certificate_pem, &*self.key).map_err(make)?;
        let certificate = params.signed_by(&key, &issuer).map_err(make)?;
        Ok(Leaf { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

/// A key to sign service account tokens with: ECDSA P-256, PKCS #8 in PEM. A secret.
pub(super) fn signing_key(name: &str) -> Result<String, PkiError> {
    let key = KeyPair::generate().map_err(|source| PkiError::Make { name: name.to_owned(), source })?;
    Ok(key.serialize_pem())
}

fn subject(name: &str, groups: &[&str]) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    for group in groups {
        subject.push(DnType::OrganizationName, *group);
    }
    subject
}

/// Valid from yesterday, so that a clock a little behind accepts it.
fn valid(now: Timestamp, long: Span) -> CertificateParams {
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut params = CertificateParams::default();
    let (year, month, day) = parts(today.saturating_sub(Span::new().days(1)));
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = parts(today.saturating_add(long));
    params.not_after = rcgen::date_time_ymd(year, month, day);
    params
}

fn parts(date: Date) -> (i32, u8, u8) {
    (i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs())
}
