//! How what a node says about an object's status meets what others said: fields that it gives are replaced, conditions
//! are merged by type, and an end stays an end.

use serde_json::{Map, Value};

/// The status after a node's words.
pub(super) fn status(current: &Value, said: &Value) -> Value {
    let mut merged: Map<String, Value> = current.as_object().cloned().unwrap_or_default();
    for (field, value) in said.as_object().into_iter().flatten() {
        let value = match field.as_str() {
            "conditions" => conditions(&current["conditions"], value),
            "phase" if has_ended(current) => continue,
            _ => value.clone(),
        };
        if value.is_null() {
            merged.remove(field);
        } else {
            merged.insert(field.clone(), value);
        }
    }
    Value::Object(merged)
}

fn has_ended(status: &Value) -> bool {
    matches!(status["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// Conditions that only a pod's node gives: without them it takes them away.
const THE_NODES_OWN: [&str; 2] = ["PodResizePending", "PodResizeInProgress"];

/// Those that are named are replaced in their place or added; the others stay, but for the node's own.
fn conditions(current: &Value, said: &Value) -> Value {
    let mut merged: Vec<Value> = current.as_array().cloned().unwrap_or_default();
    for condition in said.as_array().into_iter().flatten() {
        match merged.iter_mut().find(|known| known["type"] == condition["type"]) {
            Some(known) => *known = condition.clone(),
            None => merged.push(condition.clone()),
        }
    }
    let named = |condition: &Value| {
        said.as_array().into_iter().flatten().any(|known| known["type"] == condition["type"])
    };
    merged.retain(|condition| {
        let is_the_nodes = condition["type"].as_str().is_some_and(|kind| THE_NODES_OWN.contains(&kind));
        !is_the_nodes || named(condition)
    });
    Value::Array(merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_node_says_replaces_its_part_and_leaves_the_others() {
        let current = json!({
            "phase": "Running", "podIP": "10.0.0.1",
            "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"}],
        });
        let said = json!({"phase": "Succeeded", "conditions": [{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True"}]});
        let merged = status(&current, &said);
        assert_eq!(
            merged,
            json!({
                "phase": "Succeeded", "podIP": "10.0.0.1",
                "conditions": [
                    {"type": "PodScheduled", "status": "True"},
                    {"type": "Ready", "status": "True"},
                    {"type": "Initialized", "status": "True"},
                ],
            })
        );
        assert_eq!(status(&merged, &json!({"phase": "Running"}))["phase"], "Succeeded");
    }

    #[test]
    fn a_resize_that_is_done_is_told_no_more() {
        let pending = json!({"type": "PodResizePending", "status": "True"});
        let scheduled = json!({"type": "PodScheduled", "status": "True"});
        let current = json!({"conditions": [scheduled, pending]});
        let said = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        let merged = status(&current, &said);
        assert_eq!(merged["conditions"], json!([scheduled, {"type": "Ready", "status": "True"}]));
        // Nothing said of conditions leaves them all.
        assert_eq!(status(&current, &json!({"podIP": "10.0.0.1"}))["conditions"], current["conditions"]);
    }
}
