//! A pod that is resized stays within what its node has.

use rutter_apimachinery::admission::pod_resize;
use rutter_apimachinery::status::Status;
use rutter_projection::Snapshot;
use rutter_schemas::Key;
use serde_json::Value;

use crate::chain::Call;
use crate::store::failed;

/// # Errors
/// 403 for a node that isn't there or is too small.
pub(super) fn admit(call: &Call, snapshot: &Snapshot, before: &Value, after: &Value) -> Result<(), Status> {
    let is_resize =
        call.resource.group.is_empty() && call.resource.plural == "pods" && call.info.subresource == "resize";
    let node = before.pointer("/spec/nodeName").and_then(Value::as_str).unwrap_or_default();
    if !is_resize || node.is_empty() || before["spec"] == after["spec"] {
        return Ok(());
    }
    let forbidden = |why: &str| Status::forbidden(call.subject(), &call.info.name, why);
    let found = snapshot.get_object(&Key::new("", "nodes", "", node)).map_err(|error| failed(&error))?;
    let found = found.ok_or_else(|| forbidden(&format!("node {node:?} not found")))?;
    let node: Value = serde_json::from_slice(&found).map_err(|error| failed(&error))?;
    let Some((why, cause)) = pod_resize::fault(after, &node) else { return Ok(()) };
    let mut status = forbidden(&why);
    status.details.get_or_insert_default().causes.push(cause);
    Err(status)
}
