//! Structural schemas: what a custom resource definition says of its objects, as a tree that pruning, defaulting,
//! validation, server-side apply and CEL rules walk (upstream: `k8s.io/apiextensions-apiserver/pkg/apiserver/schema`).
//!
//! A tree is read once from the definition's `openAPIV3Schema` and never changes. What a schema may not say is refused
//! when the definition is written (`kinds::apiextensions`); reading is lenient, so that what an older server stored is
//! still served.

mod defaults;
pub(crate) mod field_path;
mod lists;
mod metadata;
mod prune;
pub(crate) mod rules;
pub(crate) mod value;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json::{entries, items, text};

pub(crate) use defaults::{default, drop_nulls};
pub(crate) use lists::duplicates;
pub(crate) use metadata::{coerce, embedded, embedded_at};
pub(crate) use prune::{prune, prune_root};

/// The schema of a value.
#[derive(Debug, Clone, Default)]
pub struct Structural {
    /// `object`, `array`, `string`, `integer`, `number`, `boolean`, or `""` for any.
    pub kind: String,
    pub nullable: bool,
    pub default: Option<Value>,
    pub properties: BTreeMap<String, Structural>,
    pub items: Option<Box<Structural>>,
    pub additional: Option<Additional>,
    pub preserves_unknown: bool,
    pub embedded: bool,
    pub int_or_string: bool,
    pub list: List,
    /// `x-kubernetes-map-type: atomic`.
    pub atomic_map: bool,
    pub checks: Checks,
    pub rules: Vec<Rule>,
}

/// `additionalProperties`.
#[derive(Debug, Clone)]
pub enum Additional {
    Any(bool),
    Of(Box<Structural>),
}

/// `x-kubernetes-list-type`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum List {
    #[default]
    Atomic,
    Set,
    /// With `x-kubernetes-list-map-keys`.
    Map(Vec<String>),
}

/// What a value has to fulfil.
#[derive(Debug, Clone, Default)]
pub struct Checks {
    pub format: String,
    pub maximum: Option<Bound>,
    pub minimum: Option<Bound>,
    pub multiple_of: Option<Value>,
    pub max_length: Option<u64>,
    pub min_length: Option<u64>,
    pub pattern: Option<Pattern>,
    pub max_items: Option<u64>,
    pub min_items: Option<u64>,
    pub max_properties: Option<u64>,
    pub min_properties: Option<u64>,
    pub unique_items: bool,
    pub required: Vec<String>,
    pub allowed: Vec<Value>,
    pub all_of: Vec<Structural>,
    pub any_of: Vec<Structural>,
    pub one_of: Vec<Structural>,
    pub not: Option<Box<Structural>>,
}

/// A greatest or least number, which may itself be excluded.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    pub value: Value,
    pub excluded: bool,
}

/// A regular expression with the text it was made of.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub text: String,
    /// None where our engine can't read it; then nothing matches, as in upstream's validator.
    pub compiled: Option<regex::Regex>,
}

/// `x-kubernetes-validations`: a rule in CEL.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rule {
    pub rule: String,
    pub message: String,
    pub message_expression: String,
    /// `FieldValueInvalid`, …; empty is that.
    pub reason: String,
    pub field_path: String,
    pub optional_old_self: Option<bool>,
}

impl Structural {
    /// Reads a JSONSchemaProps.
    #[must_use]
    pub fn read(schema: &Value) -> Structural {
        let flag = |name: &str| schema[name] == true;
        let list_of = |name: &str| items(&schema[name]).iter().map(Structural::read).collect::<Vec<_>>();
        Structural {
            kind: text(schema, "type").to_owned(),
            nullable: flag("nullable"),
            default: schema.get("default").filter(|value| !value.is_null()).cloned(),
            properties: entries(&schema["properties"])
                .map(|(name, schema)| (name.clone(), Structural::read(schema)))
                .collect(),
            items: schema.get("items").filter(|items| items.is_object()).map(Structural::read).map(Box::new),
            additional: additional(&schema["additionalProperties"]),
            preserves_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            embedded: flag("x-kubernetes-embedded-resource"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            list: match text(schema, "x-kubernetes-list-type") {
                "set" => List::Set,
                "map" => List::Map(strings(&schema["x-kubernetes-list-map-keys"])),
                _ => List::Atomic,
            },
            atomic_map: text(schema, "x-kubernetes-map-type") == "atomic",
            rules: items(&schema["x-kubernetes-validations"]).iter().map(Rule::read).collect(),
            checks: Checks {
                format: text(schema, "format").to_owned(),
                maximum: bound(schema, "maximum", "exclusiveMaximum"),
                minimum: bound(schema, "minimum", "exclusiveMinimum"),
                multiple_of: schema.get("multipleOf").filter(|value| value.is_number()).cloned(),
                max_length: schema["maxLength"].as_u64(),
                min_length: schema["minLength"].as_u64(),
                pattern: Some(text(schema, "pattern")).filter(|text| !text.is_empty()).map(Pattern::new),
                max_items: schema["maxItems"].as_u64(),
                min_items: schema["minItems"].as_u64(),
                max_properties: schema["maxProperties"].as_u64(),
                min_properties: schema["minProperties"].as_u64(),
                unique_items: flag("uniqueItems"),
                required: strings(&schema["required"]),
                allowed: items(&schema["enum"]).to_vec(),
                all_of: list_of("allOf"),
                any_of: list_of("anyOf"),
                one_of: list_of("oneOf"),
                not: schema.get("not").filter(|not| not.is_object()).map(Structural::read).map(Box::new),
            },
        }
    }

    /// The schema of the value under a key; none where nothing is said of it.
    #[must_use]
    pub fn of_key(&self, key: &str) -> Option<&Structural> {
        self.properties.get(key).or_else(|| self.of_any_key())
    }

    /// The schema of `additionalProperties`.
    #[must_use]
    pub fn of_any_key(&self) -> Option<&Structural> {
        match &self.additional {
            Some(Additional::Of(schema)) => Some(schema),
            _ => None,
        }
    }

    /// Whether any schema in this tree, itself included, is so. Nested checks are not part of the tree.
    pub fn any(&self, is_so: &impl Fn(&Structural) -> bool) -> bool {
        is_so(self)
            || self.properties.values().any(|schema| schema.any(is_so))
            || self.items.as_ref().is_some_and(|schema| schema.any(is_so))
            || self.of_any_key().is_some_and(|schema| schema.any(is_so))
    }
}

impl Pattern {
    /// Bounded, since anyone may write one.
    #[must_use]
    pub fn new(text: &str) -> Pattern {
        Pattern { text: text.to_owned(), compiled: compiled(text).ok() }
    }
}

/// A regular expression of a client's; Go's syntax is ours but for a few classes.
pub(crate) fn compiled(text: &str) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(text).size_limit(4 << 20).nest_limit(100).build()
}

impl Rule {
    fn read(rule: &Value) -> Rule {
        let text = |name| text(rule, name).to_owned();
        Rule {
            rule: text("rule"),
            message: text("message"),
            message_expression: text("messageExpression"),
            reason: text("reason"),
            field_path: text("fieldPath"),
            optional_old_self: rule["optionalOldSelf"].as_bool(),
        }
    }
}

fn additional(value: &Value) -> Option<Additional> {
    match value {
        Value::Bool(any) => Some(Additional::Any(*any)),
        Value::Object(_) => Some(Additional::Of(Box::new(Structural::read(value)))),
        _ => None,
    }
}

fn bound(schema: &Value, name: &str, exclusive: &str) -> Option<Bound> {
    let value = schema.get(name).filter(|value| value.is_number())?.clone();
    Some(Bound { value, excluded: schema[exclusive] == true })
}

fn strings(list: &Value) -> Vec<String> {
    items(list).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What every resource has, whatever its schema says.
pub(crate) const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

#[cfg(test)]
mod tests;
