//! Schemas as types of CEL, and JSON as its values (`k8s.io/apiserver/pkg/cel/common/{schemas,values}.go`,
//! `pkg/cel/escaping.go`).

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rutter_cel::{Decl, Key, List as CelList, ListKind, Type, Value as Cel};
use serde_json::Value;

use crate::structural::{List, Structural};

/// The largest request, in bytes: what bounds everything that declares no bound.
pub(super) const REQUEST_MAX: u64 = 3 * 1024 * 1024;
const DURATION_MAX: u64 = 32;
const DATE: u64 = 12;
const DATE_TIME_MAX: u64 = 34;

/// What a value of this schema looks like to a rule; none where rules can't see it.
pub(super) fn decl(schema: &Structural, is_root: bool) -> Option<Arc<Decl>> {
    let checks = &schema.checks;
    let text_max = || checks.max_length.map(|max| max.saturating_mul(4));
    if schema.int_or_string {
        return Some(Arc::new(Decl::simple(Type::Dyn, text_max().unwrap_or(REQUEST_MAX - 2), 1)));
    }
    let found = match schema.kind.as_str() {
        "array" => {
            let items = schema.items.as_deref()?;
            let element = decl(items, items.embedded)?;
            let max = checks.max_items.unwrap_or((REQUEST_MAX - 2) / (element.min_size + 1));
            Decl::list(element, max)
        }
        "object" => match schema.of_any_key() {
            Some(any) if !is_root => {
                let element = decl(any, any.embedded)?;
                let max = checks.max_properties.unwrap_or((REQUEST_MAX - 2) / (element.min_size + 6));
                Decl::map(element, max, REQUEST_MAX - 2)
            }
            _ => object(schema, is_root),
        },
        "string" => match checks.format.as_str() {
            "byte" => Decl::simple(Type::Bytes, checks.max_length.unwrap_or(REQUEST_MAX - 2), 2),
            "duration" => Decl::simple(Type::Duration, DURATION_MAX, 4),
            "date" => Decl::simple(Type::Timestamp, DATE, DATE),
            "date-time" => Decl::simple(Type::Timestamp, DATE_TIME_MAX, 21),
            _ => {
                let enumerated =
                    checks.allowed.iter().filter_map(Value::as_str).map(|word| word.len() as u64).max();
                Decl::simple(Type::String, text_max().or(enumerated).unwrap_or(REQUEST_MAX - 2), 2)
            }
        },
        "boolean" => Decl::simple(Type::Bool, 0, 4),
        "number" => Decl::simple(Type::Double, 0, 1),
        "integer" => Decl::simple(Type::Int, 0, 1),
        _ => return None,
    };
    Some(Arc::new(found))
}

fn object(schema: &Structural, is_root: bool) -> Decl {
    let mut fields = BTreeMap::new();
    let mut min_size = 2;
    for (name, property) in &schema.properties {
        let Some(field) = decl(property, property.embedded) else { continue };
        if schema.checks.required.contains(name) && property.default.is_none() {
            min_size += name.len() as u64 + field.min_size + 4;
        }
        if let Some(name) = escaped(name) {
            fields.insert(name, field);
        }
    }
    if is_root {
        let text = Arc::new(Decl::simple(Type::String, REQUEST_MAX - 2, 2));
        let names = ["name", "generateName"].map(|name| (name.to_owned(), text.clone()));
        fields.insert("apiVersion".to_owned(), text.clone());
        fields.insert("kind".to_owned(), text.clone());
        fields.insert("metadata".to_owned(), Arc::new(Decl::object(names.into(), 2)));
    }
    Decl::object(fields, min_size)
}

/// A value as rules see it: what no schema declares they don't see.
pub(super) fn value(json: &Value, schema: &Structural, is_root: bool) -> Cel {
    match json {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => match (schema.kind.as_str(), number.as_i64()) {
            ("number", _) => Cel::Double(number.as_f64().unwrap_or_default()),
            (_, Some(whole)) => Cel::Int(whole),
            ("integer", None) => Cel::Int(number.as_f64().unwrap_or_default() as i64),
            (_, None) => Cel::Double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => self::text(text, schema),
        Value::Array(list) => {
            let nothing = Structural::default();
            let items = schema.items.as_deref().unwrap_or(&nothing);
            let kind = match &schema.list {
                List::Atomic => ListKind::Plain,
                List::Set => ListKind::Set,
                List::Map(keys) => {
                    ListKind::Map(keys.iter().map(|key| escaped(key).unwrap_or_default()).collect())
                }
            };
            let items = list.iter().map(|item| value(item, items, items.embedded)).collect();
            Cel::List(Arc::new(CelList { items, kind }))
        }
        Value::Object(map) => {
            let entries = map.iter().filter_map(|(name, json)| {
                if is_root && ["apiVersion", "kind", "metadata"].contains(&name.as_str()) {
                    return Some((Key::String(Arc::from(name.as_str())), of_resource(name, json)));
                }
                let (name, below) = match (schema.properties.get(name), schema.of_any_key()) {
                    (Some(property), _) => (escaped(name)?, property),
                    (None, Some(any)) => (name.clone(), any),
                    (None, None) => return None,
                };
                Some((Key::String(Arc::from(name)), value(json, below, below.embedded)))
            });
            Cel::Map(Arc::new(entries.collect()))
        }
    }
}

/// Of a resource's own fields rules see kind, version and names.
fn of_resource(name: &str, json: &Value) -> Cel {
    let text = |json: &Value| Cel::text(json.as_str().unwrap_or_default());
    if name != "metadata" {
        return text(json);
    }
    let names = ["name", "generateName"].into_iter();
    let found = names.filter_map(|name| Some((Key::String(Arc::from(name)), text(json.get(name)?))));
    Cel::Map(Arc::new(found.collect()))
}

fn text(text: &str, schema: &Structural) -> Cel {
    let plain = || Cel::text(text);
    if schema.int_or_string || schema.kind != "string" {
        return plain();
    }
    match schema.checks.format.as_str() {
        "byte" => STANDARD.decode(text).map_or_else(|_| plain(), |bytes| Cel::bytes(&bytes)),
        "date-time" => text.parse::<Timestamp>().map_or_else(|_| plain(), Cel::Timestamp),
        "date" => format!("{text}T00:00:00Z").parse::<Timestamp>().map_or_else(|_| plain(), Cel::Timestamp),
        "duration" => rutter_cel::parse_duration(text).map_or_else(plain, Cel::Duration),
        _ => plain(),
    }
}

const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// A property's name as rules write it: `__dash__` for what CEL takes for an operator; none for what can't be written.
pub(super) fn escaped(name: &str) -> Option<String> {
    if RESERVED.contains(&name) {
        return Some(format!("__{name}__"));
    }
    let is_written = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/'));
    is_written.then(|| {
        name.replace("__", "__underscores__")
            .replace('.', "__dot__")
            .replace('-', "__dash__")
            .replace('/', "__slash__")
    })
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn names_are_written_as_kubernetes_writes_them() {
        let cases = [
            ("plain", Some("plain")),
            ("a-b", Some("a__dash__b")),
            ("a.b/c", Some("a__dot__b__slash__c")),
            ("a__b", Some("a__underscores__b")),
            ("namespace", Some("__namespace__")),
            ("ä", None),
            ("1a", None),
        ];
        for (name, written) in cases {
            assert_eq!(escaped(name).as_deref(), written, "{name}");
        }
    }
}
