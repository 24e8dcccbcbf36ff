//! Values.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use rutter_quantity::Quantity;

use crate::library::{cidr::Cidr, semver::Semver, url::Url};

/// What an expression comes to. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    /// Nanoseconds.
    Duration(i64),
    Timestamp(Timestamp),
    List(Arc<List>),
    Map(Arc<BTreeMap<Key, Value>>),
    Optional(Option<Arc<Value>>),
    /// The name of a type.
    Kind(Arc<str>),
    Quantity(Quantity),
    Url(Arc<Url>),
    Ip(IpAddr),
    Cidr(Cidr),
    Semver(Arc<Semver>),
    Format(&'static str),
}

/// A list, which may count as a set or be told apart by keys (`x-kubernetes-list-type`).
#[derive(Debug, Clone, Default)]
pub struct List {
    pub items: Vec<Value>,
    pub kind: ListKind,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub enum ListKind {
    #[default]
    Plain,
    Set,
    Map(Arc<[String]>),
}

/// A key of a map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Bool(bool),
    Int(i64),
    Uint(u64),
    String(Arc<str>),
}

impl Value {
    #[must_use]
    pub fn text(text: &str) -> Value {
        Value::String(Arc::from(text))
    }

    #[must_use]
    pub fn bytes(bytes: &[u8]) -> Value {
        Value::Bytes(Arc::from(bytes))
    }

    #[must_use]
    pub fn list(items: Vec<Value>) -> Value {
        Value::List(Arc::new(List { items, kind: ListKind::Plain }))
    }

    pub(crate) fn none() -> Value {
        Value::Optional(None)
    }

    pub(crate) fn some(value: Value) -> Value {
        Value::Optional(Some(Arc::new(value)))
    }

    /// Characters, bytes, elements or entries; 1 for what has no size.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Value::String(text) => text.chars().count() as u64,
            Value::Bytes(bytes) => bytes.len() as u64,
            Value::List(list) => list.items.len() as u64,
            Value::Map(map) => map.len() as u64,
            Value::Optional(Some(value)) => value.size(),
            _ => 1,
        }
    }

    /// The name of its type.
    pub(crate) fn type_name(&self) -> &str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::Duration(_) => "google.protobuf.Duration",
            Value::Timestamp(_) => "google.protobuf.Timestamp",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Optional(_) => "optional_type",
            Value::Kind(_) => "type",
            Value::Quantity(_) => crate::types::QUANTITY,
            Value::Url(_) => crate::types::URL,
            Value::Ip(_) => crate::types::IP,
            Value::Cidr(_) => crate::types::CIDR,
            Value::Semver(_) => crate::types::SEMVER,
            Value::Format(_) => crate::types::FORMAT,
        }
    }

    pub(crate) fn key(&self) -> Option<Key> {
        Some(match self {
            Value::Bool(value) => Key::Bool(*value),
            Value::Int(value) => Key::Int(*value),
            Value::Uint(value) => Key::Uint(*value),
            Value::String(value) => Key::String(value.clone()),
            Value::Double(value) if value.fract() == 0.0 => Key::Int(*value as i64),
            _ => return None,
        })
    }

    /// Whether it is what its type has when nothing is said.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Value::Null | Value::Optional(None) => true,
            Value::Bool(value) => !value,
            Value::Int(0) | Value::Uint(0) | Value::Duration(0) => true,
            Value::Double(value) => *value == 0.0,
            Value::String(text) => text.is_empty(),
            Value::Bytes(bytes) => bytes.is_empty(),
            Value::List(list) => list.items.is_empty(),
            Value::Map(map) => map.is_empty(),
            _ => false,
        }
    }
}

impl Key {
    pub(crate) fn value(&self) -> Value {
        match self {
            Key::Bool(value) => Value::Bool(*value),
            Key::Int(value) => Value::Int(*value),
            Key::Uint(value) => Value::Uint(*value),
            Key::String(value) => Value::String(value.clone()),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::String(a), Value::String(b)) | (Value::Kind(a), Value::Kind(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a == b,
            (Value::Optional(a), Value::Optional(b)) => a == b,
            (Value::Quantity(a), Value::Quantity(b)) => a == b,
            (Value::Url(a), Value::Url(b)) => a == b,
            (Value::Ip(a), Value::Ip(b)) => a == b,
            (Value::Cidr(a), Value::Cidr(b)) => a == b,
            (Value::Semver(a), Value::Semver(b)) => a == b,
            (Value::Format(a), Value::Format(b)) => a == b,
            (a, b) => crate::library::compare(a, b) == Some(std::cmp::Ordering::Equal),
        }
    }
}

impl PartialEq for List {
    /// Sets and maps know no order (`k8s.io/apiserver/pkg/cel/common/values.go`).
    fn eq(&self, other: &List) -> bool {
        if self.items.len() != other.items.len() {
            return false;
        }
        match self.kind {
            ListKind::Plain => self.items == other.items,
            ListKind::Set | ListKind::Map(_) => self.items.iter().all(|item| other.items.contains(item)),
        }
    }
}

/// As `string()` has it, and Go prints the rest.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Uint(value) => write!(f, "{value}"),
            Value::Double(value) if value.fract() == 0.0 && value.abs() < 1e21 => write!(f, "{value:.0}"),
            Value::Double(value) => write!(f, "{value}"),
            Value::String(text) => f.write_str(text),
            Value::Bytes(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Value::Duration(nanos) => f.write_str(&crate::library::time::duration_text(*nanos)),
            Value::Timestamp(time) => write!(f, "{time}"),
            Value::List(list) => {
                f.write_str("[")?;
                for (index, item) in list.items.iter().enumerate() {
                    write!(f, "{}{item}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Value::Map(map) => {
                f.write_str("{")?;
                for (index, (key, value)) in map.iter().enumerate() {
                    write!(f, "{}{}: {value}", if index > 0 { ", " } else { "" }, key.value())?;
                }
                f.write_str("}")
            }
            Value::Optional(Some(value)) => write!(f, "optional({value})"),
            Value::Optional(None) => f.write_str("optional.none()"),
            Value::Kind(name) => f.write_str(name),
            Value::Quantity(_) => f.write_str("quantity"),
            Value::Url(url) => f.write_str(&url.text),
            Value::Ip(ip) => write!(f, "{ip}"),
            Value::Cidr(cidr) => write!(f, "{cidr}"),
            Value::Semver(version) => write!(f, "{version}"),
            Value::Format(name) => f.write_str(name),
        }
    }
}
