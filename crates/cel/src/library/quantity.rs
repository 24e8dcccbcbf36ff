//! Quantities (`k8s.io/apiserver/pkg/cel/library/quantity.go`), exact to a billionth.

use super::Answer;
use crate::value::Value;

const NANO: i128 = 1_000_000_000;

pub(super) fn call(function: &str, args: &[Value]) -> Option<Answer> {
    Some(match (function, args) {
        ("quantity", [Value::String(text)]) => match parse(text) {
            Some(nano) => Ok(Value::Quantity(nano)),
            None => Err("quantities must match the regular expression \
                         '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                .to_owned()),
        },
        ("isQuantity", [Value::String(text)]) => Ok(Value::Bool(parse(text).is_some())),
        ("sign", [Value::Quantity(nano)]) => Ok(Value::Int(nano.signum() as i64)),
        ("isInteger", [Value::Quantity(nano)]) => Ok(Value::Bool(integer(*nano).is_some())),
        ("asInteger", [Value::Quantity(nano)]) => {
            integer(*nano).map(Value::Int).ok_or_else(|| "cannot convert value to integer".to_owned())
        }
        ("asApproximateFloat", [Value::Quantity(nano)]) => Ok(Value::Double(*nano as f64 / NANO as f64)),
        ("isGreaterThan", [Value::Quantity(a), Value::Quantity(b)]) => Ok(Value::Bool(a > b)),
        ("isLessThan", [Value::Quantity(a), Value::Quantity(b)]) => Ok(Value::Bool(a < b)),
        ("compareTo", [Value::Quantity(a), Value::Quantity(b)]) => Ok(Value::Int(a.cmp(b) as i64)),
        ("add", [Value::Quantity(a), b]) => combined(*a, b, i128::checked_add)?,
        ("sub", [Value::Quantity(a), b]) => combined(*a, b, i128::checked_sub)?,
        _ => return None,
    })
}

fn combined(one: i128, other: &Value, by: fn(i128, i128) -> Option<i128>) -> Option<Answer> {
    let other = match other {
        Value::Quantity(nano) => *nano,
        Value::Int(number) => i128::from(*number) * NANO,
        _ => return None,
    };
    Some(by(one, other).map(Value::Quantity).ok_or_else(|| "quantity overflow".to_owned()))
}

fn integer(nano: i128) -> Option<i64> {
    (nano % NANO == 0).then(|| i64::try_from(nano / NANO).ok()).flatten()
}

/// In billionths; what is finer is rounded up, as upstream rounds.
pub(crate) fn parse(text: &str) -> Option<i128> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') || whole.len() > 24 {
        return None;
    }
    let (factor, divisor): (i128, i128) = match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        _ => {
            let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            match power {
                0..=24 => (10_i128.pow(power.unsigned_abs()), 1),
                -24..0 => (1, 10_i128.pow(power.unsigned_abs())),
                _ => return None,
            }
        }
    };
    let fraction = &fraction[..fraction.len().min(12)];
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?).checked_mul(divisor)?;
    let product = digits.checked_mul(factor)?.checked_mul(NANO)?;
    let nano = product / scale + i128::from(product % scale != 0);
    Some(if negative { -nano } else { nano })
}

/// In decimal, as short as it can be told.
pub(crate) fn text(nano: i128) -> String {
    let mut value = nano;
    for suffix in ["n", "u", "m"] {
        if value % 1000 != 0 {
            return format!("{value}{suffix}");
        }
        value /= 1000;
    }
    for suffix in ["", "k", "M", "G", "T", "P"] {
        if value % 1000 != 0 || value == 0 {
            return format!("{value}{suffix}");
        }
        value /= 1000;
    }
    format!("{value}E")
}
