//! With every published resource served, OpenAPI tells the operations and types that upstream's tells.
//!
//! The operations checked in are compared always, upstream's own document only where it lies ([`published::find`]).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod published;

use std::collections::{BTreeMap, BTreeSet};

use published::everything;
use rutter_apimachinery::openapi::{self, Documents};
use rutter_apimachinery::tables;
use serde_json::Value;

#[test]
fn every_published_operation_of_a_resource_is_told_and_no_other() {
    let mut published = BTreeSet::new();
    for path in tables::operations() {
        for operation in path.operations.iter().filter(|operation| operation.action.is_some()) {
            let kind = operation.kind.as_ref().unwrap();
            published.insert(format!(
                "{} {} {} {kind}",
                path.path,
                operation.method,
                operation.action.unwrap()
            ));
        }
    }
    let mut told = BTreeSet::new();
    let document = openapi::v2(&everything());
    for (path, method, operation) in operations(&document) {
        let Some(action) = operation["x-kubernetes-action"].as_str() else { continue };
        let kind = &operation["x-kubernetes-group-version-kind"];
        let part = |name: &str| kind[name].as_str().unwrap();
        told.insert(format!(
            "{path} {method} {action} {}/{}, Kind={}",
            part("group"),
            part("version"),
            part("kind")
        ));
    }
    let missing: Vec<_> = published.difference(&told).collect();
    let extra: Vec<_> = told.difference(&published).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:#?}\nextra {extra:#?}");
}

#[test]
fn operations_and_types_are_as_upstream_publishes_them() {
    let Some(published) = published::document("openapi-v2-1.36.json") else { return };
    let told = openapi::v2(&everything());
    let told_operations: BTreeMap<_, _> =
        operations(&told).into_iter().map(|(path, method, operation)| ((path, method), operation)).collect();
    for (path, method, theirs) in operations(&published) {
        let Some(ours) = told_operations.get(&(path.clone(), method.clone())) else {
            assert_eq!(theirs.get("x-kubernetes-action"), None, "{method} {path} is not told");
            continue;
        };
        assert_eq!(ours["operationId"], theirs["operationId"], "{method} {path}");
        assert_eq!(ours["tags"], theirs["tags"], "{method} {path}");
        assert_eq!(answer(ours), answer(&theirs), "{method} {path}");
        let names = |document: &Value, operation: &Value| {
            let mut names = parameter_names(document, operation);
            names.extend(parameter_names(document, &document["paths"][&path]));
            names
        };
        assert_eq!(names(&told, ours), names(&published, &theirs), "{method} {path}");
    }
    for (name, theirs) in published["definitions"].as_object().unwrap() {
        // DeleteOptions and WatchEvent belong to every group-version that upstream's binary knows, served or not.
        let everywhere =
            theirs["x-kubernetes-group-version-kind"].as_array().is_some_and(|kinds| kinds.len() > 1);
        let Some(ours) = told["definitions"].get(name).filter(|_| !everywhere) else { continue };
        assert_eq!(without_prose(ours.clone()), without_prose(theirs.clone()), "{name}");
    }
}

#[test]
fn a_patch_of_every_kind_takes_field_validation() {
    let registry = everything();
    let document = openapi::v3(&registry, "apps", "v1");
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    let names: Vec<&str> = patch["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|parameter| parameter["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
}

#[test]
fn every_reference_of_a_document_leads_somewhere() {
    let registry = everything();
    for path in Documents::of(&registry).index()["paths"].as_object().unwrap().keys() {
        let (group, version) = match path.split('/').collect::<Vec<_>>()[..] {
            ["api", version] => ("", version),
            ["apis", group, version] => (group, version),
            _ => panic!("{path}"),
        };
        let document = openapi::v3(&registry, group, version);
        let mut references = BTreeSet::new();
        collect_references(&document, &mut references);
        for reference in references {
            assert!(document.pointer(&reference[1..]).is_some(), "{path}: {reference}");
        }
    }
}

#[test]
fn a_document_changes_its_hash_only_with_its_content() {
    let (all, same) = (Documents::of(&everything()), Documents::of(&everything()));
    assert_eq!(all.index(), same.index());
    let url = all.index()["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap().to_owned();
    assert_eq!(url, format!("/openapi/v3/apis/apps/v1?hash={}", all.get("apis/apps/v1").unwrap().hash));
}

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let methods = |(path, item): (&String, &Value)| {
        let methods = item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters");
        methods
            .map(|(method, operation)| (path.clone(), method.clone(), operation.clone()))
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(methods).collect()
}

/// The parameters of an operation or a path, those in 2.0's common room included.
fn parameter_names(document: &Value, part: &Value) -> BTreeSet<String> {
    let listed = part["parameters"].as_array().into_iter().flatten();
    let resolved = listed.map(|parameter| match parameter["$ref"].as_str() {
        Some(target) => document.pointer(&target[1..]).unwrap(),
        None => parameter,
    });
    resolved.map(|parameter| format!("{} {}", parameter["in"], parameter["name"])).collect()
}

fn answer(operation: &Value) -> Option<&str> {
    operation.pointer("/responses/200/schema/$ref").and_then(Value::as_str)
}

/// A schema without its descriptions, and its required fields in the order of names.
fn without_prose(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(fields) => {
            fields.retain(|name, value| name != "description" || !value.is_string());
            fields.values_mut().for_each(|value| *value = without_prose(value.take()));
            if let Some(Value::Array(required)) = fields.get_mut("required") {
                required.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| *value = without_prose(value.take())),
        _ => {}
    }
    schema
}

fn collect_references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get("$ref") {
                found.insert(target.clone());
            }
            fields.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}
