//! The plugin Priority (`plugin/pkg/admission/priority/admission.go`): a pod's priority is that of its class.

use serde_json::{Value, json};

use crate::json::text;

/// The class that a new pod names.
#[must_use]
pub fn class_of(pod: &Value) -> Option<&str> {
    Some(text(&pod["spec"], "priorityClassName")).filter(|name| !name.is_empty())
}

/// Of all classes, the one for pods that name none: marked as the default, and of those the lowest.
#[must_use]
pub fn global_default(classes: impl IntoIterator<Item = Value>) -> Option<Value> {
    let defaults = classes.into_iter().filter(|class| class["globalDefault"] == true);
    defaults.min_by_key(|class| class["value"].as_i64().unwrap_or(0))
}

/// The two classes that every cluster has, whether or not somebody made objects of them
/// (`pkg/apis/scheduling/v1/helpers.go`).
#[must_use]
pub fn system_class(name: &str) -> Option<Value> {
    let value = match name {
        "system-node-critical" => 2_000_001_000,
        "system-cluster-critical" => 2_000_000_000,
        _ => return None,
    };
    Some(json!({"metadata": {"name": name}, "value": value, "preemptionPolicy": "PreemptLowerPriority"}))
}

/// What holds for a pod without a class where no class is the default.
#[must_use]
pub fn no_class() -> Value {
    json!({"value": 0, "preemptionPolicy": "PreemptLowerPriority"})
}

/// Gives a new pod the priority of its class.
///
/// # Errors
/// Why it is forbidden: the pod names another priority or policy than its class has.
pub fn complete(pod: &mut Value, class: &Value) -> Result<(), String> {
    let spec = &mut pod["spec"];
    let (priority, policy) = (class["value"].as_i64().unwrap_or(0), text(class, "preemptionPolicy"));
    if let Some(said) = spec["priority"].as_i64().filter(|said| *said != priority) {
        return Err(format!(
            "the integer value of priority ({said}) must not be provided in pod spec; priority admission controller \
             computed {priority} from the given PriorityClass name"
        ));
    }
    let said = text(spec, "preemptionPolicy");
    if !said.is_empty() && !policy.is_empty() && said != policy {
        return Err(format!(
            "the string value of PreemptionPolicy ({said}) must not be provided in pod spec; priority admission \
             controller computed {policy} from the given PriorityClass name"
        ));
    }
    if let Some(name) = class["metadata"]["name"].as_str() {
        spec["priorityClassName"] = json!(name);
    }
    spec["priority"] = json!(priority);
    if !policy.is_empty() {
        spec["preemptionPolicy"] = json!(policy);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str, value: i64, is_default: bool) -> Value {
        json!({"metadata": {"name": name}, "value": value, "globalDefault": is_default, "preemptionPolicy": "Never"})
    }

    #[test]
    fn a_pod_has_the_priority_of_its_class() {
        let mut pod = json!({"spec": {"priorityClassName": "high"}});
        assert_eq!(class_of(&pod), Some("high"));
        complete(&mut pod, &class("high", 1000, false)).expect("it says nothing else");
        assert_eq!(
            pod["spec"],
            json!({"priorityClassName": "high", "priority": 1000, "preemptionPolicy": "Never"})
        );
    }

    #[test]
    fn another_priority_than_the_class_has_is_refused() {
        let mut pod = json!({"spec": {"priorityClassName": "high", "priority": 7}});
        let why = complete(&mut pod, &class("high", 1000, false)).expect_err("it is another");
        assert!(why.starts_with("the integer value of priority (7) must not be provided"), "{why}");
        let mut pod = json!({"spec": {"preemptionPolicy": "PreemptLowerPriority"}});
        let why = complete(&mut pod, &class("high", 1000, false)).expect_err("it is another");
        assert!(why.starts_with("the string value of PreemptionPolicy (PreemptLowerPriority)"), "{why}");
    }

    #[test]
    fn the_lowest_of_the_defaults_is_for_pods_that_name_none() {
        let classes = [class("a", 1, false), class("b", 9, true), class("c", 5, true)];
        assert_eq!(global_default(classes).expect("there is one")["metadata"]["name"], "c");
        assert_eq!(global_default([class("a", 1, false)]), None);
    }
}
