//! What a schema may say (`validation.go`, validateCustomResourceDefinitionValidation and
//! ValidateCustomResourceDefinitionOpenAPISchema).

use serde_json::{Value, json};

use super::{defaults, structure};
use crate::json::{entries, is_empty, items, text};
use crate::status::{FieldError, Path};
use crate::structural::{Structural, field_path, rules, value};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// With a status subresource, a root says only these (`allowedFieldsAtRootSchema`, as JSON spells them).
const AT_ROOT: [&str; 22] = [
    "description",
    "type",
    "format",
    "title",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "required",
    "items",
    "properties",
    "externalDocs",
    "example",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];

/// Checks the schema of a version. `unchanged`: it stood before, so what rules cost is not asked again.
pub(super) fn check(
    schema: &Value,
    with_status: bool,
    unchanged: bool,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    let before = errors.len();
    if with_status {
        root_with_status(schema, path, errors);
    }
    if schema["nullable"] == true {
        errors.push(path.child("nullable").forbidden("nullable cannot be true at the root"));
    }
    structure::check(schema, path, errors);
    if errors.len() == before {
        defaults::check(schema, path, errors);
    }
    let looks_right = errors.len() == before;
    let place = Place { defaults: None, in_metadata: false, is_root: true };
    node(schema, &place, path, errors);
    // What rules speak of has to be right before they can be judged.
    if looks_right && errors.len() == before {
        rules::check(schema, &Structural::read(schema), unchanged, path, errors);
    }
}

fn root_with_status(schema: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (name, value) in entries(schema) {
        if is_empty(value) || value == &json!(false) {
            continue;
        }
        if name == "type" && value != "object" {
            let why = "only \"object\" is allowed as the type at the root of the schema if the status subresource \
                       is enabled";
            errors.push(path.child("type").invalid(value.clone(), why));
            return;
        }
        if !AT_ROOT.contains(&name.as_str()) {
            let why = format!(
                "only {} fields are allowed at the root of the schema if the status subresource is enabled",
                "[Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength \
                 Pattern MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example \
                 XPreserveUnknownFields XValidations]"
            );
            errors.push(path.invalid(schema.clone(), &why));
            return;
        }
    }
}

/// Where in the tree a schema stands.
#[derive(Clone)]
struct Place {
    /// Why no default may stand here.
    defaults: Option<String>,
    in_metadata: bool,
    is_root: bool,
}

impl Place {
    fn below(&self) -> Place {
        Place { is_root: false, ..self.clone() }
    }

    fn of_property(&self, schema: &Value, name: &str) -> Place {
        let mut place = self.below();
        let is_resource = self.is_root || schema["x-kubernetes-embedded-resource"] == true;
        if is_resource && ["metadata", "kind", "apiVersion"].contains(&name) {
            place.in_metadata = true;
            if self.is_root {
                place.defaults = Some(format!(" in top-level {name}"));
            }
        }
        place
    }
}

fn node(schema: &Value, place: &Place, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if !schema.is_object() {
        return;
    }
    unsupported(schema, place, path, errors);
    if schema["uniqueItems"] == true {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(path.child("uniqueItems").forbidden(why));
    }
    let additional = &schema["additionalProperties"];
    if !additional.is_null() {
        if !is_empty(&schema["properties"]) && *additional != json!(true) {
            let why = "additionalProperties and properties are mutual exclusive";
            errors.push(path.child("additionalProperties").forbidden(why));
        }
        let mut below = place.below();
        if place.in_metadata {
            below.defaults = Some(" inside additionalProperties applying to object metadata".to_owned());
        }
        node(additional, &below, &path.child("additionalProperties"), errors);
    }
    let at = path.child("properties");
    for (name, property) in entries(&schema["properties"]) {
        node(property, &place.of_property(schema, name), &at.key(name), errors);
    }
    node(&schema["not"], &place.below(), &path.child("not"), errors);
    for name in ["allOf", "oneOf", "anyOf"] {
        let at = path.child(name);
        for (index, part) in items(&schema[name]).iter().enumerate() {
            node(part, &place.below(), &at.index(index), errors);
        }
    }
    node(&schema["items"], &place.below(), &path.child("items"), errors);
    extensions(schema, path, errors);
    rule_forms(schema, path, errors);
}

/// What upstream's OpenAPI v3 leaves out of JSON Schema.
fn unsupported(schema: &Value, place: &Place, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let kind = text(schema, "type");
    if !kind.is_empty() && !TYPES.contains(&kind) {
        errors.push(path.child("type").not_supported(kind, &TYPES));
    }
    if let Some(why) = &place.defaults
        && !schema["default"].is_null()
    {
        errors.push(path.child("default").forbidden(&format!("must not be set{why}")));
    }
    for name in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        if !is_empty(&schema[name]) {
            errors.push(path.child(name).forbidden(&format!("{name} is not supported")));
        }
    }
    if kind == "null" {
        let why = "type cannot be set to null, use nullable as an alternative";
        errors.push(path.child("type").forbidden(why));
    }
    if schema["items"].is_array() {
        errors.push(path.child("items").forbidden("items must be a schema object and not an array"));
    }
    if place.in_metadata && schema["x-kubernetes-embedded-resource"] == true {
        let why = "must not be used inside of resource meta";
        errors.push(path.child("x-kubernetes-embedded-resource").forbidden(why));
    }
}

fn extensions(schema: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
    const MAP_TYPE: &str = "x-kubernetes-map-type";
    const LIST_TYPE: &str = "x-kubernetes-list-type";
    if schema[PRESERVE] == json!(false) {
        errors.push(path.child(PRESERVE).invalid(false, "must be true or undefined"));
    }
    let kind = text(schema, "type");
    let mut wants = |wanted: &str, extension: &str| {
        let why = format!("must be {wanted} if {extension} is specified");
        match kind {
            "" => errors.push(path.child("type").required(&why)),
            kind => errors.push(path.child("type").invalid(kind, &why)),
        }
    };
    let map_type = schema[MAP_TYPE].as_str();
    let list_type = schema[LIST_TYPE].as_str();
    if map_type.is_some() && kind != "object" {
        wants("object", MAP_TYPE);
    }
    if list_type.is_some() && kind != "array" {
        wants("array", LIST_TYPE);
    }
    if let Some(given) = map_type.filter(|given| !["atomic", "granular"].contains(given)) {
        errors.push(path.child(MAP_TYPE).not_supported(given, &["atomic", "granular"]));
    }
    if list_type == Some("set") && kind == "array" {
        set_of(&schema["items"], &path.child("items"), errors);
    }
    if let Some(given) = list_type.filter(|given| !["atomic", "set", "map"].contains(given)) {
        errors.push(path.child(LIST_TYPE).not_supported(given, &["atomic", "set", "map"]));
    }
    map_keys(schema, list_type, path, errors);
}

fn set_of(element: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
    let (list, map) = (element["x-kubernetes-list-type"].as_str(), element["x-kubernetes-map-type"].as_str());
    match text(element, "type") {
        "array" if list.is_some_and(|list| list != "atomic") => {
            errors.push(path.child("x-kubernetes-list-type").invalid(list.unwrap_or_default(), why));
        }
        "object" if map != Some("atomic") => {
            let found = list.map_or(Value::Null, Value::from);
            errors.push(path.child("x-kubernetes-map-type").invalid(found, why));
        }
        _ => {}
    }
    if element["nullable"] == true {
        errors
            .push(path.child("nullable").forbidden("cannot be nullable when x-kubernetes-list-type is set"));
    }
}

fn map_keys(schema: &Value, list_type: Option<&str>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const KEYS: &str = "x-kubernetes-list-map-keys";
    const LIST_TYPE: &str = "x-kubernetes-list-type";
    let keys = items(&schema[KEYS]);
    if !keys.is_empty() && list_type != Some("map") {
        let why = "must be map if x-kubernetes-list-map-keys is non-empty";
        match list_type {
            None => errors.push(path.child(LIST_TYPE).required(why)),
            Some(given) => errors.push(path.child(LIST_TYPE).invalid(given, why)),
        }
    }
    if list_type != Some("map") {
        return;
    }
    if keys.is_empty() {
        errors.push(path.child(KEYS).required("must not be empty if x-kubernetes-list-type is map"));
    }
    let element = &schema["items"];
    let at = path.child("items");
    if element.is_null() {
        errors.push(at.required("must have a schema if x-kubernetes-list-type is map"));
        return;
    }
    if text(element, "type") != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(at.child("type").invalid(text(element, "type"), why));
        return;
    }
    let properties = at.child("properties");
    for (index, key) in keys.iter().enumerate() {
        let name = key.as_str().unwrap_or_default();
        let property = &element["properties"][name];
        if property.is_null() {
            let why = "entries must all be names of item properties";
            errors.push(path.child(KEYS).invalid(schema[KEYS].clone(), why));
        } else if ["array", "object"].contains(&text(property, "type")) {
            let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            errors.push(properties.key(name).child("type").invalid(text(element, "type"), why));
        }
        if keys[..index].contains(key) {
            errors.push(path.child(KEYS).invalid(schema[KEYS].clone(), "must not contain duplicate entries"));
        }
    }
    if element["nullable"] == true {
        errors.push(at.child("nullable").forbidden("cannot be nullable when x-kubernetes-list-type is map"));
    }
    for name in keys.iter().filter_map(Value::as_str) {
        let property = &element["properties"][name];
        if property.is_null() {
            continue;
        }
        let at = properties.key(name);
        if property["default"].is_null() && !items(&element["required"]).iter().any(|other| other == name) {
            let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required \
                       property";
            errors.push(at.child("default").required(why));
        }
        if property["nullable"] == true {
            let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.push(at.child("nullable").forbidden(why));
        }
    }
}

/// The form of rules; what they say is for CEL to judge.
fn rule_forms(schema: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let at = path.child("x-kubernetes-validations");
    let has_breaks = |text: &str| text.contains(['\n', '\r']);
    for (index, rule) in items(&schema["x-kubernetes-validations"]).iter().enumerate() {
        let at = at.index(index);
        let given = |name: &str| text(rule, name);
        let (said, message) = (given("rule").trim(), given("message").trim());
        if said.is_empty() {
            errors.push(at.child("rule").required("rule is not specified"));
        } else if !given("message").is_empty() && message.is_empty() {
            let why = "must be non-empty if specified";
            errors.push(at.child("message").invalid(given("message"), why));
        } else if has_breaks(message) {
            errors.push(at.child("message").invalid(given("message"), "must not contain line breaks"));
        } else if has_breaks(said) && message.is_empty() {
            let why = "message must be specified if rule contains line breaks";
            errors.push(at.child("message").required(why));
        }
        let expression = given("messageExpression");
        if !expression.is_empty() && expression.trim().is_empty() {
            let why = "messageExpression must be non-empty if specified";
            errors.push(at.child("messageExpression").required(why));
        }
        let reason = given("reason");
        if !reason.is_empty() && !REASONS.contains(&reason) {
            errors.push(at.child("reason").not_supported(reason, &REASONS));
        }
        let field = given("fieldPath");
        if !field.is_empty() && field.trim().is_empty() {
            errors.push(at.child("fieldPath").invalid(field, "must be non-empty if specified"));
        }
        if has_breaks(field) {
            errors.push(at.child("fieldPath").invalid(field, "must not contain line breaks"));
        }
        if !field.is_empty() && field_path::find(field, &Structural::read(schema), true).is_err() {
            errors.push(at.child("fieldPath").invalid(field, "must be a valid path"));
        }
    }
}

/// Formats that are no check, since nobody knows them.
pub(super) fn unknown_formats(schema: &Value, found: &mut Vec<String>) {
    if !schema.is_object() {
        return;
    }
    let format = text(schema, "format");
    let known = match text(schema, "type") {
        "" | "string" => value::is_known_format(format),
        "integer" => ["int32", "int64"].contains(&format),
        "number" => ["float", "double"].contains(&format),
        _ => true,
    };
    if !format.is_empty() && !known {
        found.push(format.to_owned());
    }
    for name in ["items", "additionalProperties", "not"] {
        unknown_formats(&schema[name], found);
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        items(&schema[name]).iter().for_each(|part| unknown_formats(part, found));
    }
    entries(&schema["properties"]).for_each(|(_, property)| unknown_formats(property, found));
}
