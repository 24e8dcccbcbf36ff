//! The plugin RuntimeClass (`plugin/pkg/admission/runtimeclass/admission.go`): a pod that names a class gets the overhead
//! that the class costs, and goes where the class is.

use serde_json::{Value, json};

use crate::json::{entries, is_empty, items};
use crate::quantity::Quantity;

/// The class that a new pod names.
#[must_use]
pub fn class_of(pod: &Value) -> Option<&str> {
    pod["spec"]["runtimeClassName"].as_str()
}

/// What is said of a class that isn't there.
#[must_use]
pub fn missing(name: &str) -> String {
    format!("pod rejected: RuntimeClass \"{name}\" not found")
}

/// Checks a new pod that names no class.
///
/// # Errors
/// Why it is forbidden: overhead comes from classes only.
pub fn check_without(pod: &Value) -> Result<(), String> {
    match pod["spec"]["overhead"].is_null() {
        true => Ok(()),
        false => {
            Err("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead".into())
        }
    }
}

/// Gives a new pod what its class brings.
///
/// # Errors
/// Why it is forbidden: the pod says otherwise than the class.
pub fn complete(pod: &mut Value, class: &Value) -> Result<(), String> {
    let spec = &mut pod["spec"];
    let overhead = &class["overhead"]["podFixed"];
    if class["overhead"].is_null() {
        check_without(pod)?;
    } else if is_empty(&spec["overhead"]) || is_same(&spec["overhead"], overhead) {
        spec["overhead"] = overhead.clone();
    } else {
        return Err("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead".into());
    }
    schedule(&mut pod["spec"], &class["scheduling"])
}

fn schedule(spec: &mut Value, scheduling: &Value) -> Result<(), String> {
    for (key, wanted) in entries(&scheduling["nodeSelector"]) {
        let said = &spec["nodeSelector"][key.as_str()];
        if !said.is_null() && said != wanted {
            let (wanted, said) = (wanted.as_str().unwrap_or_default(), said.as_str().unwrap_or_default());
            return Err(format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {wanted}; \
                 pod.spec.nodeSelector[{key}] = {said}"
            ));
        }
        if spec["nodeSelector"].is_null() {
            spec["nodeSelector"] = json!({});
        }
        spec["nodeSelector"][key.as_str()] = wanted.clone();
    }
    let known = items(&spec["tolerations"]).to_vec();
    let more = items(&scheduling["tolerations"]).iter().filter(|one| !known.contains(one)).cloned();
    let all: Vec<Value> = known.iter().cloned().chain(more).collect();
    if all.len() > known.len() {
        spec["tolerations"] = json!(all);
    }
    Ok(())
}

/// Whether two lists say the same amounts.
fn is_same(one: &Value, other: &Value) -> bool {
    let amounts = |list: &Value| -> Vec<(String, Option<Quantity>)> {
        entries(list).map(|(name, amount)| (name.clone(), Quantity::from_value(amount).ok())).collect()
    };
    amounts(one) == amounts(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class() -> Value {
        json!({"handler": "vm", "overhead": {"podFixed": {"cpu": "10m"}}, "scheduling": {
            "nodeSelector": {"vm": "yes"}, "tolerations": [{"key": "vm", "operator": "Exists"}]}})
    }

    #[test]
    fn a_pod_gets_the_overhead_and_the_place_of_its_class() {
        let mut pod = json!({"spec": {"runtimeClassName": "vm", "nodeSelector": {"disk": "ssd"}}});
        complete(&mut pod, &class()).expect("nothing contradicts");
        assert_eq!(
            pod["spec"],
            json!({"runtimeClassName": "vm", "overhead": {"cpu": "10m"}, "nodeSelector": {"disk": "ssd", "vm": "yes"},
                "tolerations": [{"key": "vm", "operator": "Exists"}]})
        );
        let once = pod.clone();
        complete(&mut pod, &class()).expect("nothing contradicts");
        assert_eq!(pod, once);
    }

    #[test]
    fn a_pod_may_not_say_otherwise_than_its_class() {
        let cases = [
            (
                json!({"overhead": {"cpu": "20m"}}),
                "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
            ),
            (
                json!({"nodeSelector": {"vm": "no"}}),
                "conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no",
            ),
        ];
        for (spec, why) in cases {
            assert_eq!(complete(&mut json!({ "spec": spec }), &class()).expect_err("it contradicts"), why);
        }
        assert!(check_without(&json!({"spec": {"overhead": {"cpu": "1"}}})).is_err());
        assert!(check_without(&json!({"spec": {}})).is_ok());
    }
}
