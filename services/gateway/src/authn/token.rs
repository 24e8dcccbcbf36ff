//! ServiceAccount tokens: minted for `TokenRequest`, signed by the cluster's key, bound to what they were minted for.
//!
//! The claims are upstream's (pkg/serviceaccount/claims.go). A token holds while its signature, time and audience hold
//! and its ServiceAccount, and the pod or secret it is bound to, are still the same objects; deleting those ends it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::{KeyPair, PublicKeyData as _};
use rutter_schemas::Key;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use uuid::Uuid;

use super::User;
use crate::store::Store;

/// Who signs, and whom tokens are for unless they say otherwise.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// The key that signs, and the one that verifies.
#[derive(Clone)]
pub struct Tokens {
    signing: Arc<EncodingKey>,
    verifying: Arc<DecodingKey>,
    /// The public half, as a JSON Web Key (RFC 7517).
    published: Arc<Value>,
    /// Which key signed, for who verifies with the published ones.
    id: Arc<str>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// A signing key that isn't one.
#[derive(Debug, Error)]
pub enum KeyError {
    #[error("the token-signing key can't be read")]
    Pem(#[from] rcgen::Error),
    #[error("the token-signing key can't be used")]
    Key(#[from] jsonwebtoken::errors::Error),
}

/// A point of P-256, `04 ‖ x ‖ y`, as RFC 7518 section 6.2 writes it.
fn json_web_key(point: &[u8], id: &str) -> Value {
    let coordinates = point.strip_prefix(&[4]).unwrap_or(point);
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    json!({
        "use": "sig", "kty": "EC", "kid": id, "crv": "P-256", "alg": "ES256",
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    })
}

/// What a token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    pub aud: Vec<String>,
    /// Seconds since the epoch, as the next two.
    pub exp: i64,
    pub iat: i64,
    pub nbf: i64,
    pub iss: String,
    pub jti: String,
    pub sub: String,
    #[serde(rename = "kubernetes.io")]
    pub private: Private,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Private {
    pub namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Named>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Named>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Named>,
    pub serviceaccount: Named,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub name: String,
    #[serde(default)]
    pub uid: String,
}

/// What a token is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    pub namespace: String,
    pub account: Named,
    pub audiences: Vec<String>,
    pub seconds: i64,
    pub pod: Option<Named>,
    pub secret: Option<Named>,
    pub node: Option<Named>,
}

/// A minted token.
#[derive(Debug, Clone)]
pub struct Minted {
    pub token: String,
    pub expires: Timestamp,
}

impl Tokens {
    /// From the cluster's signing key: ECDSA P-256, PKCS #8 in PEM.
    pub fn from_pem(pem: &str) -> Result<Tokens, KeyError> {
        let pair = KeyPair::from_pem(pem)?;
        let public = pair.public_key_pem();
        // Upstream names a key by the hash of its public half (pkg/serviceaccount/jwt.go, keyIDFromPublicKey).
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(pair.subject_public_key_info()));
        Ok(Tokens {
            signing: Arc::new(EncodingKey::from_ec_pem(pem.as_bytes())?),
            verifying: Arc::new(DecodingKey::from_ec_pem(public.as_bytes())?),
            published: Arc::new(json_web_key(pair.public_key_raw(), &id)),
            id: id.into(),
        })
    }

    /// The keys that verify our tokens, as a JSON Web Key Set.
    pub fn key_set(&self) -> Value {
        json!({ "keys": [*self.published] })
    }

    pub fn mint(&self, wish: Wish, now: Timestamp, id: Uuid) -> Result<Minted, KeyError> {
        let issued = now.as_second();
        let audiences = if wish.audiences.is_empty() { vec![ISSUER.to_owned()] } else { wish.audiences };
        let claims = Claims {
            aud: audiences,
            exp: issued + wish.seconds,
            iat: issued,
            nbf: issued,
            iss: ISSUER.to_owned(),
            jti: id.to_string(),
            sub: subject(&wish.namespace, &wish.account.name),
            private: Private {
                namespace: wish.namespace,
                node: wish.node,
                pod: wish.pod,
                secret: wish.secret,
                serviceaccount: wish.account,
            },
        };
        let header = Header { kid: Some(self.id.to_string()), ..Header::new(Algorithm::ES256) };
        let token = jsonwebtoken::encode(&header, &claims, &self.signing)?;
        let expires = Timestamp::from_second(claims.exp).unwrap_or(Timestamp::MAX);
        Ok(Minted { token, expires })
    }

    /// The claims of a token of ours that has not expired and is meant for one of these audiences.
    pub fn claims(&self, token: &str, audiences: &[String]) -> Option<Claims> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(audiences);
        validation.validate_nbf = true;
        validation.leeway = 10;
        Some(jsonwebtoken::decode::<Claims>(token, &self.verifying, &validation).ok()?.claims)
    }

    /// Whose token this is, for our own API.
    pub fn user(&self, token: &str, store: &Store) -> Option<User> {
        let claims = self.claims(token, &[ISSUER.to_owned()])?;
        holds(&claims, store).then(|| user(&claims))
    }
}

/// Whether everything that the token is bound to is still there.
pub fn holds(claims: &Claims, store: &Store) -> bool {
    let Private { namespace, pod, secret, serviceaccount, node } = &claims.private;
    let stands = |resource: &str, namespace: &str, named: &Named| {
        let record = store.record(&Key::new("", resource, namespace, &named.name));
        record.is_some_and(|record| named.uid.is_empty() || *record.uid == *named.uid)
    };
    stands("serviceaccounts", namespace, serviceaccount)
        && pod.as_ref().is_none_or(|pod| stands("pods", namespace, pod))
        && secret.as_ref().is_none_or(|secret| stands("secrets", namespace, secret))
        && (pod.is_some() || node.as_ref().is_none_or(|node| stands("nodes", "", node)))
}

/// The user that claims speak for.
pub fn user(claims: &Claims) -> User {
    let private = &claims.private;
    let groups =
        vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{}", private.namespace)];
    let mut user = User::authenticated(claims.sub.clone(), groups);
    user.uid.clone_from(&private.serviceaccount.uid);
    let mut extra = |name: &str, value: &str| {
        user.extra.insert(format!("authentication.kubernetes.io/{name}"), vec![value.to_owned()]);
    };
    extra("credential-id", &format!("JTI={}", claims.jti));
    if let Some(pod) = &private.pod {
        extra("pod-name", &pod.name);
        extra("pod-uid", &pod.uid);
    }
    if let Some(node) = &private.node {
        extra("node-name", &node.name);
        extra("node-uid", &node.uid);
    }
    user
}

/// `system:serviceaccount:<namespace>:<name>`.
pub fn subject(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        let key = KeyPair::generate().expect("a key");
        Tokens::from_pem(&key.serialize_pem()).expect("its own PEM")
    }

    fn wish(audiences: &[&str]) -> Wish {
        Wish {
            namespace: "default".into(),
            account: Named { name: "robot".into(), uid: "u1".into() },
            audiences: audiences.iter().map(|a| (*a).to_owned()).collect(),
            seconds: 3600,
            pod: Some(Named { name: "p".into(), uid: "u2".into() }),
            secret: None,
            node: None,
        }
    }

    #[test]
    fn a_token_says_who_it_was_minted_for() {
        let tokens = tokens();
        let minted = tokens.mint(wish(&[]), Timestamp::now(), Uuid::nil()).expect("minted");
        let claims = tokens.claims(&minted.token, &[ISSUER.to_owned()]).expect("holds");
        let user = user(&claims);
        assert_eq!(user.name, "system:serviceaccount:default:robot");
        assert_eq!(
            user.groups,
            ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]
        );
        assert_eq!(user.extra["authentication.kubernetes.io/pod-name"], ["p"]);
    }

    #[test]
    fn a_token_of_another_key_audience_or_time_does_not_hold() {
        let ours = tokens();
        let api = [ISSUER.to_owned()];
        let mint = |tokens: &Tokens, audiences: &[&str], at| {
            tokens.mint(wish(audiences), at, Uuid::nil()).expect("minted").token
        };
        let now = Timestamp::now();
        assert!(ours.claims(&mint(&ours, &[], now), &api).is_some());
        assert!(ours.claims(&mint(&tokens(), &[], now), &api).is_none());
        assert!(ours.claims(&mint(&ours, &["vault"], now), &api).is_none());
        let long_ago = now - jiff::SignedDuration::from_hours(3);
        assert!(ours.claims(&mint(&ours, &[], long_ago), &api).is_none());
    }
}
