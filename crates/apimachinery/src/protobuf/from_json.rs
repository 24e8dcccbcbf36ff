//! JSON to message: the bytes upstream's Go value would be encoded to.
//!
//! Fields stand in the order of their numbers and maps in the order of their keys, and what Go holds as a value is written
//! even when it is zero, so that equal objects give equal bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::error::{ProtobufError, Reason};
use super::form;
use super::wire::{put_bytes, put_double, put_nested, put_number};
use crate::tables::{Form, Message, MessageField, Presence, Wire};

/// The bytes of a message without its envelope.
///
/// # Errors
/// [`Reason::Type`] for a value of the wrong type, and at which field.
pub fn encode_message(message: &Message, value: &Value) -> Result<Vec<u8>, ProtobufError> {
    let mut out = Vec::new();
    encode_into(message, value, &mut out, super::DEPTH)?;
    Ok(out)
}

/// Appends a message, whatever form its JSON takes. Null is the zero value.
pub(super) fn encode_into(
    message: &Message,
    value: &Value,
    out: &mut Vec<u8>,
    depth: u32,
) -> Result<(), ProtobufError> {
    match (message.form, value) {
        (Form::Object, Value::Object(object)) => encode_fields(message, object, out, depth),
        (Form::Object, Value::Null) => encode_fields(message, &Map::new(), out, depth),
        (Form::Object, other) => Err(mismatch("an object", other)),
        _ => form::encode_form(message, value, out, depth),
    }
}

fn encode_fields(
    message: &Message,
    object: &Map<String, Value>,
    out: &mut Vec<u8>,
    depth: u32,
) -> Result<(), ProtobufError> {
    let depth = depth.checked_sub(1).ok_or(Reason::TooDeep)?;
    for field in &message.fields {
        encode_field(field, object, out, depth).map_err(|error| error.within(field.name))?;
    }
    Ok(())
}

/// Appends the field that `object` has under the field's name, or what stands on the wire when it has none.
pub(super) fn encode_field(
    field: &MessageField,
    object: &Map<String, Value>,
    out: &mut Vec<u8>,
    depth: u32,
) -> Result<(), ProtobufError> {
    if let Some(inner) = field.inlined() {
        return put_nested(out, field.number, |out| encode_fields(&inner, object, out, depth));
    }
    let value = object.get(field.name).unwrap_or(&Value::Null);
    match (&field.wire, value) {
        (_, Value::Null) if field.presence == Presence::Set => Ok(()),
        (Wire::Bytes | Wire::Repeated(_) | Wire::Map(_), Value::Null) => Ok(()),
        (Wire::Repeated(element), Value::Array(list)) => encode_elements(field, element, list, out, depth),
        (Wire::Map(wire), Value::Object(entries)) => encode_entries(field, wire, entries, out, depth),
        (Wire::Repeated(_), other) => Err(mismatch("an array", other)),
        (Wire::Map(_), other) => Err(mismatch("an object", other)),
        (wire, value) => encode_single(field.number, wire, value, out, depth),
    }
}

fn encode_elements(
    field: &MessageField,
    element: &Wire,
    list: &[Value],
    out: &mut Vec<u8>,
    depth: u32,
) -> Result<(), ProtobufError> {
    for (index, value) in list.iter().enumerate() {
        let encoded = encode_single(field.number, element, value, out, depth);
        encoded.map_err(|error| error.within(&index.to_string()))?;
    }
    Ok(())
}

fn encode_entries(
    field: &MessageField,
    wire: &Wire,
    entries: &Map<String, Value>,
    out: &mut Vec<u8>,
    depth: u32,
) -> Result<(), ProtobufError> {
    for (key, value) in entries {
        put_nested(out, field.number, |out| {
            put_bytes(out, 1, key.as_bytes());
            encode_single(2, wire, value, out, depth).map_err(|error| error.within(key))
        })?;
    }
    Ok(())
}

/// Appends one field with one value. Null is the zero value.
fn encode_single(
    number: u32,
    wire: &Wire,
    value: &Value,
    out: &mut Vec<u8>,
    depth: u32,
) -> Result<(), ProtobufError> {
    match wire {
        Wire::String => put_bytes(out, number, string(value)?.as_bytes()),
        Wire::Bytes => put_bytes(out, number, &bytes(value)?),
        Wire::Bool => put_number(out, number, u64::from(boolean(value)?)),
        Wire::Int32 => put_number(out, number, i64::from(int32(value)?) as u64),
        Wire::Int64 => put_number(out, number, integer(value)? as u64),
        Wire::Double => put_double(out, number, float(value)?),
        Wire::Message(inner) => return put_nested(out, number, |out| encode_into(inner, value, out, depth)),
        Wire::Repeated(_) | Wire::Map(_) => unreachable!("no list or map is an element of another"),
    }
    Ok(())
}

pub(super) fn string(value: &Value) -> Result<&str, ProtobufError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Ok(""),
        other => Err(mismatch("a string", other)),
    }
}

fn bytes(value: &Value) -> Result<Vec<u8>, ProtobufError> {
    STANDARD.decode(string(value)?).map_err(|_| mismatch("base64", value))
}

pub(super) fn boolean(value: &Value) -> Result<bool, ProtobufError> {
    match value {
        Value::Bool(set) => Ok(*set),
        Value::Null => Ok(false),
        other => Err(mismatch("a boolean", other)),
    }
}

fn int32(value: &Value) -> Result<i32, ProtobufError> {
    i32::try_from(integer(value)?).map_err(|_| mismatch("a 32-bit integer", value))
}

/// A whole number, also when JSON writes it with a point.
pub(super) fn integer(value: &Value) -> Result<i64, ProtobufError> {
    let number = match value {
        Value::Null => Some(0),
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        _ => None,
    };
    number.ok_or_else(|| mismatch("an integer", value))
}

fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = (1_u64 << 53) as f64;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

fn float(value: &Value) -> Result<f64, ProtobufError> {
    match value {
        Value::Null => Ok(0.0),
        _ => value.as_f64().ok_or_else(|| mismatch("a number", value)),
    }
}

pub(super) fn mismatch(expected: &'static str, found: &Value) -> ProtobufError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Reason::Type { expected, found: found.to_owned() }.into()
}
