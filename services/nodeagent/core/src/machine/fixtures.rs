//! Small pods and nodes for tests.

use std::sync::Arc;

use rutter_schemas::Key;
use serde_json::{Value, json};

use crate::objects::Objects;
use crate::plan::NodeFacts;
use crate::view::Pod;

/// A pod `web` in `default` with this spec.
pub(crate) fn pod(spec: Value) -> Pod {
    let value = json!({
        "metadata": {"name": "web", "namespace": "default", "uid": "u1", "resourceVersion": "5"},
        "spec": spec,
    });
    serde_json::from_value(value).expect("a pod")
}

pub(crate) fn node() -> NodeFacts {
    NodeFacts {
        name: "node-1".into(),
        host_ips: vec!["192.0.2.1".parse().expect("an address")],
        cpu_milli: 2000,
        memory_bytes: 1 << 30,
        cluster_dns: Some("10.96.0.10".parse().expect("an address")),
        cluster_domain: "cluster.local".into(),
        ..NodeFacts::default()
    }
}

/// Puts an object of the core group in `default`.
pub(crate) fn object(objects: &mut Objects, resource: &str, name: &str, mut value: Value) {
    value["metadata"] = json!({"name": name, "namespace": "default"});
    let raw = serde_json::value::to_raw_value(&value).expect("JSON");
    objects.put(Key::new("", resource, "default", name), Arc::from(raw));
}
