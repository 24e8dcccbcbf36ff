//! The language of given worlds: `Kind [namespace/]name word …`.

use jiff::{SignedDuration, Timestamp};
use rutter_schemas::Key;
use serde_json::{Value, json};

use super::world::{World, resource_of};

/// Carries out one statement.
///
/// # Panics
/// On a statement that makes no sense: a mistake of the test.
pub(super) fn state(world: &mut World, statement: &str, now: Timestamp) {
    if let Some(object) = statement.strip_prefix("gone ") {
        let key = key(object);
        assert!(world.get(&key).is_some(), "{key} is not there to go");
        return world.remove(&key);
    }
    let mut words = statement.split_whitespace();
    let head = format!("{} {}", words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let key = key(&head);
    let mut object = world.get(&key).cloned().unwrap_or_else(|| fresh(&head, &key, now));
    while let Some(word) = words.next() {
        match word {
            "of" => owned(world, &mut object, words.next().unwrap_or_default()),
            _ => set(&mut object, word, now),
        }
    }
    world.put(object);
}

/// The key that `Kind [namespace/]name` names.
pub(super) fn key(head: &str) -> Key {
    let (kind, name) = head.split_once(' ').unwrap_or_else(|| panic!("{head}: a kind and a name"));
    let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
    let namespace = if is_cluster_scoped(kind) { "" } else { namespace };
    Key::new(group_of(kind), &resource_of(kind), namespace, name)
}

fn group_of(kind: &str) -> &'static str {
    match kind {
        "ReplicaSet" | "Deployment" | "StatefulSet" | "DaemonSet" => "apps",
        "Job" | "CronJob" => "batch",
        "EndpointSlice" => "discovery.k8s.io",
        "Lease" => "coordination.k8s.io",
        "PriorityClass" => "scheduling.k8s.io",
        "PodDisruptionBudget" => "policy",
        "CustomResourceDefinition" => "apiextensions.k8s.io",
        "Widget" => "example.com",
        _ => "",
    }
}

fn is_cluster_scoped(kind: &str) -> bool {
    matches!(kind, "Node" | "Namespace" | "PriorityClass" | "PersistentVolume" | "CustomResourceDefinition")
}

fn fresh(head: &str, key: &Key, now: Timestamp) -> Value {
    let kind = head.split(' ').next().unwrap_or_default();
    let api_version = match key.group.as_str() {
        "" => "v1".to_owned(),
        group => format!("{group}/v1"),
    };
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": key.name, "uid": key.name,
        "generation": 1, "creationTimestamp": (now - SignedDuration::from_secs(3600)).to_string()}});
    if !key.namespace.is_empty() {
        object["metadata"]["namespace"] = json!(key.namespace);
    }
    let labels = json!({"app": key.name});
    let template =
        json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    match kind {
        "ReplicaSet" | "Deployment" => {
            object["spec"] =
                json!({"replicas": 1, "selector": {"matchLabels": labels}, "template": template});
            object["metadata"]["labels"] = labels;
        }
        "ReplicationController" => {
            object["spec"] = json!({"replicas": 1, "selector": labels, "template": template});
            object["metadata"]["labels"] = labels;
        }
        "Pod" => {
            object["spec"] = template["spec"].clone();
            object["status"] = json!({"phase": "Pending"});
        }
        "Service" => {
            object["spec"] = json!({"selector": labels, "type": "ClusterIP", "clusterIP": "10.96.0.9",
                "ipFamilies": ["IPv4"], "ports": [{"name": "", "port": 80, "protocol": "TCP", "targetPort": 8080}]});
        }
        "Node" => {
            object["spec"] = json!({});
            object["status"] = json!({"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}});
        }
        "Namespace" => {
            object["spec"] = json!({"finalizers": ["kubernetes"]});
            object["status"] = json!({"phase": "Active"});
        }
        _ => {}
    }
    object
}

/// Makes the object a controlled child of an owner, with the labels that its owner gives.
fn owned(world: &World, object: &mut Value, owner: &str) {
    let (kind, name) = owner.split_once('/').map_or((None, owner), |(kind, name)| (Some(kind), name));
    let kinds = kind.map_or(vec!["ReplicaSet", "ReplicationController", "Deployment"], |kind| vec![kind]);
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let found = kinds.iter().find_map(|kind| world.get(&key(&format!("{kind} {namespace}/{name}"))));
    let owner = found.unwrap_or_else(|| panic!("nobody to be of: {owner}"));
    object["metadata"]["ownerReferences"] = json!([{"apiVersion": owner["apiVersion"], "kind": owner["kind"],
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true}]);
    let labels = &owner["spec"]["template"]["metadata"]["labels"];
    if object["kind"] == "Pod" && object["metadata"]["labels"].is_null() {
        object["metadata"]["labels"] = labels.clone();
    }
    if object["kind"] == "ReplicaSet" {
        object["spec"]["template"]["metadata"]["labels"] = labels.clone();
    }
}

/// Short forms first, then any `path=value`.
fn set(object: &mut Value, word: &str, now: Timestamp) {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    match name {
        "labels" => object["metadata"]["labels"] = pairs(value),
        "selector" if object["kind"] == "Service" => object["spec"]["selector"] = pairs(value),
        "replicas" => object["spec"]["replicas"] = json!(number(value)),
        "on" => {
            object["spec"]["nodeName"] = json!(value);
            object["status"]["phase"] = json!("Running");
        }
        "ip" => {
            object["status"]["podIP"] = json!(value);
            object["status"]["podIPs"] = json!([{"ip": value}]);
        }
        "phase" => object["status"]["phase"] = json!(value),
        "ready" => condition(object, "True", ago(now, value, 3600)),
        "unready" => condition(object, "False", ago(now, value, 3600)),
        "created" => object["metadata"]["creationTimestamp"] = json!(ago(now, value, 0)),
        "deleted" => object["metadata"]["deletionTimestamp"] = json!(ago(now, value, 0)),
        "image" => object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(value),
        "cpu" => object["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!(value),
        "memory" => object["spec"]["containers"][0]["resources"]["requests"]["memory"] = json!(value),
        "finalizers" => {
            object["metadata"]["finalizers"] = value.split(',').filter(|text| !text.is_empty()).collect();
        }
        _ => place(object, name, value),
    }
}

fn condition(object: &mut Value, status: &str, since: String) {
    if object["kind"] == "Pod" {
        object["status"]["phase"] = json!("Running");
    }
    object["status"]["conditions"] =
        json!([{"type": "Ready", "status": status, "lastTransitionTime": since}]);
}

/// `a.b.c=value`, the value as JSON if it is any, else as text; parts may name list places by number.
fn place(object: &mut Value, path: &str, value: &str) {
    let mut at = object;
    for part in path.split('.') {
        at = match part.parse::<usize>() {
            Ok(index) if at.is_array() => &mut at[index],
            _ => &mut at[part.replace("%2e", ".").as_str()],
        };
    }
    *at = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
}

fn pairs(text: &str) -> Value {
    text.split(',').filter_map(|pair| pair.split_once(':')).map(|(k, v)| (k.to_owned(), json!(v))).collect()
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

/// RFC 3339 of so many seconds (`30` or `30s`) ago.
fn ago(now: Timestamp, text: &str, otherwise: i64) -> String {
    let seconds = text.trim_end_matches('s');
    let seconds = if seconds.is_empty() { otherwise } else { number(seconds) };
    (now - SignedDuration::from_secs(seconds)).to_string()
}
