//! The group events.k8s.io: the core group's Events in newer words (`pkg/apis/events`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::json::text;
use crate::kind::{Kind, Strategy};
use crate::kinds::columns::{NAME, since, string};

pub(super) const EVENT: Kind = Kind {
    group: "events.k8s.io",
    version: "v1",
    kind: "Event",
    plural: "events",
    strategy: &Event,
    columns: &[
        string("Last Seen", "How long ago it was last seen.", |event, now| {
            let times = [
                &event["series"]["lastObservedTime"],
                &event["deprecatedLastTimestamp"],
                &event["eventTime"],
            ];
            since(times.into_iter().find(|time| !time.is_null()).unwrap_or(&Value::Null), now)
        }),
        string("Type", "Normal or Warning.", |event, _| json!(text(event, "type"))),
        string("Reason", "Why it was reported, in one word.", |event, _| json!(text(event, "reason"))),
        string("Object", "What it is about.", |event, _| {
            let about = &event["regarding"];
            json!(format!("{}/{}", text(about, "kind").to_lowercase(), text(about, "name")))
        }),
        string("Message", "What happened, in a sentence.", |event, _| json!(text(event, "note").trim())),
        crate::kind::Column { priority: 1, ..NAME },
    ],
    sealed: false,
};

struct Event;

/// The core group's names of what an Event is about (`AddFieldLabelConversionsForEvent` in `pkg/apis/events/v1`).
const REGARDING: [(&str, &str); 7] = [
    ("regarding.apiVersion", "involvedObject.apiVersion"),
    ("regarding.fieldPath", "involvedObject.fieldPath"),
    ("regarding.kind", "involvedObject.kind"),
    ("regarding.name", "involvedObject.name"),
    ("regarding.namespace", "involvedObject.namespace"),
    ("regarding.resourceVersion", "involvedObject.resourceVersion"),
    ("regarding.uid", "involvedObject.uid"),
];

impl Strategy for Event {
    fn creates_on_update(&self) -> bool {
        true
    }

    fn selectable(&self, event: &Value) -> BTreeMap<String, String> {
        let about = &event["regarding"];
        let mut fields: BTreeMap<String, String> = REGARDING
            .iter()
            .map(|(name, _)| {
                (
                    (*name).to_owned(),
                    text(about, name.strip_prefix("regarding.").unwrap_or_default()).to_owned(),
                )
            })
            .collect();
        for field in ["reason", "type", "reportingController"] {
            fields.insert(field.into(), text(event, field).into());
        }
        fields
    }

    fn selectable_names(&self) -> &'static [&'static str] {
        &[
            "reason",
            "regarding.apiVersion",
            "regarding.fieldPath",
            "regarding.kind",
            "regarding.name",
            "regarding.namespace",
            "regarding.resourceVersion",
            "regarding.uid",
            "reportingController",
            "type",
        ]
    }

    fn stored_field(&self, field: &str) -> Option<&'static str> {
        let known = REGARDING.iter().chain(&[("reportingController", "reportingComponent")]);
        known.into_iter().find(|(name, _)| *name == field).map(|(_, stored)| *stored)
    }
}
