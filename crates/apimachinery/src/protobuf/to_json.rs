//! Message to JSON: what upstream's JSON would show of the same Go value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use super::error::{ProtobufError, Reason};
use super::form;
use super::wire::{Datum, Reader};
use crate::tables::{Form, Message, MessageField, Presence, Wire};

/// The JSON of a message without its envelope.
///
/// # Errors
/// What is wrong with the bytes, and at which field.
pub fn decode_message(message: &Message, body: &[u8]) -> Result<Value, ProtobufError> {
    decode_value(message, body, super::DEPTH)
}

/// The JSON of a message, whatever form it takes.
pub(super) fn decode_value(message: &Message, body: &[u8], depth: u32) -> Result<Value, ProtobufError> {
    match message.form {
        Form::Object => {
            let mut object = Map::new();
            decode_into(message, body, &mut object, depth)?;
            Ok(Value::Object(object))
        }
        _ => form::decode_form(message, body, depth),
    }
}

/// Adds a message's fields to a JSON object.
pub(super) fn decode_into(
    message: &Message,
    body: &[u8],
    object: &mut Map<String, Value>,
    depth: u32,
) -> Result<(), ProtobufError> {
    let depth = depth.checked_sub(1).ok_or(Reason::TooDeep)?;
    // One bit for each of the fields, of which no message has more than 128.
    let mut seen = 0_u128;
    let mut reader = Reader(body);
    while let Some((number, datum)) = reader.next()? {
        let Some(place) = message.place(number) else {
            return Err(Reason::UnknownField { message: message.name, number }.into());
        };
        seen |= 1 << place;
        let field = &message.fields[place];
        decode_field(field, datum, object, depth).map_err(|error| error.within(field.name))?;
    }
    for (place, field) in message.fields.iter().enumerate() {
        if seen & (1 << place) == 0 {
            fill(field, object, depth).map_err(|error| error.within(field.name))?;
        }
    }
    Ok(())
}

fn decode_field(
    field: &MessageField,
    datum: Datum,
    object: &mut Map<String, Value>,
    depth: u32,
) -> Result<(), ProtobufError> {
    let value = match (&field.wire, datum) {
        (Wire::Message(inner), Datum::Bytes(body)) if field.presence == Presence::Inlined => {
            return decode_into(inner, body, object, depth);
        }
        (Wire::Repeated(element), datum) => return decode_elements(field, element, datum, object, depth),
        (Wire::Map(value), Datum::Bytes(entry)) => return decode_entry(field, value, entry, object, depth),
        (wire, datum) => decode_single(wire, datum, depth)?,
    };
    let hidden = match field.presence {
        Presence::Filled => is_zero(&field.wire, &value),
        Presence::NotZero => value.is_null(),
        _ => false,
    };
    if hidden {
        object.remove(field.name);
    } else {
        object.insert(field.name.to_owned(), value);
    }
    Ok(())
}

fn decode_single(wire: &Wire, datum: Datum, depth: u32) -> Result<Value, ProtobufError> {
    Ok(match (wire, datum) {
        (Wire::String, Datum::Bytes(bytes)) => Value::String(text(bytes)?),
        (Wire::Bytes, Datum::Bytes(bytes)) => Value::String(STANDARD.encode(bytes)),
        (Wire::Message(inner), Datum::Bytes(body)) => decode_value(inner, body, depth)?,
        (Wire::Bool, Datum::Varint(value)) => Value::Bool(value != 0),
        (Wire::Int32, Datum::Varint(value)) => Value::from(value as i32),
        (Wire::Int64, Datum::Varint(value)) => Value::from(value as i64),
        (Wire::Double, Datum::Fixed64(bits)) => double(f64::from_bits(bits)),
        (_, datum) => return Err(Reason::WireType(wire_type(datum)).into()),
    })
}

/// One element, or several when numbers come packed.
fn decode_elements(
    field: &MessageField,
    element: &Wire,
    datum: Datum,
    object: &mut Map<String, Value>,
    depth: u32,
) -> Result<(), ProtobufError> {
    let list = object.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(list) = list else { unreachable!("a repeated field is only ever set to an array") };
    match (element, datum) {
        (Wire::Int32 | Wire::Int64 | Wire::Bool, Datum::Bytes(packed)) => {
            let mut reader = Reader(packed);
            while !reader.0.is_empty() {
                list.push(decode_single(element, Datum::Varint(reader.varint()?), depth)?);
            }
        }
        (Wire::Double, Datum::Bytes(packed)) => {
            let mut reader = Reader(packed);
            while !reader.0.is_empty() {
                list.push(decode_single(element, Datum::Fixed64(reader.fixed64()?), depth)?);
            }
        }
        (element, datum) => {
            let value = decode_single(element, datum, depth);
            list.push(value.map_err(|error| error.within(&list.len().to_string()))?);
        }
    }
    Ok(())
}

/// One entry of a map: a message of key (1) and value (2).
fn decode_entry(
    field: &MessageField,
    wire: &Wire,
    entry: &[u8],
    object: &mut Map<String, Value>,
    depth: u32,
) -> Result<(), ProtobufError> {
    let (mut key, mut value) = (String::new(), None);
    let mut reader = Reader(entry);
    while let Some(part) = reader.next()? {
        match part {
            (1, Datum::Bytes(bytes)) => key = text(bytes)?,
            (2, datum) => {
                value = Some(decode_single(wire, datum, depth).map_err(|error| error.within(&key))?)
            }
            (number, _) => return Err(Reason::UnknownField { message: "map entry", number }.into()),
        }
    }
    let value = match value {
        Some(value) => value,
        None => zero(wire, depth)?,
    };
    let entries = object.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(entries) = entries else { unreachable!("a map field is only ever set to an object") };
    entries.insert(key, value);
    Ok(())
}

/// What JSON shows of a field that is not on the wire.
fn fill(field: &MessageField, object: &mut Map<String, Value>, depth: u32) -> Result<(), ProtobufError> {
    let value = match (field.presence, &field.wire) {
        (Presence::Inlined, Wire::Message(inner)) => return decode_into(inner, &[], object, depth),
        (Presence::Filled, Wire::Message(_)) | (Presence::Always, _) => zero(&field.wire, depth)?,
        _ => return Ok(()),
    };
    object.insert(field.name.to_owned(), value);
    Ok(())
}

/// The JSON of Go's zero value.
fn zero(wire: &Wire, depth: u32) -> Result<Value, ProtobufError> {
    Ok(match wire {
        Wire::String => Value::String(String::new()),
        Wire::Int32 | Wire::Int64 => Value::from(0),
        Wire::Double => Value::from(0),
        Wire::Bool => Value::Bool(false),
        Wire::Message(inner) => decode_value(inner, &[], depth)?,
        Wire::Bytes | Wire::Repeated(_) | Wire::Map(_) => Value::Null,
    })
}

/// Whether `omitempty` leaves the value out. It never leaves out a struct.
fn is_zero(wire: &Wire, value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty() && !matches!(wire, Wire::Message(_)),
        Value::Number(number) => number.as_f64() == Some(0.0) && !matches!(wire, Wire::Message(_)),
        Value::Bool(set) => !set && !matches!(wire, Wire::Message(_)),
        _ => false,
    }
}

/// A number as Go prints it: whole ones without a point. What JSON cannot say is null.
pub(super) fn double(value: f64) -> Value {
    const EXACT: f64 = (1_u64 << 53) as f64;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Value::from(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

pub(super) fn text(bytes: &[u8]) -> Result<String, Reason> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Reason::NotUtf8)
}

fn wire_type(datum: Datum) -> u8 {
    match datum {
        Datum::Varint(_) => 0,
        Datum::Fixed64(_) => 1,
        Datum::Bytes(_) => 2,
    }
}
