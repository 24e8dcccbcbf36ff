//! Event of the core group (`pkg/registry/core/event`, `pkg/apis/core/validation/events.go`). The group
//! `events.k8s.io` shows the same objects.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::json::text;
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{NAME, UNKNOWN, integer, since, string, wide};
use crate::status::{FieldError, Path};

pub(crate) const EVENT: Kind = Kind {
    group: "",
    version: "v1",
    kind: "Event",
    plural: "events",
    strategy: &Event,
    columns: &[
        string("Last Seen", "How long ago it was last seen.", last_seen),
        string("Type", "Normal or Warning.", |event, _| json!(text(event, "type"))),
        string("Reason", "Why it was reported, in one word.", |event, _| json!(text(event, "reason"))),
        string("Object", "What it is about.", |event, _| object(event)),
        wide("Subobject", "The part of the object it is about.", |event, _| {
            json!(text(&event["involvedObject"], "fieldPath"))
        }),
        wide("Source", "Who reported it.", |event, _| source(event)),
        string("Message", "What happened, in a sentence.", |event, _| json!(text(event, "message").trim())),
        wide("First Seen", "How long ago it was first seen.", |event, now| {
            let first = &event["firstTimestamp"];
            since(if first.is_null() { &event["eventTime"] } else { first }, now)
        }),
        WIDE_COUNT,
        WIDE_NAME,
    ],
    sealed: false,
};

const WIDE_COUNT: crate::kind::Column = crate::kind::Column {
    priority: 1,
    ..integer("Count", "How often it was seen.", |event, _| json!(count(event)))
};
const WIDE_NAME: crate::kind::Column = crate::kind::Column { priority: 1, ..NAME };

pub(in crate::kinds) struct Event;

const FIELDS: [&str; 7] = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];

impl Strategy for Event {
    fn creates_on_update(&self) -> bool {
        true
    }

    fn validate_create(&self, event: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let about = text(&event["involvedObject"], "namespace");
        let namespace = text(&event["metadata"], "namespace");
        let is_right = if about.is_empty() { namespace == "default" } else { about == namespace };
        if !is_right && event["eventTime"].is_null() {
            let path = Path::of("involvedObject.namespace");
            errors.push(path.invalid(about, "does not match event.namespace"));
        }
    }

    fn selectable(&self, event: &Value) -> BTreeMap<String, String> {
        let about = FIELDS.iter().map(|field| {
            (format!("involvedObject.{field}"), text(&event["involvedObject"], field).to_owned())
        });
        let mut fields: BTreeMap<String, String> = about.collect();
        let component = match text(&event["source"], "component") {
            "" => text(event, "reportingComponent"),
            component => component,
        };
        fields.insert("source".into(), component.into());
        fields.insert("reportingComponent".into(), text(event, "reportingComponent").into());
        fields.insert("reason".into(), text(event, "reason").into());
        fields.insert("type".into(), text(event, "type").into());
        fields
    }

    fn selectable_names(&self) -> &'static [&'static str] {
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ]
    }
}

/// `pod/web`, as people name the object.
fn object(event: &Value) -> Value {
    let about = &event["involvedObject"];
    match (text(about, "kind").to_lowercase(), text(about, "name")) {
        (kind, "") => json!(kind),
        (kind, name) => json!(format!("{kind}/{name}")),
    }
}

fn source(event: &Value) -> Value {
    let source = &event["source"];
    let (component, host) = (text(source, "component"), text(source, "host"));
    match (component, host) {
        ("", _) => json!(
            [text(event, "reportingComponent"), text(event, "reportingInstance")]
                .join(", ")
                .trim_end_matches(", ")
        ),
        (component, "") => json!(component),
        (component, host) => json!(format!("{component}, {host}")),
    }
}

fn count(event: &Value) -> i64 {
    event["series"]["count"].as_i64().or(event["count"].as_i64()).unwrap_or(1)
}

/// `5m`, or `5m (x3 over 10m)` for one that was seen again.
fn last_seen(event: &Value, now: Timestamp) -> Value {
    let times = [&event["series"]["lastObservedTime"], &event["lastTimestamp"], &event["eventTime"]];
    let Some(last) = times.into_iter().find(|time| !time.is_null()) else { return json!(UNKNOWN) };
    let last = since(last, now);
    let first =
        if event["firstTimestamp"].is_null() { &event["eventTime"] } else { &event["firstTimestamp"] };
    match count(event) {
        ..=1 => last,
        count => {
            let span = since(first, now);
            json!(format!(
                "{} (x{count} over {})",
                last.as_str().unwrap_or(UNKNOWN),
                span.as_str().unwrap_or(UNKNOWN)
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::human_duration;

    #[test]
    fn an_event_seen_again_says_how_often_and_for_how_long() {
        let event = json!({"count": 3, "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:05:00Z"});
        let now: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        assert_eq!(
            last_seen(&event, now),
            json!(format!("{} (x3 over {})", human_duration(300), human_duration(600)))
        );
    }
}
