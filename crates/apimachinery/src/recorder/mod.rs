//! What components tell operators in Events: the words, and how repeated ones are counted instead of written again.
//!
//! An Event is a courtesy, not a fact of the cluster's state: nothing decides by it, it may be dropped, and it expires.

mod correlator;

use jiff::Timestamp;
use rutter_schemas::{Key, Revision};
use serde_json::{Value, json};

pub use correlator::Correlator;

use crate::write::time;

/// Something worth an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub regarding: Regarding,
    pub severity: Severity,
    /// One word, in upstream's spelling: `ScalingReplicaSet`, `BackOff` …
    pub reason: &'static str,
    pub message: String,
    /// What was done or tried, for those that speak the newer words of `events.k8s.io`; else empty.
    pub action: &'static str,
}

/// `Event.type`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Normal,
    Warning,
}

/// The object that an Event is about: an `ObjectReference`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Regarding {
    pub api_version: String,
    pub kind: String,
    /// Empty for what is cluster-scoped; its Events lie in `default`.
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    /// A part of it, such as `spec.containers{web}`; else empty.
    pub field_path: String,
}

/// Who tells: `EventSource` and its newer names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `deployment-controller`, `kubelet` …
    pub component: String,
    /// The node, for those that have one; else empty.
    pub host: String,
}

/// How a note is recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Recording {
    /// A core/v1 Event, complete.
    New(Value),
    /// An Event that was recorded before happened again: its fields after that.
    Again { namespace: String, name: String, fields: Value },
}

impl Note {
    pub fn normal(regarding: Regarding, reason: &'static str, message: impl Into<String>) -> Note {
        Note { regarding, severity: Severity::Normal, reason, message: message.into(), action: "" }
    }

    pub fn warning(regarding: Regarding, reason: &'static str, message: impl Into<String>) -> Note {
        Note { severity: Severity::Warning, ..Note::normal(regarding, reason, message) }
    }

    /// In the newer words: with what was done or tried.
    #[must_use]
    pub fn doing(self, action: &'static str) -> Note {
        Note { action, ..self }
    }
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Normal => "Normal",
            Severity::Warning => "Warning",
        }
    }
}

impl Regarding {
    pub fn of(api_version: &str, kind: &str, key: &Key, uid: &str, revision: Revision) -> Regarding {
        Regarding {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            uid: uid.to_owned(),
            resource_version: revision.to_string(),
            field_path: String::new(),
        }
    }

    pub fn pod(key: &Key, uid: &str, revision: Revision) -> Regarding {
        Regarding::of("v1", "Pod", key, uid, revision)
    }

    /// A Node as nodes' Events name it: by its name alone (upstream's kubelet and node controller).
    pub fn node(name: &str) -> Regarding {
        Regarding {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            name: name.to_owned(),
            uid: name.to_owned(),
            ..Regarding::default()
        }
    }

    /// Where its Events lie.
    pub fn events_namespace(&self) -> &str {
        if self.namespace.is_empty() { "default" } else { &self.namespace }
    }

    fn json(&self) -> Value {
        let fields = [
            ("apiVersion", &self.api_version),
            ("kind", &self.kind),
            ("namespace", &self.namespace),
            ("name", &self.name),
            ("uid", &self.uid),
            ("resourceVersion", &self.resource_version),
            ("fieldPath", &self.field_path),
        ];
        let said = fields.into_iter().filter(|(_, value)| !value.is_empty());
        Value::Object(said.map(|(field, value)| (field.to_owned(), json!(value))).collect())
    }
}

/// A note's first Event (client-go: `tools/record/event.go`, `makeEvent`; with an action `tools/events`, whose Events
/// have a time of their own and are counted in series).
fn event(note: &Note, source: &Source, message: &str, name: &str, now: Timestamp) -> Value {
    let mut event = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": { "namespace": note.regarding.events_namespace(), "name": name },
        "involvedObject": note.regarding.json(),
        "type": note.severity.as_str(), "reason": note.reason, "message": message,
        "reportingComponent": source.component, "reportingInstance": source.host,
    });
    if note.action.is_empty() {
        event["source"] = json!({ "component": source.component });
        if !source.host.is_empty() {
            event["source"]["host"] = json!(source.host);
        }
        event["firstTimestamp"] = json!(time(now));
        event["lastTimestamp"] = json!(time(now));
        event["count"] = json!(1);
    } else {
        event["action"] = json!(note.action);
        event["eventTime"] = json!(micro_time(now));
        if source.host.is_empty() {
            event["reportingInstance"] = json!(source.component);
        }
    }
    event
}

/// `metav1.MicroTime`
fn micro_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
