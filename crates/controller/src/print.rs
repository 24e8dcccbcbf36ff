//! Plans as an operator reads them: why, what, and under which premises.
//!
//! ```text
//! because 2 of 3 are missing
//! + Pod web-7xk2p of web
//! ~ ReplicaSet web/status: replicas 1, readyReplicas 1
//! unless owner:web was touched since 2
//! ! ReplicaSet web: SuccessfulCreate: Created pod: web-7xk2p
//! ```

use std::fmt;

use rutter_schemas::Key;
use serde_json::Value;

use crate::{Intent, Plan};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "because {}", self.why)?;
        for intent in &self.intents {
            writeln!(f, "{intent}")?;
        }
        for scope in &self.guards {
            writeln!(f, "unless {scope} was touched since {}", self.base)?;
        }
        for count in &self.counters {
            writeln!(f, "counting {} {:+}", count.name, count.delta)?;
        }
        for note in &self.notes {
            let about = &note.regarding;
            writeln!(f, "! {} {}: {}: {}", about.kind, about.name, note.reason, note.message)?;
        }
        if let Some(when) = self.look_again {
            writeln!(f, "look again at {when}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Intent::Create { object } => birth(f, object),
            Intent::Merge { key, patch, subresource, .. } => {
                write!(f, "~ {}{}: ", named(key), part(*subresource))?;
                changes(f, patch)
            }
            Intent::Replace { key, object, subresource, .. } => {
                write!(f, "= {}{}: ", named(key), part(*subresource))?;
                changes(f, object)
            }
            Intent::Restate { key, .. } => write!(f, "~ {}: as it is", named(key)),
            Intent::Delete { key, grace_seconds, propagation, .. } => {
                write!(f, "- {}", named(key))?;
                if let Some(seconds) = grace_seconds {
                    write!(f, " in {seconds} s")?;
                }
                match propagation {
                    None | Some(crate::Propagation::Background) => Ok(()),
                    Some(other) => write!(f, " {}", other.as_str()),
                }
            }
        }
    }
}

fn birth(f: &mut fmt::Formatter<'_>, object: &Value) -> fmt::Result {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
    write!(f, "+ {} {}", text("/kind"), text("/metadata/name"))?;
    match object.pointer("/metadata/ownerReferences/0/name").and_then(Value::as_str) {
        Some(owner) => write!(f, " of {owner}"),
        None => Ok(()),
    }
}

fn part(subresource: Option<&str>) -> String {
    subresource.map(|name| format!("/{name}")).unwrap_or_default()
}

/// `ReplicaSet web`: the kind, guessed back from the resource, and the name.
fn named(key: &Key) -> String {
    format!("{} {}", kind_of(&key.resource), key.name)
}

fn kind_of(resource: &str) -> &str {
    const KINDS: &[(&str, &str)] = &[
        ("pods", "Pod"),
        ("replicasets", "ReplicaSet"),
        ("deployments", "Deployment"),
        ("services", "Service"),
        ("replicationcontrollers", "ReplicationController"),
        ("endpoints", "Endpoints"),
        ("endpointslices", "EndpointSlice"),
        ("poddisruptionbudgets", "PodDisruptionBudget"),
        ("nodes", "Node"),
        ("namespaces", "Namespace"),
        ("configmaps", "ConfigMap"),
        ("serviceaccounts", "ServiceAccount"),
        ("resourcequotas", "ResourceQuota"),
    ];
    KINDS.iter().find(|(plural, _)| *plural == resource).map_or(resource, |(_, kind)| kind)
}

/// A patch as `path value` pairs; a list of conditions as `Type=Status(Reason)`.
fn changes(f: &mut fmt::Formatter<'_>, patch: &Value) -> fmt::Result {
    let mut pairs = Vec::new();
    flatten("", patch, &mut pairs);
    f.write_str(&pairs.join(", "))
}

fn flatten(path: &str, value: &Value, pairs: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, inner) in map {
                let skip = path.is_empty() && matches!(name.as_str(), "status" | "spec" | "metadata");
                let longer = match path {
                    "" if skip => String::new(),
                    "" => name.clone(),
                    _ => format!("{path}.{name}"),
                };
                flatten(&longer, inner, pairs);
            }
        }
        Value::Array(items) if path.ends_with("conditions") => pairs.extend(items.iter().map(condition)),
        Value::String(text) => pairs.push(format!("{path} {text}")),
        other => pairs.push(format!("{path} {other}")),
    }
}

fn condition(value: &Value) -> String {
    let text = |name| value.get(name).and_then(Value::as_str).unwrap_or("");
    match text("reason") {
        "" => format!("{}={}", text("type"), text("status")),
        reason => format!("{}={}({reason})", text("type"), text("status")),
    }
}
