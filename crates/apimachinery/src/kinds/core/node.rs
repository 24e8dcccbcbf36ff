//! Node (`pkg/registry/core/node`, `pkg/apis/core/validation/validation.go` ValidateNode).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::json::{entries, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, or_none, string, wide};
use crate::kinds::pod_spec::taint_effect;
use crate::status::{FieldError, Path};
use crate::validation::{label_value_faults, qualified_name_faults};

pub(crate) const NODE: Kind = Kind {
    group: "",
    version: "v1",
    kind: "Node",
    plural: "nodes",
    strategy: &Node,
    columns: &[
        NAME,
        string("Status", "Ready or not, and whether it takes new pods.", |node, _| json!(state(node))),
        string("Roles", "From its labels node-role.kubernetes.io/….", |node, _| or_none(&roles(node))),
        AGE,
        string("Version", "The version of its agent.", |node, _| info(node, "kubeletVersion")),
        wide("Internal-IP", "Its address within the cluster.", |node, _| {
            or_none(address(node, "InternalIP"))
        }),
        wide("External-IP", "Its address to the outside.", |node, _| or_none(address(node, "ExternalIP"))),
        wide("OS-Image", "Its operating system.", |node, _| info(node, "osImage")),
        wide("Kernel-Version", "Its kernel.", |node, _| info(node, "kernelVersion")),
        wide("Container-Runtime", "What runs its containers.", |node, _| {
            info(node, "containerRuntimeVersion")
        }),
    ],
    sealed: false,
};

struct Node;

impl Strategy for Node {
    fn brings_status(&self) -> bool {
        true
    }

    fn validate_create(&self, node: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        check_taints(&node["spec"]["taints"], errors);
        check_cidrs(&node["spec"], errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if cx.is_status() {
            return;
        }
        self.validate_create(new, cx, errors);
        keep_once_set(&new["spec"], &old["spec"], errors);
    }

    fn selectable(&self, node: &Value) -> BTreeMap<String, String> {
        let unschedulable = (node["spec"]["unschedulable"] == true).to_string();
        BTreeMap::from([("spec.unschedulable".into(), unschedulable)])
    }

    fn selectable_names(&self) -> &'static [&'static str] {
        &["spec.unschedulable"]
    }

    fn fact(&self, before: Option<&Value>, after: &Value) -> Option<&'static str> {
        let before = before?;
        let cordoned = |node: &Value| node["spec"]["unschedulable"] == true;
        match (ready(before), ready(after)) {
            (Some("True"), Some("False" | "Unknown")) => return Some("NodeNotReady"),
            (None | Some("False" | "Unknown"), Some("True")) => return Some("NodeReady"),
            _ => {}
        }
        match (cordoned(before), cordoned(after)) {
            (false, true) => Some("NodeCordoned"),
            (true, false) => Some("NodeUncordoned"),
            _ if before["spec"]["taints"] != after["spec"]["taints"] => Some("NodeTaintsChanged"),
            _ => None,
        }
    }
}

fn ready(node: &Value) -> Option<&str> {
    let conditions = items(&node["status"]["conditions"]);
    conditions.iter().find(|condition| condition["type"] == "Ready")?["status"].as_str()
}

fn state(node: &Value) -> String {
    let mut words = vec![match ready(node) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }];
    if node["spec"]["unschedulable"] == true {
        words.push("SchedulingDisabled");
    }
    words.join(",")
}

fn roles(node: &Value) -> String {
    let labels = entries(&node["metadata"]["labels"]);
    let roles: BTreeSet<&str> = labels
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None if key == "kubernetes.io/role" => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.into_iter().collect::<Vec<_>>().join(",")
}

fn address<'a>(node: &'a Value, kind: &str) -> &'a str {
    let addresses = items(&node["status"]["addresses"]);
    addresses.iter().find(|address| address["type"] == kind).map_or("", |address| text(address, "address"))
}

fn info(node: &Value, field: &str) -> Value {
    match text(&node["status"]["nodeInfo"], field) {
        "" if field == "kubeletVersion" => json!(""),
        "" => json!("<unknown>"),
        text => json!(text),
    }
}

/// `validateNodeTaints`
fn check_taints(taints: &Value, errors: &mut Vec<FieldError>) {
    let list = Path::of("metadata.taints");
    let mut seen = BTreeSet::new();
    for (index, taint) in items(taints).iter().enumerate() {
        let path = list.index(index);
        let (key, value, effect) = (text(taint, "key"), text(taint, "value"), text(taint, "effect"));
        errors.extend(qualified_name_faults(key).iter().map(|fault| path.child("key").invalid(key, fault)));
        errors
            .extend(label_value_faults(value).iter().map(|fault| path.child("value").invalid(value, fault)));
        taint_effect(effect, false, &path.child("effect"), errors);
        if !seen.insert((key, effect)) {
            let mut error = path.duplicate(taint.clone());
            error.detail = "taints must be unique by key and effect pair".into();
            errors.push(error);
        }
    }
}

fn check_cidrs(spec: &Value, errors: &mut Vec<FieldError>) {
    let list = Path::of("spec.podCIDRs");
    for (index, cidr) in items(&spec["podCIDRs"]).iter().enumerate() {
        let cidr = cidr.as_str().unwrap_or_default();
        if !crate::validation::is_cidr(cidr) {
            let why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
            errors.push(list.index(index).invalid(cidr, why));
        }
    }
}

/// What may be set once, and not changed (`ValidateNodeUpdate`).
fn keep_once_set(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    if !items(&old["podCIDRs"]).is_empty() && new["podCIDRs"] != old["podCIDRs"] {
        errors.push(
            Path::of("spec.podCIDRs")
                .forbidden("node updates may not change podCIDR except from \"\" to valid"),
        );
    }
    if !text(old, "providerID").is_empty() && new["providerID"] != old["providerID"] {
        let why = "node updates may not change providerID except from \"\" to valid";
        errors.push(Path::of("spec.providerID").forbidden(why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_a_node_says_ready_and_cordoned() {
        let node = |ready: &str, cordoned: bool| json!({"spec": {"unschedulable": cordoned}, "status": {"conditions": [{"type": "Ready", "status": ready}]}});
        assert_eq!(state(&node("True", false)), "Ready");
        assert_eq!(state(&node("Unknown", true)), "NotReady,SchedulingDisabled");
        assert_eq!(state(&json!({})), "Unknown");
        assert_eq!(or_none(&roles(&json!({}))), json!("<none>"));
    }

    #[test]
    fn what_happens_to_a_node_has_a_name() {
        let node = |ready: &str| json!({"status": {"conditions": [{"type": "Ready", "status": ready}]}});
        assert_eq!(Node.fact(Some(&node("True")), &node("Unknown")), Some("NodeNotReady"));
        assert_eq!(Node.fact(Some(&node("False")), &node("True")), Some("NodeReady"));
        assert_eq!(Node.fact(Some(&node("True")), &node("True")), None);
    }
}
