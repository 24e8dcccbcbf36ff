//! The cluster's CA and its key for service account tokens, resting in the log as sealed Secrets.
//!
//! Both are born in one commit that expects neither to exist, so two first starts make one CA: the slower one
//! is refused, looks again, and finds the other's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use rutter_apimachinery::registry::Registry;
use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::{self, WriteCx};
use rutter_log::executor::{Decision, End, Executor, Failure, Limits};
use rutter_projection::Snapshot;
use rutter_schemas::{Actor, Event, Key, Uuid, state};
use serde_json::{Value, json};

use super::authority::signing_key;
use super::{CertificateAuthority, PkiError};
use crate::executor::{Letterhead, Writer};
use crate::seal::{KeyError, OpenError, SealKey};
use crate::view::ViewError;

/// Where both rest.
pub const NAMESPACE: &str = "kube-system";
/// The Secret with the CA: `tls.crt`, `tls.key`.
pub const CA_SECRET: &str = "rutter-ca";
/// The Secret with the key that signs service account tokens: `tls.key`, ECDSA P-256.
pub const SERVICE_ACCOUNT_SECRET: &str = "rutter-service-account-key";

const CA_NAME: &str = "rutter-ca";
const ATTEMPTS: u32 = 10;
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);
const ACTOR: &str = "system:rutter";

/// What signs the cluster's certificates and tokens.
#[derive(Clone, Debug)]
pub struct ClusterKeys {
    pub authority: CertificateAuthority,
    pub service_account: ServiceAccountKey,
}

/// The key that signs service account tokens (ES256), PKCS #8 in PEM. A secret.
#[derive(Clone)]
pub struct ServiceAccountKey(pub String);

impl std::fmt::Debug for ServiceAccountKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServiceAccountKey(…)")
    }
}

/// Why there are no cluster keys.
#[derive(Debug, thiserror::Error)]
pub enum ClusterKeysError {
    #[error(transparent)]
    Pki(#[from] PkiError),
    #[error(transparent)]
    View(#[from] ViewError),
    #[error(transparent)]
    Read(#[from] rutter_projection::Error),
    #[error("the Secret {name} can't be sealed")]
    Seal { name: &'static str, source: KeyError },
    #[error("the Secret {name} of the cluster can't be opened")]
    Open { name: &'static str, source: OpenError },
    #[error("the Secret {name} was deleted or is not what it should be: restore it with `rutter undo`")]
    Shape { name: &'static str },
    #[error("the Secret {name} is refused: {}", status.message)]
    Refused { name: &'static str, status: Box<Status> },
    #[error("the cluster's keys were not recorded: {0:?}")]
    Unrecorded(Failure),
}

/// The cluster's keys, made on the first start of the first service that needs them.
///
/// # Errors
/// [`ClusterKeysError`].
pub async fn ensure(
    writer: &Writer,
    registry: &Registry,
    seal: &SealKey,
) -> Result<ClusterKeys, ClusterKeysError> {
    let limits = Limits { attempts: ATTEMPTS, deadline: Timestamp::now() + PATIENCE };
    let decide = |snapshot: Snapshot| std::future::ready(births(&snapshot, registry, seal));
    match writer.write(Executor::new(limits), decide).await? {
        End::Committed { .. } | End::Unchanged => read(&writer.view.snapshot()?, seal),
        End::Failed(failure) => Err(ClusterKeysError::Unrecorded(failure)),
    }
}

/// The cluster's keys as a snapshot has them.
///
/// # Errors
/// [`ClusterKeysError::Shape`] when they are not there.
pub fn read(snapshot: &Snapshot, seal: &SealKey) -> Result<ClusterKeys, ClusterKeysError> {
    let ca = opened(snapshot, CA_SECRET, seal)?;
    let account = opened(snapshot, SERVICE_ACCOUNT_SECRET, seal)?;
    let (certificate, key) = (field(&ca, CA_SECRET, "tls.crt")?, field(&ca, CA_SECRET, "tls.key")?);
    let authority = CertificateAuthority::from_parts(CA_NAME, &certificate, &key)?;
    let service_account = ServiceAccountKey(field(&account, SERVICE_ACCOUNT_SECRET, "tls.key")?);
    Ok(ClusterKeys { authority, service_account })
}

fn births(snapshot: &Snapshot, registry: &Registry, seal: &SealKey) -> Result<Decision, ClusterKeysError> {
    if snapshot.get(&key(CA_SECRET))?.is_some() && snapshot.get(&key(SERVICE_ACCOUNT_SECRET))?.is_some() {
        return Ok(Decision::Nothing);
    }
    let authority = CertificateAuthority::generate(CA_NAME, Timestamp::now())?;
    let ca = json!({"tls.crt": STANDARD.encode(authority.certificate_pem()),
                    "tls.key": STANDARD.encode(authority.key_pem())});
    let account = json!({"tls.key": STANDARD.encode(signing_key(SERVICE_ACCOUNT_SECRET)?)});
    let events = vec![
        birth(registry, seal, CA_SECRET, "kubernetes.io/tls", ca)?,
        birth(registry, seal, SERVICE_ACCOUNT_SECRET, "Opaque", account)?,
    ];
    let letterhead = Letterhead {
        actor: Actor { user: ACTOR.to_owned(), groups: Vec::new(), via: "rutter".to_owned() },
        why: "the first start makes the cluster's CA and token key".to_owned(),
        writer: format!("rutter/{}", env!("CARGO_PKG_VERSION")),
        ..Letterhead::default()
    };
    let id = Uuid::now_v7();
    let commit = letterhead.commit(id, snapshot.revision(), snapshot.cursor().incarnation, events);
    Ok(Decision::Propose { id, text: commit.encode() })
}

fn birth(
    registry: &Registry,
    seal: &SealKey,
    name: &'static str,
    of: &str,
    data: Value,
) -> Result<Event, ClusterKeysError> {
    let resource = registry.resource("", "v1", "secrets").ok_or(ClusterKeysError::Shape { name })?;
    let cx = WriteCx {
        now: Timestamp::now(),
        uid: Uuid::new_v4(),
        namespace: NAMESPACE,
        name: "",
        user: ACTOR,
        field_manager: "rutter",
    };
    let object = json!({"apiVersion": "v1", "kind": "Secret", "type": of, "data": data,
                        "metadata": {"name": name, "namespace": NAMESPACE}});
    let draft = write::create(&resource, "", object, &cx)
        .map_err(|status| ClusterKeysError::Refused { name, status: Box::new(status) })?;
    let sealed = seal.seal(&draft.object).map_err(|source| ClusterKeysError::Seal { name, source })?;
    Ok(Event { state: state::encode(&sealed), ..draft.event })
}

fn opened(snapshot: &Snapshot, name: &'static str, seal: &SealKey) -> Result<Value, ClusterKeysError> {
    let bytes = snapshot.get_object(&key(name))?.ok_or(ClusterKeysError::Shape { name })?;
    let object = serde_json::from_slice(&bytes).map_err(|_| ClusterKeysError::Shape { name })?;
    seal.open_sealed(&object).map_err(|source| ClusterKeysError::Open { name, source })
}

fn field(secret: &Value, name: &'static str, field: &str) -> Result<String, ClusterKeysError> {
    let encoded = secret["data"][field].as_str();
    let bytes = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or(ClusterKeysError::Shape { name })
}

fn key(name: &str) -> Key {
    Key::new("", "secrets", NAMESPACE, name)
}
