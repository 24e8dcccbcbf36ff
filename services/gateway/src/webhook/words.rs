//! Failures in the words of upstream's client: `x509: certificate signed by unknown authority` is what people search for.

use std::error::Error;
use std::io;

use http::StatusCode;
use rustls::{CertificateError, Error as TlsError};
use rustls_pki_types::ServerName;
use rutter_apimachinery::status::quoted;

use super::way::Unreachable;

/// Why a question was not answered.
pub(super) fn of(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(Unreachable(why)) = cause.downcast_ref() {
            return why.clone();
        }
        if let Some(error) = cause.downcast_ref() {
            return of_tls(error);
        }
        last = cause;
        next = beneath(cause);
    }
    last.to_string()
}

/// An IO error may stand around another error without calling it its source.
fn beneath<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
}

fn of_tls(error: &TlsError) -> String {
    let why = match error {
        // An authority of the same name with another key is unknown too.
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "certificate signed by unknown authority".to_owned()
        }
        TlsError::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) => {
            misnamed(expected, presented)
        }
        TlsError::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => format!("certificate has expired or is not yet valid: {error}"),
        TlsError::InvalidCertificate(_) => error.to_string(),
        other => return format!("tls: {other}"),
    };
    format!("tls: failed to verify certificate: x509: {why}")
}

/// Names are presented as `DnsName("a.b")` and `IpAddress(192.0.2.1)`.
fn misnamed(expected: &ServerName<'_>, presented: &[String]) -> String {
    let is_address = |name: &String| name.starts_with("IpAddress");
    let wanted = expected.to_str();
    if matches!(expected, ServerName::IpAddress(_)) && !presented.iter().any(is_address) {
        return format!("cannot validate certificate for {wanted} because it doesn't contain any IP SANs");
    }
    let bare = |name: &String| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, inner)| inner);
        inner.trim_matches(['(', ')', '"']).to_owned()
    };
    let names: Vec<String> = presented.iter().map(bare).collect();
    format!("certificate is valid for {}, not {wanted}", names.join(", "))
}

/// What an answer that is no good one says (`client-go/rest/request.go`, transformResponse;
/// `NewGenericServerResponse`).
pub(super) fn refused(code: StatusCode, content_type: &str, body: &[u8]) -> String {
    if let Ok(status) = serde_json::from_slice::<serde_json::Value>(body)
        && status["kind"] == "Status"
        && let Some(message) = status["message"].as_str()
    {
        return message.to_owned();
    }
    let said = match content_type.starts_with("text/") {
        true => String::from_utf8_lossy(body).trim().to_owned(),
        false => "unknown".to_owned(),
    };
    match code.as_u16() {
        409 => "the server reported a conflict".to_owned(),
        404 => "the server could not find the requested resource".to_owned(),
        400 => "the server rejected our request for an unknown reason".to_owned(),
        401 => "the server has asked for the client to provide credentials".to_owned(),
        403 | 415 => said,
        405 => "the server does not allow this method on the requested resource".to_owned(),
        406 if said == "unknown" || said.is_empty() => {
            "the server was unable to respond with a content type that the client supports".to_owned()
        }
        406 => said,
        422 => "the server rejected our request due to an error in our request".to_owned(),
        429 => "the server has received too many requests and has asked us to try again later".to_owned(),
        503 => "the server is currently unable to handle the request".to_owned(),
        504 => "the server was unable to return a response in the time allotted, but may still be processing the request"
            .to_owned(),
        code if code >= 500 => {
            format!("an error on the server ({}) has prevented the request from succeeding", quoted(&said))
        }
        code => format!("the server responded with the status code {code} but did not return more information"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_as_upstreams_client_tells_it() {
        let refused =
            |code, kind, body: &str| refused(StatusCode::from_u16(code).unwrap(), kind, body.as_bytes());
        let cases = [
            (
                500,
                "text/plain",
                "it broke\n",
                "an error on the server (\"it broke\") has prevented the request from succeeding",
            ),
            (
                500,
                "application/json",
                "{}",
                "an error on the server (\"unknown\") has prevented the request from succeeding",
            ),
            (404, "text/plain", "404", "the server could not find the requested resource"),
            (
                302,
                "text/plain",
                "",
                "the server responded with the status code 302 but did not return more information",
            ),
            (503, "application/json", r#"{"kind": "Status", "message": "not yet"}"#, "not yet"),
        ];
        for (code, kind, body, words) in cases {
            assert_eq!(refused(code, kind, body), words);
        }
    }
}
