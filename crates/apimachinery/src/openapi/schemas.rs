//! Types as schemas.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::custom::Made;
use crate::tables::descriptions;
use crate::tables::{self, Field, GroupVersionKind, ListType, MapType, Opaque, Schema, Type};

/// Schemas of these types and of every type they refer to, by name; `made` are those that no table has.
pub(super) fn closure(roots: BTreeSet<String>, made: &Made) -> Map<String, Value> {
    let mut schemas = Map::new();
    let mut waiting = roots;
    while let Some(name) = waiting.pop_first() {
        if schemas.contains_key(&name) {
            continue;
        }
        let schema = match (made.get(&name), tables::types().get(&name)) {
            (Some(made), _) => {
                // All that a custom resource refers to.
                waiting.extend(["ObjectMeta", "ListMeta"].map(|name| format!("{}.{name}", super::META)));
                made.clone()
            }
            (None, Some(found)) => {
                waiting.extend(found.fields.iter().filter_map(|field| named(&field.schema)));
                describe(&found)
            }
            (None, None) => opaque(&name),
        };
        schemas.insert(name, schema);
    }
    schemas
}

/// A reference to a type of this name.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// `x-kubernetes-group-version-kind`'s form.
pub(super) fn kind(kind: &GroupVersionKind) -> Value {
    json!({ "group": kind.group, "version": kind.version, "kind": kind.kind })
}

pub(super) fn describe(described: &Type) -> Value {
    let properties: Map<String, Value> =
        described.fields.iter().map(|field| (field.name.to_string(), told(described, field))).collect();
    let required: Vec<&str> =
        described.fields.iter().filter(|field| field.required).map(|field| field.name.as_ref()).collect();
    let mut schema = json!({ "type": "object" });
    if let Some(words) = descriptions::of_type(&described.name) {
        schema["description"] = words.into();
    }
    if !properties.is_empty() {
        schema["properties"] = Value::Object(properties);
    }
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if !described.kinds.is_empty() {
        schema["x-kubernetes-group-version-kind"] = described.kinds.iter().map(kind).collect();
    }
    if let Some(map_type) = described.map_type {
        schema["x-kubernetes-map-type"] = map_type_name(map_type).into();
    }
    if let Some(unions) = &described.unions {
        schema["x-kubernetes-unions"] = unions.clone();
    }
    schema
}

/// The property, and what it is for.
fn told(of: &Type, field: &Field) -> Value {
    let mut property = property(field);
    if let Some(words) = descriptions::of_field(&of.name, &field.name) {
        property = beside_reference(property);
        property["description"] = words.into();
    }
    property
}

/// Beside a reference nothing else may stand in 3.0.
fn beside_reference(property: Value) -> Value {
    if property.get("$ref").is_some() { json!({ "allOf": [property] }) } else { property }
}

fn property(field: &Field) -> Value {
    let mut property = type_of(&field.schema);
    if let Some(default) = &field.default {
        property = beside_reference(property);
        property["default"] = default.clone();
    }
    match &field.list_type {
        Some(ListType::Atomic) => property["x-kubernetes-list-type"] = "atomic".into(),
        Some(ListType::Set) => property["x-kubernetes-list-type"] = "set".into(),
        Some(ListType::Map(keys)) => {
            property["x-kubernetes-list-type"] = "map".into();
            property["x-kubernetes-list-map-keys"] = json!(keys);
        }
        None => {}
    }
    if let Some(map_type) = field.map_type {
        property["x-kubernetes-map-type"] = map_type_name(map_type).into();
    }
    if !field.patch_strategy.is_empty() {
        property["x-kubernetes-patch-strategy"] = field.patch_strategy.as_ref().into();
    }
    if let Some(key) = &field.patch_merge_key {
        property["x-kubernetes-patch-merge-key"] = key.as_ref().into();
    }
    property
}

fn map_type_name(map_type: MapType) -> &'static str {
    match map_type {
        MapType::Granular => "granular",
        MapType::Atomic => "atomic",
    }
}

fn type_of(schema: &Schema) -> Value {
    match schema {
        Schema::String => json!({ "type": "string" }),
        Schema::Int32 => json!({ "type": "integer", "format": "int32" }),
        Schema::Int64 => json!({ "type": "integer", "format": "int64" }),
        Schema::Double => json!({ "type": "number", "format": "double" }),
        Schema::Bool => json!({ "type": "boolean" }),
        Schema::Bytes => json!({ "type": "string", "format": "byte" }),
        Schema::Array(items) => json!({ "type": "array", "items": type_of(items) }),
        Schema::Map(values) => json!({ "type": "object", "additionalProperties": type_of(values) }),
        Schema::Opaque(Opaque::Object) => json!({ "type": "object" }),
        named_type => named(named_type).map_or(json!({}), |name| reference(&name)),
    }
}

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Time";
const MICRO_TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime";
const FIELDS_V1: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1";
const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";
const JSON: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON";
const SCHEMA_OR_ARRAY: &str =
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray";
const SCHEMA_OR_BOOL: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool";
const SCHEMA_OR_STRINGS: &str =
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray";

/// The name of the type a schema refers to, within arrays and maps too.
fn named(schema: &Schema) -> Option<String> {
    let name = match schema {
        Schema::Object(named) => return Some(named.name.to_string()),
        Schema::Array(inner) | Schema::Map(inner) => return named(inner),
        Schema::Quantity => QUANTITY,
        Schema::IntOrString => INT_OR_STRING,
        Schema::Time => TIME,
        Schema::MicroTime => MICRO_TIME,
        Schema::Opaque(Opaque::FieldsV1) => FIELDS_V1,
        Schema::Opaque(Opaque::Patch) => PATCH,
        Schema::Opaque(Opaque::RawExtension) => RAW_EXTENSION,
        Schema::Opaque(Opaque::Json) => JSON,
        Schema::Opaque(Opaque::SchemaOrArray) => SCHEMA_OR_ARRAY,
        Schema::Opaque(Opaque::SchemaOrBool) => SCHEMA_OR_BOOL,
        Schema::Opaque(Opaque::SchemaOrStrings) => SCHEMA_OR_STRINGS,
        _ => return None,
    };
    Some(name.to_owned())
}

/// The schema of a type that the table of types has only by its letter.
fn opaque(name: &str) -> Value {
    match name {
        QUANTITY => json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }),
        INT_OR_STRING => {
            json!({ "oneOf": [{ "type": "integer" }, { "type": "string" }], "format": "int-or-string" })
        }
        TIME | MICRO_TIME => json!({ "type": "string", "format": "date-time" }),
        FIELDS_V1 | PATCH | RAW_EXTENSION => json!({ "type": "object" }),
        _ => json!({}),
    }
}
