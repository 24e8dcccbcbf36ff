//! Continue tokens: where the next page begins, and of which state. Upstream's form
//! (k8s.io/apiserver/pkg/storage/continue.go) with the time the list began, since our history outlives any token and
//! clients rely on tokens to expire: after five minutes a token gets 410 and one that goes on inconsistently.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rutter_apimachinery::status::Status;
use rutter_schemas::{Key, Revision};
use serde::{Deserialize, Serialize};

use crate::chain::Call;
use crate::convert::stored_group;

/// How long a token holds, in seconds (upstream: etcd's compaction interval).
const HOLDS_SECONDS: i64 = 300;

const TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You can start a \
new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or \
deleted between the time the first chunk was returned and now may show up in the list.";

/// What a token says. It is opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    #[serde(rename = "v")]
    version: String,
    /// -1: whatever is now.
    #[serde(rename = "rv")]
    revision: i64,
    /// The last key of the page before: `namespace/name`, or `name`.
    start: String,
    /// Seconds since the epoch.
    #[serde(rename = "t", default)]
    pub began: i64,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
}

const VERSION: &str = "meta.k8s.io/v1";

impl Token {
    /// A token that goes on behind `last`.
    pub fn behind(last: &Key, revision: Revision, began: i64, remaining: Option<u64>) -> Token {
        let start = match last.namespace.as_str() {
            "" => last.name.clone(),
            namespace => format!("{namespace}/{}", last.name),
        };
        let revision = i64::try_from(revision.0).expect("revisions stay below 2^63");
        Token { version: VERSION.to_owned(), revision, start, began, remaining }
    }

    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("plain data"))
    }

    /// # Errors
    /// 400 in upstream's words.
    pub fn decode(text: &str) -> Result<Token, Status> {
        let invalid = |why: String| Status::bad_request(format!("invalid continue token: {why}"));
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| invalid("continue key is not valid: not base64".into()))?;
        let token: Token = serde_json::from_slice(&bytes)
            .map_err(|error| invalid(format!("continue key is not valid: {error}")))?;
        if token.version != VERSION {
            let why = format!(
                "continue key is not valid: server does not recognize this encoded version \"{}\"",
                token.version
            );
            return Err(invalid(why));
        }
        if token.revision == 0 {
            return Err(invalid(
                "continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)"
                    .into(),
            ));
        }
        Ok(token)
    }

    /// None for the token of an inconsistent continue.
    pub fn revision(&self) -> Option<Revision> {
        u64::try_from(self.revision).ok().map(Revision)
    }

    /// The key behind which the page begins.
    ///
    /// # Errors
    /// 400 for a token of another list.
    pub fn start(&self, call: &Call) -> Result<Key, Status> {
        let foreign = || Status::bad_request("invalid continue token: it belongs to another list");
        let (namespace, name) = match call.resource.namespaced {
            true => self.start.split_once('/').ok_or_else(foreign)?,
            false => ("", self.start.as_str()),
        };
        if !call.info.namespace.is_empty() && call.resource.namespaced && namespace != call.info.namespace {
            return Err(foreign());
        }
        Ok(Key::new(stored_group(&call.resource), &call.resource.plural, namespace, name))
    }

    pub fn has_expired(&self, now: i64) -> bool {
        now - self.began > HOLDS_SECONDS
    }

    /// 410, with the token that goes on inconsistently.
    pub fn expired(&self) -> Status {
        let inconsistent = Token { revision: -1, remaining: None, ..self.clone() };
        let mut status = Status::expired(TOO_OLD);
        status.metadata.continue_token = inconsistent.encode();
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_and_expires_after_five_minutes() {
        let token = Token::behind(&Key::new("", "pods", "a", "b"), Revision(7), 1000, Some(3));
        let back = Token::decode(&token.encode()).expect("its own text");
        assert_eq!(back, token);
        assert_eq!(back.revision(), Some(Revision(7)));
        assert!(!back.has_expired(1300));
        assert!(back.has_expired(1301));
        let status = back.expired();
        assert_eq!((status.code, &*status.reason), (410, "Expired"));
        let inconsistent = Token::decode(&status.metadata.continue_token).expect("a token");
        assert_eq!((inconsistent.revision(), inconsistent.start.as_str()), (None, "a/b"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_token_or_refused(text in "[A-Za-z0-9_-]{0,60}") {
            let _ = Token::decode(&text);
        }
    }

    #[test]
    fn noise_is_no_token() {
        for text in ["?", "e30", "eyJ2IjoidjkiLCJydiI6MSwic3RhcnQiOiJhIn0"] {
            assert_eq!(Token::decode(text).expect_err("refused").code, 400, "{text}");
        }
    }
}
