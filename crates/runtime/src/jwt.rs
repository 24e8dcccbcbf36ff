//! Who may connect to NATS: an operator, one account and its users, minted here as JWTs.
//!
//! The chain of trust is nats-server's own (<https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt>):
//! the server trusts the operator's key, the operator signs the account, the account signs users whose tokens
//! carry their permissions. Seeds stay in 0600 files; the server's configuration holds public keys and
//! signed claims only.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::{KeyPair, KeyPairType};
use serde_json::{Value, json};

use crate::files;
use crate::roles::Role;

/// The name of the account that the log lives in.
pub const ACCOUNT: &str = "RUTTER";
/// How long a node may take to answer a request it was sent, in nanoseconds.
const ANSWER_NS: u64 = 60_000_000_000;

/// The keys that decide who may do what on NATS. One per cluster.
#[derive(Clone)]
pub struct Authority {
    operator: Arc<KeyPair>,
    account: Arc<KeyPair>,
    system: Arc<KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({})", self.operator.public_key())
    }
}

/// A user's token and seed, in the text form that NATS clients call a credentials file. A secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(String);

impl Credentials {
    /// Takes the text of a credentials file.
    #[must_use]
    pub fn from_text(text: String) -> Credentials {
        Credentials(text)
    }

    /// The text of the credentials file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// Why the keys can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("cannot keep the NATS keys in {path}")]
    Files { path: std::path::PathBuf, source: std::io::Error },
    #[error("{path} is not a NATS {kind} seed")]
    Seed { path: std::path::PathBuf, kind: &'static str, source: nkeys::error::Error },
}

impl Authority {
    /// The authority kept in `dir`, made on the first call.
    ///
    /// # Errors
    /// When the files can't be written, can be read by others, or don't hold seeds.
    pub fn open(dir: &Path) -> Result<Authority, AuthorityError> {
        files::create_private_dir(dir)
            .map_err(|source| AuthorityError::Files { path: dir.into(), source })?;
        Ok(Authority {
            operator: key(dir, "operator", KeyPairType::Operator)?,
            account: key(dir, "account", KeyPairType::Account)?,
            system: key(dir, "system", KeyPairType::Account)?,
        })
    }

    /// The credentials of a role, new at each call; older ones stay valid. `now` in seconds since 1970.
    #[must_use]
    pub fn credentials(&self, role: &Role, now_s: i64) -> Credentials {
        let user = KeyPair::new_user();
        let token = self.user_token(&user, role, now_s);
        let seed = user.seed().expect("a key pair that was just made has its seed");
        Credentials(format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        ))
    }

    /// What a nats-server has to know: the operator, the accounts, and where to find them (in memory).
    /// In the syntax of its configuration file; holds no secret.
    #[must_use]
    pub fn server_config(&self) -> String {
        let (account, system) = (self.account.public_key(), self.system.public_key());
        format!(
            "operator: {}\nsystem_account: {system}\nresolver: MEMORY\n\
             resolver_preload: {{\n  {account}: {}\n  {system}: {}\n}}\n",
            self.operator_token(),
            self.account_token(&self.account, ACCOUNT),
            self.account_token(&self.system, "SYS"),
        )
    }

    fn operator_token(&self) -> String {
        let nats = json!({"type": "operator", "version": 2, "system_account": self.system.public_key()});
        token(&self.operator, &self.operator.public_key(), "rutter", 0, nats)
    }

    fn account_token(&self, account: &KeyPair, name: &str) -> String {
        let without = i32::from(name != ACCOUNT) - 1;
        let nats = json!({
            "type": "account", "version": 2,
            "limits": {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
                       "conn": -1, "leaf": -1, "mem_storage": without, "disk_storage": without,
                       "streams": without, "consumer": without},
            "default_permissions": {"pub": {}, "sub": {}},
        });
        token(&self.operator, &account.public_key(), name, 0, nats)
    }

    fn user_token(&self, user: &KeyPair, role: &Role, now_s: i64) -> String {
        let permissions = role.permissions();
        let mut nats = json!({
            "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1,
            "pub": {"allow": permissions.publish}, "sub": {"allow": permissions.subscribe},
        });
        if permissions.answers {
            nats["resp"] = json!({"max": 1, "ttl": ANSWER_NS});
        }
        token(&self.account, &user.public_key(), &role.to_string(), now_s, nats)
    }
}

/// A signed claim in nats-server's dialect of JWT (algorithm `ed25519-nkey`).
fn token(issuer: &KeyPair, subject: &str, name: &str, now_s: i64, nats: Value) -> String {
    let claims = json!({
        "jti": format!("{subject}-{now_s}"), "iat": now_s, "iss": issuer.public_key(),
        "sub": subject, "name": name, "nats": nats,
    });
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = issuer.sign(signed.as_bytes()).expect("the issuer's key pair has its seed");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn key(dir: &Path, name: &'static str, kind: KeyPairType) -> Result<Arc<KeyPair>, AuthorityError> {
    let path = dir.join(format!("{name}.nk"));
    let seed = KeyPair::new(kind).seed().expect("a key pair that was just made has its seed");
    let text = files::create_private(&path, seed.as_bytes())
        .and_then(|_| files::read_private(&path))
        .map_err(|source| AuthorityError::Files { path: path.clone(), source })?;
    let pair = KeyPair::from_seed(text.trim()).map_err(|source| AuthorityError::Seed {
        path,
        kind: name,
        source,
    })?;
    Ok(Arc::new(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_finds_the_same_keys() {
        let dir = tempfile::tempdir().unwrap();
        let first = Authority::open(dir.path()).unwrap();
        let second = Authority::open(dir.path()).unwrap();
        assert_eq!(first.server_config(), second.server_config());
    }

    #[test]
    fn credentials_carry_a_token_that_the_account_signed() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::open(dir.path()).unwrap();
        let credentials = authority.credentials(&Role::Ledger, 7);
        let token = credentials.text().lines().nth(1).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        authority.account.verify(signed.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn the_servers_configuration_holds_no_seed() {
        let dir = tempfile::tempdir().unwrap();
        let config = Authority::open(dir.path()).unwrap().server_config();
        for name in ["operator", "account", "system"] {
            let seed = std::fs::read_to_string(dir.path().join(format!("{name}.nk"))).unwrap();
            assert!(!config.contains(seed.trim()));
        }
    }
}
