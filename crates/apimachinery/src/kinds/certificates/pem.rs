//! What PEM texts hold: a request for a certificate, signed with the key that the certificate is for, or certificates
//! (upstream: `ParseCSR` in `pkg/apis/certificates/helpers.go`, `validateCSR` and `validateCertificate` in
//! `pkg/apis/certificates/validation/validation.go`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::signature;

const CERTIFICATE: &str = "CERTIFICATE";

/// Whether the base64 of a PEM text holds a request (PKCS#10, RFC 2986) with a signature that fits.
///
/// # Errors
/// Why not, in the words of Go's crypto/x509.
pub(super) fn check_request(text: &str) -> Result<(), String> {
    let first = blocks(text).into_iter().next().filter(|block| block.label == "CERTIFICATE REQUEST");
    let block = first.ok_or("PEM block type must be CERTIFICATE REQUEST")?;
    let (rest, request) =
        X509CertificationRequest::from_der(&block.contents).map_err(|_| "asn1: structure error")?;
    if !rest.is_empty() {
        return Err("asn1: syntax error: trailing data".into());
    }
    signature::check(&request)
}

/// Whether the base64 of a PEM text holds certificates and nothing else; nothing at all is fine.
///
/// # Errors
/// Why not, in upstream's words.
pub(super) fn check_certificates(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let blocks = blocks(text);
    if blocks.is_empty() {
        return Err("must contain at least one CERTIFICATE PEM block".into());
    }
    blocks.iter().try_for_each(check_certificate)
}

fn check_certificate(block: &Pem) -> Result<(), String> {
    if block.label != CERTIFICATE {
        return Err(format!("only CERTIFICATE PEM blocks are allowed, found {:?}", block.label));
    }
    let mut rest = block.contents.as_slice();
    if rest.is_empty() {
        return Err("found CERTIFICATE PEM block containing 0 certificates".into());
    }
    while !rest.is_empty() {
        (rest, _) = X509Certificate::from_der(rest).map_err(|_| "x509: malformed certificate")?;
    }
    Ok(())
}

/// The blocks of a text; what is none is stepped over, as Go's `pem.Decode` does.
fn blocks(text: &str) -> Vec<Pem> {
    let bytes = STANDARD.decode(text).unwrap_or_default();
    Pem::iter_from_buffer(&bytes).filter_map(Result::ok).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(label: &str, contents: &[u8]) -> String {
        let body = STANDARD.encode(contents);
        STANDARD.encode(format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"))
    }

    #[test]
    fn what_holds_no_request_is_told_why() {
        let cases = [
            (String::new(), "PEM block type must be CERTIFICATE REQUEST"),
            (STANDARD.encode("x"), "PEM block type must be CERTIFICATE REQUEST"),
            (pem("CERTIFICATE", &[0x30, 0]), "PEM block type must be CERTIFICATE REQUEST"),
            (pem("CERTIFICATE REQUEST", &[0x30, 0]), "asn1: structure error"),
        ];
        for (text, why) in cases {
            assert_eq!(check_request(&text).unwrap_err(), why, "{text}");
        }
    }

    #[test]
    fn only_certificates_may_be_issued() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let chain = [certificate.der().as_ref(), certificate.der().as_ref()].concat();
        assert_eq!(check_certificates(""), Ok(()));
        assert_eq!(check_certificates(&pem(CERTIFICATE, &chain)), Ok(()));
        let cases = [
            (STANDARD.encode("x"), "must contain at least one CERTIFICATE PEM block"),
            (pem("PRIVATE KEY", &[1]), "only CERTIFICATE PEM blocks are allowed, found \"PRIVATE KEY\""),
            (pem(CERTIFICATE, &[]), "found CERTIFICATE PEM block containing 0 certificates"),
            (pem(CERTIFICATE, &chain[1..]), "x509: malformed certificate"),
        ];
        for (text, why) in cases {
            assert_eq!(check_certificates(&text).unwrap_err(), why, "{text}");
        }
    }
}
