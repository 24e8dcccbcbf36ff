//! Quantities (`k8s.io/apiserver/pkg/cel/library/quantity.go`).

use rutter_quantity::{Format, Quantity};

use super::Answer;
use crate::value::Value;

pub(super) fn call(function: &str, args: &[Value]) -> Option<Answer> {
    Some(match (function, args) {
        ("quantity", [Value::String(text)]) => {
            text.parse().map(Value::Quantity).map_err(|error: rutter_quantity::ParseError| error.to_string())
        }
        ("isQuantity", [Value::String(text)]) => Ok(Value::Bool(text.parse::<Quantity>().is_ok())),
        ("sign", [Value::Quantity(amount)]) => Ok(Value::Int(amount.sign())),
        ("isInteger", [Value::Quantity(amount)]) => Ok(Value::Bool(amount.whole().is_some())),
        ("asInteger", [Value::Quantity(amount)]) => {
            amount.whole().map(Value::Int).ok_or_else(|| "cannot convert value to integer".to_owned())
        }
        ("asApproximateFloat", [Value::Quantity(amount)]) => Ok(Value::Double(amount.approximate())),
        ("isGreaterThan", [Value::Quantity(a), Value::Quantity(b)]) => Ok(Value::Bool(a > b)),
        ("isLessThan", [Value::Quantity(a), Value::Quantity(b)]) => Ok(Value::Bool(a < b)),
        ("compareTo", [Value::Quantity(a), Value::Quantity(b)]) => Ok(Value::Int(a.cmp(b) as i64)),
        ("add", [Value::Quantity(a), b]) => Ok(Value::Quantity(*a + amount(b)?)),
        ("sub", [Value::Quantity(a), b]) => Ok(Value::Quantity(*a - amount(b)?)),
        _ => return None,
    })
}

fn amount(value: &Value) -> Option<Quantity> {
    match value {
        Value::Quantity(amount) => Some(*amount),
        Value::Int(units) => Some(Quantity::from_units(*units, Format::Decimal)),
        _ => None,
    }
}
