//! Laws of patches, over generated objects.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use rutter_apimachinery::patch::{Applying, apply, json as json_patch, merge, strategic};
use rutter_apimachinery::registry::{Registry, Resource};
use serde_json::{Map, Value, json};
use std::sync::{Arc, LazyLock};

static PODS: LazyLock<Arc<Resource>> =
    LazyLock::new(|| Registry::builtin().resource("", "v1", "pods").expect("pods are known"));

fn labels() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-d]", "[x-z]", 0..4).prop_map(|labels| {
        Value::Object(labels.into_iter().map(|(key, value)| (key, value.into())).collect())
    })
}

fn containers() -> impl Strategy<Value = Value> {
    let one = |name: String| {
        let env = prop::collection::btree_map("[E-H]", "[0-9]", 0..3).prop_map(|env| {
            env.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>()
        });
        ("[i-k]", env, prop::collection::vec("[a-c]", 0..3)).prop_map(move |(image, env, command)| {
            json!({"name": name, "image": image, "env": env, "command": command})
        })
    };
    let names = prop::sample::subsequence(vec!["a", "b", "c", "d"], 1..=4).prop_shuffle();
    names
        .prop_flat_map(move |names| names.into_iter().map(|name| one(name.to_owned())).collect::<Vec<_>>())
        .prop_map(Value::Array)
}

fn pods() -> impl Strategy<Value = Value> {
    let finalizers = prop::sample::subsequence(vec!["x/a", "x/b", "x/c"], 0..=3);
    (labels(), containers(), finalizers).prop_map(|(labels, containers, finalizers)| {
        json!({"metadata": {"labels": labels, "finalizers": finalizers}, "spec": {"containers": containers}})
    })
}

/// The strategic merge patch that kubectl would send to get from one to the other.
fn diff(from: &Value, to: &Value) -> Value {
    let spec =
        keyed_diff("containers", &from["spec"]["containers"], &to["spec"]["containers"], container_diff);
    let gone: Vec<&Value> = list(&from["metadata"]["finalizers"])
        .iter()
        .filter(|one| !list(&to["metadata"]["finalizers"]).contains(one))
        .collect();
    let metadata = json!({
        "labels": map_diff(&from["metadata"]["labels"], &to["metadata"]["labels"]),
        "$deleteFromPrimitiveList/finalizers": gone,
        "$setElementOrder/finalizers": to["metadata"]["finalizers"],
        "finalizers": to["metadata"]["finalizers"],
    });
    json!({"metadata": metadata, "spec": spec})
}

fn keyed_diff(field: &str, from: &Value, to: &Value, inner: fn(&Value, &Value) -> Value) -> Value {
    let find = |within: &Value, name: &Value| list(within).iter().find(|one| one["name"] == *name).cloned();
    let mut patch: Vec<Value> = list(to)
        .iter()
        .map(|one| match find(from, &one["name"]) {
            Some(old) => inner(&old, one),
            None => one.clone(),
        })
        .collect();
    let gone = list(from).iter().filter(|one| find(to, &one["name"]).is_none());
    patch.extend(gone.map(|one| json!({"name": one["name"], "$patch": "delete"})));
    let order: Vec<Value> = list(to).iter().map(|one| json!({"name": one["name"]})).collect();
    json!({format!("$setElementOrder/{field}"): order, field: patch})
}

fn container_diff(from: &Value, to: &Value) -> Value {
    let mut patch = keyed_diff("env", &from["env"], &to["env"], |_, to| to.clone());
    for field in ["name", "image", "command"] {
        patch[field] = to[field].clone();
    }
    patch
}

fn map_diff(from: &Value, to: &Value) -> Value {
    let mut patch: Map<String, Value> = to.as_object().cloned().unwrap_or_default();
    for key in from.as_object().into_iter().flat_map(Map::keys) {
        patch.entry(key.clone()).or_insert(Value::Null);
    }
    Value::Object(patch)
}

/// Empty lists and maps are what decoding drops.
fn without_empty(value: Value) -> Value {
    let says_nothing = |value: &Value| *value == json!([]) || *value == json!({});
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().map(|(name, value)| (name, without_empty(value)));
            Value::Object(kept.filter(|(_, value)| !says_nothing(value)).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(without_empty).collect()),
        scalar => scalar,
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn applying(manager: &'static str) -> Applying<'static> {
    Applying { manager, force: true, subresource: "", now: "2026-01-01T00:00:00Z".parse().unwrap() }
}

/// The object without the record of who owns what.
fn unmanaged(mut pod: Value) -> Value {
    pod["metadata"].as_object_mut().unwrap().remove("managedFields");
    pod
}

/// Manager → its fields, in no order.
fn owned(pod: &Value) -> std::collections::BTreeMap<String, Value> {
    let entries = list(&pod["metadata"]["managedFields"]).iter();
    entries.map(|entry| (entry["manager"].as_str().unwrap().to_owned(), entry["fieldsV1"].clone())).collect()
}

proptest! {
    #[test]
    fn applying_twice_is_applying_once(from in pods(), wanted in pods()) {
        let first = apply(&PODS, None, &from, &applying("first")).unwrap();
        let once = apply(&PODS, Some(&first), &wanted, &applying("second")).unwrap();
        let twice = apply(&PODS, Some(&once), &wanted, &applying("second")).unwrap();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn who_applies_twice_leaves_only_what_it_wanted_last(first in pods(), last in pods()) {
        let object = apply(&PODS, None, &first, &applying("me")).unwrap();
        let object = apply(&PODS, Some(&object), &last, &applying("me")).unwrap();
        let alone = apply(&PODS, None, &last, &applying("me")).unwrap();
        prop_assert_eq!(without_empty(unmanaged(object)), without_empty(unmanaged(alone)));
    }

    #[test]
    fn managers_of_different_fields_commute(pod in pods(), first in labels(), env in containers(), swapped in any::<bool>()) {
        // One cares for labels and finalizers, the other for containers under names of its own.
        let renamed = |mut containers: Value| {
            for one in containers.as_array_mut().unwrap() {
                one["name"] = format!("other-{}", one["name"].as_str().unwrap()).into();
            }
            containers
        };
        let one = json!({"metadata": {"labels": first, "finalizers": ["x/a"]}});
        let other = json!({"spec": {"containers": renamed(env)}});
        let base = apply(&PODS, None, &pod, &applying("base")).unwrap();
        let both = |order: [(&'static str, &Value); 2]| {
            order.into_iter().fold(base.clone(), |object, (manager, wanted)| {
                apply(&PODS, Some(&object), wanted, &applying(manager)).unwrap()
            })
        };
        let there = both([("one", &one), ("other", &other)]);
        let back = both([("other", &other), ("one", &one)]);
        prop_assert_eq!(unmanaged(there.clone()), unmanaged(back.clone()));
        prop_assert_eq!(owned(&there), owned(&back));
        // Whoever applies again changes nothing of the other's.
        let again = if swapped { ("one", &one) } else { ("other", &other) };
        prop_assert_eq!(apply(&PODS, Some(&there), again.1, &applying(again.0)).unwrap(), there);
    }

    #[test]
    fn a_strategic_patch_of_the_difference_reaches_the_target(from in pods(), to in pods()) {
        prop_assert_eq!(strategic(&PODS, &from, &diff(&from, &to)).unwrap(), to);
    }

    #[test]
    fn a_strategic_patch_done_twice_is_done_once(from in pods(), to in pods()) {
        let patch = diff(&from, &to);
        let once = strategic(&PODS, &from, &patch).unwrap();
        prop_assert_eq!(strategic(&PODS, &once, &patch).unwrap(), once);
    }

    #[test]
    fn an_empty_patch_changes_nothing(pod in pods()) {
        prop_assert_eq!(&strategic(&PODS, &pod, &json!({})).unwrap(), &pod);
        prop_assert_eq!(&merge(&pod, &json!({})).unwrap(), &pod);
        prop_assert_eq!(&json_patch(&pod, &json!([])).unwrap(), &pod);
    }

    #[test]
    fn a_merge_patch_done_twice_is_done_once(from in pods(), to in pods()) {
        let once = merge(&from, &to).unwrap();
        prop_assert_eq!(merge(&once, &to).unwrap(), once);
    }
}
