//! Events about pods (core/v1), as kubelet records them.

use jiff::Timestamp;
use rutter_nodeagent_core::view::Meta;
use rutter_schemas::protocol::node::NodeCommand;
use serde_json::{Value, json};

use super::Workshop;
use crate::runtime::Runtime;

impl Workshop {
    pub(super) async fn record(
        &self,
        meta: &Meta,
        severity: &str,
        reason: &str,
        message: String,
        container: Option<String>,
    ) {
        if matches!(self.runtime, Runtime::Sim(_)) {
            return;
        }
        let event = event(&self.cfg.node_name, meta, severity, reason, message, container);
        if let Err(why) = self.commands.send(NodeCommand::RecordEvent { event }).await {
            tracing::debug!(%why, "an event was not recorded");
        }
    }
}

/// A core/v1 `Event`.
fn event(
    node: &str,
    meta: &Meta,
    severity: &str,
    reason: &str,
    message: String,
    container: Option<String>,
) -> Value {
    let now = Timestamp::now();
    let at = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut involved = json!({
        "apiVersion": "v1", "kind": "Pod", "namespace": meta.namespace, "name": meta.name, "uid": meta.uid,
        "resourceVersion": meta.resource_version,
    });
    if let Some(container) = container {
        involved["fieldPath"] = json!(format!("spec.containers{{{container}}}"));
    }
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"namespace": meta.namespace, "name": format!("{}.{:x}", meta.name, now.as_nanosecond())},
        "involvedObject": involved, "type": severity, "reason": reason, "message": message,
        "firstTimestamp": at, "lastTimestamp": at, "count": 1,
        "source": {"component": "kubelet", "host": node},
        "reportingComponent": "kubelet", "reportingInstance": node,
    })
}
