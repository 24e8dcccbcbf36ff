//! JSON text to message, with no value in between: how stored objects are served as protobuf.
//!
//! Text names fields in any order and the wire wants them by number, so the fields of a message are encoded as they come into
//! a buffer beside, and put together in order when all are there. Whatever is unusual (a number with a point, map keys out of
//! order, a value of the wrong type) is left to the way through [`Value`], which also words the error; the two ways give the
//! same bytes, which a test keeps true.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::error::{ProtobufError, Reason};
use super::from_json;
use super::layout::{Layout, Parts};
use super::wire::{put_bytes, put_double, put_nested, put_number};
use crate::tables::{Form, MessageField, MessageRef, Wire};

/// Appends the message that an object's JSON text tells, without envelope.
///
/// # Errors
/// As [`super::encode_message`], and [`Reason::RawJson`] when the text is not JSON.
pub fn encode_text(message: MessageRef, json: &[u8], out: &mut Vec<u8>) -> Result<(), ProtobufError> {
    let start = out.len();
    if message.form == Form::Object && encode_usual(message, json, out).is_ok() {
        return Ok(());
    }
    out.truncate(start);
    let value: Value = serde_json::from_slice(json).map_err(|error| Reason::RawJson(error.to_string()))?;
    from_json::encode_into(&message, &value, out, super::DEPTH)
}

/// Appends a message when nothing in its text is unusual.
fn encode_usual(message: MessageRef, json: &[u8], out: &mut Vec<u8>) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let buffers = &mut Buffers::default();
    ObjectSeed { message, depth: super::DEPTH, out, buffers }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Buffers for messages within messages, kept for the next of them.
#[derive(Default)]
struct Buffers {
    free: Vec<Parts>,
}

/// A message whose JSON is an object of its fields.
struct ObjectSeed<'a> {
    message: MessageRef,
    depth: u32,
    out: &'a mut Vec<u8>,
    buffers: &'a mut Buffers,
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| A::Error::custom(Reason::TooDeep))?;
        let layout = Layout::of(self.message);
        let mut parts = self.buffers.free.pop().unwrap_or_default();
        parts.begin(layout);
        while let Some(place) = map.next_key_seed(NameSeed(layout))? {
            let Some(place) = place else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let (start, field) = (parts.bytes.len(), layout.fields[place]);
            let buffers = &mut *self.buffers;
            map.next_value_seed(FieldSeed { field, depth, out: &mut parts.bytes, buffers })?;
            parts.spans[place] = start..parts.bytes.len();
        }
        parts.put_together(layout, self.out, depth).map_err(A::Error::custom)?;
        self.buffers.free.push(parts);
        Ok(())
    }
}

/// A name among those of a message: its place, if it has one.
struct NameSeed<'a>(&'a Layout);

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.0.place(name))
    }
}

/// The value of a field: all elements of a repeated one, all entries of a map. Null writes nothing.
struct FieldSeed<'a> {
    field: &'static MessageField,
    depth: u32,
    out: &'a mut Vec<u8>,
    buffers: &'a mut Buffers,
}

impl<'a> FieldSeed<'a> {
    fn single(self, wire: &'static Wire) -> SingleSeed<'a> {
        SingleSeed {
            number: self.field.number,
            wire,
            depth: self.depth,
            out: self.out,
            buffers: self.buffers,
        }
    }
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match &self.field.wire {
            Wire::Repeated(_) | Wire::Map(_) => deserializer.deserialize_any(self),
            wire => self.single(wire).deserialize(deserializer),
        }
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or an object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Wire::Repeated(wire) = &self.field.wire else { return Err(A::Error::custom("an array")) };
        loop {
            let before = self.out.len();
            let number = self.field.number;
            let (out, buffers) = (&mut *self.out, &mut *self.buffers);
            let element = SingleSeed { number, wire, depth: self.depth, out, buffers };
            if list.next_element_seed(element)?.is_none() {
                return Ok(());
            }
            if self.out.len() == before {
                return Err(A::Error::custom("null in a list"));
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Wire::Map(wire) = &self.field.wire else { return Err(A::Error::custom("an object")) };
        let mut last: Option<String> = None;
        while let Some(key) = map.next_key::<String>()? {
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(A::Error::custom("keys are not in order"));
            }
            let (depth, buffers) = (self.depth, &mut *self.buffers);
            put_nested(self.out, self.field.number, |out| {
                put_bytes(out, 1, key.as_bytes());
                let before = out.len();
                map.next_value_seed(SingleSeed { number: 2, wire, depth, out, buffers })?;
                if out.len() == before { Err(A::Error::custom("null in a map")) } else { Ok(()) }
            })?;
            last = Some(key);
        }
        Ok(())
    }
}

/// One value under one field number. Null writes nothing.
struct SingleSeed<'a> {
    number: u32,
    wire: &'static Wire,
    depth: u32,
    out: &'a mut Vec<u8>,
    buffers: &'a mut Buffers,
}

impl<'de> DeserializeSeed<'de> for SingleSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.wire {
            Wire::Message(message) if message.form != Form::Object => {
                let value = Value::deserialize(deserializer)?;
                if value.is_null() {
                    return Ok(());
                }
                let depth = self.depth;
                let encoded = put_nested(self.out, self.number, |out| {
                    from_json::encode_into(message, &value, out, depth)
                });
                encoded.map_err(D::Error::custom)
            }
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for SingleSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of {:?}", self.wire)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.wire {
            Wire::String => put_bytes(self.out, self.number, text.as_bytes()),
            Wire::Bytes => put_bytes(self.out, self.number, &STANDARD.decode(text).map_err(E::custom)?),
            _ => return Err(E::custom("a string")),
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, set: bool) -> Result<(), E> {
        match self.wire {
            Wire::Bool => put_number(self.out, self.number, u64::from(set)),
            _ => return Err(E::custom("a boolean")),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        match self.wire {
            Wire::Int64 => put_number(self.out, self.number, value as u64),
            Wire::Int32 => {
                let value = i32::try_from(value).map_err(E::custom)?;
                put_number(self.out, self.number, i64::from(value) as u64);
            }
            Wire::Double => put_double(self.out, self.number, value as f64),
            _ => return Err(E::custom("a number")),
        }
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        let value = i64::try_from(value).map_err(E::custom)?;
        self.visit_i64(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        match self.wire {
            Wire::Double => put_double(self.out, self.number, value),
            _ => return Err(E::custom("a number with a point")),
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Wire::Message(message) = *self.wire else { return Err(A::Error::custom("an object")) };
        let (depth, buffers) = (self.depth, self.buffers);
        put_nested(self.out, self.number, |out| ObjectSeed { message, depth, out, buffers }.visit_map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables;

    fn config_map() -> MessageRef {
        tables::messages().by_kind("v1", "ConfigMap").unwrap()
    }

    fn both_ways(
        message: MessageRef,
        json: &str,
    ) -> (Result<Vec<u8>, ProtobufError>, Result<Vec<u8>, ProtobufError>) {
        let mut out = Vec::new();
        let text = encode_text(message, json.as_bytes(), &mut out).map(|()| out);
        let value: Value = serde_json::from_str(json).unwrap();
        (text, from_json::encode_message(&message, &value))
    }

    #[test]
    fn what_is_unusual_gives_the_same_bytes_as_the_value() {
        for json in [
            r#"{"metadata":{"generation":3.0,"name":null},"data":{"b":"1","a":"2"}}"#,
            r#"{"data":{"a":null},"unknown":{"deep":[1,2]},"immutable":false}"#,
            r#"{"binaryData":{"k":"AAEC"},"data":null,"kind":"ConfigMap"}"#,
            "{}",
        ] {
            let (text, value) = both_ways(config_map(), json);
            assert_eq!(text.unwrap(), value.unwrap(), "{json}");
        }
    }

    #[test]
    fn what_cannot_be_encoded_fails_in_the_same_words() {
        for json in [
            r#"{"data":{"a":1}}"#,
            r#"{"metadata":[]}"#,
            r#"{"binaryData":{"k":"?"}}"#,
            r#"{"immutable":"no"}"#,
        ] {
            let (text, value) = both_ways(config_map(), json);
            assert_eq!(text.unwrap_err(), value.unwrap_err(), "{json}");
        }
    }

    #[test]
    fn text_that_is_not_json_is_refused_and_nothing_is_appended() {
        let mut out = b"before".to_vec();
        let error = encode_text(config_map(), b"{\"data\":{\"a\":", &mut out).unwrap_err();
        assert!(matches!(error.reason, Reason::RawJson(_)));
        assert_eq!(out, b"before");
    }
}
