//! Authentication: who asks. A verified client certificate, a ServiceAccount token, or nobody (`system:anonymous`).
//! A credential that is sent and doesn't hold is 401, never anonymity.

pub mod certificate;
pub mod token;

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use rutter_apimachinery::status::Status;

use crate::listen::Peer;
use crate::store::Store;

pub const ANONYMOUS: &str = "system:anonymous";
pub const AUTHENTICATED: &str = "system:authenticated";
pub const UNAUTHENTICATED: &str = "system:unauthenticated";

/// Who asks, as `authentication.k8s.io/v1 UserInfo` describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    pub fn anonymous() -> User {
        User {
            name: ANONYMOUS.into(),
            uid: String::new(),
            groups: vec![UNAUTHENTICATED.into()],
            extra: BTreeMap::new(),
        }
    }

    /// A user of these groups, and of all who are authenticated.
    pub fn authenticated(name: String, mut groups: Vec<String>) -> User {
        if !groups.iter().any(|group| group == AUTHENTICATED) {
            groups.push(AUTHENTICATED.into());
        }
        User { name, uid: String::new(), groups, extra: BTreeMap::new() }
    }

    /// One of our own services, which act through the chain as everybody does.
    pub fn service(name: &str) -> User {
        User::authenticated(format!("system:{name}"), vec!["system:masters".into()])
    }

    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|known| known == group)
    }
}

/// Finds out who asks.
///
/// # Errors
/// 401 for a token that doesn't hold.
pub fn identify(
    peer: &Peer,
    headers: &HeaderMap,
    tokens: &token::Tokens,
    store: &Store,
) -> Result<User, Status> {
    if let Some(user) = &peer.user {
        return Ok(user.clone());
    }
    match bearer(headers) {
        Some(token) => tokens.user(&token, store).ok_or_else(Status::unauthorized),
        None if headers.contains_key(AUTHORIZATION) => Err(Status::unauthorized()),
        None => Ok(User::anonymous()),
    }
}

/// The bearer token of a header, or of a WebSocket's protocols, where browsers have to put it
/// (k8s.io/apiserver/pkg/authentication/request/websocket).
fn bearer(headers: &HeaderMap) -> Option<String> {
    let plain = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    plain.filter(|token| !token.is_empty()).or_else(|| in_protocols(headers))
}

fn in_protocols(headers: &HeaderMap) -> Option<String> {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let offered = headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let encoded = offered
        .split(',')
        .map(str::trim)
        .find_map(|word| word.strip_prefix(crate::stream::upgrade::TOKEN))?;
    String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_token_comes_in_a_header_or_in_a_websockets_protocols() {
        let of = |name, value: &'static str| {
            bearer(&HeaderMap::from_iter([(name, HeaderValue::from_static(value))]))
        };
        assert_eq!(of(AUTHORIZATION, "Bearer abc").as_deref(), Some("abc"));
        assert_eq!(of(AUTHORIZATION, "bearer  abc").as_deref(), Some("abc"));
        assert_eq!(of(AUTHORIZATION, "Basic abc"), None);
        let protocols = "v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.YWJj";
        assert_eq!(of(SEC_WEBSOCKET_PROTOCOL, protocols).as_deref(), Some("abc"));
    }
}
