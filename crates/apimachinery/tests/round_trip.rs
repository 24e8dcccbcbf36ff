//! Generated objects of every message survive the way to protobuf and back.
//!
//! What is generated is JSON as upstream would show it: a pointer is there or not, a value that JSON leaves out when it is zero
//! is never zero, one that it always shows is always there.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use rutter_apimachinery::protobuf::{decode_message, encode_message, encode_text};
use rutter_apimachinery::tables::{self, Form, Message, MessageField, MessageRef, Presence, Wire};
use serde_json::{Map, Value, json};

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_is_read_as_it_was_written(seed: u64) {
        let mut dice = Dice(seed);
        for message in tables::messages().iter() {
            let value = dice.message(&message, 3);
            let encoded = encode_message(&message, &value).unwrap();
            let decoded = decode_message(&message, &encoded).unwrap();
            prop_assert_eq!(&decoded, &value, "{}", message.name);
            let mut from_text = Vec::new();
            encode_text(message, value.to_string().as_bytes(), &mut from_text).unwrap();
            prop_assert_eq!(&from_text, &encoded, "{} as text", message.name);
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes: Vec<u8>) {
        for message in tables::messages().iter() {
            let _ = decode_message(&message, &bytes);
        }
    }
}

/// A small generator of numbers: xorshift, so that a seed tells all.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 = self.0.max(1);
        self.0 % sides
    }

    fn message(&mut self, message: &Message, depth: u32) -> Value {
        match message.form {
            Form::Object => {
                let mut object = Map::new();
                self.fields(message, &mut object, depth);
                Value::Object(object)
            }
            Form::Quantity => self.pick(&["0", "100m", "1Gi", "1500000"]),
            Form::IntOrString if self.roll(2) == 0 => json!(self.roll(70_000)),
            Form::IntOrString => self.pick(&["http", "", "25%"]),
            Form::Time => {
                self.pick(&["1970-01-01T00:00:00Z", "2026-11-21T11:29:00Z", "0001-01-02T00:00:00Z"])
            }
            Form::MicroTime => self.pick(&["1970-01-01T00:00:00.000000Z", "1969-12-31T23:59:59.999999Z"]),
            Form::Duration => self.pick(&["0s", "1m30s", "-2562047h47m16.854775808s"]),
            Form::Raw => json!({ "any": [self.roll(9), null, { "thing": true }] }),
            Form::Strings => self.list(|dice| dice.text()),
            Form::SchemaOrBool => Value::Bool(self.roll(2) == 0),
            Form::SchemaOrArray if self.roll(2) == 0 => self.list(|dice| dice.message(&schema(message), 0)),
            Form::SchemaOrStrings if self.roll(2) == 0 => self.list(|dice| dice.text()),
            Form::SchemaOrArray | Form::SchemaOrStrings => self.message(&schema(message), 0),
        }
    }

    fn fields(&mut self, message: &Message, object: &mut Map<String, Value>, depth: u32) {
        for field in &message.fields {
            match (&field.wire, field.presence) {
                (Wire::Message(inner), Presence::Inlined) => self.fields(inner, object, depth),
                _ => {
                    if let Some(value) = self.field(field, depth) {
                        object.insert(field.name.to_owned(), value);
                    }
                }
            }
        }
    }

    fn field(&mut self, field: &MessageField, depth: u32) -> Option<Value> {
        let heads = self.roll(2) == 0;
        let is_message = matches!(field.wire, Wire::Message(_));
        let is_many = matches!(field.wire, Wire::Repeated(_) | Wire::Map(_));
        match field.presence {
            Presence::Set if is_message && depth == 0 => None,
            Presence::Set => heads.then(|| self.value(&field.wire, depth.saturating_sub(1))),
            Presence::Always if is_many && (heads || depth == 0) => Some(Value::Null),
            Presence::Always => Some(self.value(&field.wire, depth.saturating_sub(1))),
            Presence::Filled if is_message => Some(self.value(&field.wire, depth.saturating_sub(1))),
            Presence::Filled if is_many && depth == 0 => None,
            Presence::Filled | Presence::NotZero if heads => {
                Some(self.value(&field.wire, depth.saturating_sub(1))).filter(|value| !is_zero(value))
            }
            _ => None,
        }
    }

    fn value(&mut self, wire: &Wire, depth: u32) -> Value {
        match wire {
            Wire::String => self.text(),
            Wire::Int32 => self.number(i64::from(i32::MIN), i64::from(i32::MAX)),
            Wire::Int64 => self.number(i64::MIN, i64::MAX),
            Wire::Double => [json!(0.5), json!(3), json!(-2.25e-7)][self.roll(3) as usize].clone(),
            Wire::Bool => Value::Bool(self.roll(2) == 0),
            Wire::Bytes => self.pick(&["AAECAw==", "eA==", "/w=="]),
            Wire::Message(inner) => self.message(inner, depth),
            Wire::Repeated(element) => self.list(|dice| dice.value(element, depth)),
            Wire::Map(value) => {
                let keys = 1 + self.roll(3);
                Value::Object(
                    (0..keys).map(|key| (format!("key.example/{key}"), self.value(value, depth))).collect(),
                )
            }
        }
    }

    fn list(&mut self, mut element: impl FnMut(&mut Dice) -> Value) -> Value {
        (0..=self.roll(3)).map(|_| element(self)).collect()
    }

    fn text(&mut self) -> Value {
        self.pick(&["", "a", "größer", "line\nbreak \"quoted\""])
    }

    fn number(&mut self, least: i64, most: i64) -> Value {
        json!([0, 1, -1, 300, least, most][self.roll(6) as usize])
    }

    fn pick(&mut self, texts: &[&str]) -> Value {
        Value::from(texts[self.roll(texts.len() as u64) as usize])
    }
}

fn is_zero(value: &Value) -> bool {
    matches!(value, Value::Bool(false)) || value == "" || value.as_f64() == Some(0.0)
}

/// The JSONSchemaProps that the message is one or many of.
fn schema(message: &Message) -> MessageRef {
    let found = message.fields.iter().find_map(|field| match &field.wire {
        Wire::Message(inner) => Some(*inner),
        _ => None,
    });
    found.unwrap()
}
