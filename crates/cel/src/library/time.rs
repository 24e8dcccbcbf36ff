//! Durations and times.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::Answer;
use crate::value::Value;

pub(super) fn call(function: &str, args: &[Value]) -> Option<Answer> {
    match args {
        [Value::Timestamp(time)] => part(function, *time, &TimeZone::UTC).map(Ok),
        [Value::Timestamp(time), Value::String(zone)] => match zone_of(zone) {
            Some(zone) => part(function, *time, &zone).map(Ok),
            None => Some(Err(format!("unknown time zone {zone}"))),
        },
        [Value::Duration(nanos)] => {
            let seconds = nanos / 1_000_000_000;
            let whole = match function {
                "getHours" => seconds / 3600,
                "getMinutes" => seconds / 60,
                "getSeconds" => seconds,
                "getMilliseconds" => nanos / 1_000_000 % 1000,
                _ => return None,
            };
            Some(Ok(Value::Int(whole)))
        }
        _ => None,
    }
}

fn part(function: &str, time: Timestamp, zone: &TimeZone) -> Option<Value> {
    let local = zone.to_datetime(time);
    Some(Value::Int(match function {
        "getFullYear" => i64::from(local.year()),
        "getMonth" => i64::from(local.month()) - 1,
        "getDate" => i64::from(local.day()),
        "getDayOfMonth" => i64::from(local.day()) - 1,
        "getDayOfWeek" => i64::from(local.weekday().to_sunday_zero_offset()),
        "getDayOfYear" => i64::from(local.date().day_of_year()) - 1,
        "getHours" => i64::from(local.hour()),
        "getMinutes" => i64::from(local.minute()),
        "getSeconds" => i64::from(local.second()),
        "getMilliseconds" => i64::from(local.millisecond()),
        _ => return None,
    }))
}

/// `Europe/Paris`, or `-08:00`.
fn zone_of(name: &str) -> Option<TimeZone> {
    let offset =
        name.strip_prefix('-').map(|rest| (-1, rest)).or(name.strip_prefix('+').map(|rest| (1, rest)));
    let (sign, rest) = offset.unwrap_or((1, name));
    if let Some((hours, minutes)) = rest.split_once(':')
        && let (Ok(hours), Ok(minutes)) = (hours.parse::<i32>(), minutes.parse::<i32>())
    {
        return Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok().map(TimeZone::fixed);
    }
    if name == "UTC" { Some(TimeZone::UTC) } else { TimeZone::get(name).ok() }
}

/// As Go's `time.ParseDuration`, in nanoseconds: `1h30m`, `-1.5s`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0 || whole.len() > 19 || fraction.contains('.') {
            return None;
        }
        total += scale * if whole.is_empty() { 0 } else { whole.parse::<i128>().ok()? };
        let fraction = &fraction[..fraction.len().min(18)];
        if !fraction.is_empty() {
            total +=
                scale * fraction.parse::<i128>().ok()? / 10_i128.pow(u32::try_from(fraction.len()).ok()?);
        }
        rest = after;
    }
    i64::try_from(total * sign).ok()
}

/// As CEL's `string(duration)` has it: seconds, `5400s`, `1.5s`.
pub(crate) fn duration_text(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let (seconds, rest) = (nanos.unsigned_abs() / 1_000_000_000, nanos.unsigned_abs() % 1_000_000_000);
    if rest == 0 {
        return format!("{sign}{seconds}s");
    }
    let fraction = format!("{rest:09}");
    format!("{sign}{seconds}.{}s", fraction.trim_end_matches('0'))
}
