//! Whether a schema is structural: every value has one type said in one place, and the rest only narrows it
//! (`k8s.io/apiextensions-apiserver/pkg/apiserver/schema/{validation,complete}.go`).

use serde_json::{Value, json};

use crate::json::{entries, is_empty, items, text};
use crate::status::{FieldError, Path};
use crate::structural::compiled;

/// Everything by which the schemas of a definition are not structural, as the condition `NonStructuralSchema` tells it.
#[must_use]
pub fn violations(definition: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = Path::of("spec");
    if definition["spec"]["preserveUnknownFields"] == true {
        errors.push(spec.child("preserveUnknownFields").invalid(true, "must be false"));
    }
    let at = spec.child("versions");
    for (index, version) in items(&definition["spec"]["versions"]).iter().enumerate() {
        let at = at.index(index);
        let at = at.child("schema");
        check(&version["schema"]["openAPIV3Schema"], &at.child("openAPIV3Schema"), &mut errors);
    }
    errors
}

/// Adds an error for everything by which a schema is not structural, in the order of their texts.
pub(super) fn check(schema: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if !schema.is_object() {
        return;
    }
    let mut found = Vec::new();
    node(schema, Level::Root, path, &mut found);
    complete(schema, schema, path, path, &mut found);
    found.sort_by_key(ToString::to_string);
    errors.extend(found);
}

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

const EMBEDDED: &str = "x-kubernetes-embedded-resource";
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const INT_OR_STRING: &str = "x-kubernetes-int-or-string";

fn node(schema: &Value, level: Level, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let flag = |name: &str| schema[name] == true;
    let kind = text(schema, "type");
    let (element, additional) = (&schema["items"], &schema["additionalProperties"]);
    if kind == "array" && !element.is_object() {
        errors.push(path.child("items").required("must be specified"));
    }
    if element.is_object() {
        node(element, Level::Item, &path.child("items"), errors);
    }
    let properties = path.child("properties");
    for (name, property) in entries(&schema["properties"]) {
        node(property, Level::Field, &properties.key(name), errors);
    }
    if !additional.is_null() {
        let at = path.child("additionalProperties");
        if level == Level::Root {
            errors.push(at.forbidden("must not be used at the root"));
        }
        if additional.is_object() {
            node(additional, Level::Field, &at, errors);
        }
    }
    for name in [PRESERVE, EMBEDDED] {
        if flag(INT_OR_STRING) && flag(name) {
            let why = "must be false if x-kubernetes-int-or-string is true";
            errors.push(path.child(name).invalid(true, why));
        }
    }
    narrowing(schema, is_int_or_string(&schema["anyOf"]), is_first_int_or_string(schema), path, errors);
    types(schema, kind, level, path, errors);
    resource_fields(schema, level, path, errors);
}

fn types(schema: &Value, kind: &str, level: Level, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let flag = |name: &str| schema[name] == true;
    let at = path.child("type");
    if flag(EMBEDDED) && kind != "object" {
        let why = "must be object if x-kubernetes-embedded-resource is true";
        match kind {
            "" => errors.push(at.required(why)),
            kind => errors.push(at.invalid(kind, why)),
        }
    } else if kind.is_empty() && !flag(INT_OR_STRING) && !flag(PRESERVE) {
        errors.push(at.required(match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        }));
    }
    if flag(EMBEDDED) && !schema["additionalProperties"].is_null() {
        let why = "must not be used if x-kubernetes-embedded-resource is set";
        errors.push(path.child("additionalProperties").forbidden(why));
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        errors.push(at.invalid(kind, "must be object at the root"));
    }
    if flag(EMBEDDED) && !flag(PRESERVE) && is_empty(&schema["properties"]) {
        let why = "must not be empty if x-kubernetes-embedded-resource is true without \
                   x-kubernetes-preserve-unknown-fields";
        errors.push(path.child("properties").required(why));
    }
}

/// Kind, version and metadata are what they are in every object.
fn resource_fields(schema: &Value, level: Level, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let is_resource = level == Level::Root || schema[EMBEDDED] == true;
    let at = path.child("properties");
    let properties = &schema["properties"];
    for name in ["kind", "apiVersion"] {
        let property = &properties[name];
        if is_resource && !property.is_null() && property["type"] != "string" {
            errors.push(at.key(name).child("type").invalid(text(property, "type"), "must be string"));
        }
    }
    let metadata = &properties["metadata"];
    if metadata.is_null() {
        return;
    }
    let at = at.key("metadata");
    if is_resource && metadata["type"] != "object" {
        errors.push(at.child("type").invalid(text(metadata, "type"), "must be object"));
    }
    let says_more = entries(metadata).any(|(name, value)| match name.as_str() {
        "type" | "default" => false,
        "properties" => entries(value).any(|(name, _)| !["name", "generateName"].contains(&name.as_str())),
        _ => !is_empty(value) && *value != json!(false),
    });
    if level == Level::Root && says_more {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.push(at.forbidden(why));
    }
}

/// `anyOf: [{type: integer}, {type: string}]`
fn is_int_or_string(any_of: &Value) -> bool {
    *any_of == json!([{ "type": "integer" }, { "type": "string" }])
}

fn is_first_int_or_string(schema: &Value) -> bool {
    items(&schema["allOf"]).first().is_some_and(|first| is_int_or_string(&first["anyOf"]))
}

/// What only narrows a type: allOf, anyOf, oneOf, not.
fn narrowing(
    schema: &Value,
    skips_any: bool,
    skips_first: bool,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    if !skips_any {
        nested_list(schema, "anyOf", path, errors);
    }
    let all = path.child("allOf");
    for (index, part) in items(&schema["allOf"]).iter().enumerate() {
        nested(part, skips_first && index == 0, &all.index(index), errors);
    }
    nested_list(schema, "oneOf", path, errors);
    if schema["not"].is_object() {
        nested(&schema["not"], false, &path.child("not"), errors);
    }
    let pattern = text(schema, "pattern");
    if let Err(error) = compiled(pattern) {
        let why = format!("must be a valid regular expression, but isn't: {error}");
        errors.push(path.child("pattern").invalid(pattern, &why));
    }
}

fn nested_list(schema: &Value, name: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let at = path.child(name);
    for (index, part) in items(&schema[name]).iter().enumerate() {
        nested(part, false, &at.index(index), errors);
    }
}

fn nested(schema: &Value, skips_any: bool, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    narrowing(schema, skips_any, false, path, errors);
    if schema["items"].is_object() {
        nested(&schema["items"], false, &path.child("items"), errors);
    }
    let properties = path.child("properties");
    for (name, property) in entries(&schema["properties"]) {
        nested(property, false, &properties.key(name), errors);
    }
    for (name, why) in [
        ("type", "must be empty to be structural"),
        ("additionalProperties", "must be undefined to be structural"),
        ("default", "must be undefined to be structural"),
        ("title", "must be empty to be structural"),
        ("description", "must be empty to be structural"),
        ("nullable", "must be false to be structural"),
        (PRESERVE, "must be false to be structural"),
        (EMBEDDED, "must be false to be structural"),
        (INT_OR_STRING, "must be false to be structural"),
        ("x-kubernetes-list-map-keys", "must be empty to be structural"),
        ("x-kubernetes-list-type", "must be undefined to be structural"),
        ("x-kubernetes-map-type", "must be undefined to be structural"),
        ("x-kubernetes-validations", "must be empty to be structural"),
    ] {
        let found = &schema[name];
        let is_said = match name {
            "default" | "additionalProperties" => !found.is_null(),
            _ => !is_empty(found) && *found != json!(false),
        };
        if is_said {
            errors.push(path.child(name).forbidden(why));
        }
    }
    if !schema["properties"]["metadata"].is_null() {
        let why = "must not be specified in a nested context";
        errors.push(properties.key("metadata").forbidden(why));
    }
}

/// Whatever narrows a field needs the field to be specified outside.
fn complete(part: &Value, schema: &Value, at: &Path<'_>, from: &Path<'_>, errors: &mut Vec<FieldError>) {
    if part["not"].is_object() {
        complete_nested(&part["not"], schema, at, &from.child("not"), errors);
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        let from = from.child(name);
        for (index, part) in items(&part[name]).iter().enumerate() {
            complete_nested(part, schema, at, &from.index(index), errors);
        }
    }
}

fn complete_nested(
    part: &Value,
    schema: &Value,
    at: &Path<'_>,
    from: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    if !schema.is_object() {
        errors.push(at.required(&format!("because it is defined in {from}")));
        return;
    }
    complete(part, schema, at, from, errors);
    if part["items"].is_object() {
        complete_nested(&part["items"], &schema["items"], &at.child("items"), &from.child("items"), errors);
    }
    let (at, from) = (at.child("properties"), from.child("properties"));
    for (name, part) in entries(&part["properties"]) {
        complete_nested(part, &schema["properties"][name], &at.key(name), &from.key(name), errors);
    }
}
