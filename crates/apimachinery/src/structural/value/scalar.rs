//! Types, and what numbers and strings have to fulfil.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::{Checks, Fault, FieldError, Structural, error, format};
use crate::status::quoted;

/// JSON Schema's word for what a value is.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

pub(super) fn of_type(value: &Value, schema: &Structural, path: &str) -> Option<FieldError> {
    let wanted = if schema.int_or_string { "integer,string" } else { schema.kind.as_str() };
    let found = type_of(value);
    let fits = match found {
        _ if wanted.is_empty() => true,
        "null" => schema.nullable,
        "integer" => wanted.split(',').any(|kind| matches!(kind, "integer" | "number")),
        "number" => {
            wanted == "number" || (wanted.contains("integer") && is_whole(value.as_f64().unwrap_or(0.5)))
        }
        found => wanted.split(',').any(|kind| kind == found),
    };
    (!fits).then(|| {
        let words = format!("{path} in body must be of type {wanted}: {}", quoted(found));
        error(Fault::TypeInvalid, path, Some(found.into()), words)
    })
}

fn is_whole(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0
}

pub(super) fn of_enum(value: &Value, checks: &Checks, path: &str) -> Option<FieldError> {
    if checks.allowed.is_empty() || checks.allowed.iter().any(|allowed| same(value, allowed)) {
        return None;
    }
    let words = checks.allowed.iter().map(|allowed| match allowed {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    let words: Vec<String> = words.map(|word| quoted(&word)).collect();
    let detail = format!("supported values: {}", words.join(", "));
    Some(error(Fault::NotSupported, path, Some(value.clone()), detail))
}

fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => compared(one, other) == Ordering::Equal,
        (one, other) => one == other,
    }
}

pub(super) fn string(text: &str, schema: &Structural, path: &str, errors: &mut Vec<FieldError>) {
    let Checks { max_length, min_length, pattern, format, .. } = &schema.checks;
    let length = text.chars().count() as u64;
    if let Some(most) = max_length.filter(|most| length > *most) {
        errors.push(error(Fault::TooLong, path, None, format!("may not be more than {most} bytes")));
    }
    if let Some(least) = min_length.filter(|least| length < *least) {
        let words = format!("{path} in body should be at least {least} chars long");
        errors.push(error(Fault::Invalid, path, Some(text.into()), words));
    }
    if let Some(pattern) = pattern
        && !pattern.compiled.as_ref().is_some_and(|compiled| compiled.is_match(text))
    {
        let words = format!("{path} in body should match '{}'", pattern.text);
        errors.push(error(Fault::Invalid, path, Some(text.into()), words));
    }
    let says_format = matches!(schema.kind.as_str(), "" | "string") && !format.is_empty();
    if says_format && !format::holds(format, text) {
        let words = format!("{path} in body must be of type {format}: {}", quoted(text));
        errors.push(error(Fault::TypeInvalid, path, Some(text.into()), words));
    }
}

pub(super) fn number(value: &Value, checks: &Checks, path: &str, errors: &mut Vec<FieldError>) {
    let Some(number) = value.as_number() else { return };
    let mut refuse = |words: String| {
        let words = format!("{path} in body should be {words}");
        errors.push(error(Fault::Invalid, path, Some(value.clone()), words));
    };
    if let Some(step) = checks.multiple_of.as_ref().filter(|step| !is_multiple(number, step)) {
        refuse(format!("a multiple of {}", told(step)));
    }
    if let Some(most) = &checks.maximum {
        match (ordered(number, &most.value), most.excluded) {
            (Ordering::Greater, false) => refuse(format!("less than or equal to {}", told(&most.value))),
            (Ordering::Greater | Ordering::Equal, true) => refuse(format!("less than {}", told(&most.value))),
            _ => {}
        }
    }
    if let Some(least) = &checks.minimum {
        match (ordered(number, &least.value), least.excluded) {
            (Ordering::Less, false) => refuse(format!("greater than or equal to {}", told(&least.value))),
            (Ordering::Less | Ordering::Equal, true) => {
                refuse(format!("greater than {}", told(&least.value)))
            }
            _ => {}
        }
    }
}

/// As Go prints a float: 1, not 1.0.
fn told(number: &Value) -> String {
    match number.as_f64() {
        Some(float) if is_whole(float) => format!("{float:.0}"),
        _ => number.to_string(),
    }
}

fn ordered(number: &Number, bound: &Value) -> Ordering {
    bound.as_number().map_or(Ordering::Equal, |bound| compared(number, bound))
}

fn compared(one: &Number, other: &Number) -> Ordering {
    match (one.as_i64(), other.as_i64()) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => {
            let (one, other) = (one.as_f64().unwrap_or(0.0), other.as_f64().unwrap_or(0.0));
            one.partial_cmp(&other).unwrap_or(Ordering::Equal)
        }
    }
}

fn is_multiple(number: &Number, step: &Value) -> bool {
    match (number.as_i64(), step.as_i64()) {
        (Some(number), Some(step)) if step != 0 => number % step == 0,
        _ => {
            let (number, step) = (number.as_f64().unwrap_or(0.0), step.as_f64().unwrap_or(1.0));
            if step == 0.0 { true } else { is_whole(number / step) }
        }
    }
}
