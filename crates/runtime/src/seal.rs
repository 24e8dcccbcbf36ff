//! Sealing: objects whose content must not rest anywhere in clear.
//!
//! A sealed object keeps in clear what the API has to find it by (name, namespace, uid, type, labels, owner
//! references, what deletion needs); the rest is one box of XChaCha20-Poly1305
//! (<https://datatracker.ietf.org/doc/html/draft-irtf-cfrg-xchacha-03>) with a random nonce, bound to the object's
//! identity, so that a box moved into another object does not open. The form names its key:
//!
//! ```json
//! {"kind":"Secret","apiVersion":"v1","metadata":{"name":"a",…},"type":"Opaque",
//!  "sealed":{"key":"5f3a…","nonce":"…","box":"…"}}
//! ```
//!
//! The cluster key is a 0600 file outside data and backups; only gateways and executors hold it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::files;

/// The field that only a sealed object has.
pub const SEALED: &str = "sealed";

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// The top-level fields that stay in clear.
const CLEAR: [&str; 3] = ["kind", "apiVersion", "type"];
/// The fields of metadata that stay in clear: identity, what selects it, and what its deletion needs.
const CLEAR_METADATA: [&str; 12] = [
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "labels",
    "ownerReferences",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "finalizers",
];

/// The cluster's key for sealing, held in memory.
#[derive(Clone)]
pub struct SealKey {
    id: String,
    cipher: Arc<XChaCha20Poly1305>,
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealKey({})", self.id)
    }
}

/// Why the key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot use the cluster key {path}")]
    Files { path: PathBuf, source: std::io::Error },
    #[error("{path} is not a cluster key: it holds 32 bytes in base64")]
    Shape { path: PathBuf },
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// Why an object does not open.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OpenError {
    #[error("it is sealed with the cluster key {wanted}, and {held} is at hand: restore the right key file")]
    OtherKey { wanted: String, held: String },
    #[error("its seal is broken: the object was changed, or moved from elsewhere")]
    Broken,
}

impl SealKey {
    /// The key in the file, made there on the first call.
    ///
    /// # Errors
    /// When it can't be read or written, others may read it, or it is no key.
    pub fn open(path: &Path) -> Result<SealKey, KeyError> {
        let io = |source| KeyError::Files { path: path.into(), source };
        if !path.exists() {
            let text = STANDARD.encode(random::<KEY_BYTES>()?) + "\n";
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(io)?;
            }
            files::create_private(path, text.as_bytes()).map_err(io)?;
        }
        let text = files::read_private(path).map_err(io)?;
        let bytes =
            STANDARD.decode(text.trim()).ok().and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok());
        Ok(SealKey::from_bytes(&bytes.ok_or_else(|| KeyError::Shape { path: path.into() })?))
    }

    /// A key from its bytes. Its id is the head of its SHA-256, which tells keys apart and nothing else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> SealKey {
        let digest = Sha256::new().chain_update(b"rutter cluster key").chain_update(bytes).finalize();
        let id = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        SealKey { id, cipher: Arc::new(XChaCha20Poly1305::new(bytes.into())) }
    }

    /// The name of the key, as sealed objects carry it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals an object; one that is sealed already stays as it is.
    ///
    /// # Errors
    /// [`KeyError::Random`] when the system gives no nonce.
    pub fn seal(&self, object: &Value) -> Result<Value, KeyError> {
        if is_sealed(object) {
            return Ok(object.clone());
        }
        Ok(self.seal_with(object, random::<NONCE_BYTES>()?))
    }

    /// Opens a sealed object; one in clear stays as it is.
    ///
    /// # Errors
    /// [`OpenError`]: another key, or a broken seal.
    pub fn open_sealed(&self, object: &Value) -> Result<Value, OpenError> {
        let Some(seal) = object.get(SEALED) else { return Ok(object.clone()) };
        let text = |name: &str| seal.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("key") != self.id {
            return Err(OpenError::OtherKey { wanted: text("key").to_owned(), held: self.id.clone() });
        }
        let nonce = STANDARD.decode(text("nonce")).ok().filter(|nonce| nonce.len() == NONCE_BYTES);
        let (Some(nonce), Ok(boxed)) = (nonce, STANDARD.decode(text("box"))) else {
            return Err(OpenError::Broken);
        };
        let identity = identity(object);
        let payload = Payload { msg: &boxed, aad: identity.as_bytes() };
        let hidden =
            self.cipher.decrypt(XNonce::from_slice(&nonce), payload).map_err(|_| OpenError::Broken)?;
        let hidden: Value = serde_json::from_slice(&hidden).map_err(|_| OpenError::Broken)?;
        Ok(join(object, &hidden))
    }

    fn seal_with(&self, object: &Value, nonce: [u8; NONCE_BYTES]) -> Value {
        let (mut clear, hidden) = split(object);
        let (text, identity) = (hidden.to_string(), identity(object));
        let payload = Payload { msg: text.as_bytes(), aad: identity.as_bytes() };
        let boxed = self
            .cipher
            .encrypt(XNonce::from_slice(&nonce), payload)
            .expect("a message far below 256 GiB can be sealed");
        clear[SEALED] =
            json!({"key": self.id, "nonce": STANDARD.encode(nonce), "box": STANDARD.encode(boxed)});
        clear
    }
}

/// Whether an object is in its sealed form.
#[must_use]
pub fn is_sealed(object: &Value) -> bool {
    object.get(SEALED).is_some()
}

/// What a seal is bound to.
fn identity(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let parts = ["/kind", "/metadata/namespace", "/metadata/name", "/metadata/uid"].map(text);
    format!("rutter-seal-v1\0{}", parts.join("\0"))
}

/// The object in two: what stays in clear, what is hidden.
fn split(object: &Value) -> (Value, Value) {
    let (mut clear, mut hidden) = parted(object, &CLEAR);
    hidden.remove("metadata");
    let (clear_metadata, hidden_metadata) =
        object.get("metadata").map(|metadata| parted(metadata, &CLEAR_METADATA)).unwrap_or_default();
    clear.insert("metadata".to_owned(), clear_metadata.into());
    if !hidden_metadata.is_empty() {
        hidden.insert("metadata".to_owned(), hidden_metadata.into());
    }
    (clear.into(), hidden.into())
}

fn parted(value: &Value, clear: &[&str]) -> (Map<String, Value>, Map<String, Value>) {
    let fields = value.as_object().cloned().unwrap_or_default();
    fields.into_iter().partition(|(name, _)| clear.contains(&name.as_str()))
}

fn join(object: &Value, hidden: &Value) -> Value {
    let mut whole = object.clone();
    if let Some(fields) = whole.as_object_mut() {
        fields.remove(SEALED);
    }
    for (name, value) in hidden.as_object().into_iter().flatten() {
        if name != "metadata" {
            whole[name] = value.clone();
        }
    }
    for (name, value) in hidden.get("metadata").and_then(Value::as_object).into_iter().flatten() {
        whole["metadata"][name] = value.clone();
    }
    whole
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| KeyError::Random(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> SealKey {
        SealKey::from_bytes(&[byte; KEY_BYTES])
    }

    fn secret(data: &str) -> Value {
        json!({"kind": "Secret", "apiVersion": "v1", "type": "Opaque", "immutable": true,
               "metadata": {"name": "a", "namespace": "b", "uid": "u", "labels": {"app": "web"},
                            "annotations": {"note": data}},
               "data": {"password": data}})
    }

    #[test]
    fn nothing_of_the_content_shows_and_what_selects_it_does() {
        let sealed = key(1).seal(&secret("canary")).unwrap();
        let text = sealed.to_string();
        assert!(!text.contains("canary") && !text.contains("password") && !text.contains("immutable"));
        assert_eq!(sealed["metadata"]["labels"]["app"], "web");
        assert_eq!(sealed["type"], "Opaque");
    }

    #[test]
    fn a_box_moved_into_another_object_does_not_open() {
        let mut moved = key(1).seal(&secret("canary")).unwrap();
        moved["metadata"]["name"] = "mine".into();
        assert_eq!(key(1).open_sealed(&moved), Err(OpenError::Broken));
    }

    #[test]
    fn another_key_is_named() {
        let sealed = key(1).seal(&secret("canary")).unwrap();
        let refused = key(2).open_sealed(&sealed).unwrap_err();
        assert!(refused.to_string().contains(key(1).id()), "{refused}");
    }

    #[test]
    fn the_key_file_is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("etc/cluster.key");
        assert_eq!(SealKey::open(&path).unwrap().id(), SealKey::open(&path).unwrap().id());
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_to_itself(data in ".*", label in ".*") {
            let mut object = secret(&data);
            object["metadata"]["labels"]["x"] = label.into();
            prop_assert_eq!(key(3).open_sealed(&key(3).seal(&object).unwrap()), Ok(object));
        }
    }
}
