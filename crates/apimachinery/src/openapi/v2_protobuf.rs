//! The 2.0 document in the protobuf form that kubectl before 1.27 reads it in, and newer ones when they know a kind by
//! nothing else: messages of gnostic's `OpenAPIv2.proto` (github.com/google/gnostic-models), written field by field. What
//! our documents never have is left out.

use serde_json::{Map, Value};

/// A document's bytes.
#[must_use]
pub(super) fn encode(document: &Value) -> Vec<u8> {
    let mut message = Message::of(document);
    message.text(1, "swagger").nested(2, "info", info);
    message.nested(8, "paths", |paths| Message::of(paths).all_named(2, path_item).done());
    message.nested(9, "definitions", |types| Message::of(types).all_named(1, schema).done());
    message.each(12, "security", |one| Message::of(one).all_named(1, requirement).done());
    message.nested(13, "securityDefinitions", |all| Message::of(all).all_named(1, security).done());
    message.done()
}

fn info(value: &Value) -> Vec<u8> {
    Message::of(value).text(1, "title").text(2, "version").text(3, "description").done()
}

/// The scopes that a scheme asks for.
fn requirement(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    texts_of(value).for_each(|text| put_bytes(&mut bytes, 1, text.as_bytes()));
    bytes
}

/// An API key, as a bearer token is told.
fn security(value: &Value) -> Vec<u8> {
    let key = Message::of(value).text(1, "type").text(2, "name").text(3, "in").text(4, "description").done();
    inside(2, &key)
}

fn path_item(value: &Value) -> Vec<u8> {
    let mut message = Message::of(value);
    for (number, method) in
        [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (6, "options"), (7, "head"), (8, "patch")]
    {
        message.nested(number, method, operation);
    }
    message.each(9, "parameters", parameter).extensions(10).done()
}

fn operation(value: &Value) -> Vec<u8> {
    let mut message = Message::of(value);
    message
        .texts(1, "tags")
        .text(3, "description")
        .text(5, "operationId")
        .texts(6, "produces")
        .texts(7, "consumes");
    message.each(8, "parameters", parameter);
    message.nested(9, "responses", |all| Message::of(all).all_named(1, response).done());
    message.texts(10, "schemes").extensions(13).done()
}

/// A `ResponseValue`, which is a `Response`.
fn response(value: &Value) -> Vec<u8> {
    let mut message = Message::of(value);
    message.text(1, "description").nested(2, "schema", |value| inside(1, &schema(value)));
    inside(1, &message.done())
}

/// A `ParametersItem`: a `Parameter`, which is of the body or of one of four other places.
fn parameter(value: &Value) -> Vec<u8> {
    let mut message = Message::of(value);
    let place = value["in"].as_str().unwrap_or_default();
    if place == "body" {
        message
            .text(1, "description")
            .text(2, "name")
            .text(3, "in")
            .bool(4, "required")
            .nested(5, "schema", schema);
        return inside(1, &inside(1, &message.extensions(6).done()));
    }
    message.bool(1, "required").text(2, "in").text(3, "description").text(4, "name");
    // Headers and paths know no empty values, which moves what stands behind them.
    let (kind, behind) = match place {
        "header" => (1, 0),
        "formData" => (2, 1),
        "query" => (3, 1),
        _ => (4, 0),
    };
    message.text(5 + behind, "type").text(6 + behind, "format").bool(18 + behind, "uniqueItems");
    inside(1, &inside(2, &inside(kind, &message.extensions(22 + behind).done())))
}

fn schema(value: &Value) -> Vec<u8> {
    let mut message = Message::of(value);
    message.text(1, "$ref").text(2, "format").text(3, "title").text(4, "description").any(5, "default");
    message.texts(19, "required");
    message.nested(21, "additionalProperties", |value| match value {
        // An `AdditionalPropertiesItem` is a schema or a boolean.
        Value::Bool(allowed) => varint_field(2, u64::from(*allowed)),
        value => inside(1, &schema(value)),
    });
    message.nested(22, "type", requirement);
    message.nested(23, "items", |value| inside(1, &schema(value)));
    message.each(24, "allOf", schema);
    message.nested(25, "properties", |all| Message::of(all).all_named(1, schema).done());
    message.extensions(31).done()
}

/// A message that is being written from the fields of a JSON object.
struct Message<'a> {
    from: &'a Map<String, Value>,
    bytes: Vec<u8>,
}

static NOTHING: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

impl Message<'_> {
    fn of(value: &Value) -> Message<'_> {
        Message { from: value.as_object().unwrap_or(&NOTHING), bytes: Vec::new() }
    }

    fn done(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    fn text(&mut self, number: u32, name: &str) -> &mut Self {
        if let Some(text) = self.from.get(name).and_then(Value::as_str) {
            put_bytes(&mut self.bytes, number, text.as_bytes());
        }
        self
    }

    fn texts(&mut self, number: u32, name: &str) -> &mut Self {
        let all = self.from.get(name).into_iter().flat_map(texts_of);
        all.for_each(|text| put_bytes(&mut self.bytes, number, text.as_bytes()));
        self
    }

    fn bool(&mut self, number: u32, name: &str) -> &mut Self {
        if self.from.get(name) == Some(&Value::Bool(true)) {
            self.bytes.extend(varint_field(number, 1));
        }
        self
    }

    fn any(&mut self, number: u32, name: &str) -> &mut Self {
        if let Some(value) = self.from.get(name) {
            put_bytes(&mut self.bytes, number, &any(value));
        }
        self
    }

    fn nested(&mut self, number: u32, name: &str, write: impl Fn(&Value) -> Vec<u8>) -> &mut Self {
        if let Some(value) = self.from.get(name) {
            put_bytes(&mut self.bytes, number, &write(value));
        }
        self
    }

    fn each(&mut self, number: u32, name: &str, write: impl Fn(&Value) -> Vec<u8>) -> &mut Self {
        for value in self.from.get(name).and_then(Value::as_array).into_iter().flatten() {
            put_bytes(&mut self.bytes, number, &write(value));
        }
        self
    }

    /// Every field as a pair of its name and what it holds.
    fn all_named(&mut self, number: u32, write: impl Fn(&Value) -> Vec<u8>) -> &mut Self {
        for (name, value) in self.from {
            put_bytes(&mut self.bytes, number, &named(name, &write(value)));
        }
        self
    }

    /// What begins with `x-`.
    fn extensions(&mut self, number: u32) -> &mut Self {
        for (name, value) in self.from.iter().filter(|(name, _)| name.starts_with("x-")) {
            put_bytes(&mut self.bytes, number, &named(name, &any(value)));
        }
        self
    }
}

fn named(name: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = inside(1, name.as_bytes());
    put_bytes(&mut bytes, 2, value);
    bytes
}

/// gnostic's `Any` holds YAML, which JSON is.
fn any(value: &Value) -> Vec<u8> {
    inside(2, value.to_string().as_bytes())
}

/// One text, or a list of them.
fn texts_of(value: &Value) -> impl Iterator<Item = &str> {
    let listed = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    value.as_str().into_iter().chain(listed)
}

/// A message with this one field.
fn inside(number: u32, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len() + 6);
    put_bytes(&mut bytes, number, value);
    bytes
}

fn put_bytes(bytes: &mut Vec<u8>, number: u32, value: &[u8]) {
    put_varint(bytes, u64::from(number) << 3 | 2);
    put_varint(bytes, value.len() as u64);
    bytes.extend_from_slice(value);
}

fn varint_field(number: u32, value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_varint(&mut bytes, u64::from(number) << 3);
    put_varint(&mut bytes, value);
    bytes
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_type_is_written_as_gnostic_reads_it() {
        let document = json!({"swagger": "2.0", "definitions": {"a": {"type": "object", "required": ["b"],
            "properties": {"b": {"$ref": "#/c"}}, "x-k": [1]}}});
        let bytes = encode(&document);
        let definition: &[u8] = &[
            10, 1, b'a', 18, 45, 154, 1, 1, b'b', 178, 1, 8, 10, 6, b'o', b'b', b'j', b'e', b'c', b't', 202,
            1, 12, 10, 10, 10, 1, b'b', 18, 5, 10, 3, b'#', b'/', b'c', 250, 1, 12, 10, 3, b'x', b'-', b'k',
            18, 5, 18, 3, b'[', b'1', b']',
        ];
        let mut expected =
            vec![10, 3, b'2', b'.', b'0', 74, definition.len() as u8 + 2, 10, definition.len() as u8];
        expected.extend_from_slice(definition);
        assert_eq!(bytes, expected);
    }
}
