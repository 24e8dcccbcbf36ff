//! What a client asked to upgrade to, and the answer that agrees.

use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::body::{self, Body};

/// The header in which SPDY clients offer, and we choose, the protocol of the streams.
pub const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// What the client wants the connection to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    WebSocket,
    Spdy,
}

/// Reads `Connection` and `Upgrade`; none for an ordinary request.
pub fn wanted(headers: &HeaderMap) -> Option<Wanted> {
    let upgrades = words(headers, &CONNECTION).any(|word| word.eq_ignore_ascii_case("upgrade"));
    if !upgrades {
        return None;
    }
    let to = words(headers, &UPGRADE).next()?;
    match to.to_ascii_lowercase().as_str() {
        "websocket" => Some(Wanted::WebSocket),
        "spdy/3.1" => Some(Wanted::Spdy),
        _ => None,
    }
}

/// A browser's way to send its token, which is no protocol.
pub const TOKEN: &str = "base64url.bearer.authorization.k8s.io.";

/// The protocols that the client offers, in its order.
pub fn offered(headers: &HeaderMap, wanted: Wanted) -> Vec<String> {
    let name = match wanted {
        Wanted::WebSocket => SEC_WEBSOCKET_PROTOCOL,
        Wanted::Spdy => STREAM_PROTOCOL,
    };
    words(headers, &name).filter(|word| !word.starts_with(TOKEN)).map(str::to_owned).collect()
}

/// Our best if the client offers it, else the first of its own that we know.
pub fn agreed<'a>(ours: &[&'a str], offered: &[String]) -> Option<&'a str> {
    let known = |theirs: &String| ours.iter().find(|ours| theirs == *ours).copied();
    let best = ours.first().filter(|best| offered.iter().any(|theirs| theirs == *best));
    best.copied().or_else(|| offered.iter().find_map(known))
}

/// 101, for the protocol agreed on; none when a WebSocket client sent no key.
pub fn switching(headers: &HeaderMap, wanted: Wanted, protocol: Option<&str>) -> Option<Response<Body>> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let out = response.headers_mut();
    out.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    let chosen = protocol.and_then(|protocol| HeaderValue::from_str(protocol).ok());
    match wanted {
        Wanted::WebSocket => {
            let key = headers.get(SEC_WEBSOCKET_KEY)?;
            let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()?;
            out.insert(UPGRADE, HeaderValue::from_static("websocket"));
            out.insert(SEC_WEBSOCKET_ACCEPT, accept);
            chosen.map(|protocol| out.insert(SEC_WEBSOCKET_PROTOCOL, protocol));
        }
        Wanted::Spdy => {
            out.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
            chosen.map(|protocol| out.insert(STREAM_PROTOCOL, protocol));
        }
    }
    Some(response)
}

fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_str(v).expect("plain")))
            .collect()
    }

    #[test]
    fn an_upgrade_is_what_both_headers_ask_for() {
        let asks = |connection, to| wanted(&headers(&[("connection", connection), ("upgrade", to)]));
        assert_eq!(asks("Upgrade", "websocket"), Some(Wanted::WebSocket));
        assert_eq!(asks("keep-alive, upgrade", "SPDY/3.1"), Some(Wanted::Spdy));
        assert_eq!(asks("keep-alive", "websocket"), None);
        assert_eq!(asks("Upgrade", "h2c"), None);
    }

    #[test]
    fn our_best_protocol_or_the_clients_first_is_agreed_on() {
        let ours = ["v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"];
        let offered = |list: &str| offered(&headers(&[("sec-websocket-protocol", list)]), Wanted::WebSocket);
        assert_eq!(
            agreed(&ours, &offered("v4.channel.k8s.io, v5.channel.k8s.io")),
            Some("v5.channel.k8s.io")
        );
        assert_eq!(agreed(&ours, &offered("v4.channel.k8s.io")), Some("v4.channel.k8s.io"));
        assert_eq!(
            agreed(&ours, &offered("v9.channel.k8s.io, channel.k8s.io, v4.channel.k8s.io")),
            Some("channel.k8s.io")
        );
        assert_eq!(
            offered("base64url.bearer.authorization.k8s.io.YWJj, channel.k8s.io"),
            ["channel.k8s.io".to_owned()]
        );
        assert_eq!(agreed(&ours, &offered("v9.channel.k8s.io")), None);
    }

    #[test]
    fn the_handshake_is_answered_as_rfc_6455_says() {
        let asked = headers(&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")]);
        let answer = switching(&asked, Wanted::WebSocket, Some("v5.channel.k8s.io")).expect("has a key");
        assert_eq!(answer.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(answer.headers()[SEC_WEBSOCKET_PROTOCOL], "v5.channel.k8s.io");
        assert!(switching(&headers(&[]), Wanted::WebSocket, None).is_none());
    }
}
