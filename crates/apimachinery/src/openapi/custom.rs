//! The types of custom resources, as their definitions declare them
//! (`k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder`, `openapi/v2/conversion.go`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{META, schemas};
use crate::custom::Custom;
use crate::json::items;
use crate::registry::Resource;

/// Types that no table has, by name.
pub(super) type Made = BTreeMap<String, Value>;

/// Which document a type is told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    V2,
    V3,
}

/// Adds the types of a resource, if it is a custom one: that of its objects, and that of a list of them.
pub(super) fn add(resource: &Resource, form: Form, made: &mut Made) {
    let (Some(custom), Some(list)) = (&resource.custom, &resource.list_schema) else { return };
    made.insert(resource.schema.name.to_string(), object(resource, custom, form));
    let mut described = schemas::describe(list);
    described["description"] = format!("{} is a list of {}", resource.list_kind, resource.kind).into();
    made.insert(list.name.to_string(), described);
}

fn object(resource: &Resource, custom: &Custom, form: Form) -> Value {
    let mut schema = match form {
        _ if !custom.published.is_object() => json!({ "type": "object" }),
        Form::V2 if custom.schema().preserves_unknown => json!({ "type": "object" }),
        Form::V2 => {
            let mut schema = custom.published.clone();
            older(&mut schema);
            with_resource_fields(&mut schema, form);
            schema
        }
        Form::V3 => {
            let mut schema = custom.published.clone();
            with_resource_fields(&mut schema, form);
            schema
        }
    };
    let mut selectable = custom.selectable_paths().peekable();
    if form == Form::V3 && selectable.peek().is_some() {
        schema["x-kubernetes-selectable-fields"] =
            selectable.map(|path| json!({ "fieldPath": path })).collect();
    }
    schema["x-kubernetes-group-version-kind"] = json!([schemas::kind(&resource.group_version_kind())]);
    schema
}

/// Kind, version and metadata, in the object and in everything embedded in it.
fn with_resource_fields(schema: &mut Value, form: Form) {
    put_resource_fields(schema, form);
    embedded(schema, form);
}

fn embedded(schema: &mut Value, form: Form) {
    for_each_below(schema, &mut |schema| embedded(schema, form));
    let opaque = form == Form::V2 && schema["x-kubernetes-preserve-unknown-fields"] == true;
    if schema["x-kubernetes-embedded-resource"] == true && !opaque {
        put_resource_fields(schema, form);
        let mut required = items(&schema["required"]).to_vec();
        for name in ["kind", "apiVersion"] {
            if !required.iter().any(|known| known == name) {
                required.push(name.into());
            }
        }
        schema["required"] = required.into();
    }
}

const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should \
convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: \
https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer \
this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: \
https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const METADATA: &str = "Standard object's metadata. More info: \
https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

fn put_resource_fields(schema: &mut Value, form: Form) {
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    let meta = schemas::reference(&format!("{META}.ObjectMeta"));
    let properties = &mut schema["properties"];
    properties["apiVersion"] = json!({ "type": "string", "description": API_VERSION });
    properties["kind"] = json!({ "type": "string", "description": KIND });
    properties["metadata"] = match form {
        Form::V2 => json!({ "description": METADATA, "$ref": meta["$ref"] }),
        // Beside a reference nothing else may stand in 3.0.
        Form::V3 => json!({ "description": METADATA, "allOf": [meta] }),
    };
}

/// What 2.0 can't say is left out.
fn older(schema: &mut Value) {
    let nullable: Vec<String> = match schema["properties"].as_object() {
        Some(properties) => {
            let nullable = properties.iter().filter(|(_, property)| property["nullable"] == true);
            nullable.map(|(name, _)| name.clone()).collect()
        }
        None => Vec::new(),
    };
    let any_is_nullable = schema["additionalProperties"]["nullable"] == true;
    let Some(map) = schema.as_object_mut() else { return };
    for name in ["allOf", "oneOf", "anyOf", "not", "default"] {
        map.remove(name);
    }
    if map.remove("nullable").is_some_and(|nullable| nullable == true) {
        for name in ["type", "items", "properties"] {
            map.remove(name);
        }
    }
    if map.get("x-kubernetes-preserve-unknown-fields").is_some_and(|keeps| *keeps == true) {
        for name in ["items", "properties"] {
            map.remove(name);
        }
        if map.get("type").is_some_and(|kind| kind == "object") {
            map.remove("type");
        }
    }
    if !map.contains_key("items") && map.get("type").is_some_and(|kind| kind == "array") {
        map.remove("type");
    }
    if let Some(Value::Array(required)) = map.get_mut("required") {
        required.retain(|name| {
            !any_is_nullable && !nullable.iter().any(|nullable| name.as_str() == Some(nullable))
        });
        if required.is_empty() {
            map.remove("required");
        }
    }
    for_each_below(schema, &mut older);
}

fn for_each_below(schema: &mut Value, each: &mut impl FnMut(&mut Value)) {
    let Some(map): Option<&mut Map<String, Value>> = schema.as_object_mut() else { return };
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(&mut *each);
    }
    for name in ["items", "additionalProperties"] {
        if let Some(below) = map.get_mut(name).filter(|below| below.is_object()) {
            each(below);
        }
    }
}
