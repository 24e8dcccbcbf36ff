//! What upstream's default admission plugins give every new pod and what needs no other object to know:
//! ServiceAccount's name, Priority without a class, DefaultTolerationSeconds.

use serde_json::{Value, json};

use crate::json::{items, text};

/// Seconds for which a pod stays on a node that is not ready or out of reach.
const TOLERATION_SECONDS: i64 = 300;
const FAILING: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// Fills in what a pod's spec leaves to admission.
pub(super) fn admit(spec: &mut Value) {
    run_as_default(spec);
    prioritize(spec);
    tolerate_failing_nodes(spec);
}

/// Mirror pods aside, every pod runs as some service account
/// (`plugin/pkg/admission/serviceaccount/admission.go`).
fn run_as_default(spec: &mut Value) {
    if text(spec, "serviceAccountName").is_empty() {
        spec["serviceAccountName"] = json!("default");
        spec["serviceAccount"] = json!("default");
    }
}

/// `plugin/pkg/admission/priority/admission.go`. The two classes that every cluster has are known here; any other was
/// looked up before, or is refused by whoever looks classes up.
fn prioritize(spec: &mut Value) {
    let priority = match text(spec, "priorityClassName") {
        "" => 0,
        "system-cluster-critical" => 2_000_000_000,
        "system-node-critical" => 2_000_001_000,
        _ => return,
    };
    if spec["priority"].is_null() {
        spec["priority"] = json!(priority);
    }
    if spec["preemptionPolicy"].is_null() {
        spec["preemptionPolicy"] = json!("PreemptLowerPriority");
    }
}

/// `plugin/pkg/admission/defaulttolerationseconds/admission.go`: at creation, and whenever a pod is written.
pub(super) fn tolerate_failing_nodes(spec: &mut Value) {
    let missing: Vec<Value> = FAILING
        .iter()
        .filter(|key| !items(&spec["tolerations"]).iter().any(|toleration| tolerates(toleration, key)))
        .map(|key| {
            json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS})
        })
        .collect();
    if !missing.is_empty() {
        let tolerations = items(&spec["tolerations"]).iter().cloned().chain(missing).collect();
        spec["tolerations"] = Value::Array(tolerations);
    }
}

fn tolerates(toleration: &Value, taint: &str) -> bool {
    ["", taint].contains(&text(toleration, "key")) && ["", "NoExecute"].contains(&text(toleration, "effect"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_says_nothing_is_admitted_with_defaults() {
        let mut spec = json!({"containers": []});
        admit(&mut spec);
        let toleration =
            |key| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
        assert_eq!(
            spec,
            json!({"containers": [], "serviceAccount": "default", "serviceAccountName": "default", "priority": 0,
                "preemptionPolicy": "PreemptLowerPriority",
                "tolerations": [toleration("node.kubernetes.io/not-ready"), toleration("node.kubernetes.io/unreachable")]})
        );
    }

    #[test]
    fn a_pod_that_tolerates_everything_gets_no_more_tolerations() {
        let mut spec =
            json!({"tolerations": [{"operator": "Exists"}], "priorityClassName": "system-node-critical"});
        admit(&mut spec);
        assert_eq!(items(&spec["tolerations"]).len(), 1);
        assert_eq!(spec["priority"], 2_000_001_000);
    }
}
