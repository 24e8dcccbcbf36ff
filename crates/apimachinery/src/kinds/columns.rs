//! Columns as `kubectl get` shows them (`pkg/printers/internalversion/printers.go`), and the cells they share.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::json::{entries, items, text};
use crate::kind::Column;

type Cell = fn(&Value, Timestamp) -> Value;

/// A column of text that is always shown.
pub(super) const fn string(name: &'static str, description: &'static str, cell: Cell) -> Column {
    Column { name, data_type: "string", format: "", priority: 0, description, cell }
}

/// A column of whole numbers that is always shown.
pub(super) const fn integer(name: &'static str, description: &'static str, cell: Cell) -> Column {
    Column { name, data_type: "integer", format: "", priority: 0, description, cell }
}

/// A column of text that only `-o wide` shows.
pub(super) const fn wide(name: &'static str, description: &'static str, cell: Cell) -> Column {
    Column { name, data_type: "string", format: "", priority: 1, description, cell }
}

pub(super) const NAME: Column = Column {
    name: "Name",
    data_type: "string",
    format: "name",
    priority: 0,
    description: "Its name, unique among its kind in its namespace.",
    cell: |object, _| json!(text(&object["metadata"], "name")),
};

pub(super) const AGE: Column = string("Age", "How long ago it was created.", |object, now| {
    since(&object["metadata"]["creationTimestamp"], now)
});

pub(super) const NONE: &str = "<none>";
pub(super) const UNKNOWN: &str = "<unknown>";

/// A text, or `<none>`.
pub(super) fn or_none(text: &str) -> Value {
    json!(if text.is_empty() { NONE } else { text })
}

/// A number, 0 when absent.
pub(super) fn number(value: &Value) -> Value {
    json!(value.as_i64().unwrap_or(0))
}

/// How long ago a time was: `5d3h`; `<unknown>` where there is none.
pub(super) fn since(time: &Value, now: Timestamp) -> Value {
    match time.as_str().and_then(|time| time.parse::<Timestamp>().ok()) {
        Some(time) => json!(human_duration(now.duration_since(time).as_secs())),
        None => json!(UNKNOWN),
    }
}

/// Labels as `a=b,c=d`, `<none>` when there are none.
pub(super) fn labels(labels: &Value) -> Value {
    let pairs: Vec<String> =
        entries(labels).map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    or_none(&pairs.join(","))
}

/// The names of a template's containers.
pub(super) fn container_names(object: &Value) -> Value {
    json!(of_containers(object, "name"))
}

/// The images of a template's containers.
pub(super) fn container_images(object: &Value) -> Value {
    json!(of_containers(object, "image"))
}

fn of_containers(object: &Value, field: &str) -> String {
    let containers = items(&object["spec"]["template"]["spec"]["containers"]);
    containers.iter().map(|container| text(container, field)).collect::<Vec<_>>().join(",")
}

pub(super) const CONTAINERS: Column =
    wide("Containers", "The names of its containers.", |object, _| container_names(object));
pub(super) const IMAGES: Column =
    wide("Images", "The images of its containers.", |object, _| container_images(object));

/// A duration in at most two units, as upstream's `duration.HumanDuration` has it: `45s`, `3m20s`, `26h`, `5d3h`.
pub fn human_duration(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    let two = |unit: i64, name: &str, below: i64, below_name: &str| match seconds % unit / below {
        0 => format!("{}{name}", seconds / unit),
        rest => format!("{}{name}{rest}{below_name}", seconds / unit),
    };
    match seconds {
        ..-1 => "<invalid>".into(),
        -1 => "0s".into(),
        0..120 => format!("{seconds}s"),
        120..600 => two(MINUTE, "m", 1, "s"),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => two(HOUR, "h", MINUTE, "m"),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => two(DAY, "d", HOUR, "h"),
        691_200..63_072_000 => format!("{}d", seconds / DAY),
        63_072_000..252_288_000 => two(YEAR, "y", DAY, "d"),
        _ => format!("{}y", seconds / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_at_most_two_units() {
        let cases = [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (130, "2m10s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (10_860, "3h1m"),
            (28_800, "8h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (176_400, "2d1h"),
            (691_200, "8d"),
            (63_072_000, "2y"),
            (63_158_400, "2y1d"),
            (252_288_000, "8y"),
        ];
        for (seconds, told) in cases {
            assert_eq!(human_duration(seconds), told, "{seconds}");
        }
    }
}
