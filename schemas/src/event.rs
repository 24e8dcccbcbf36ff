//! The envelope of an event: one fact about one object, and the object as it is after it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Key, Revision, Scope, state};

/// What an event did to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Op {
    #[serde(rename = "+")]
    Create,
    #[serde(rename = "~")]
    Update,
    #[serde(rename = "-")]
    Delete,
}

/// The object that an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    pub version: String,
    pub kind: String,
    pub resource: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

impl ObjectRef {
    pub fn key(&self) -> Key {
        Key::new(&self.group, &self.resource, &self.namespace, &self.name)
    }

    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// An owner reference, as indexes and garbage collection need it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    pub uid: String,
    pub api_version: String,
    pub kind: String,
    pub name: String,
    #[serde(default)]
    pub controller: bool,
    /// `blockOwnerDeletion`.
    #[serde(default)]
    pub block: bool,
}

/// What indexes and selectors need of an object, so that they never parse its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub owners: Vec<Owner>,
    /// The selectable fields beyond `metadata.name` and `metadata.namespace`, such as `spec.nodeName`.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// `metadata.deletionTimestamp`, when it is marked for deletion.
    #[serde(default)]
    pub deletion: Option<String>,
    #[serde(default)]
    pub generation: i64,
    #[serde(default)]
    pub finalizers: Vec<String>,
}

/// One fact: an event line of a frame. Its revision is its place in the log; who, why and when stand in the headers
/// of its commit and frame. Index fields come first, the state last and raw, so that who doesn't need it skips it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// A past-tense fact in Kubernetes nouns: `PodCreated`, `DeploymentScaled`.
    #[serde(rename = "type")]
    pub event_type: String,
    pub op: Op,
    pub object: ObjectRef,
    /// The revision this replaces; none for a creation.
    pub prior: Revision,
    pub meta: Meta,
    pub touches: Vec<Scope>,
    /// The object after the change, whole, without `resourceVersion`; a deletion's is the last one.
    /// Made by [`state::encode`], so that [`state::splice`] finds its place.
    pub state: Box<RawValue>,
}

impl Event {
    /// The object as the API serves it at `revision`.
    pub fn splice(&self, revision: Revision) -> Bytes {
        state::splice(&self.state, revision)
    }
}

/// Two events are equal when their texts are.
impl PartialEq for Event {
    fn eq(&self, other: &Event) -> bool {
        self.event_type == other.event_type
            && self.op == other.op
            && self.object == other.object
            && self.prior == other.prior
            && self.meta == other.meta
            && self.touches == other.touches
            && self.state.get() == other.state.get()
    }
}
