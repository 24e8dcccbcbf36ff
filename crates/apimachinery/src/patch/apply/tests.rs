//! Who owns what after which writes.

use serde_json::json;

use super::*;
use crate::registry::Registry;
use std::sync::Arc;

fn deployments() -> Arc<Resource> {
    Registry::builtin().resource("apps", "v1", "deployments").unwrap()
}

fn by(manager: &'static str) -> Applying<'static> {
    Applying { manager, force: false, subresource: "", now: "2026-01-01T00:00:00Z".parse().unwrap() }
}

fn applied(current: Option<&Value>, wanted: Value, applying: &Applying<'_>) -> Result<Value, Status> {
    apply(&deployments(), current, &wanted, applying)
}

fn managed(object: &Value) -> Vec<(String, Value)> {
    let entries = crate::json::items(&object["metadata"]["managedFields"]);
    entries
        .iter()
        .map(|entry| {
            let name =
                format!("{} {}", entry["operation"].as_str().unwrap(), entry["manager"].as_str().unwrap());
            (name, entry["fieldsV1"].clone())
        })
        .collect()
}

fn web(replicas: i64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [
            {"name": "c", "image": "i:1", "ports": [{"containerPort": 80}]}]}}}})
}

#[test]
fn who_applies_owns_what_it_said() {
    let object = applied(None, web(1), &by("kubectl")).unwrap();
    assert_eq!(
        managed(&object),
        [(
            "Apply kubectl".to_owned(),
            json!({"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {
                "f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:name": {}, "f:image": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}}}})
        )]
    );
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let object = applied(None, web(1), &by("kubectl")).unwrap();
    let later = Applying { now: "2026-02-01T00:00:00Z".parse().unwrap(), ..by("kubectl") };
    assert_eq!(applied(Some(&object), web(1), &later).unwrap(), object);
}

#[test]
fn what_a_manager_no_longer_says_goes_unless_another_owns_it() {
    let object = applied(None, web(1), &by("kubectl")).unwrap();
    let shared =
        applied(Some(&object), json!({"metadata": {"name": "web", "labels": {"app": "web"}}}), &by("helm"))
            .unwrap();
    let mut less = web(1);
    less["metadata"].as_object_mut().unwrap().remove("labels");
    less["spec"].as_object_mut().unwrap().remove("replicas");
    let object = applied(Some(&shared), less, &by("kubectl")).unwrap();
    assert_eq!(object["metadata"]["labels"], json!({"app": "web"}), "helm owns the label too");
    assert!(object["spec"]["replicas"].is_null(), "nobody owns the replicas");
}

#[test]
fn items_of_a_keyed_list_are_owned_one_by_one() {
    let object = applied(None, web(1), &by("kubectl")).unwrap();
    let sidecar = json!({"metadata": {"name": "web"}, "spec": {"template": {"spec": {"containers": [{"name": "s", "image": "s:1"}]}}}});
    let both = applied(Some(&object), sidecar, &by("mesh")).unwrap();
    let names = |object: &Value| -> Vec<String> {
        let containers = crate::json::items(&object["spec"]["template"]["spec"]["containers"]);
        containers.iter().map(|container| container["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&both), ["c", "s"]);
    let without = applied(Some(&both), json!({"metadata": {"name": "web"}}), &by("mesh")).unwrap();
    assert_eq!(names(&without), ["c"]);
}

#[test]
fn a_field_that_another_wants_otherwise_is_a_conflict_until_it_is_forced() {
    let object = applied(None, web(1), &by("kubectl")).unwrap();
    let wanted = || json!({"metadata": {"name": "web"}, "spec": {"replicas": 5}});
    let status = applied(Some(&object), wanted(), &by("hpa")).unwrap_err();
    assert_eq!(status.code, 409);
    assert_eq!(status.message, "Apply failed with 1 conflict: conflict with \"kubectl\": .spec.replicas");
    let cause = &status.details.unwrap().causes[0];
    assert_eq!((cause.reason.as_str(), cause.field.as_str()), ("FieldManagerConflict", ".spec.replicas"));

    let forced = applied(Some(&object), wanted(), &Applying { force: true, ..by("hpa") }).unwrap();
    assert_eq!(forced["spec"]["replicas"], 5);
    let kubectl = managed(&forced).into_iter().find(|(name, _)| name == "Apply kubectl").unwrap();
    assert!(kubectl.1["f:spec"]["f:replicas"].is_null(), "kubectl lost it");
    let same =
        applied(Some(&object), json!({"metadata": {"name": "web"}, "spec": {"replicas": 1}}), &by("hpa"));
    assert!(same.is_ok(), "to want the same is no conflict");
}

#[test]
fn several_conflicts_are_told_by_manager() {
    let object = applied(None, web(1), &by("kubectl")).unwrap();
    let wanted = json!({"metadata": {"name": "web", "labels": {"app": "x"}}, "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "j"}]}}}});
    assert_eq!(
        applied(Some(&object), wanted, &by("other")).unwrap_err().message,
        "Apply failed with 2 conflicts: conflicts with \"kubectl\":\n- .metadata.labels.app\n- \
         .spec.template.spec.containers[name=\"c\"].image"
    );
}

#[test]
fn what_stood_before_the_first_apply_belongs_to_nobody_in_particular() {
    let stands = json!({"metadata": {"name": "web"}, "spec": {"replicas": 3}});
    let status = applied(Some(&stands), web(1), &by("kubectl")).unwrap_err();
    assert!(
        status
            .message
            .starts_with("Apply failed with 1 conflict: conflict with \"before-first-apply\" using apps/v1"),
        "{}",
        status.message
    );
    let object = applied(Some(&stands), web(3), &by("kubectl")).unwrap();
    let names: Vec<String> = managed(&object).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Apply kubectl", "Update before-first-apply"]);
}

#[test]
fn an_update_takes_what_it_changes() {
    let object = applied(None, web(1), &by("kubectl")).unwrap();
    let mut after = object.clone();
    after["spec"]["replicas"] = json!(4);
    track_update(
        &deployments(),
        &object,
        &mut after,
        "autoscaler",
        "scale",
        "2026-01-02T00:00:00Z".parse().unwrap(),
    );
    let entries = managed(&after);
    assert!(entries[0].1["f:spec"]["f:replicas"].is_null());
    assert_eq!(entries[1], ("Update autoscaler".to_owned(), json!({"f:spec": {"f:replicas": {}}})));
    let status = applied(Some(&after), web(1), &by("kubectl")).unwrap_err();
    assert_eq!(
        status.message,
        "Apply failed with 1 conflict: conflict with \"autoscaler\" with subresource \"scale\" using apps/v1 at \
         2026-01-02T00:00:00Z: .spec.replicas"
    );
}

#[test]
fn an_apply_without_a_manager_or_with_managed_fields_is_refused() {
    let status = applied(None, web(1), &by("")).unwrap_err();
    assert_eq!(
        status.message,
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
    );
    let mut forged = web(1);
    forged["metadata"]["managedFields"] = json!([{"manager": "me"}]);
    assert_eq!(
        applied(None, forged, &by("kubectl")).unwrap_err().message,
        "metadata.managedFields must be nil"
    );
}

#[test]
fn the_oldest_of_too_many_updaters_are_put_together() {
    let mut object = applied(None, web(1), &by("kubectl")).unwrap();
    for number in 0..30 {
        let mut after = object.clone();
        after["metadata"]["labels"][format!("l{number}")] = json!("x");
        let now = Timestamp::from_second(1_800_000_000 + number).unwrap();
        track_update(&deployments(), &object, &mut after, &format!("m{number:02}"), "", now);
        object = after;
    }
    let names: Vec<String> = managed(&object).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 11, "an applier, the ancient ones and nine updaters: {names:?}");
    assert_eq!((names[1].as_str(), names[10].as_str()), ("Update ancient-changes", "Update m29"));
    let ancient = &managed(&object)[1].1["f:metadata"]["f:labels"];
    assert!(ancient["f:l0"].is_object() && ancient["f:l20"].is_object(), "{ancient}");
}

/// What kubectl's client-side apply leaves: an object with a note of what was applied, owned by the one who created it.
fn applied_by_the_client(replicas: i64) -> Value {
    let mut object = web(replicas);
    let note = format!("{object}\n");
    object["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": note});
    track_birth(
        &deployments(),
        &mut object,
        "kubectl-client-side-apply",
        "2026-01-01T00:00:00Z".parse().unwrap(),
    );
    object
}

#[test]
fn who_creates_owns_every_field_from_birth() {
    let object = applied_by_the_client(1);
    let [(who, owned)] = managed(&object).try_into().unwrap();
    assert_eq!(who, "Update kubectl-client-side-apply");
    assert_eq!(owned["f:spec"]["f:replicas"], json!({}));
    assert!(owned["f:metadata"]["f:annotations"].is_object());
    let refused = applied(Some(&object), web(3), &by("helm")).unwrap_err();
    assert!(refused.message.contains("conflict with \"kubectl-client-side-apply\""), "{}", refused.message);
}

#[test]
fn kubectl_takes_over_what_its_client_side_apply_noted() {
    let object = applied_by_the_client(1);
    let object = applied(Some(&object), web(3), &by("kubectl")).unwrap();
    assert_eq!(object["spec"]["replicas"], 3);
    let note = object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
        .as_str()
        .unwrap();
    assert_eq!(serde_json::from_str::<Value>(note).unwrap(), web(3), "the note is kept true");
}

#[test]
fn what_was_changed_since_the_client_applied_is_a_conflict_for_kubectl_too() {
    let before = applied_by_the_client(1);
    let mut object = before.clone();
    object["spec"]["replicas"] = json!(5);
    track_update(&deployments(), &before, &mut object, "scaler", "", "2026-01-02T00:00:00Z".parse().unwrap());
    let refused = applied(Some(&object), web(3), &by("kubectl")).unwrap_err();
    assert!(refused.message.contains("conflict with \"scaler\""), "{}", refused.message);
}
