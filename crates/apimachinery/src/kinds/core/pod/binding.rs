//! A pod gets its node once (`pkg/registry/core/pod/storage/storage.go`, BindingREST).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::json::{is_empty, items, text};
use crate::status::{FieldError, Path};
use crate::write::time;

/// A pod that has its node is scheduled, and says since when.
pub(super) fn tell(new: &mut Value, old: &Value, now: Timestamp) {
    if !text(&old["spec"], "nodeName").is_empty() || text(&new["spec"], "nodeName").is_empty() {
        return;
    }
    let others = items(&new["status"]["conditions"]).iter().filter(|known| known["type"] != "PodScheduled");
    let scheduled = json!({
        "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": time(now),
    });
    new["status"]["conditions"] = others.cloned().chain([scheduled]).collect();
}

/// Only an unbound pod that is not being deleted can be bound, and nothing of its spec changes but the node.
pub(super) fn validate(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let path = Path::of("spec.nodeName");
    let bound = text(&old["spec"], "nodeName");
    if !bound.is_empty() {
        errors.push(path.forbidden(&format!(
            "pod {} is already assigned to node \"{bound}\"",
            text(&old["metadata"], "name")
        )));
    }
    if !is_empty(&old["metadata"]["deletionTimestamp"]) {
        errors.push(path.forbidden("pod is being deleted, cannot be assigned to a host"));
    }
    let mut unbound = new["spec"].clone();
    if let Some(spec) = unbound.as_object_mut() {
        spec.remove("nodeName");
    }
    let mut was = old["spec"].clone();
    if let Some(spec) = was.as_object_mut() {
        spec.remove("nodeName");
    }
    if unbound != was {
        errors.push(Path::of("spec").forbidden("a binding may not change anything but the node"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_got_its_node_says_that_it_is_scheduled() {
        let waiting = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable"});
        let old = json!({"spec": {}, "status": {"conditions": [{"type": "x"}, waiting]}});
        let mut new = old.clone();
        new["spec"]["nodeName"] = json!("n");
        tell(&mut new, &old, Timestamp::UNIX_EPOCH);
        let scheduled = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null,
            "lastTransitionTime": "1970-01-01T00:00:00Z"});
        assert_eq!(new["status"]["conditions"], json!([{"type": "x"}, scheduled]));
    }
}
