//! What a write makes of an object, told by what comes out of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use rutter_apimachinery::registry::{Registry, Resource};
use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::{
    DeleteOptions, Deletion, Draft, Preconditions, Propagation, WriteCx, create, delete, update,
};
use rutter_schemas::{Op, Revision};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

fn resource(plural: &str) -> Arc<Resource> {
    let registry = Registry::builtin();
    let found = registry.resources().iter().find(|resource| resource.plural == plural).cloned();
    found.unwrap_or_else(|| panic!("no {plural}"))
}

fn cx(seed: u128) -> WriteCx<'static> {
    WriteCx {
        now: "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap(),
        uid: Uuid::from_u128(seed),
        namespace: "default",
        name: "",
        user: "anna",
        field_manager: "test",
    }
}

fn born(plural: &str, object: Value) -> Result<Draft, Status> {
    create(&resource(plural), "", object, &cx(1))
}

/// The object as the API serves it at revision 7.
fn stored(draft: &Draft) -> Value {
    serde_json::from_slice(&draft.event.splice(Revision(7))).unwrap()
}

fn stored_one(plural: &str, object: Value) -> Value {
    stored(&born(plural, object).unwrap())
}

fn changed(
    plural: &str,
    subresource: &str,
    before: &Value,
    change: impl FnOnce(&mut Value),
) -> Result<Option<Draft>, Status> {
    let mut after = before.clone();
    change(&mut after);
    update(&resource(plural), subresource, before, after, &cx(2))
}

fn gone(plural: &str, before: &Value, options: DeleteOptions) -> Result<Deletion, Status> {
    delete(&resource(plural), before, &options, &cx(3))
}

fn pod() -> Value {
    json!({"metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}})
}

fn deployment() -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}}}})
}

fn config_map() -> Value {
    json!({"metadata": {"name": "settings"}, "data": {"a": "1"}})
}

#[test]
fn a_new_object_gets_what_only_the_server_may_say() {
    let mut object = pod();
    object["metadata"]["uid"] = json!("forged");
    object["metadata"]["selfLink"] = json!("/old");
    object["metadata"]["deletionTimestamp"] = json!("2020-01-01T00:00:00Z");
    object["status"] = json!({"phase": "Running"});
    let draft = born("pods", object).unwrap();
    let metadata = &draft.object["metadata"];
    assert_eq!(metadata["uid"], Uuid::from_u128(1).to_string());
    assert_eq!(metadata["creationTimestamp"], "2026-01-01T00:00:00Z");
    assert_eq!(metadata["namespace"], "default");
    assert_eq!(metadata["generation"], 1);
    assert!(metadata["selfLink"].is_null() && metadata["deletionTimestamp"].is_null());
    assert_eq!(draft.object["status"], json!({"phase": "Pending", "qosClass": "BestEffort"}));
    assert_eq!(draft.event.event_type, "PodCreated");
    assert_eq!((draft.event.op, draft.event.prior), (Op::Create, Revision::NONE));
    assert_eq!(draft.event.meta.labels["app"], "web");
    assert_eq!(draft.event.meta.fields["status.phase"], "Pending");
}

#[test]
fn a_pod_that_never_said_so_tolerates_failing_nodes_for_five_minutes_and_runs_as_default() {
    let spec = born("pods", pod()).unwrap().object["spec"].clone();
    assert_eq!(spec["serviceAccountName"], "default");
    assert_eq!(spec["tolerations"].as_array().unwrap().len(), 2);
    assert_eq!(spec["enableServiceLinks"], true);
    assert_eq!(spec["containers"][0]["imagePullPolicy"], "IfNotPresent");
}

#[test]
fn a_pod_whose_tolerations_are_written_anew_keeps_those_that_admission_gave_it() {
    let before = stored_one("pods", pod());
    let mine = json!({"key": "mine", "operator": "Equal", "value": "yes", "effect": "NoSchedule"});
    let after =
        changed("pods", "", &before, |pod| pod["spec"]["tolerations"] = json!([mine])).unwrap().unwrap();
    let tolerations = after.object["spec"]["tolerations"].as_array().unwrap();
    assert_eq!((tolerations.len(), &tolerations[0]), (3, &mine));
    assert_eq!(after.object["metadata"]["generation"], 2);
}

#[test]
fn a_generated_name_is_the_same_for_the_same_uid() {
    let object = || {
        let mut object = pod();
        object["metadata"] = json!({"generateName": "web-"});
        object
    };
    let resource = resource("pods");
    let name = |seed| {
        let draft = create(&resource, "", object(), &cx(seed)).unwrap();
        draft.object["metadata"]["name"].as_str().unwrap().to_owned()
    };
    assert!(name(1).starts_with("web-") && name(1).len() == 9);
    assert_eq!(name(1), name(1));
    assert_ne!(name(1), name(2));
}

#[test]
fn everything_that_is_wrong_with_an_object_is_said_at_once() {
    let object = json!({"metadata": {"name": "Web", "namespace": "default"},
        "spec": {"containers": [{"name": "c"}], "restartPolicy": "Sometimes"}});
    let status = born("pods", object).unwrap_err();
    assert_eq!(status.code, 422);
    let fields: Vec<String> =
        status.details.unwrap().causes.iter().map(|cause| cause.field.clone()).collect();
    assert_eq!(fields, ["metadata.name", "spec.containers[0].image", "spec.restartPolicy"]);
}

#[test]
fn a_pod_without_an_image_is_refused_in_upstreams_words() {
    let object = json!({"metadata": {"name": "x"}, "spec": {"containers": [{"name": "c"}]}});
    let status = born("pods", object).unwrap_err();
    assert_eq!(status.message, r#"Pod "x" is invalid: spec.containers[0].image: Required value"#);
}

#[test]
fn a_body_for_another_namespace_or_name_is_a_bad_request() {
    let mut elsewhere = pod();
    elsewhere["metadata"]["namespace"] = json!("other");
    let status = born("pods", elsewhere).unwrap_err();
    assert_eq!(
        (status.code, status.message.as_str()),
        (400, "the namespace of the provided object does not match the namespace sent on the request")
    );
    let named = WriteCx { name: "db", ..cx(1) };
    let status = create(&resource("pods"), "", pod(), &named).unwrap_err();
    assert_eq!(status.message, "the name of the object (web) does not match the name on the URL (db)");
}

#[test]
fn a_write_that_changes_nothing_records_nothing() {
    let before = stored_one("deployments", deployment());
    assert!(changed("deployments", "", &before, |_| {}).unwrap().is_none());
    let mut again = deployment();
    again["metadata"]["annotations"] = json!({});
    let outcome = update(&resource("deployments"), "", &before, again, &cx(2)).unwrap();
    assert!(outcome.is_none_or(|draft| draft.object["spec"] == before["spec"]));
}

#[test]
fn a_job_has_the_labels_of_its_pods_from_its_birth() {
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    let job = stored_one("jobs", json!({"metadata": {"name": "j"}, "spec": {"template": template}}));
    assert_eq!(job["metadata"]["labels"], job["spec"]["template"]["metadata"]["labels"]);
    assert_eq!(job["metadata"]["labels"]["job-name"], "j");
    assert!(changed("jobs", "", &job, |_| ()).unwrap().is_none());
}

#[test]
fn a_stale_revision_is_a_conflict_and_no_revision_is_none() {
    let before = stored_one("deployments", deployment());
    let stale = changed("deployments", "", &before, |after| {
        after["metadata"]["resourceVersion"] = json!("3");
        after["spec"]["replicas"] = json!(3);
    });
    let status = stale.unwrap_err();
    assert_eq!(status.code, 409);
    assert_eq!(
        status.message,
        "Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified; please apply \
         your changes to the latest version and try again"
    );
    let blind = changed("deployments", "", &before, |after| {
        after["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        after["spec"]["replicas"] = json!(3);
    });
    assert_eq!(blind.unwrap().unwrap().event.prior, Revision(7));
}

#[test]
fn another_uid_is_a_conflict() {
    let before = stored_one("configmaps", config_map());
    let status =
        changed("configmaps", "", &before, |after| after["metadata"]["uid"] = json!("x")).unwrap_err();
    assert!(status.message.contains("Precondition failed: UID in precondition: x"), "{}", status.message);
}

#[test]
fn a_new_wish_moves_the_generation_and_a_new_status_does_not() {
    let before = stored_one("deployments", deployment());
    let scaled = changed("deployments", "", &before, |after| after["spec"]["replicas"] = json!(5));
    let scaled = scaled.unwrap().unwrap();
    assert_eq!(
        (scaled.object["metadata"]["generation"].as_i64(), scaled.event.event_type.as_str()),
        (Some(2), "DeploymentScaled")
    );
    let reported = changed("deployments", "status", &before, |after| {
        after["status"]["replicas"] = json!(1);
        after["spec"]["replicas"] = json!(9);
    });
    let reported = reported.unwrap().unwrap();
    assert_eq!(reported.object["metadata"]["generation"], 1);
    assert_eq!(reported.object["spec"]["replicas"], 1, "status writes leave the spec alone");
    assert_eq!(reported.event.event_type, "DeploymentStatusChanged");
    let smuggled = changed("deployments", "", &before, |after| after["status"]["replicas"] = json!(9));
    assert!(smuggled.unwrap().is_none(), "the main path leaves the status alone");
}

#[test]
fn a_selector_stays_and_must_select_the_template() {
    let before = stored_one("deployments", deployment());
    let status = changed("deployments", "", &before, |after| {
        after["spec"]["selector"] = json!({"matchLabels": {"app": "db"}});
    });
    let said = status.unwrap_err().message;
    assert!(said.contains("spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template `labels`"), "{said}");
    assert!(
        said.contains("spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"db\"}}: field is immutable"),
        "{said}"
    );
}

#[test]
fn a_pod_changes_its_image_and_little_else() {
    let before = stored_one("pods", pod());
    let image =
        changed("pods", "", &before, |after| after["spec"]["containers"][0]["image"] = json!("nginx:2"));
    assert_eq!(image.unwrap().unwrap().object["metadata"]["generation"], 2);
    let command =
        changed("pods", "", &before, |after| after["spec"]["containers"][0]["command"] = json!(["sh"]));
    let said = command.unwrap_err().message;
    assert!(
        said.contains(
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`"
        ),
        "{said}"
    );
    let fewer = changed("pods", "", &before, |after| {
        after["spec"]["containers"] = json!([before["spec"]["containers"][0], {"name": "d", "image": "x:1"}]);
    });
    assert!(fewer.unwrap_err().message.contains("pod updates may not add or remove containers"));
}

#[test]
fn a_binding_is_a_fact_that_happens_once() {
    let before = stored_one("pods", pod());
    let bound = changed("pods", "binding", &before, |after| after["spec"]["nodeName"] = json!("n1"))
        .unwrap()
        .unwrap();
    assert_eq!(bound.event.event_type, "PodScheduled");
    assert_eq!(bound.event.touches.iter().map(ToString::to_string).collect::<Vec<_>>()[0], "node:n1:alloc");
    let elsewhere =
        changed("pods", "binding", &stored(&bound), |after| after["spec"]["nodeName"] = json!("n2"));
    assert!(elsewhere.unwrap_err().message.contains("pod web is already assigned to node \"n1\""));
}

fn bound_pod() -> Value {
    let before = stored_one("pods", pod());
    stored(
        &changed("pods", "binding", &before, |after| after["spec"]["nodeName"] = json!("n1"))
            .unwrap()
            .unwrap(),
    )
}

#[test]
fn a_pod_that_no_node_has_goes_at_once_and_one_that_runs_waits_for_its_agent() {
    let unbound = stored_one("pods", pod());
    assert!(
        matches!(gone("pods", &unbound, DeleteOptions::default()).unwrap(), Deletion::Removed(draft) if draft.event.event_type == "PodDeleted")
    );

    let Deletion::Marked(draft) = gone("pods", &bound_pod(), DeleteOptions::default()).unwrap() else {
        panic!("a running pod is only marked");
    };
    assert_eq!(draft.event.event_type, "PodDeletionRequested");
    assert_eq!(draft.object["metadata"]["deletionTimestamp"], "2026-01-01T00:00:30Z");
    assert_eq!(draft.object["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(draft.event.meta.deletion.as_deref(), Some("2026-01-01T00:00:30Z"));

    let marked = stored(&draft);
    assert!(matches!(gone("pods", &marked, DeleteOptions::default()).unwrap(), Deletion::Pending(_)));
    let sooner = DeleteOptions { grace_period_seconds: Some(5), ..DeleteOptions::default() };
    let Deletion::Marked(sooner) = gone("pods", &marked, sooner).unwrap() else {
        panic!("grace may get shorter")
    };
    assert_eq!(sooner.object["metadata"]["deletionTimestamp"], "2026-01-01T00:00:05Z");
    let now = DeleteOptions { grace_period_seconds: Some(0), ..DeleteOptions::default() };
    assert!(matches!(gone("pods", &marked, now).unwrap(), Deletion::Removed(_)));
}

#[test]
fn finalizers_hold_an_object_until_the_last_is_taken_away() {
    let mut object = config_map();
    object["metadata"]["finalizers"] = json!(["example.com/a", "example.com/b"]);
    let before = stored_one("configmaps", object);
    let Deletion::Marked(draft) = gone("configmaps", &before, DeleteOptions::default()).unwrap() else {
        panic!("finalizers hold it");
    };
    let marked = stored(&draft);
    let fewer = changed("configmaps", "", &marked, |after| {
        after["metadata"]["finalizers"] = json!(["example.com/b"])
    });
    let fewer = fewer.unwrap().unwrap();
    assert_eq!(fewer.event.op, Op::Update);
    let none =
        changed("configmaps", "", &stored(&fewer), |after| after["metadata"]["finalizers"] = json!([]));
    let none = none.unwrap().unwrap();
    assert_eq!((none.event.op, none.event.event_type.as_str()), (Op::Delete, "ConfigMapDeleted"));
    let more = changed("configmaps", "", &marked, |after| {
        after["metadata"]["finalizers"] = json!(["example.com/c"])
    });
    assert!(
        more.unwrap_err().message.contains("no new finalizers can be added if the object is being deleted")
    );
}

#[test]
fn propagation_is_a_finalizer() {
    let before = stored_one("deployments", deployment());
    for (policy, finalizer) in
        [(Propagation::Foreground, "foregroundDeletion"), (Propagation::Orphan, "orphan")]
    {
        let options = DeleteOptions { propagation_policy: Some(policy), ..DeleteOptions::default() };
        let Deletion::Marked(draft) = gone("deployments", &before, options).unwrap() else {
            panic!("{finalizer}")
        };
        assert_eq!(draft.object["metadata"]["finalizers"], json!([finalizer]));
        assert_eq!(draft.object["metadata"]["generation"], 2);
    }
    let options =
        DeleteOptions { propagation_policy: Some(Propagation::Background), ..DeleteOptions::default() };
    assert!(matches!(gone("deployments", &before, options).unwrap(), Deletion::Removed(_)));
}

#[test]
fn what_is_older_than_garbage_collection_leaves_its_dependents_behind_unless_told_otherwise() {
    let template = json!({"metadata": {"labels": {"a": "b"}},
        "spec": {"restartPolicy": "Always", "containers": [{"name": "c", "image": "i"}]}});
    let controller = json!({"metadata": {"name": "rc"}, "spec": {"template": template}});
    let before = stored_one("replicationcontrollers", controller);
    let Deletion::Marked(draft) = gone("replicationcontrollers", &before, DeleteOptions::default()).unwrap()
    else {
        panic!("it is held")
    };
    assert_eq!(draft.object["metadata"]["finalizers"], json!(["orphan"]));
    let told = DeleteOptions { orphan_dependents: Some(false), ..DeleteOptions::default() };
    assert!(matches!(gone("replicationcontrollers", &before, told).unwrap(), Deletion::Removed(_)));
    let mut waits = before;
    waits["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
    let Deletion::Marked(draft) = gone("replicationcontrollers", &waits, DeleteOptions::default()).unwrap()
    else {
        panic!("it is held")
    };
    assert_eq!(draft.object["metadata"]["finalizers"], json!(["foregroundDeletion"]), "what is there stays");
}

#[test]
fn a_precondition_that_does_not_hold_is_a_conflict() {
    let before = stored_one("configmaps", config_map());
    let preconditions = Preconditions { uid: Some("other".into()), resource_version: None };
    let status =
        gone("configmaps", &before, DeleteOptions { preconditions, ..DeleteOptions::default() }).unwrap_err();
    assert_eq!(status.code, 409);
    assert!(status.message.contains("the UID in the precondition (other) does not match the UID in record"));
}

#[test]
fn a_namespace_lives_until_its_own_finalizers_are_gone() {
    let before = stored_one("namespaces", json!({"metadata": {"name": "team"}}));
    assert_eq!(before["metadata"]["labels"], json!({"kubernetes.io/metadata.name": "team"}));
    assert_eq!(before["spec"]["finalizers"], json!(["kubernetes"]));
    let Deletion::Marked(draft) = gone("namespaces", &before, DeleteOptions::default()).unwrap() else {
        panic!("its contents go first");
    };
    assert_eq!(draft.object["status"]["phase"], "Terminating");
    let marked = stored(&draft);
    let finalized =
        changed("namespaces", "finalize", &marked, |after| after["spec"]["finalizers"] = json!([]));
    assert_eq!(finalized.unwrap().unwrap().event.op, Op::Delete);
}

#[test]
fn secrets_fold_their_plain_data_in_and_config_maps_may_be_immutable() {
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"a": "b"}, "data": {"c": "ZA=="}});
    let secret = stored_one("secrets", secret);
    assert_eq!(secret["data"], json!({"a": "Yg==", "c": "ZA=="}));
    assert!(secret["stringData"].is_null());
    assert_eq!(secret["type"], "Opaque");

    let mut map = config_map();
    map["immutable"] = json!(true);
    let before = stored_one("configmaps", map);
    let status = changed("configmaps", "", &before, |after| after["data"]["a"] = json!("2")).unwrap_err();
    assert_eq!(
        status.message,
        "ConfigMap \"settings\" is invalid: data: Forbidden: field is immutable when `immutable` is set"
    );
}

#[test]
fn a_service_keeps_what_was_allocated_to_it() {
    let object = json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "clusterIP": "10.96.0.7",
        "type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}});
    let before = stored_one("services", object);
    assert_eq!(before["spec"]["clusterIPs"], json!(["10.96.0.7"]));
    assert_eq!(before["spec"]["ports"][0]["targetPort"], 80);
    assert_eq!(before["spec"]["ipFamilies"], json!(["IPv4"]));
    let bare = json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "type": "NodePort",
        "ports": [{"port": 80}]}});
    let again = update(&resource("services"), "", &before, bare, &cx(2)).unwrap();
    assert!(again.is_none(), "{:?}", again.unwrap().object);
    let moved = changed("services", "", &before, |after| {
        after["spec"]["clusterIP"] = json!("10.96.0.8");
        after["spec"]["clusterIPs"] = json!(["10.96.0.8"]);
    });
    assert!(
        moved
            .unwrap_err()
            .message
            .contains("spec.clusterIPs[0]: Invalid value: [\"10.96.0.8\"]: may not change once set")
    );
}

#[test]
fn a_value_of_the_wrong_type_is_refused_whoever_writes_it() {
    let status = born("pods", json!({"metadata": {"name": "x"}, "spec": "none"})).unwrap_err();
    assert_eq!(
        (status.code, status.message.contains("cannot unmarshal string into Go struct field Pod.spec")),
        (400, true)
    );
    let before = stored_one("pods", pod());
    let status = changed("pods", "status", &before, |after| after["status"] = json!([])).unwrap_err();
    assert_eq!(status.code, 400);
    assert_eq!(born("pods", json!([])).unwrap_err().code, 400);
}

#[test]
fn a_field_that_only_a_newer_program_knows_survives_a_write() {
    let mut before = stored_one("configmaps", config_map());
    before["newer"] = json!({"than": "this"});
    let draft = changed("configmaps", "", &before, |after| after["data"]["a"] = json!("2")).unwrap().unwrap();
    assert_eq!(draft.object["newer"], json!({"than": "this"}));
}
