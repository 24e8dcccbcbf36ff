//! A pod gets its node once (`pkg/registry/core/pod/storage/storage.go`, BindingREST).

use serde_json::Value;

use crate::json::{is_empty, text};
use crate::status::{FieldError, Path};

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
