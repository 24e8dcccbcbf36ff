//! From a definition to resources, and objects by their rules.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::registry::Registry;
use crate::write::{self, WriteCx};

fn definition() -> Value {
    json!({
        "metadata": {"name": "things.example.com", "uid": "u", "resourceVersion": "7", "generation": 1},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"}, "versions": [
            {"name": "v1beta1", "served": true, "storage": false, "deprecated": true, "schema": {"openAPIV3Schema": {"type": "object"}}},
            {"name": "v1", "served": true, "storage": true, "subresources": {"status": {}, "scale": {
                "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
             "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": {"replicas": {"type": "integer", "default": 1}}},
                "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}}}}}},
            {"name": "v0", "served": false, "storage": false, "schema": {"openAPIV3Schema": {"type": "object"}}},
        ]},
        "status": {
            "acceptedNames": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
            "conditions": [{"type": "Established", "status": "True"}],
        },
    })
}

fn registry() -> Registry {
    let mut registry = Registry::builtin();
    resources(&definition()).into_iter().for_each(|resource| registry.add(resource));
    registry
}

fn cx(name: &str) -> WriteCx<'_> {
    WriteCx {
        now: Timestamp::UNIX_EPOCH,
        uid: Uuid::nil(),
        namespace: "default",
        name,
        user: "me",
        field_manager: "test",
    }
}

#[test]
fn each_served_version_is_a_resource_and_the_rest_is_found_by_kind() {
    let registry = registry();
    let things = registry.resource("example.com", "v1", "things").unwrap();
    assert_eq!(
        (things.list_kind.as_ref(), things.namespaced, things.has_status()),
        ("ThingList", true, true)
    );
    assert_eq!(things.schema().name, "com.example.v1.Thing");
    assert!(registry.resource("example.com", "v0", "things").is_none());
    assert!(registry.by_kind("example.com", "v0", "Thing").is_some());
    let old = registry.resource("example.com", "v1beta1", "things").unwrap();
    let warning = old.custom.as_ref().unwrap().warning.clone();
    assert_eq!(warning.as_deref(), Some("example.com/v1beta1 Thing is deprecated; use example.com/v1 Thing"));
}

#[test]
fn nothing_is_served_before_it_is_established() {
    let mut young = definition();
    young["status"]["conditions"] = json!([]);
    assert!(resources(&young).is_empty());
}

#[test]
fn an_object_is_made_and_changed_by_its_rules() {
    let things = registry().resource("example.com", "v1", "things").unwrap();
    let made = write::create(
        &things,
        "",
        json!({"metadata": {"name": "a"}, "spec": {}, "status": {"replicas": 9}}),
        &cx(""),
    );
    let mut made = made.unwrap().object;
    assert_eq!(made["spec"], json!({"replicas": 1}));
    assert_eq!((made.get("status"), &made["metadata"]["generation"]), (None, &json!(1)));
    made["metadata"]["resourceVersion"] = json!("8");

    let mut wished = made.clone();
    wished["spec"]["replicas"] = json!(3);
    let changed = write::update(&things, "", &made, wished.clone(), &cx("a")).unwrap().unwrap();
    assert_eq!(changed.object["metadata"]["generation"], 2);
    wished["status"] = json!({"replicas": 2});
    wished["metadata"]["labels"] = json!({"a": "b"});
    let status = write::update(&things, "status", &made, wished, &cx("a")).unwrap().unwrap();
    assert_eq!(
        (&status.object["spec"]["replicas"], &status.object["status"]),
        (&json!(1), &json!({"replicas": 2}))
    );
    assert_eq!(
        (status.object["metadata"].get("labels"), &status.object["metadata"]["generation"]),
        (None, &json!(1))
    );
    let negative = json!({"metadata": {"name": "b"}, "spec": {"replicas": -1}});
    let refused = write::create(&things, "", negative, &cx("")).unwrap_err();
    assert_eq!(
        refused.message,
        "Thing.example.com \"b\" is invalid: .spec.replicas: Invalid value: -1: should be a non-negative integer"
    );
}

#[test]
fn what_was_stored_is_read_as_the_schema_is_now() {
    let things = registry().resource("example.com", "v1", "things").unwrap();
    let custom = things.custom.as_ref().unwrap();
    let mut stored = json!({"apiVersion": "example.com/v1", "kind": "Thing",
                            "metadata": {"name": "a", "odd": 1}, "spec": {"gone": 1, "replicas": null}});
    custom.restored(&mut stored);
    assert_eq!(stored["spec"], json!({"replicas": 1}));
    assert_eq!(stored["metadata"], json!({"name": "a"}));
    assert!(!custom.is_outdated(&stored));
}

#[test]
fn the_definition_of_two_versions_is_documented_in_both_forms() {
    let registry = registry();
    let document = crate::openapi::v3(&registry, "example.com", "v1");
    let thing = &document["components"]["schemas"]["com.example.v1.Thing"];
    assert_eq!(thing["properties"]["spec"]["properties"]["replicas"]["default"], 1);
    assert!(thing["properties"]["metadata"]["allOf"].is_array());
    assert_eq!(document["components"]["schemas"]["com.example.v1.ThingList"]["required"], json!(["items"]));
    let old = crate::openapi::v2(&registry);
    let thing = &old["definitions"]["com.example.v1.Thing"]["properties"];
    assert_eq!(thing["metadata"]["$ref"], "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    assert_eq!(thing["spec"]["properties"]["replicas"], json!({"type": "integer"}));
}
