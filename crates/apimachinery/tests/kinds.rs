//! What must hold for every kind, whatever its rules are.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod published;

use std::sync::Arc;

use jiff::Timestamp;
use rutter_apimachinery::decode::{FieldValidation, from_json};
use rutter_apimachinery::kind::Cx;
use rutter_apimachinery::registry::{Registry, Resource};
use rutter_apimachinery::write::{WriteCx, create, defaulted, update};
use serde_json::{Value, json};
use uuid::Uuid;

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn cx() -> WriteCx<'static> {
    WriteCx {
        now: now(),
        uid: Uuid::from_u128(1),
        namespace: "default",
        name: "",
        user: "anna",
        field_manager: "test",
    }
}

/// The filled-in object of a kind, as published; none where the published files are not at hand.
fn filled_in(resource: &Resource) -> Option<Value> {
    let group = if resource.group.is_empty() { "core" } else { &resource.group };
    published::document(&format!("wire/{group}.{}.{}.json", resource.version, resource.kind))
}

fn resources() -> Vec<Arc<Resource>> {
    Registry::builtin().resources().to_vec()
}

/// Objects with everything, with nothing, and with empty parts.
fn samples(resource: &Resource) -> Vec<Value> {
    let bare = json!({"metadata": {"name": "x"}});
    let hollow = json!({"metadata": {"name": "x"}, "spec": {}, "status": {}, "data": {}, "rules": [{}], "webhooks": [{}],
        "subjects": [{}], "roleRef": {}, "subsets": [{}], "endpoints": [{}], "ports": [{}], "template": {}});
    let hollow = from_json(hollow.to_string().as_bytes(), resource, FieldValidation::Ignore)
        .map(|decoded| decoded.object);
    std::iter::once(bare).chain(hollow.ok()).chain(filled_in(resource)).collect()
}

#[test]
fn no_object_of_any_kind_makes_a_rule_or_a_column_fail() {
    for resource in resources() {
        for object in samples(&resource) {
            let _ = create(&resource, "", object.clone(), &cx());
            for column in resource.columns {
                (column.cell)(&object, now());
            }
            let fields = resource.strategy.selectable(&object);
            let names = resource.strategy.selectable_names();
            assert!(
                names.iter().all(|name| fields.contains_key(*name)),
                "{resource:?} selects by what it doesn't tell"
            );
        }
    }
}

#[test]
fn defaults_done_twice_are_done_once() {
    for resource in resources() {
        for mut object in samples(&resource) {
            let rules = Cx { resource: &resource, subresource: "", now: now(), user: "anna" };
            defaulted(&mut object, &rules);
            let once = object.clone();
            defaulted(&mut object, &rules);
            assert_eq!(object, once, "{resource:?}");
        }
    }
}

#[test]
fn defaults_fit_the_schema_they_are_set_in() {
    for resource in resources() {
        for mut object in samples(&resource) {
            let rules = Cx { resource: &resource, subresource: "", now: now(), user: "anna" };
            defaulted(&mut object, &rules);
            let decoded = from_json(object.to_string().as_bytes(), &resource, FieldValidation::Strict);
            assert!(decoded.is_ok(), "{resource:?}: {}", decoded.unwrap_err().message);
        }
    }
}

#[test]
fn what_was_created_and_is_written_again_unchanged_records_nothing() {
    for resource in resources() {
        let Ok(draft) = create(&resource, "", json!({"metadata": {"name": "x"}}), &cx()) else { continue };
        let mut before = draft.object;
        before["metadata"]["resourceVersion"] = json!("7");
        let again = update(&resource, "", &before, before.clone(), &cx()).unwrap();
        assert!(again.is_none(), "{resource:?}");
    }
}

#[test]
fn every_published_object_is_known_to_the_last_field() {
    for resource in resources() {
        let Some(object) = filled_in(&resource) else { continue };
        let decoded = from_json(object.to_string().as_bytes(), &resource, FieldValidation::Strict);
        assert!(decoded.is_ok(), "{resource:?}: {}", decoded.unwrap_err().message);
    }
}
