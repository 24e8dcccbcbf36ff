//! What becomes of a request's body, told by what the client hears.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use rutter_apimachinery::decode::{Decoded, FieldValidation, from_json, from_yaml, patched};
use rutter_apimachinery::registry::{Registry, Resource};
use rutter_apimachinery::status::Status;
use serde_json::{Value, json};

fn resource(group: &str, plural: &str) -> Arc<Resource> {
    Registry::builtin().resource(group, "v1", plural).unwrap_or_else(|| panic!("no {plural}"))
}

fn deployment(body: &str, validation: FieldValidation) -> Result<Decoded, Status> {
    from_json(body.as_bytes(), &resource("apps", "deployments"), validation)
}

fn refused(body: &str) -> String {
    let status = deployment(body, FieldValidation::Strict).unwrap_err();
    assert_eq!(status.code, 400);
    status.message
}

#[test]
fn unknown_and_repeated_fields_are_refused_warned_of_or_passed_over_in_silence() {
    let body = r#"{"spec": {"replicas": 1, "foo": 1, "replicas": 2, "template": {"spec": {"containers": [{"x": 1}]}}}}"#;
    assert_eq!(
        refused(body),
        "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown field \
         \"spec.foo\", duplicate field \"spec.replicas\", unknown field \"spec.template.spec.containers[0].x\""
    );
    let warned = deployment(body, FieldValidation::Warn).unwrap();
    assert_eq!(
        warned.warnings,
        [
            r#"unknown field "spec.foo""#,
            r#"duplicate field "spec.replicas""#,
            r#"unknown field "spec.template.spec.containers[0].x""#
        ]
    );
    assert_eq!(warned.object["spec"], json!({"replicas": 2, "template": {"spec": {"containers": [{}]}}}));
    assert_eq!(deployment(body, FieldValidation::Ignore).unwrap().warnings, [""; 0]);
}

#[test]
fn wrong_types_are_refused_in_gos_words() {
    let cases = [
        (
            r#"{"spec": {"replicas": "3"}}"#,
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            r#"{"spec": {"replicas": 1.5}}"#,
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            r#"{"spec": {"replicas": 3000000000}}"#,
            "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            r#"{"spec": {"paused": 1}}"#,
            "json: cannot unmarshal number into Go struct field DeploymentSpec.spec.paused of type bool",
        ),
        (
            r#"{"spec": []}"#,
            "json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec",
        ),
        (
            r#"{"metadata": {"labels": {"a": 1}}}"#,
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels.a of type string",
        ),
        (
            r#"{"spec": {"template": {"spec": {"containers": {}}}}}"#,
            "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            r#"{"metadata": {"creationTimestamp": "x"}}"#,
            "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\"",
        ),
    ];
    for (body, why) in cases {
        let expected = format!("Deployment in version \"v1\" cannot be handled as a Deployment: {why}");
        assert_eq!(refused(body), expected, "{body}");
    }
}

#[test]
fn what_is_no_json_is_told_with_its_beginning() {
    let said = refused("{\"spec\": {\"replicas\": 1, \"template\": oops");
    assert!(said.starts_with("the object provided is unrecognized (must be of type Deployment): couldn't get version/kind; json parse error: "), "{said}");
    assert!(said.ends_with(r#"({"spec": {"replicas": 1, "temp ...)"#), "{said}");
    assert!(refused("").ends_with("(<empty>)"));
    assert!(refused("oops").ends_with("(6f6f7073)"));
    assert!(refused("[]").contains("cannot unmarshal array"));
}

#[test]
fn another_kind_or_version_is_refused() {
    assert_eq!(
        refused(r#"{"apiVersion": "extensions/v1beta1", "kind": "Deployment"}"#),
        "the API version in the data (extensions/v1beta1) does not match the expected API version (apps/v1)"
    );
    assert!(
        refused(r#"{"apiVersion": "apps/v1", "kind": "Pod"}"#)
            .starts_with("Pod in version \"v1\" cannot be handled as a Deployment")
    );
    assert!(deployment("{}", FieldValidation::Strict).is_ok(), "kind and version may be left out");
}

#[test]
fn what_go_would_not_keep_is_dropped_and_what_it_would_is_kept() {
    let body = json!({"metadata": {"name": "x", "creationTimestamp": null, "labels": {}, "finalizers": []},
        "spec": {"replicas": 0, "strategy": {}, "selector": {"matchLabels": {"a": null}}, "template": {"spec": {
            "containers": [], "nodeSelector": {}, "volumes": [{"name": "v", "emptyDir": {}}]}}}});
    let object = deployment(&body.to_string(), FieldValidation::Strict).unwrap().object;
    assert_eq!(
        object,
        json!({"metadata": {"name": "x"}, "spec": {"replicas": 0, "strategy": {}, "selector": {"matchLabels": {"a": ""}},
            "template": {"spec": {"containers": [], "volumes": [{"name": "v", "emptyDir": {}}]}}}})
    );
}

#[test]
fn quantities_and_times_are_kept_in_their_canonical_form() {
    let body = json!({"metadata": {"creationTimestamp": "2026-01-01T01:00:00.5+01:00"}, "spec": {"containers": [
        {"resources": {"requests": {"cpu": 0.5, "memory": "1024Mi"}, "limits": {"cpu": "1000m"}}}]}});
    let object = from_json(body.to_string().as_bytes(), &resource("", "pods"), FieldValidation::Strict)
        .unwrap()
        .object;
    assert_eq!(object["metadata"]["creationTimestamp"], "2026-01-01T00:00:00Z");
    let resources = &object["spec"]["containers"][0]["resources"];
    assert_eq!(*resources, json!({"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1"}}));
    let bad = br#"{"spec": {"containers": [{"resources": {"limits": {"cpu": "much"}}}]}}"#;
    let said = from_json(bad, &resource("", "pods"), FieldValidation::Ignore).unwrap_err().message;
    assert!(
        said.ends_with(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        ),
        "{said}"
    );
}

#[test]
fn yaml_is_decoded_like_json() {
    let body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  a: \"1\"\n  b: |\n    two\n    lines\n";
    let object = from_yaml(body, &resource("", "configmaps"), FieldValidation::Strict).unwrap().object;
    assert_eq!(object["data"], json!({"a": "1", "b": "two\nlines\n"}));
    let wrong = b"data:\n  a: 1\n";
    let said = from_yaml(wrong, &resource("", "configmaps"), FieldValidation::Strict).unwrap_err().message;
    assert!(
        said.contains("cannot unmarshal number into Go struct field ConfigMap.data.a of type string"),
        "{said}"
    );
}

#[test]
fn a_patch_that_breaks_the_shape_is_invalid() {
    let broken: Value = json!({"spec": {"replicas": "many"}});
    let status = patched(broken, &resource("apps", "deployments"), FieldValidation::Ignore).unwrap_err();
    assert_eq!(status.code, 422);
    assert!(status.message.contains("patch: Invalid value: "), "{}", status.message);
}
