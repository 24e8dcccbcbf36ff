//! Messages whose JSON is not an object of their fields: quantities, times, raw JSON, and values that are one thing or
//! another. Upstream writes each of them by hand, beside its Go type.

use jiff::Timestamp;
use serde_json::Value;

use super::error::{ProtobufError, Reason};
use super::from_json::{self, boolean, integer, mismatch, string};
use super::wire::{Datum, Reader, put_bytes, put_nested, put_number};
use super::{envelope, to_json};
use crate::duration;
use crate::tables::{Form, Message, MessageRef, Wire};

/// The JSON of a message of any form but [`Form::Object`].
pub(super) fn decode_form(message: &Message, body: &[u8], depth: u32) -> Result<Value, ProtobufError> {
    let parts = Parts::read(message, body)?;
    match message.form {
        Form::Object => unreachable!("objects are decoded by their fields"),
        Form::Quantity => Ok(Value::String(parts.first_bytes().map_or(Ok("0".to_owned()), to_json::text)?)),
        Form::IntOrString => decode_int_or_string(&parts),
        Form::Time if body.is_empty() => Ok(Value::Null),
        Form::MicroTime if body.is_empty() => Ok(Value::Null),
        Form::Time => time(parts.number(1), 0, 0),
        Form::MicroTime => time(parts.number(1), parts.number(2), 6),
        Form::Duration => Ok(Value::String(duration::format(parts.number(1)))),
        Form::Raw => decode_raw(parts.first_bytes(), depth),
        Form::Strings => parts.strings(1),
        Form::SchemaOrArray => match parts.all(2).count() {
            0 => parts.schema(message, 1, depth),
            _ => parts.all(2).map(|body| schema_of(message, body, depth)).collect(),
        },
        Form::SchemaOrBool => match parts.all(2).last() {
            Some(body) => schema_of(message, body, depth),
            None => Ok(Value::Bool(parts.number(1) != 0)),
        },
        Form::SchemaOrStrings => match parts.all(2).count() {
            0 => parts.schema(message, 1, depth),
            _ => parts.strings(2),
        },
    }
}

/// Appends a message of any form but [`Form::Object`].
pub(super) fn encode_form(
    message: &Message,
    value: &Value,
    out: &mut Vec<u8>,
    depth: u32,
) -> Result<(), ProtobufError> {
    match (message.form, value) {
        (Form::Object, _) => unreachable!("objects are encoded by their fields"),
        (Form::Quantity, Value::Number(number)) => put_bytes(out, 1, number.to_string().as_bytes()),
        (Form::Quantity, Value::Null) => put_bytes(out, 1, b"0"),
        (Form::Quantity, value) => put_bytes(out, 1, string(value)?.as_bytes()),
        (Form::IntOrString, Value::String(text)) => put_int_or_string(out, 1, 0, text),
        (Form::IntOrString, value) => put_int_or_string(out, 0, integer(value)?, ""),
        (Form::Time | Form::MicroTime, Value::Null) => {}
        (Form::Time, value) => put_time(out, timestamp(value)?.as_second(), 0),
        (Form::MicroTime, value) => {
            let time = timestamp(value)?;
            let micros = time.as_microsecond();
            put_time(out, micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000) * 1_000);
        }
        (Form::Duration, Value::Null) => put_number(out, 1, 0),
        (Form::Duration, value) => {
            let nanos = duration::parse(string(value)?).ok_or_else(|| mismatch("a duration", value))?;
            put_number(out, 1, nanos as u64);
        }
        (Form::Raw, Value::Null) => {}
        (Form::Raw, value) => put_bytes(out, 1, value.to_string().as_bytes()),
        (Form::Strings, value) => put_strings(out, 1, value)?,
        (Form::SchemaOrArray, Value::Array(schemas)) => {
            schemas.iter().try_for_each(|schema| put_schema(message, 2, schema, out, depth))?;
        }
        (Form::SchemaOrStrings, Value::Array(_)) => put_strings(out, 2, value)?,
        (Form::SchemaOrArray | Form::SchemaOrStrings, Value::Null) => {}
        (Form::SchemaOrArray | Form::SchemaOrStrings, value) => put_schema(message, 1, value, out, depth)?,
        (Form::SchemaOrBool, Value::Object(_)) => {
            put_number(out, 1, 1);
            put_schema(message, 2, value, out, depth)?;
        }
        (Form::SchemaOrBool, value) => put_number(out, 1, u64::from(boolean(value)?)),
    }
    Ok(())
}

/// The fields of a small message, as they came.
struct Parts<'a>(Vec<(u32, Datum<'a>)>);

impl<'a> Parts<'a> {
    fn read(message: &Message, body: &'a [u8]) -> Result<Parts<'a>, ProtobufError> {
        let mut parts = Vec::new();
        let mut reader = Reader(body);
        while let Some((number, datum)) = reader.next()? {
            let Some(field) = message.field(number) else {
                return Err(Reason::UnknownField { message: message.name, number }.into());
            };
            let is_number = matches!(field.wire, Wire::Bool | Wire::Int32 | Wire::Int64);
            match datum {
                Datum::Varint(_) if is_number => {}
                Datum::Bytes(_) if !is_number => {}
                Datum::Varint(_) => return Err(Reason::WireType(0).into()),
                Datum::Fixed64(_) => return Err(Reason::WireType(1).into()),
                Datum::Bytes(_) => return Err(Reason::WireType(2).into()),
            }
            parts.push((number, datum));
        }
        Ok(Parts(parts))
    }

    fn all(&self, field: u32) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter_map(move |part| match part {
            (number, Datum::Bytes(bytes)) if *number == field => Some(*bytes),
            _ => None,
        })
    }

    fn first_bytes(&self) -> Option<&'a [u8]> {
        self.all(1).last()
    }

    fn number(&self, field: u32) -> i64 {
        let found = self.0.iter().rev().find_map(|part| match part {
            (number, Datum::Varint(value)) if *number == field => Some(*value as i64),
            _ => None,
        });
        found.unwrap_or(0)
    }

    fn strings(&self, field: u32) -> Result<Value, ProtobufError> {
        let mut texts = self.all(field).map(|bytes| Ok(Value::String(to_json::text(bytes)?))).peekable();
        if texts.peek().is_none() { Ok(Value::Null) } else { texts.collect() }
    }

    fn schema(&self, message: &Message, field: u32, depth: u32) -> Result<Value, ProtobufError> {
        self.all(field).last().map_or(Ok(Value::Null), |body| schema_of(message, body, depth))
    }
}

fn schema_of(message: &Message, body: &[u8], depth: u32) -> Result<Value, ProtobufError> {
    to_json::decode_value(&schema_message(message), body, depth)
}

fn put_schema(
    message: &Message,
    field: u32,
    schema: &Value,
    out: &mut Vec<u8>,
    depth: u32,
) -> Result<(), ProtobufError> {
    put_nested(out, field, |out| from_json::encode_into(&schema_message(message), schema, out, depth))
}

/// The JSONSchemaProps that a message is one, many or none of.
fn schema_message(message: &Message) -> MessageRef {
    let found = message.fields.iter().find_map(|field| match &field.wire {
        Wire::Message(inner) => Some(*inner),
        _ => None,
    });
    found.expect("each of the three has a field of that type")
}

fn decode_int_or_string(parts: &Parts) -> Result<Value, ProtobufError> {
    if parts.number(1) == 0 {
        return Ok(Value::from(parts.number(2) as i32));
    }
    Ok(Value::String(parts.all(3).last().map_or(Ok(String::new()), to_json::text)?))
}

fn put_int_or_string(out: &mut Vec<u8>, kind: u64, number: i64, text: &str) {
    put_number(out, 1, kind);
    put_number(out, 2, number as u64);
    put_bytes(out, 3, text.as_bytes());
}

fn time(seconds: i64, nanos: i64, digits: u8) -> Result<Value, ProtobufError> {
    let unsayable = || Reason::Time(format!("{seconds}s {nanos}ns"));
    let nanos = i32::try_from(nanos).map_err(|_| unsayable())?;
    let time = Timestamp::new(seconds, nanos).map_err(|_| unsayable())?;
    Ok(Value::String(format!("{time:.0$}", usize::from(digits))))
}

fn timestamp(value: &Value) -> Result<Timestamp, ProtobufError> {
    string(value)?.parse().map_err(|_| mismatch("a time as RFC 3339 tells it", value))
}

fn put_time(out: &mut Vec<u8>, seconds: i64, nanos: i64) {
    put_number(out, 1, seconds as u64);
    put_number(out, 2, nanos as u64);
}

/// JSON as it stands; or, where one API object is sent within another, that object's own envelope.
fn decode_raw(body: Option<&[u8]>, depth: u32) -> Result<Value, ProtobufError> {
    match body {
        None | Some([]) => Ok(Value::Null),
        Some(body) if envelope::is_enveloped(body) => {
            envelope::decode_within(body, None, depth.checked_sub(1).ok_or(Reason::TooDeep)?)
        }
        Some(body) => serde_json::from_slice(body).map_err(|error| Reason::RawJson(error.to_string()).into()),
    }
}

fn put_strings(out: &mut Vec<u8>, field: u32, value: &Value) -> Result<(), ProtobufError> {
    match value {
        Value::Null => Ok(()),
        Value::Array(texts) => texts.iter().try_for_each(|text| {
            put_bytes(out, field, string(text)?.as_bytes());
            Ok(())
        }),
        other => Err(mismatch("an array of strings", other)),
    }
}
