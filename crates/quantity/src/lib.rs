//! `resource.Quantity`: amounts of CPU, memory and everything else that is counted
//! (`k8s.io/apimachinery/pkg/api/resource/quantity.go`, `suffix.go`).
//!
//! An amount is kept exactly, in nanos (10⁻⁹): upstream rounds finer ones up, and so does this. A suffix belongs to
//! one of three families, and the canonical form of an amount stays in the family it was written in.

mod parse;
mod print;

use std::cmp::Ordering;

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
/// Upstream caps amounts that are read at 2⁶³-1 whole units; sums may be larger.
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

    /// The amount in whole units, if it is that and fits (upstream's `AsInt64`).
    #[must_use]
    pub fn whole(self) -> Option<i64> {
        self.is_whole().then(|| i64::try_from(self.nanos / NANO).ok()).flatten()
    }

    /// The amount as a floating-point number, as near as one comes (upstream's `AsApproximateFloat64`).
    #[must_use]
    pub fn approximate(self) -> f64 {
        self.nanos as f64 / NANO as f64
    }

    /// -1, 0 or 1.
    #[must_use]
    pub const fn sign(self) -> i64 {
        self.nanos.signum() as i64
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
        Quantity { nanos: self.nanos.saturating_add(other.nanos), format }
    }
}

impl std::ops::Sub for Quantity {
    type Output = Quantity;
    fn sub(self, other: Quantity) -> Quantity {
        let format = if self.is_zero() { other.format } else { self.format };
        Quantity { nanos: self.nanos.saturating_sub(other.nanos), format }
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

fn ceil_div(number: i128, by: i128) -> i128 {
    number.div_euclid(by) + i128::from(number.rem_euclid(by) != 0)
}

fn saturated(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests;
