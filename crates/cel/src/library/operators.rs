//! Comparison, arithmetic, membership, optionals.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Answer, NO_OVERLOAD};
use crate::value::{List, ListKind, Value};

/// The order of two values of one kind, or of two numbers; none where there is none.
pub(crate) fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        (Value::Quantity(a), Value::Quantity(b)) => Some(a.cmp(b)),
        (Value::Semver(a), Value::Semver(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (a, b) => number(a)?.partial_cmp(&number(b)?),
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Uint(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        _ => None,
    }
}

pub(super) fn call(function: &str, args: &[Value]) -> Option<Answer> {
    let ordered = |test: fn(Ordering) -> bool| match compare(&args[0], &args[1]) {
        Some(order) => Ok(Value::Bool(test(order))),
        None if number(&args[0]).is_some() && number(&args[1]).is_some() => Ok(Value::Bool(false)),
        None => Err(NO_OVERLOAD.to_owned()),
    };
    Some(match (function, args) {
        ("_==_", [a, b]) => Ok(Value::Bool(a == b)),
        ("_!=_", [a, b]) => Ok(Value::Bool(a != b)),
        ("_<_", [_, _]) => ordered(Ordering::is_lt),
        ("_<=_", [_, _]) => ordered(Ordering::is_le),
        ("_>_", [_, _]) => ordered(Ordering::is_gt),
        ("_>=_", [_, _]) => ordered(Ordering::is_ge),
        ("_+_", [a, b]) => add(a, b),
        ("_-_", [a, b]) => subtract(a, b),
        ("_*_", [a, b]) => multiply(a, b),
        ("_/_", [a, b]) => divide(a, b),
        ("_%_", [Value::Int(_), Value::Int(0)] | [Value::Uint(_), Value::Uint(0)]) => {
            Err("modulus by zero".to_owned())
        }
        ("_%_", [Value::Int(a), Value::Int(b)]) => a.checked_rem(*b).map(Value::Int).ok_or_else(overflow),
        ("_%_", [Value::Uint(a), Value::Uint(b)]) => Ok(Value::Uint(a % b)),
        ("-_", [Value::Int(a)]) => a.checked_neg().map(Value::Int).ok_or_else(overflow),
        ("-_", [Value::Double(a)]) => Ok(Value::Double(-a)),
        ("!_", [Value::Bool(a)]) => Ok(Value::Bool(!a)),
        ("@in", [needle, Value::List(list)]) => Ok(Value::Bool(list.items.contains(needle))),
        ("@in", [needle, Value::Map(map)]) => {
            Ok(Value::Bool(needle.key().is_some_and(|key| map.contains_key(&key))))
        }
        ("_[_]", [of, index]) => indexed(of, index),
        ("_[?_]", [of, index]) => Ok(maybe_indexed(of, index)),
        ("optional.of", [value]) => Ok(Value::some(value.clone())),
        ("optional.none", []) => Ok(Value::none()),
        ("optional.ofNonZeroValue", [value]) => {
            Ok(if value.is_zero() { Value::none() } else { Value::some(value.clone()) })
        }
        ("hasValue", [Value::Optional(value)]) => Ok(Value::Bool(value.is_some())),
        ("value", [Value::Optional(value)]) => {
            value.as_deref().cloned().ok_or_else(|| "optional.none() dereference".to_owned())
        }
        ("orValue", [Value::Optional(value), other]) => {
            Ok(value.as_deref().cloned().unwrap_or_else(|| other.clone()))
        }
        ("or", [value @ Value::Optional(Some(_)), _]) => Ok(value.clone()),
        ("or", [Value::Optional(None), other]) => Ok(other.clone()),
        _ => return None,
    })
}

fn overflow() -> String {
    "integer overflow".to_owned()
}

fn add(one: &Value, other: &Value) -> Answer {
    Ok(match (one, other) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_add(*b).ok_or_else(overflow)?),
        (Value::Uint(a), Value::Uint(b)) => Value::Uint(a.checked_add(*b).ok_or_else(overflow)?),
        (Value::Double(a), Value::Double(b)) => Value::Double(a + b),
        (Value::String(a), Value::String(b)) => Value::text(&format!("{a}{b}")),
        (Value::Bytes(a), Value::Bytes(b)) => Value::bytes(&[&a[..], &b[..]].concat()),
        (Value::Duration(a), Value::Duration(b)) => Value::Duration(a.checked_add(*b).ok_or_else(overflow)?),
        (Value::Timestamp(time), Value::Duration(nanos))
        | (Value::Duration(nanos), Value::Timestamp(time)) => Value::Timestamp(moved(*time, *nanos)?),
        (Value::List(a), Value::List(b)) => Value::List(Arc::new(joined(a, b))),
        _ => return Err(NO_OVERLOAD.to_owned()),
    })
}

/// A set takes what it has not, a map replaces by keys (`k8s.io/apiserver/pkg/cel/common/values.go`, Add).
fn joined(one: &List, other: &List) -> List {
    let mut items = one.items.clone();
    match &one.kind {
        ListKind::Plain => items.extend(other.items.iter().cloned()),
        ListKind::Set => items.extend(other.items.iter().filter(|item| !one.items.contains(item)).cloned()),
        ListKind::Map(keys) => {
            let same = |a: &Value, b: &Value| match (a, b) {
                (Value::Map(a), Value::Map(b)) => keys.iter().all(|key| {
                    let key = crate::value::Key::String(Arc::from(key.as_str()));
                    a.get(&key) == b.get(&key)
                }),
                _ => false,
            };
            for item in &other.items {
                match items.iter_mut().find(|known| same(known, item)) {
                    Some(known) => *known = item.clone(),
                    None => items.push(item.clone()),
                }
            }
        }
    }
    List { items, kind: one.kind.clone() }
}

fn moved(time: Timestamp, nanos: i64) -> Result<Timestamp, String> {
    time.checked_add(SignedDuration::from_nanos(nanos)).map_err(|_| "timestamp overflow".to_owned())
}

fn subtract(one: &Value, other: &Value) -> Answer {
    Ok(match (one, other) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_sub(*b).ok_or_else(overflow)?),
        (Value::Uint(a), Value::Uint(b)) => Value::Uint(a.checked_sub(*b).ok_or_else(overflow)?),
        (Value::Double(a), Value::Double(b)) => Value::Double(a - b),
        (Value::Duration(a), Value::Duration(b)) => Value::Duration(a.checked_sub(*b).ok_or_else(overflow)?),
        (Value::Timestamp(time), Value::Duration(nanos)) => {
            Value::Timestamp(moved(*time, nanos.checked_neg().ok_or_else(overflow)?)?)
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => {
            let nanos = a.as_nanosecond() - b.as_nanosecond();
            Value::Duration(i64::try_from(nanos).map_err(|_| overflow())?)
        }
        _ => return Err(NO_OVERLOAD.to_owned()),
    })
}

fn multiply(one: &Value, other: &Value) -> Answer {
    Ok(match (one, other) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_mul(*b).ok_or_else(overflow)?),
        (Value::Uint(a), Value::Uint(b)) => Value::Uint(a.checked_mul(*b).ok_or_else(overflow)?),
        (Value::Double(a), Value::Double(b)) => Value::Double(a * b),
        _ => return Err(NO_OVERLOAD.to_owned()),
    })
}

fn divide(one: &Value, other: &Value) -> Answer {
    Ok(match (one, other) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            return Err("division by zero".to_owned());
        }
        (Value::Int(a), Value::Int(b)) => Value::Int(a.checked_div(*b).ok_or_else(overflow)?),
        (Value::Uint(a), Value::Uint(b)) => Value::Uint(a / b),
        (Value::Double(a), Value::Double(b)) => Value::Double(a / b),
        _ => return Err(NO_OVERLOAD.to_owned()),
    })
}

fn indexed(of: &Value, index: &Value) -> Answer {
    match of {
        Value::Optional(None) => Ok(Value::none()),
        Value::Optional(Some(inner)) => Ok(maybe_indexed(inner, index)),
        Value::List(list) => {
            let place = match index {
                Value::Int(place) => usize::try_from(*place).ok(),
                Value::Uint(place) => usize::try_from(*place).ok(),
                Value::Double(place) if place.fract() == 0.0 && *place >= 0.0 => Some(*place as usize),
                _ => return Err(NO_OVERLOAD.to_owned()),
            };
            let found = place.and_then(|place| list.items.get(place));
            found.cloned().ok_or_else(|| format!("index out of bounds: {index}"))
        }
        Value::Map(map) => {
            let found = index.key().and_then(|key| map.get(&key));
            found.cloned().ok_or_else(|| format!("no such key: {index}"))
        }
        _ => Err(NO_OVERLOAD.to_owned()),
    }
}

fn maybe_indexed(of: &Value, index: &Value) -> Value {
    match of {
        Value::Optional(None) => Value::none(),
        Value::Optional(Some(inner)) => maybe_indexed(inner, index),
        of => indexed(of, index).map_or(Value::none(), Value::some),
    }
}
