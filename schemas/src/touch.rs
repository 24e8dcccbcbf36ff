//! The touch table: which premises an event may falsify, computed from the object before and after it.
//!
//! Only losses touch. A pod that becomes ready, a node that grows or a quota that is raised can make no decision
//! wrong that was right before, so gains touch nothing.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{ObjectRef, Scope};

/// The scopes touched by the change of `object` from `before` to `after`; either is absent at birth and death.
pub fn touches(before: Option<&Value>, after: Option<&Value>, object: &ObjectRef) -> Vec<Scope> {
    let mut touched = BTreeSet::new();
    family(before, after, object, &mut touched);
    match (object.group.as_str(), object.resource.as_str()) {
        ("", "pods") => pod(before, after, &mut touched),
        ("", "nodes") => node(before, after, object, &mut touched),
        ("", "namespaces") => namespace(before, after, object, &mut touched),
        ("", "resourcequotas") => quota(before, after, object, &mut touched),
        ("apiextensions.k8s.io", "customresourcedefinitions") => definition(before, after, &mut touched),
        _ => {}
    }
    touched.into_iter().collect()
}

/// What every kind has: owners count their children and choose them by label; an owner's own wish is a premise too.
fn family(before: Option<&Value>, after: Option<&Value>, object: &ObjectRef, touched: &mut BTreeSet<Scope>) {
    let (Some(old), Some(new)) = (before, after) else {
        touched.extend(owners(before.or(after)));
        if after.is_none() {
            touched.insert(Scope::owner(&object.uid));
        }
        return;
    };
    let changed = |path: &str| old.pointer(path) != new.pointer(path);
    let marked = changed("/metadata/deletionTimestamp");
    if marked || changed("/metadata/labels") || changed("/metadata/ownerReferences") {
        touched.extend(owners(before));
        touched.extend(owners(after));
    }
    if marked || changed("/metadata/generation") {
        touched.insert(Scope::owner(&object.uid));
    }
}

fn owners(object: Option<&Value>) -> impl Iterator<Item = Scope> {
    let references =
        object.and_then(|object| object.pointer("/metadata/ownerReferences")).and_then(Value::as_array);
    references.into_iter().flatten().filter_map(|owner| owner["uid"].as_str()).map(Scope::owner)
}

/// A pod takes room of its node when it is bound and when it grows; its owner loses an available one with its Ready.
fn pod(before: Option<&Value>, after: Option<&Value>, touched: &mut BTreeSet<Scope>) {
    if was_ready(before) && !was_ready(after) {
        let owners = owners(before).map(|Scope(owner)| Scope(format!("{owner}:available")));
        touched.extend(owners.collect::<Vec<_>>());
    }
    let Some(node) = text(after, "/spec/nodeName") else { return };
    let bound = text(before, "/spec/nodeName").is_none();
    let grew = ["/spec/containers", "/spec/initContainers", "/spec/overhead"]
        .iter()
        .any(|path| before.and_then(|pod| pod.pointer(path)) != after.and_then(|pod| pod.pointer(path)));
    if bound || grew {
        touched.insert(Scope::node_alloc(node));
    }
}

/// A node stops taking pods when it is cordoned, tainted, smaller, not ready or gone.
fn node(before: Option<&Value>, after: Option<&Value>, object: &ObjectRef, touched: &mut BTreeSet<Scope>) {
    let Some(old) = before else { return };
    let loses = match after {
        None => true,
        Some(new) => {
            let cordoned = new.pointer("/spec/unschedulable") == Some(&Value::Bool(true))
                && old.pointer("/spec/unschedulable") != Some(&Value::Bool(true));
            cordoned
                || old.pointer("/spec/taints") != new.pointer("/spec/taints")
                || old.pointer("/metadata/labels") != new.pointer("/metadata/labels")
                || old.pointer("/status/allocatable") != new.pointer("/status/allocatable")
                || (was_ready(before) && !was_ready(after))
        }
    };
    if loses {
        touched.insert(Scope::node_alloc(&object.name));
    }
}

/// A namespace takes no new objects from its deletion mark on.
fn namespace(
    before: Option<&Value>,
    after: Option<&Value>,
    object: &ObjectRef,
    touched: &mut BTreeSet<Scope>,
) {
    let marked = text(after, "/metadata/deletionTimestamp").is_some();
    let was_marked = text(before, "/metadata/deletionTimestamp").is_some();
    if after.is_none() || (marked && !was_marked) {
        touched.insert(Scope::ns_life(&object.name));
    }
}

/// Whoever creates something counts it against what a quota asks for and up to what it has admitted; what is used says
/// the counters.
fn quota(before: Option<&Value>, after: Option<&Value>, object: &ObjectRef, touched: &mut BTreeSet<Scope>) {
    let changed = |path: &str| {
        before.and_then(|quota| quota.pointer(path)) != after.and_then(|quota| quota.pointer(path))
    };
    if before.is_none() || after.is_none() || changed("/spec") || changed("/status/hard") {
        touched.insert(Scope::ns_quota(&object.namespace));
    }
}

/// The names of a group's custom resources are given to one definition each.
fn definition(before: Option<&Value>, after: Option<&Value>, touched: &mut BTreeSet<Scope>) {
    let names =
        |object: Option<&Value>| object.and_then(|object| object.pointer("/status/acceptedNames")).cloned();
    if let Some(group) = text(before.or(after), "/spec/group").filter(|_| names(before) != names(after)) {
        touched.insert(Scope::custom_names(group));
    }
}

fn was_ready(object: Option<&Value>) -> bool {
    let conditions = object.and_then(|object| object.pointer("/status/conditions")).and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn text<'a>(object: Option<&'a Value>, path: &str) -> Option<&'a str> {
    object?.pointer(path)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(resource: &str) -> ObjectRef {
        ObjectRef { resource: resource.into(), name: "x".into(), uid: "u".into(), ..ObjectRef::default() }
    }

    fn check(resource: &str, before: Value, after: Value, expected: &[&str]) {
        let present = |value: &Value| !value.is_null();
        let (old, new) = (Some(&before).filter(|v| present(v)), Some(&after).filter(|v| present(v)));
        let touched: Vec<String> = touches(old, new, &of(resource)).iter().map(Scope::to_string).collect();
        assert_eq!(touched, expected, "{resource}: {before} → {after}");
    }

    fn owned(rest: Value) -> Value {
        let mut pod = json!({"metadata": {"ownerReferences": [{"uid": "rs"}]}});
        json_patch_merge(&mut pod, rest);
        pod
    }

    fn json_patch_merge(target: &mut Value, patch: Value) {
        match patch {
            Value::Object(fields) => {
                for (name, value) in fields {
                    json_patch_merge(&mut target[name.as_str()], value);
                }
            }
            leaf => *target = leaf,
        }
    }

    #[test]
    fn births_deaths_marks_and_relabelling_touch_the_owner() {
        check("pods", Value::Null, owned(json!({})), &["owner:rs"]);
        check("pods", owned(json!({})), Value::Null, &["owner:rs", "owner:u"]);
        let marked = json!({"metadata": {"deletionTimestamp": "t"}});
        check("pods", owned(json!({})), owned(marked), &["owner:rs", "owner:u"]);
        check("pods", owned(json!({})), owned(json!({"metadata": {"labels": {"a": "b"}}})), &["owner:rs"]);
        check("pods", json!({}), owned(json!({})), &["owner:rs"]);
    }

    #[test]
    fn a_new_wish_touches_the_scope_of_the_children() {
        check(
            "replicasets",
            json!({"metadata": {"generation": 1}}),
            json!({"metadata": {"generation": 2}}),
            &["owner:u"],
        );
    }

    #[test]
    fn losing_ready_touches_and_gaining_it_does_not() {
        let ready =
            |status: &str| owned(json!({"status": {"conditions": [{"type": "Ready", "status": status}]}}));
        check("pods", ready("True"), ready("False"), &["owner:rs:available"]);
        check("pods", ready("False"), ready("True"), &[]);
    }

    #[test]
    fn a_binding_takes_room_and_a_deletion_gives_it_back() {
        let bound = json!({"spec": {"nodeName": "n"}});
        check("pods", json!({"spec": {}}), bound.clone(), &["node:n:alloc"]);
        check("pods", bound, Value::Null, &["owner:u"]);
    }

    #[test]
    fn cordons_taints_and_not_ready_touch_the_node() {
        check("nodes", json!({}), json!({"spec": {"unschedulable": true}}), &["node:x:alloc"]);
        check("nodes", json!({"spec": {"unschedulable": true}}), json!({}), &[]);
        check("nodes", json!({}), json!({"spec": {"taints": [{"key": "k"}]}}), &["node:x:alloc"]);
        check("nodes", Value::Null, json!({}), &[]);
    }

    #[test]
    fn a_definition_that_gets_or_loses_a_name_touches_the_names_of_its_group() {
        let named =
            |plural: &str| json!({"spec": {"group": "g"}, "status": {"acceptedNames": {"plural": plural}}});
        let definition = ObjectRef {
            group: "apiextensions.k8s.io".into(),
            uid: "u".into(),
            ..of("customresourcedefinitions")
        };
        let touched = |before: &Value, after: &Value| {
            let scopes = touches(Some(before), Some(after), &definition);
            scopes.iter().map(Scope::to_string).collect::<Vec<_>>()
        };
        assert_eq!(touched(&named(""), &named("a")), ["crd:g:names"]);
        assert_eq!(touched(&named("a"), &named("a")), [""; 0]);
    }

    #[test]
    fn what_a_quota_asks_for_is_a_premise_and_what_is_used_is_not() {
        let hard = |spec: &str, status: &str, used: &str| json!({"spec": {"hard": {"pods": spec}}, "status": {"hard": {"pods": status}, "used": {"pods": used}}});
        check("resourcequotas", Value::Null, hard("1", "1", "0"), &["ns::quota"]);
        check("resourcequotas", hard("1", "1", "0"), hard("1", "1", "1"), &[]);
        check("resourcequotas", hard("1", "1", "0"), hard("2", "1", "0"), &["ns::quota"]);
        check("resourcequotas", hard("2", "1", "0"), hard("2", "2", "0"), &["ns::quota"]);
        check("resourcequotas", hard("1", "1", "0"), Value::Null, &["ns::quota", "owner:u"]);
    }

    #[test]
    fn termination_ends_the_life_of_a_namespace() {
        check(
            "namespaces",
            json!({}),
            json!({"metadata": {"deletionTimestamp": "t"}}),
            &["ns:x:life", "owner:u"],
        );
    }
}
