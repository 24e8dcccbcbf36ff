//! What must hold for every kind, whatever its rules are.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod published;

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use proptest::prelude::*;
use rutter_apimachinery::decode::{FieldValidation, from_json};
use rutter_apimachinery::kind::Cx;
use rutter_apimachinery::registry::{Registry, Resource};
use rutter_apimachinery::write::{DeleteOptions, WriteCx, create, defaulted, delete, update};
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

fn resources() -> &'static [Arc<Resource>] {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::builtin);
    REGISTRY.resources()
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
        for object in samples(resource) {
            let _ = create(resource, "", object.clone(), &cx());
            let _ = rutter_apimachinery::table::cells(resource, &object, now());
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
        for mut object in samples(resource) {
            let rules = Cx { resource, subresource: "", now: now(), user: "anna" };
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
        for mut object in samples(resource) {
            let rules = Cx { resource, subresource: "", now: now(), user: "anna" };
            defaulted(&mut object, &rules);
            let decoded = from_json(object.to_string().as_bytes(), resource, FieldValidation::Strict);
            assert!(decoded.is_ok(), "{resource:?}: {}", decoded.unwrap_err().message);
        }
    }
}

#[test]
fn what_was_created_and_is_written_again_unchanged_records_nothing() {
    for resource in resources() {
        let Ok(draft) = create(resource, "", json!({"metadata": {"name": "x"}}), &cx()) else { continue };
        let mut before = draft.object;
        before["metadata"]["resourceVersion"] = json!("7");
        let again = update(resource, "", &before, before.clone(), &cx()).unwrap();
        assert!(again.is_none(), "{resource:?}");
    }
}

#[test]
fn every_published_object_is_known_to_the_last_field() {
    for resource in resources() {
        let Some(object) = filled_in(resource) else { continue };
        let decoded = from_json(object.to_string().as_bytes(), resource, FieldValidation::Strict);
        assert!(decoded.is_ok(), "{resource:?}: {}", decoded.unwrap_err().message);
    }
}

/// Any JSON, small.
fn anything() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[-a-z0-9./%:*]{0,8}".prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Every place in an object.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            let key = key.replace('~', "~0").replace('/', "~1");
            places(value, &format!("{at}/{key}"), found);
        }),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| places(value, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn whatever_stands_in_any_place_of_any_object_is_refused_or_accepted_but_never_fatal(
        place in any::<prop::sample::Index>(), value in anything(), other in anything(),
    ) {
        for resource in resources() {
            for sample in samples(resource) {
                let mut found = Vec::new();
                places(&sample, "", &mut found);
                let mut object = sample.clone();
                let at: &String = place.get(&found);
                *object.pointer_mut(at).unwrap() = value.clone();
                let _ = create(resource, "", object.clone(), &cx());
                let before = from_json(sample.to_string().as_bytes(), resource, FieldValidation::Ignore).unwrap().object;
                for subresource in ["", "status", "binding", "finalize", "resize", "ephemeralcontainers"] {
                    let _ = update(resource, subresource, &before, object.clone(), &cx());
                }
                let _ = delete(resource, &before, &DeleteOptions::default(), &cx());
                *object.pointer_mut("").unwrap() = other.clone();
                let _ = create(resource, "", object, &cx());
            }
        }
    }
}
