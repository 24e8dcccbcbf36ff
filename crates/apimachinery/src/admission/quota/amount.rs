//! Amounts, and the whole units that counters count.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json::entries;
use crate::quantity::{Format, Quantity};

/// How much of what, by the names that quotas use.
pub type Amounts = BTreeMap<String, Quantity>;

pub(super) const DECIMAL: Format = Format::Decimal;

pub(super) fn amounts(list: &Value) -> Amounts {
    entries(list)
        .filter_map(|(name, amount)| Some((name.clone(), Quantity::from_value(amount).ok()?)))
        .collect()
}

/// In thousandths of CPUs, bytes and pieces; rounded up.
#[must_use]
pub fn units_of(name: &str, amount: Quantity) -> i64 {
    if is_cpu(name) { amount.millis() } else { amount.units() }
}

/// Back from units. Bytes are told in powers of 1024 where they are whole ones.
#[must_use]
pub fn quantity_of(name: &str, units: i64) -> Quantity {
    match name {
        _ if is_cpu(name) => Quantity::from_millis(units, DECIMAL),
        _ if is_bytes(name) && units % 1024 == 0 => Quantity::from_units(units, Format::Binary),
        _ => Quantity::from_units(units, DECIMAL),
    }
}

/// By how much each amount is above what it was.
#[must_use]
pub fn raised(after: &Amounts, before: &Amounts) -> Amounts {
    let above = after.iter().map(|(name, amount)| {
        let was = before.get(name).copied().unwrap_or(Quantity::ZERO);
        (name.clone(), *amount - was)
    });
    above.filter(|(_, more)| !more.is_zero() && !more.is_negative()).collect()
}

fn is_cpu(name: &str) -> bool {
    matches!(name, "cpu" | "requests.cpu" | "limits.cpu")
}

fn is_bytes(name: &str) -> bool {
    ["memory", "storage"].iter().any(|end| name.ends_with(end)) || name.contains("hugepages-")
}
