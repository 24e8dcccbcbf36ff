//! Definitions of custom resources that are refused, and in which words: one change of a good one a case.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use rutter_apimachinery::registry::Registry;
use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::{self, WriteCx};
use serde_json::{Value, json};
use uuid::Uuid;

fn good() -> Value {
    json!({
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [
                {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object",
                    "properties": {"spec": {"type": "object", "properties": {"x": {"type": "integer"}}}}}}},
                {"name": "v2", "served": true, "storage": false, "schema": {"openAPIV3Schema": {"type": "object"}}},
            ],
        },
    })
}

fn cx<'a>(name: &'a str) -> WriteCx<'a> {
    WriteCx {
        now: Timestamp::UNIX_EPOCH,
        uid: Uuid::nil(),
        namespace: "",
        name,
        user: "me",
        field_manager: "test",
    }
}

fn made(definition: Value) -> Result<Value, Status> {
    let definitions =
        Registry::builtin().resource("apiextensions.k8s.io", "v1", "customresourcedefinitions").unwrap();
    write::create(&definitions, "", definition, &cx("")).map(|draft| draft.object)
}

/// Sets the value at a pointer, or takes it away with null.
fn with(pointer: &str, value: Value) -> Value {
    let mut definition = good();
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let mut place = &mut definition;
    for step in parent.split('/').filter(|step| !step.is_empty()) {
        place = match place {
            Value::Array(list) => &mut list[step.parse::<usize>().unwrap()],
            other => &mut other[step],
        };
    }
    match value {
        Value::Null => drop(place.as_object_mut().unwrap().remove(last)),
        value => place[last] = value,
    }
    definition
}

#[test]
fn a_good_definition_gets_its_defaults() {
    let made = made(good()).unwrap();
    assert_eq!(
        made["spec"]["names"],
        json!({"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"})
    );
    assert_eq!(made["spec"]["conversion"], json!({"strategy": "None"}));
    assert_eq!(made["status"]["storedVersions"], json!(["v1"]));
}

const X: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/x";
const AT: &str = "spec.versions[0].schema.openAPIV3Schema.properties[spec]";

#[test]
fn what_a_definition_may_not_say_is_refused_in_upstreams_words() {
    let x = |schema: Value| with(X, schema);
    let at = |rest: &str| format!("{AT}.properties[x]{rest}");
    let rule = |rule: &str| {
        with(
            "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations",
            json!([{"rule": rule}]),
        )
    };
    let cases: Vec<(Value, String)> = vec![
        (with("/metadata/name", json!("other.example.com")), "metadata.name: Invalid value: \"other.example.com\": must be spec.names.plural+\".\"+spec.group".into()),
        (with("/spec/scope", json!("World")), "spec.scope: Unsupported value: \"World\": supported values: \"Cluster\", \"Namespaced\"".into()),
        (with("/spec/versions/0/storage", json!(false)), "spec.versions: Invalid value: [".into()),
        (with("/spec/versions/1/name", json!("V2")), "spec.versions[1].name: Invalid value: \"V2\": a DNS-1035 label must consist of".into()),
        (with("/spec/versions/1/schema", Value::Null), "spec.versions[1].schema.openAPIV3Schema: Required value".into()),
        (with("/spec/names/listKind", json!("Thing")), "spec.names.listKind: Invalid value: \"Thing\": kind and listKind may not be the same".into()),
        (with("/spec/names/shortNames", json!(["T"])), "spec.names.shortNames[0]: Invalid value: \"T\": a DNS-1035 label".into()),
        (with("/spec/preserveUnknownFields", json!(true)), "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead".into()),
        (with("/spec/versions/1/deprecationWarning", json!("old")), "spec.versions[1].deprecationWarning: Invalid value: \"old\": can only be set for deprecated versions".into()),
        (with("/spec/versions/0/additionalPrinterColumns", json!([{"name": "A", "type": "text", "jsonPath": ".x"}])), "spec.versions[0].additionalPrinterColumns[0].type: Invalid value: \"text\": must be one of boolean,date,integer,number,string".into()),
        (with("/spec/versions/0/subresources", json!({"scale": {"specReplicasPath": ".status.x", "statusReplicasPath": ".status.x"}})), "spec.versions[0].subresources.scale.specReplicasPath: Invalid value: \".status.x\": should be a json path under .spec".into()),
        (with("/spec/versions/0/selectableFields", json!([{"jsonPath": ".spec.y"}])), "spec.versions[0].selectableFields[0].jsonPath: Invalid value: \".spec.y\": is an invalid path: does not refer to a valid field".into()),
        (with("/spec/conversion", json!({"strategy": "Webhook"})), "[spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook, spec.conversion.conversionReviewVersions: Required value]".into()),
        (x(json!({"type": "text"})), at(".type: Unsupported value: \"text\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\"")),
        (x(json!({})), at(".type: Required value: must not be empty for specified object fields")),
        (x(json!({"type": "array"})), at(".items: Required value: must be specified")),
        (x(json!({"type": "string", "pattern": "("})), at(".pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: ")),
        (x(json!({"type": "integer", "default": "a"})), at(".default: Invalid value: \"string\": ")),
        (x(json!({"type": "object", "default": {"z": 1}})), at(".default: Invalid value: {\"z\":1}: must not have unknown fields")),
        (x(json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}})), at(".uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic")),
        (x(json!({"type": "string", "x-kubernetes-list-type": "set"})), at(".type: Invalid value: \"string\": must be array if x-kubernetes-list-type is specified")),
        (x(json!({"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object", "properties": {"k": {"type": "string"}}}, "x-kubernetes-list-map-keys": ["k"]})), at(".items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property")),
        (x(json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}})), at(".additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive")),
        (x(json!({"type": "integer", "anyOf": [{"type": "integer"}]})), at(".anyOf[0].type: Forbidden: must be empty to be structural")),
        (x(json!({"type": "integer", "x-kubernetes-preserve-unknown-fields": false})), at(".x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined")),
        (rule("self.z == 100"), format!("{AT}.x-kubernetes-validations[0].rule: Invalid value: {{\"rule\":\"self.z == 100\"}}: compilation failed: ERROR: <input>:1:5: undefined field 'z'")),
        (rule("self.x"), format!("{AT}.x-kubernetes-validations[0].rule: Invalid value: {{\"rule\":\"self.x\"}}: cel expression must evaluate to a bool")),
        (rule(" "), format!("{AT}.x-kubernetes-validations[0].rule: Required value: rule is not specified")),
        (
            x(json!({"type": "array", "items": {"type": "array", "items": {"type": "string"}, "x-kubernetes-validations": [{"rule": "self.all(s, s == 'string constant')"}]}})),
            at(".items.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"),
        ),
    ];
    for (definition, expected) in cases {
        let refused = match made(definition) {
            Err(status) => status.message,
            Ok(made) => panic!("{made} should be refused: {expected}"),
        };
        let (_, said) = refused.split_once("is invalid: ").unwrap();
        let bare = said.trim_start_matches('[');
        assert!(said.starts_with(&expected) || bare.starts_with(&expected), "{said}\n  is not\n{expected}");
    }
}

#[test]
fn what_is_established_keeps_its_names() {
    let definitions =
        Registry::builtin().resource("apiextensions.k8s.io", "v1", "customresourcedefinitions").unwrap();
    let mut before = made(good()).unwrap();
    before["metadata"]["resourceVersion"] = json!("7");
    before["status"]["conditions"] =
        json!([{"type": "Established", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    let mut after = before.clone();
    after["spec"]["names"]["kind"] = json!("Other");
    after["spec"]["scope"] = json!("Cluster");
    let refused = write::update(&definitions, "", &before, after, &cx("things.example.com")).unwrap_err();
    let fields: Vec<&str> =
        refused.details.as_ref().unwrap().causes.iter().map(|cause| cause.field.as_str()).collect();
    assert_eq!(fields, ["spec.scope", "spec.names.kind"]);

    let mut moved = before.clone();
    moved["spec"]["versions"][0]["storage"] = json!(false);
    moved["spec"]["versions"][1]["storage"] = json!(true);
    let draft = write::update(&definitions, "", &before, moved, &cx("things.example.com")).unwrap().unwrap();
    assert_eq!(draft.object["status"]["storedVersions"], json!(["v1", "v2"]));
    assert_eq!(draft.object["metadata"]["generation"], 2);
}

#[test]
fn a_definition_that_is_deleted_waits_for_its_objects_and_then_goes() {
    let definitions =
        Registry::builtin().resource("apiextensions.k8s.io", "v1", "customresourcedefinitions").unwrap();
    let mut before = made(good()).unwrap();
    before["metadata"]["resourceVersion"] = json!("7");
    let cx = cx("things.example.com");
    let marked = match write::delete(&definitions, &before, &write::DeleteOptions::default(), &cx).unwrap() {
        write::Deletion::Marked(draft) => draft.object,
        other => panic!("{other:?}"),
    };
    assert_eq!(marked["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    assert_eq!(marked["status"]["conditions"][0]["type"], "Terminating");
    let mut marked = marked;
    marked["metadata"]["resourceVersion"] = json!("8");
    let mut ended = marked.clone();
    ended["status"]["conditions"][0]["status"] = json!("False");
    let mut ended = write::update(&definitions, "status", &marked, ended, &cx).unwrap().unwrap().object;
    ended["metadata"]["resourceVersion"] = json!("8");
    let mut free = ended.clone();
    free["metadata"]["finalizers"] = json!([]);
    let gone = write::update(&definitions, "", &ended, free, &cx).unwrap().unwrap();
    assert_eq!(gone.event.op, rutter_schemas::Op::Delete);
}
