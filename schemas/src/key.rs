//! Keys: the name under which the log knows an object.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// 128 bits that stand for a key in the sequencer's index: the head of its SHA-256, since users choose names and a
/// chosen collision would let one object's write pass for another's.
pub type KeyHash = [u8; 16];

/// An object's identity apart from its uid: stable over the versions of its API group.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The API group; empty for core.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The plural resource name, such as `pods`.
    pub resource: String,
    /// Empty for what is cluster-scoped.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub fn new(group: &str, resource: &str, namespace: &str, name: &str) -> Key {
        Key {
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Unambiguous because no part of a key may hold a NUL byte.
    pub fn hash(&self) -> KeyHash {
        let mut sha = Sha256::new();
        for part in [&self.group, &self.resource, &self.namespace, &self.name] {
            sha.update(part.as_bytes());
            sha.update([0]);
        }
        let digest = sha.finalize();
        let mut hash = KeyHash::default();
        hash.copy_from_slice(&digest[..16]);
        hash
    }
}

/// `pods/default/web`, `deployments.apps/default/web`, `nodes/n1`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if !self.namespace.is_empty() {
            write!(f, "/{}", self.namespace)?;
        }
        write!(f, "/{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_as_kubectl_would_write_them() {
        assert_eq!(
            Key::new("apps", "deployments", "default", "web").to_string(),
            "deployments.apps/default/web"
        );
        assert_eq!(Key::new("", "nodes", "", "n.1").to_string(), "nodes/n.1");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(Key::new("", "pods", "a", "bc").hash(), Key::new("", "pods", "ab", "c").hash());
    }
}
