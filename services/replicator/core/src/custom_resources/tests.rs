//! Definitions that come, quarrel about names, and go.

use rutter_controller::{Fact, Intent};
use rutter_schemas::{Key, Meta, Op, Revision};
use serde_json::{Value, json};

use super::*;

fn key(name: &str) -> Key {
    Key::new("apiextensions.k8s.io", "customresourcedefinitions", "", name)
}

fn definition(plural: &str, kind: &str) -> Value {
    json!({
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {"group": "example.com", "names": {"plural": plural, "singular": plural, "kind": kind, "listKind": format!("{kind}List")},
                 "versions": [{"name": "v1", "schema": {"openAPIV3Schema": {"type": "object"}}}]},
        "status": {"acceptedNames": {"plural": "", "kind": ""}},
    })
}

fn known(key: Key, object: &Value, revision: u64) -> Fact {
    let metadata = &object["metadata"];
    let meta = Meta {
        deletion: metadata["deletionTimestamp"].as_str().map(str::to_owned),
        finalizers: metadata["finalizers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| Some(name.as_str()?.to_owned()))
            .collect(),
        ..Meta::default()
    };
    Fact::new(Revision(revision), Op::Update, key, "u".to_owned(), meta, object.to_string().into())
}

fn view(definitions: &[&Value]) -> View {
    let mut view = View::default();
    for (revision, object) in (1..).zip(definitions) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        CustomResources::apply(&mut view, &known(key(name), object, revision));
    }
    view
}

fn plan(view: &View, name: &str) -> Plan {
    let mut plans = CustomResources::reconcile(view, &key(name), Timestamp::UNIX_EPOCH);
    plans.remove(0)
}

/// The status that a plan writes.
fn status(plan: &Plan) -> Value {
    match plan.intents.first() {
        Some(Intent::Merge { patch, subresource: Some("status"), .. }) => patch["status"].clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_definition_gets_its_names_and_is_established() {
    let one = definition("ones", "One");
    let view = view(&[&one]);
    let plan = plan(&view, "ones.example.com");
    assert_eq!(plan.guards, [Scope::custom_names("example.com")]);
    let status = status(&plan);
    assert_eq!(status["acceptedNames"]["kind"], "One");
    let told: Vec<(&str, &str, &str)> = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|c| Some((c["type"].as_str()?, c["status"].as_str()?, c["reason"].as_str()?)))
        .collect();
    assert_eq!(
        told,
        [("NamesAccepted", "True", "NoConflicts"), ("Established", "True", "InitialNamesAccepted")]
    );
}

#[test]
fn a_name_that_another_has_is_refused_until_it_is_free() {
    let mut one = definition("ones", "One");
    one["status"]["acceptedNames"] = one["spec"]["names"].clone();
    let two = definition("twos", "One");
    let mut view = view(&[&one, &two]);
    let told = status(&plan(&view, "twos.example.com"));
    assert_eq!(told["conditions"][0]["reason"], "ListKindConflict");
    assert_eq!(told["conditions"][1]["status"], "False");
    assert_eq!(told["acceptedNames"]["plural"], "twos");
    let mut gone = known(key("ones.example.com"), &one, 3);
    gone.op = Op::Delete;
    assert!(CustomResources::wakes(&view, &gone).contains(&key("twos.example.com")));
    CustomResources::apply(&mut view, &gone);
    assert_eq!(status(&plan(&view, "twos.example.com"))["conditions"][1]["status"], "True");
}

#[test]
fn what_is_accepted_and_established_is_left_alone() {
    let one = definition("ones", "One");
    let before = view(&[&one]);
    let mut settled = one.clone();
    let told = status(&plan(&before, "ones.example.com"));
    settled["status"]["conditions"] = told["conditions"].clone();
    settled["status"]["acceptedNames"] = settled["spec"]["names"].clone();
    assert!(plan(&view(&[&settled]), "ones.example.com").is_idle());
}

#[test]
fn objects_go_before_their_definition() {
    let mut one = definition("ones", "One");
    one["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    one["metadata"]["finalizers"] = json!(["customresourcecleanup.apiextensions.k8s.io"]);
    one["status"]["conditions"] = json!([{"type": "Established", "status": "True"}]);
    let mut view = view(&[&one]);
    let object = Key::new("example.com", "ones", "a", "x");
    let there = known(object.clone(), &json!({"metadata": {"name": "x"}}), 9);
    CustomResources::apply(&mut view, &there);
    assert_eq!(CustomResources::wakes(&view, &there), [key("ones.example.com")]);
    let first = plan(&view, "ones.example.com");
    assert!(matches!(&first.intents[1], Intent::Delete { key, .. } if *key == object));

    let mut gone = there;
    gone.op = Op::Delete;
    CustomResources::apply(&mut view, &gone);
    let last = plan(&view, "ones.example.com");
    assert_eq!(status(&last)["conditions"][1]["reason"], "InstanceDeletionCompleted");
    match &last.intents[1] {
        Intent::Merge { patch, .. } => assert_eq!(patch["metadata"]["finalizers"], json!([])),
        other => panic!("{other:?}"),
    }
}
