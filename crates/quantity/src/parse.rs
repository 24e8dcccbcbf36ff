//! From text to an amount: digits, and a suffix that scales them.

use std::str::FromStr;

use super::{Format, MAX, ParseError, Quantity, ceil_div};

impl FromStr for Quantity {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Quantity, ParseError> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            Some(_) => (false, text),
            None => return Err(ParseError::Form),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, suffix) = rest.split_at(end);
        let scale = scale(suffix)?;
        let magnitude = scaled(digits, scale)?.min(MAX);
        Ok(Quantity { nanos: if negative { -magnitude } else { magnitude }, format: scale.format })
    }
}

/// What a suffix multiplies by: `base` to the power of `exponent`.
#[derive(Clone, Copy)]
struct Scale {
    format: Format,
    base: i128,
    exponent: i32,
}

fn scale(suffix: &str) -> Result<Scale, ParseError> {
    let decimal = |exponent| Ok(Scale { format: Format::Decimal, base: 10, exponent });
    let binary = |power| Ok(Scale { format: Format::Binary, base: 1024, exponent: power });
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        other => exponent(other),
    }
}

fn exponent(suffix: &str) -> Result<Scale, ParseError> {
    let Some(power) = suffix.strip_prefix(['e', 'E']) else { return Err(no_suffix(suffix)) };
    let power: i32 = power.parse().map_err(|_| no_suffix(suffix))?;
    Ok(Scale { format: Format::Exponent, base: 10, exponent: power })
}

/// What could be a suffix by its letters is an unknown one; anything else is no quantity at all.
fn no_suffix(suffix: &str) -> ParseError {
    let letters = suffix.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', '+']);
    if letters.chars().all(|c| "eEinumkKMGTP".contains(c)) { ParseError::Suffix } else { ParseError::Form }
}

/// The magnitude in nanos, rounded up, and capped where it would not fit.
fn scaled(digits: &str, scale: Scale) -> Result<i128, ParseError> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return Err(ParseError::Number);
    }
    let significant: String = whole.chars().chain(fraction.chars()).collect();
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    let tens = 9 - i32::try_from(fraction.len()).map_err(|_| ParseError::Number)?;
    let power = scale.base.pow(if scale.base == 10 { 0 } else { scale.exponent.unsigned_abs() });
    // As many digits as leave room for the power.
    let kept = MOST_DIGITS - power.to_string().len();
    let (number, dropped) = leading(significant, kept);
    let tens = tens.saturating_add(dropped);
    Ok(match scale.base {
        10 => shifted(number, tens.saturating_add(scale.exponent)),
        _ => shifted(number * power, tens),
    })
}

/// Digits of a number that fits, whatever they are.
const MOST_DIGITS: usize = 38;

/// The first digits as a number, rounded up, and how many were left out.
fn leading(digits: &str, kept: usize) -> (i128, i32) {
    let (first, rest) = digits.split_at(digits.len().min(kept));
    let kept: i128 = first.parse().expect("so many digits fit");
    let round_up = i128::from(rest.bytes().any(|b| b != b'0'));
    (kept + round_up, i32::try_from(rest.len()).unwrap_or(i32::MAX))
}

/// `number` × 10^`tens`, rounded up.
fn shifted(number: i128, tens: i32) -> i128 {
    let power = 10i128.checked_pow(tens.unsigned_abs());
    match (power, tens >= 0) {
        (Some(power), true) => number.saturating_mul(power),
        (None, true) => MAX,
        (Some(power), false) => ceil_div(number, power),
        (None, false) => 1,
    }
}
