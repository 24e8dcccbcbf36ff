//! What a node and the gateways say to each other. Everything is JSON over core NATS; nothing of it is kept in the log
//! except what a command writes.
//!
//! | subject | who asks | message | answer |
//! | --- | --- | --- | --- |
//! | `node::command(n)` | node | [`NodeCommand`] | [`NodeReply`] |
//! | `node::sync(n)` | node | [`FeedSync`] | one or more [`FeedMessage`], the last with `end` |
//! | `node::feed(n)`, `SHARED_FEED` | gateways publish | [`FeedMessage`] | — |
//! | `node::dial(n)` | gateways | [`super::dial::Dial`] | see [`super::dial`] |
//! | `node::stats(n)` | node publishes | [`NodeStats`], every ten seconds; it is also the heartbeat | — |
//!
//! A gateway derives the node's name from the subject, never from the message: the broker's permissions have proved
//! it. It refuses a command about another node's object.
//!
//! **Feeds.** A feed is the node's view of the cluster: objects by key, changed by revision. Two exist: the node's own
//! (its `Node`, its pods, and the ConfigMaps, Secrets, ServiceAccounts and claims those name) and the shared one (all
//! Services, EndpointSlices, and Namespaces). Several gateways may publish the same feed; a reader drops what it has
//! (`revision` not above its own) and syncs when `prior` is above its own.
//!
//! A Secret travels unsealed, inside the TLS connection of the one node that may read it. The node keeps it in tmpfs
//! only, so a restart of the agent needs no control plane and a reboot does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{Key, Revision};

/// What a node asks the gateway to do. A command is safe to repeat: the node sends it again when no answer came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all_fields = "camelCase")]
pub enum NodeCommand {
    /// Create this `Node` object, or take over the one that exists: labels the node owns (`kubernetes.io/*`,
    /// `node.kubernetes.io/*` and those of its configuration) are set, the rest is kept.
    Register { node: Value },
    /// Replace the parts of `Node.status` that are given. `conditions` are merged by `type`: those not named are kept.
    NodeStatus { status: Value, why: String },
    /// Replace the parts of `Pod.status` that are given, if the pod still has this uid. `conditions` are merged by
    /// `type`: those not named (`PodScheduled`, `DisruptionTarget`, readiness gates) are kept, but for the node's own of
    /// a resize, which it takes away so. A terminal phase stays.
    PodStatus {
        namespace: String,
        name: String,
        uid: String,
        status: Value,
        /// The past-tense fact that makes this write worth it: `ContainerStarted`, `PodReady` …; the event's type.
        fact: String,
        why: String,
        /// The revision of the pod that the node acted on.
        cause: Option<Revision>,
    },
    /// The last act of a graceful deletion: all of the pod's containers are gone. Delete with grace 0, if the pod has
    /// this uid. `status` is written with it, so that the last state (or the object that its finalizers still hold)
    /// tells how the containers ended. A pod that is gone already is `Done`.
    PodDelete { namespace: String, name: String, uid: String, status: Option<Value>, why: String },
    /// Create this `Event` (core/v1), or, when one of this name exists, replace its count and last timestamp.
    RecordEvent { event: Value },
    /// A token for a pod's service account (TokenRequest), bound to the pod. Refused unless the pod is on this node.
    Token {
        namespace: String,
        service_account: String,
        /// Empty: the API server's own audience.
        audiences: Vec<String>,
        expiration_seconds: u64,
        pod_name: String,
        pod_uid: String,
    },
}

/// The answer to a [`NodeCommand`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all_fields = "camelCase")]
pub enum NodeReply {
    /// Written, or it was so already. `revision` is the object's, `NONE` if it is gone.
    Done { revision: Revision },
    Token {
        token: String,
        /// RFC 3339.
        expires_at: String,
    },
    /// A `metav1.Status`: upstream's words for why not. Codes 409, 429, 500, 503 and 504 may be tried again.
    Refused { status: Value },
}

/// Asks for what a feed's reader has missed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedSync {
    pub feed: Feed,
    /// Where the reader stands; none asks for a snapshot. A gateway that can't tell the changes since answers with a
    /// snapshot too.
    pub cursor: Option<Revision>,
}

/// Which of the two feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feed {
    Own,
    Shared,
}

/// A step of a feed: brings its reader from `prior` to `revision`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedMessage {
    pub feed: Feed,
    /// Where the reader stands afterwards.
    pub revision: Revision,
    /// The feed's revision before this message. A reader behind it has missed something.
    pub prior: Revision,
    /// These are all objects of the feed: what isn't named (in this message or one that continues it) is gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub snapshot: bool,
    /// Of an answer to [`FeedSync`] only: more messages of the same step follow unless this is set. Nothing is applied
    /// before the end has come. A live message is always whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end: bool,
    /// Of an answer only: counts from 0, so that a lost part is noticed.
    #[serde(default)]
    pub part: u32,
    pub changes: Vec<FeedChange>,
    /// W3C trace context of the write that caused a live message, so that one trace reaches the container's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// One object of a feed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeedChange {
    /// The object as it is now, whole, with its `resourceVersion`.
    Put { key: Key, object: Box<RawValue> },
    /// It was deleted, or this node needs it no longer.
    Gone { key: Key },
}

/// A heartbeat with what the node and its pods use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStats {
    pub node: String,
    /// RFC 3339, the node's clock.
    pub at: String,
    pub usage: Usage,
    #[serde(default)]
    pub pods: Vec<PodStats>,
}

/// A pod's part of [`NodeStats`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodStats {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub containers: BTreeMap<String, Usage>,
}

/// CPU over the window since the sample before, memory at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Billionths of a core, averaged over the window.
    pub cpu_nanocores: u64,
    /// CPU time since the start, in nanoseconds.
    pub cpu_nanoseconds: u64,
    /// Resident memory without what can be dropped at once.
    pub memory_bytes: u64,
    pub window_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_itself() {
        let command = NodeCommand::PodDelete {
            namespace: "default".into(),
            name: "web".into(),
            uid: "u1".into(),
            status: None,
            why: "all containers ended".into(),
        };
        let text = serde_json::to_string(&command).expect("plain data");
        assert_eq!(
            text,
            r#"{"command":"PodDelete","namespace":"default","name":"web","uid":"u1","status":null,"why":"all containers ended"}"#
        );
        assert_eq!(serde_json::from_str::<NodeCommand>(&text).expect("its own text"), command);
    }

    #[test]
    fn a_feed_message_carries_objects_as_they_are() {
        let text = r#"{"feed":"own","revision":7,"prior":5,"part":0,"changes":[{"put":{"key":{"resource":"pods","namespace":"default","name":"web"},"object":{"kind":"Pod","apiVersion":"v1"}}},{"gone":{"key":{"resource":"secrets","namespace":"default","name":"s"}}}]}"#;
        let message: FeedMessage = serde_json::from_str(text).expect("a feed message");
        assert_eq!(serde_json::to_string(&message).expect("plain data"), text);
    }
}
