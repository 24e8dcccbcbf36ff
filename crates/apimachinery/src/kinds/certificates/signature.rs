//! Whether a request for a certificate was signed with the key that the certificate is for (upstream: `CheckSignature`
//! of Go's crypto/x509, whose words these are and whose algorithms: SHA-1 is taken, MD5 is not).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA1_ASN1, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1,
    ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA1_ASN1,
    ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

const UNSUPPORTED: &str = "x509: cannot verify signature: algorithm unimplemented";

/// # Errors
/// When it was not, or nobody can tell.
pub(super) fn check(request: &X509CertificationRequest<'_>) -> Result<(), String> {
    let info = &request.certification_request_info;
    let scheme = scheme(&request.signature_algorithm)?;
    let key = key(&info.subject_pki).ok_or(UNSUPPORTED)?;
    if scheme.family() != key.family() {
        return Err(format!(
            "x509: signature algorithm specifies an {} public key, but have public key of type {}",
            scheme.family().name(),
            key.family().go_type()
        ));
    }
    let public = UnparsedPublicKey::new(
        verification(scheme, key).ok_or(UNSUPPORTED)?,
        info.subject_pki.subject_public_key.data.as_ref(),
    );
    let verified = public.verify(info.raw, &request.signature_value.data);
    verified.map_err(|_| scheme.family().failure().to_owned())
}

/// How something was signed.
#[derive(Clone, Copy)]
enum Scheme {
    Pkcs1(Hash),
    Pss(Hash),
    Ecdsa(Hash),
    Ed25519,
}

#[derive(Clone, Copy)]
enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// What a public key is of.
#[derive(Clone, Copy)]
enum Key {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Rsa,
    Ecdsa,
    Ed25519,
}

impl Scheme {
    fn family(self) -> Family {
        match self {
            Scheme::Pkcs1(_) | Scheme::Pss(_) => Family::Rsa,
            Scheme::Ecdsa(_) => Family::Ecdsa,
            Scheme::Ed25519 => Family::Ed25519,
        }
    }
}

impl Key {
    fn family(self) -> Family {
        match self {
            Key::Rsa => Family::Rsa,
            Key::P256 | Key::P384 | Key::P521 => Family::Ecdsa,
            Key::Ed25519 => Family::Ed25519,
        }
    }
}

impl Family {
    fn name(self) -> &'static str {
        match self {
            Family::Rsa => "RSA",
            Family::Ecdsa => "ECDSA",
            Family::Ed25519 => "Ed25519",
        }
    }

    fn go_type(self) -> &'static str {
        match self {
            Family::Rsa => "*rsa.PublicKey",
            Family::Ecdsa => "*ecdsa.PublicKey",
            Family::Ed25519 => "ed25519.PublicKey",
        }
    }

    fn failure(self) -> &'static str {
        match self {
            Family::Rsa => "crypto/rsa: verification error",
            Family::Ecdsa => "x509: ECDSA verification failure",
            Family::Ed25519 => "x509: Ed25519 verification failure",
        }
    }
}

/// By the object identifiers of RFC 8017, RFC 5758 and RFC 8410.
fn scheme(algorithm: &AlgorithmIdentifier<'_>) -> Result<Scheme, String> {
    Ok(match algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.4" => {
            return Err("x509: cannot verify signature: insecure algorithm MD5-RSA".into());
        }
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => Scheme::Pkcs1(Hash::Sha1),
        "1.2.840.113549.1.1.11" => Scheme::Pkcs1(Hash::Sha256),
        "1.2.840.113549.1.1.12" => Scheme::Pkcs1(Hash::Sha384),
        "1.2.840.113549.1.1.13" => Scheme::Pkcs1(Hash::Sha512),
        "1.2.840.113549.1.1.10" => Scheme::Pss(pss_hash(algorithm).ok_or(UNSUPPORTED)?),
        "1.2.840.10045.4.1" => Scheme::Ecdsa(Hash::Sha1),
        "1.2.840.10045.4.3.2" => Scheme::Ecdsa(Hash::Sha256),
        "1.2.840.10045.4.3.3" => Scheme::Ecdsa(Hash::Sha384),
        "1.2.840.10045.4.3.4" => Scheme::Ecdsa(Hash::Sha512),
        "1.3.101.112" => Scheme::Ed25519,
        _ => return Err(UNSUPPORTED.into()),
    })
}

fn pss_hash(algorithm: &AlgorithmIdentifier<'_>) -> Option<Hash> {
    let parameters = RsaSsaPssParams::try_from(algorithm.parameters.as_ref()?).ok()?;
    match parameters.hash_algorithm_oid().to_id_string().as_str() {
        "2.16.840.1.101.3.4.2.1" => Some(Hash::Sha256),
        "2.16.840.1.101.3.4.2.2" => Some(Hash::Sha384),
        "2.16.840.1.101.3.4.2.3" => Some(Hash::Sha512),
        _ => None,
    }
}

/// By the object identifiers of RFC 3279, RFC 5480 and RFC 8410.
fn key(info: &SubjectPublicKeyInfo<'_>) -> Option<Key> {
    match info.algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.1" => Some(Key::Rsa),
        "1.2.840.10045.2.1" => {
            let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
            match curve.to_id_string().as_str() {
                "1.2.840.10045.3.1.7" => Some(Key::P256),
                "1.3.132.0.34" => Some(Key::P384),
                "1.3.132.0.35" => Some(Key::P521),
                _ => None,
            }
        }
        "1.3.101.112" => Some(Key::Ed25519),
        _ => None,
    }
}

fn verification(scheme: Scheme, key: Key) -> Option<&'static dyn VerificationAlgorithm> {
    use Hash::{Sha1, Sha256, Sha384, Sha512};
    Some(match (scheme, key) {
        (Scheme::Pkcs1(Sha1), Key::Rsa) => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (Scheme::Pkcs1(Sha256), Key::Rsa) => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (Scheme::Pkcs1(Sha384), Key::Rsa) => &RSA_PKCS1_2048_8192_SHA384,
        (Scheme::Pkcs1(Sha512), Key::Rsa) => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (Scheme::Pss(Sha256), Key::Rsa) => &RSA_PSS_2048_8192_SHA256,
        (Scheme::Pss(Sha384), Key::Rsa) => &RSA_PSS_2048_8192_SHA384,
        (Scheme::Pss(Sha512), Key::Rsa) => &RSA_PSS_2048_8192_SHA512,
        (Scheme::Ecdsa(Sha1), Key::P256) => &ECDSA_P256_SHA1_ASN1,
        (Scheme::Ecdsa(Sha256), Key::P256) => &ECDSA_P256_SHA256_ASN1,
        (Scheme::Ecdsa(Sha384), Key::P256) => &ECDSA_P256_SHA384_ASN1,
        (Scheme::Ecdsa(Sha512), Key::P256) => &ECDSA_P256_SHA512_ASN1,
        (Scheme::Ecdsa(Sha256), Key::P384) => &ECDSA_P384_SHA256_ASN1,
        (Scheme::Ecdsa(Sha384), Key::P384) => &ECDSA_P384_SHA384_ASN1,
        (Scheme::Ecdsa(Sha512), Key::P384) => &ECDSA_P384_SHA512_ASN1,
        (Scheme::Ecdsa(Sha1), Key::P521) => &ECDSA_P521_SHA1_ASN1,
        (Scheme::Ecdsa(Sha256), Key::P521) => &ECDSA_P521_SHA256_ASN1,
        (Scheme::Ecdsa(Sha384), Key::P521) => &ECDSA_P521_SHA384_ASN1,
        (Scheme::Ecdsa(Sha512), Key::P521) => &ECDSA_P521_SHA512_ASN1,
        (Scheme::Ed25519, Key::Ed25519) => &ED25519,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};
    use x509_parser::prelude::FromDer;

    use super::*;

    fn request(algorithm: &'static SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        CertificateParams::new(Vec::new()).unwrap().serialize_request(&key).unwrap().der().to_vec()
    }

    fn checked(der: &[u8]) -> Result<(), String> {
        check(&X509CertificationRequest::from_der(der).unwrap().1)
    }

    /// What one asks for, signed as the other is.
    fn spliced(asked: &[u8], signed: &[u8]) -> Vec<u8> {
        let parsed = |der| X509CertificationRequest::from_der(der).unwrap().1;
        let (asked, signed) = (parsed(asked), parsed(signed));
        let (info, old) = (asked.certification_request_info.raw, signed.certification_request_info.raw);
        let whole = signed.as_raw();
        let place = whole.windows(old.len()).position(|part| part == old).unwrap();
        sequence(&[info, &whole[place + old.len()..]].concat())
    }

    fn sequence(content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        match length {
            [0, short] if short < 0x80 => [&[0x30, short], content].concat(),
            [0, long] => [&[0x30, 0x81, long], content].concat(),
            [high, low] => [&[0x30, 0x82, high, low], content].concat(),
        }
    }

    #[test]
    fn a_request_is_signed_with_the_key_that_it_names() {
        let algorithms: [(&'static SignatureAlgorithm, &str); 6] = [
            (&rcgen::PKCS_RSA_SHA256, "crypto/rsa: verification error"),
            (&rcgen::PKCS_RSA_SHA512, "crypto/rsa: verification error"),
            (&rcgen::PKCS_ECDSA_P256_SHA256, "x509: ECDSA verification failure"),
            (&rcgen::PKCS_ECDSA_P384_SHA384, "x509: ECDSA verification failure"),
            (&rcgen::PKCS_ECDSA_P521_SHA512, "x509: ECDSA verification failure"),
            (&rcgen::PKCS_ED25519, "x509: Ed25519 verification failure"),
        ];
        for (algorithm, why) in algorithms {
            let (mine, others) = (request(algorithm), request(algorithm));
            assert_eq!(checked(&mine), Ok(()), "{algorithm:?}");
            assert_eq!(checked(&spliced(&mine, &others)).unwrap_err(), why, "{algorithm:?}");
        }
    }

    #[test]
    fn a_signature_of_another_kind_than_the_key_is_told() {
        let (ed25519, ecdsa) = (request(&rcgen::PKCS_ED25519), request(&rcgen::PKCS_ECDSA_P256_SHA256));
        let said = |asked, signed| checked(&spliced(asked, signed)).unwrap_err();
        assert_eq!(
            said(&ed25519, &ecdsa),
            "x509: signature algorithm specifies an ECDSA public key, but have public key of type ed25519.PublicKey"
        );
        assert_eq!(
            said(&ecdsa, &ed25519),
            "x509: signature algorithm specifies an Ed25519 public key, but have public key of type *ecdsa.PublicKey"
        );
    }
}
