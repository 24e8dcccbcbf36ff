//! From one type to another.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Answer, time};
use crate::value::Value;

pub(super) fn call(function: &str, args: &[Value]) -> Option<Answer> {
    let [value] = args else { return None };
    let bad = |what: &str| Err(format!("type conversion error from '{}' to '{what}'", value.type_name()));
    Some(match (function, value) {
        ("dyn", value) => Ok(value.clone()),
        ("type", value) => Ok(Value::Kind(Arc::from(value.type_name()))),
        ("int", Value::Int(_)) | ("uint", Value::Uint(_)) | ("double", Value::Double(_)) => Ok(value.clone()),
        ("bool", Value::Bool(_)) | ("bytes", Value::Bytes(_)) | ("string", Value::String(_)) => {
            Ok(value.clone())
        }
        ("duration", Value::Duration(_)) | ("timestamp", Value::Timestamp(_)) => Ok(value.clone()),
        ("int", Value::Uint(number)) => range(i64::try_from(*number).ok().map(Value::Int)),
        ("int", Value::Double(number)) => range(whole(*number).map(Value::Int)),
        ("int", Value::Timestamp(time)) => Ok(Value::Int(time.as_second())),
        ("int", Value::Duration(nanos)) => Ok(Value::Int(*nanos)),
        ("int", Value::String(text)) => match text.parse() {
            Ok(number) => Ok(Value::Int(number)),
            Err(_) => bad("int"),
        },
        ("uint", Value::Int(number)) => range(u64::try_from(*number).ok().map(Value::Uint)),
        ("uint", Value::Double(number)) => range(
            (*number >= 0.0 && *number < 18_446_744_073_709_551_616.0).then_some(Value::Uint(*number as u64)),
        ),
        ("uint", Value::String(text)) => match text.parse() {
            Ok(number) => Ok(Value::Uint(number)),
            Err(_) => bad("uint"),
        },
        ("double", Value::Int(number)) => Ok(Value::Double(*number as f64)),
        ("double", Value::Uint(number)) => Ok(Value::Double(*number as f64)),
        ("double", Value::String(text)) => match text.parse() {
            Ok(number) => Ok(Value::Double(number)),
            Err(_) => bad("double"),
        },
        ("bool", Value::String(text)) => match text.as_ref() {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Value::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Value::Bool(false)),
            _ => bad("bool"),
        },
        ("bytes", Value::String(text)) => Ok(Value::bytes(text.as_bytes())),
        ("string", Value::Bytes(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::text(text)),
            Err(_) => Err("invalid UTF-8 in bytes, cannot convert to string".to_owned()),
        },
        ("string", Value::Quantity(amount)) => Ok(Value::text(&amount.to_string())),
        (
            "string",
            Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Double(_)
            | Value::Timestamp(_)
            | Value::Duration(_)
            | Value::Ip(_)
            | Value::Cidr(_)
            | Value::Semver(_),
        ) => Ok(Value::text(&value.to_string())),
        ("duration", Value::Int(nanos)) => Ok(Value::Duration(*nanos)),
        ("duration", Value::String(text)) => match time::parse_duration(text) {
            Some(nanos) => Ok(Value::Duration(nanos)),
            None => bad("duration"),
        },
        ("timestamp", Value::Int(seconds)) => {
            range(Timestamp::from_second(*seconds).ok().map(Value::Timestamp))
        }
        ("timestamp", Value::String(text)) => match text.parse::<Timestamp>() {
            Ok(time) => Ok(Value::Timestamp(time)),
            Err(_) => bad("timestamp"),
        },
        _ => return None,
    })
}

fn range(value: Option<Value>) -> Answer {
    value.ok_or_else(|| "range error converting number".to_owned())
}

fn whole(number: f64) -> Option<i64> {
    (number.is_finite() && number > -9.223_372_036_854_776e18 && number < 9.223_372_036_854_776e18)
        .then_some(number as i64)
}
