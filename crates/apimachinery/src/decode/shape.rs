//! The shape that a schema gives a value: types checked, unknown fields left out, what Go drops dropped.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::quantity::Quantity;
use crate::status::{Path, quoted};
use crate::tables::{Field, Schema, Type};

/// A value of a type that its field doesn't have; in Go's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeError(String);

impl fmt::Display for TypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TypeError {}

/// Brings an object into shape and gives what was unknown, as `unknown field "spec.foo"`.
pub(super) fn conform(object: &mut Value, schema: &Type) -> Result<Vec<String>, TypeError> {
    let mut shaper = Shaper { unknown: Vec::new(), drops_unknown: true };
    shaper.fields(object, schema, &Place { within: schema, path: Path::of("") })?;
    Ok(shaper.unknown)
}

/// As [`conform`], of a part of an object: what was unknown, as paths from the object on.
pub(crate) fn conform_at(
    value: &mut Value,
    schema: &Type,
    path: &Path<'_>,
) -> Result<Vec<String>, TypeError> {
    let mut shaper = Shaper { unknown: Vec::new(), drops_unknown: true };
    shaper.fields(value, schema, &Place { within: schema, path: *path })?;
    let bare = |told: String| told.trim_start_matches("unknown field ").trim_matches('"').to_owned();
    Ok(shaper.unknown.into_iter().map(bare).collect())
}

/// Brings an object into shape and lets unknown fields be: those of a newer program survive this one.
pub(super) fn settle(object: &mut Value, schema: &Type) -> Result<(), TypeError> {
    let mut shaper = Shaper { unknown: Vec::new(), drops_unknown: false };
    shaper.fields(object, schema, &Place { within: schema, path: Path::of("") })
}

/// JSON's word for what a value is.
pub(crate) fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Where a value stands: its path, and the struct whose field it is.
#[derive(Clone, Copy)]
struct Place<'a> {
    within: &'a Type,
    path: Path<'a>,
}

struct Shaper {
    unknown: Vec<String>,
    drops_unknown: bool,
}

impl Shaper {
    fn fields(&mut self, object: &mut Value, schema: &Type, place: &Place<'_>) -> Result<(), TypeError> {
        let Value::Object(map) = object else { return Err(mismatch(object, &go_name(schema), place)) };
        let mut dropped = Vec::new();
        for (name, value) in map.iter_mut() {
            let path = place.path.child(name);
            let Some(field) = schema.field(name) else {
                if self.drops_unknown {
                    self.unknown.push(format!("unknown field \"{path}\""));
                    dropped.push(name.clone());
                }
                continue;
            };
            self.value(value, &field.schema, &Place { within: schema, path })?;
            if says_nothing(value, field) {
                dropped.push(name.clone());
            }
        }
        dropped.iter().for_each(|name| drop(map.remove(name)));
        Ok(())
    }

    fn value(&mut self, value: &mut Value, schema: &Schema, place: &Place<'_>) -> Result<(), TypeError> {
        match (schema, &mut *value) {
            (_, Value::Null) => Ok(()),
            (Schema::Object(inner), _) => self.fields(value, inner, place),
            (Schema::Array(element), Value::Array(list)) => self.elements(list, element, place),
            (Schema::Map(element), Value::Object(map)) => self.entries(map, element, place),
            _ => scalar(value, schema, place),
        }
    }

    fn elements(&mut self, list: &mut [Value], schema: &Schema, place: &Place<'_>) -> Result<(), TypeError> {
        for (index, value) in list.iter_mut().enumerate() {
            if value.is_null() {
                *value = zero(schema);
            }
            self.value(value, schema, &Place { within: place.within, path: place.path.index(index) })?;
        }
        Ok(())
    }

    fn entries(
        &mut self,
        map: &mut Map<String, Value>,
        schema: &Schema,
        place: &Place<'_>,
    ) -> Result<(), TypeError> {
        for (key, value) in map.iter_mut() {
            if value.is_null() {
                *value = zero(schema);
            }
            self.value(value, schema, &Place { within: place.within, path: place.path.child(key) })?;
        }
        Ok(())
    }
}

/// What Go would leave out when it writes the object again.
fn says_nothing(value: &Value, field: &Field) -> bool {
    match (value, &field.schema) {
        (Value::Null, _) => true,
        (Value::Array(list), Schema::Array(_)) => list.is_empty() && !field.required,
        (Value::Object(map), Schema::Map(_)) => map.is_empty() && !field.required,
        _ => false,
    }
}

/// What Go makes of a null in a list or a map; a time that is not set stays one.
fn zero(schema: &Schema) -> Value {
    match schema {
        Schema::String | Schema::Bytes => json!(""),
        Schema::Int32 | Schema::Int64 | Schema::Double | Schema::IntOrString => json!(0),
        Schema::Bool => json!(false),
        Schema::Quantity => json!("0"),
        Schema::Array(_) => json!([]),
        Schema::Map(_) | Schema::Object(_) => json!({}),
        Schema::Time | Schema::MicroTime | Schema::Opaque(_) => Value::Null,
    }
}

fn scalar(value: &mut Value, schema: &Schema, place: &Place<'_>) -> Result<(), TypeError> {
    match (schema, &mut *value) {
        (Schema::String, Value::String(_)) | (Schema::Bool, Value::Bool(_)) => Ok(()),
        (Schema::Int32, Value::Number(number))
            if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) =>
        {
            Ok(())
        }
        (Schema::Int64, Value::Number(number)) if number.as_i64().is_some() => Ok(()),
        (Schema::Double, Value::Number(_)) | (Schema::Opaque(_), _) => Ok(()),
        (Schema::IntOrString, Value::String(_)) => Ok(()),
        (Schema::IntOrString, Value::Number(number)) if number.is_i64() => Ok(()),
        (Schema::Bytes, Value::String(text)) => bytes(text),
        (Schema::Quantity, Value::String(_) | Value::Number(_)) => quantity(value),
        (Schema::Time, Value::String(text)) => time(text, false).map(|time| *value = time),
        (Schema::MicroTime, Value::String(text)) => time(text, true).map(|time| *value = time),
        _ => Err(mismatch(value, &go_type(schema), place)),
    }
}

fn bytes(text: &str) -> Result<(), TypeError> {
    match STANDARD.decode(text) {
        Ok(_) => Ok(()),
        Err(base64::DecodeError::InvalidByte(at, _)) => {
            Err(TypeError(format!("illegal base64 data at input byte {at}")))
        }
        Err(_) => {
            Err(TypeError(format!("illegal base64 data at input byte {}", text.len().saturating_sub(1))))
        }
    }
}

/// Quantities are kept in their canonical form, as Go writes them.
fn quantity(value: &mut Value) -> Result<(), TypeError> {
    let parsed = match &*value {
        Value::String(text) => text.trim().parse::<Quantity>(),
        other => Quantity::from_value(other),
    };
    match parsed {
        Ok(quantity) => {
            *value = json!(quantity.to_string());
            Ok(())
        }
        Err(error) => Err(TypeError(error.to_string())),
    }
}

/// Times are kept in UTC, to the second or to the microsecond.
fn time(text: &str, micros: bool) -> Result<Value, TypeError> {
    let Ok(time) = text.parse::<Timestamp>() else {
        let layout = if micros { "2006-01-02T15:04:05.000000Z07:00" } else { "2006-01-02T15:04:05Z07:00" };
        let text = quoted(text);
        return Err(TypeError(format!(
            "parsing time {text} as \"{layout}\": cannot parse {text} as \"2006\""
        )));
    };
    let form = if micros { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    Ok(json!(time.strftime(form).to_string()))
}

fn mismatch(value: &Value, wanted: &str, place: &Place<'_>) -> TypeError {
    let found = match value {
        Value::Number(number) if number.is_f64() || wanted.starts_with("int") => format!("number {number}"),
        other => name_of(other).to_owned(),
    };
    let within = last(&place.within.name);
    TypeError(format!(
        "json: cannot unmarshal {found} into Go struct field {within}.{} of type {wanted}",
        place.path
    ))
}

fn go_type(schema: &Schema) -> String {
    match schema {
        Schema::String => "string".into(),
        Schema::Int32 => "int32".into(),
        Schema::Int64 => "int64".into(),
        Schema::Double => "float64".into(),
        Schema::Bool => "bool".into(),
        Schema::Bytes => "[]uint8".into(),
        Schema::Quantity => "resource.Quantity".into(),
        Schema::IntOrString => "intstr.IntOrString".into(),
        Schema::Time => "v1.Time".into(),
        Schema::MicroTime => "v1.MicroTime".into(),
        Schema::Opaque(_) => "runtime.RawExtension".into(),
        Schema::Array(element) => format!("[]{}", go_type(element)),
        Schema::Map(element) => format!("map[string]{}", go_type(element)),
        Schema::Object(inner) => go_name(inner),
    }
}

/// `v1.PodSpec`
fn go_name(schema: &Type) -> String {
    let mut parts = schema.name.rsplit('.');
    let (name, package) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{package}.{name}")
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
