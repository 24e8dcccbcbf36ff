//! `resource.Quantity`: amounts of CPU, memory and everything else that is counted
//! (`k8s.io/apimachinery/pkg/api/resource/quantity.go`, `suffix.go`).
//!
//! An amount is kept exactly, in nanos (10⁻⁹): upstream rounds finer ones up, and so does this. A suffix belongs to
//! one of three families, and the canonical form of an amount stays in the family it was written in.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// An amount and the family of suffixes it was written with.
#[derive(Clone, Copy, Debug, Eq)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

/// The family of suffixes of the canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `Ki`, `Mi` … powers of 1024.
    Binary,
    /// `n`, `u`, `m`, none, `k`, `M` … powers of 1000.
    Decimal,
    /// `e3`, `E3`.
    Exponent,
}

/// Why a text is no quantity; in upstream's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Form,
    #[error("unable to parse numeric part of quantity")]
    Number,
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

const NANO: i128 = 1_000_000_000;
/// Upstream caps amounts at 2⁶³-1 whole units.
const MAX: i128 = i64::MAX as i128 * NANO;

impl Quantity {
    pub const ZERO: Quantity = Quantity { nanos: 0, format: Format::Decimal };

    #[must_use]
    pub const fn from_units(units: i64, format: Format) -> Quantity {
        Quantity { nanos: units as i128 * NANO, format }
    }

    #[must_use]
    pub const fn from_millis(millis: i64, format: Format) -> Quantity {
        Quantity { nanos: millis as i128 * (NANO / 1000), format }
    }

    /// Reads a field: a string, or a number as YAML writers leave it.
    ///
    /// # Errors
    /// When it is neither, or no quantity.
    pub fn from_value(value: &Value) -> Result<Quantity, ParseError> {
        match value {
            Value::String(text) => text.parse(),
            Value::Number(number) => number.to_string().parse(),
            _ => Err(ParseError::Form),
        }
    }

    /// Whole units, rounded up (upstream's `Value`).
    #[must_use]
    pub fn units(self) -> i64 {
        saturated(ceil_div(self.nanos, NANO))
    }

    /// Thousandths, rounded up (upstream's `MilliValue`).
    #[must_use]
    pub fn millis(self) -> i64 {
        saturated(ceil_div(self.nanos, NANO / 1000))
    }

    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }

    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// Whether it is a whole number of units.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.nanos % NANO == 0
    }

    #[must_use]
    pub const fn format(self) -> Format {
        self.format
    }
}

/// The sum keeps the family of the left side, unless that is zero.
impl std::ops::Add for Quantity {
    type Output = Quantity;
    fn add(self, other: Quantity) -> Quantity {
        let format = if self.is_zero() { other.format } else { self.format };
        Quantity { nanos: (self.nanos + other.nanos).clamp(-MAX, MAX), format }
    }
}

impl std::ops::Sub for Quantity {
    type Output = Quantity;
    fn sub(self, other: Quantity) -> Quantity {
        let format = if self.is_zero() { other.format } else { self.format };
        Quantity { nanos: (self.nanos - other.nanos).clamp(-MAX, MAX), format }
    }
}

/// Amounts are equal however they were written.
impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.nanos == other.nanos
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

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
    let (number, dropped) = leading(significant);
    let tens = tens.saturating_add(dropped);
    let number = match scale.base {
        10 => return Ok(shifted(number, tens.saturating_add(scale.exponent))),
        base => number.checked_mul(base.pow(scale.exponent.unsigned_abs())),
    };
    Ok(number.map_or(MAX, |number| shifted(number, tens)))
}

/// The first twenty digits as a number, rounded up, and how many were left out.
fn leading(digits: &str) -> (i128, i32) {
    const KEPT: usize = 20;
    let kept: i128 = digits[..digits.len().min(KEPT)].parse().expect("twenty digits fit");
    let rest = digits.get(KEPT..).unwrap_or("");
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

fn ceil_div(number: i128, by: i128) -> i128 {
    number.div_euclid(by) + i128::from(number.rem_euclid(by) != 0)
}

fn saturated(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}

/// The canonical form: the largest suffix of the family that leaves a whole number.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.nanos < 0 { "-" } else { "" };
        let magnitude = self.nanos.abs();
        match self.format {
            _ if magnitude == 0 => f.write_str("0"),
            Format::Binary if self.is_whole() && magnitude >= 1024 * NANO => {
                binary(f, sign, magnitude / NANO)
            }
            Format::Binary | Format::Decimal => decimal(f, sign, magnitude, |power| match power {
                -9 => "n",
                -6 => "u",
                -3 => "m",
                3 => "k",
                6 => "M",
                9 => "G",
                12 => "T",
                15 => "P",
                18 => "E",
                _ => "",
            }),
            Format::Exponent => {
                let (number, power) = thousands(magnitude);
                match power {
                    0 => write!(f, "{sign}{number}"),
                    power => write!(f, "{sign}{number}e{power}"),
                }
            }
        }
    }
}

fn binary(f: &mut fmt::Formatter<'_>, sign: &str, mut units: i128) -> fmt::Result {
    const SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let mut power = 0;
    while units % 1024 == 0 && power + 1 < SUFFIXES.len() {
        units /= 1024;
        power += 1;
    }
    write!(f, "{sign}{units}{}", SUFFIXES[power])
}

fn decimal(
    f: &mut fmt::Formatter<'_>,
    sign: &str,
    nanos: i128,
    suffix: impl Fn(i32) -> &'static str,
) -> fmt::Result {
    let (number, power) = thousands(nanos);
    write!(f, "{sign}{number}{}", suffix(power))
}

/// An amount as a number times a power of ten that is a multiple of three, the number as small as can be.
fn thousands(nanos: i128) -> (i128, i32) {
    let (mut number, mut power) = (nanos, -9);
    while number % 1000 == 0 && power < 18 {
        number /= 1000;
        power += 3;
    }
    (number, power)
}

/// Writes a quantity into its canonical form; leaves alone what is none, for validation to refuse.
pub fn canonicalize(value: &mut Value) {
    if let Ok(quantity) = Quantity::from_value(value) {
        *value = Value::String(quantity.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn q(text: &str) -> Quantity {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn quantities_have_one_canonical_form() {
        let cases = [
            ("0", "0"),
            ("0m", "0"),
            ("-0", "0"),
            ("1", "1"),
            ("100m", "100m"),
            ("1000m", "1"),
            ("0.1", "100m"),
            ("1.5", "1500m"),
            ("1.5Gi", "1536Mi"),
            ("1024", "1024"),
            ("1024Ki", "1Mi"),
            ("1000Ki", "1000Ki"),
            ("0.5Ki", "512"),
            ("1000000", "1M"),
            ("1000k", "1M"),
            ("123456", "123456"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("12e2", "1200"),
            ("1e-3", "1e-3"),
            ("100e-3", "100e-3"),
            ("+5", "5"),
            ("-1.5", "-1500m"),
            (".5", "500m"),
            ("1.", "1"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("1u", "1u"),
            ("1500u", "1500u"),
            ("9223372036854775807", "9223372036854775807"),
            ("99999999999999999999", "9223372036854775807"),
            ("1E", "1E"),
            ("16Ei", "9223372036854775807"),
            ("0.001Ki", "1024m"),
            ("2.5Mi", "2560Ki"),
        ];
        for (text, canonical) in cases {
            assert_eq!(q(text).to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "a", "1x", "1 Gi", "1.2.3", "--1", "1Ki2", "Gi", "1e", "1ee3", "1mm", "0x10", "1Zi"]
        {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
        assert_eq!("1x".parse::<Quantity>().unwrap_err(), ParseError::Form);
        assert_eq!("1KK".parse::<Quantity>().unwrap_err(), ParseError::Suffix);
    }

    #[test]
    fn amounts_compare_and_add_whatever_their_suffix() {
        assert_eq!(q("1Ki"), q("1024"));
        assert!(q("1G") < q("1Gi"));
        assert_eq!((q("100m") + q("0.9")).to_string(), "1");
        assert_eq!((q("1Gi") + q("1Mi")).to_string(), "1025Mi");
        assert_eq!((q("0") + q("1Gi")).to_string(), "1Gi");
        assert_eq!((q("1") - q("100m")).to_string(), "900m");
        assert_eq!((q("1500m").units(), q("1.5").millis(), q("-1.5").units()), (2, 1500, -1));
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_the_same_amount_and_canonical(number in -1_000_000_000i64..1_000_000_000,
            suffix in prop::sample::select(vec!["", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E-2"])) {
            let quantity = q(&format!("{number}{suffix}"));
            let canonical = quantity.to_string();
            prop_assert_eq!(q(&canonical), quantity);
            prop_assert_eq!(q(&canonical).to_string(), canonical);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9.eEinumkKMGTPx]{0,40}") {
            let _ = text.parse::<Quantity>();
        }
    }
}
