//! One stored object, several ways to speak of it. An object keeps the version that it was written in; a request for
//! another version of its group converts on read. Events are stored once, as the core group's, and `events.k8s.io` speaks
//! of the same ones in newer words (pkg/apis/events/v1/conversion.go). HorizontalPodAutoscalers are stored as v2 has them.

pub(crate) mod custom;
pub(crate) mod interpreter;
pub(crate) mod webhook;

use bytes::Bytes;
use rutter_apimachinery::kinds::autoscaling::v1 as older_autoscaler;
use rutter_apimachinery::registry::{Registry, Resource};
use rutter_apimachinery::write::Draft;
use rutter_schemas::{Revision, state};
use serde_json::{Map, Value, json};

const EVENTS: &str = "events.k8s.io";

/// `(in the core group, in events.k8s.io)`; other fields are the same.
const WORDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// The group under which a resource's objects are stored.
pub(crate) fn stored_group(resource: &Resource) -> &str {
    if &*resource.group == EVENTS && &*resource.plural == "events" { "" } else { &resource.group }
}

/// Whether stored bytes already speak of the resource's version: they begin with kind and apiVersion.
pub(crate) fn speaks(object: &[u8], resource: &Resource) -> bool {
    const LEAD: &[u8] = b"\"apiVersion\":\"";
    let head = &object[..object.len().min(256)];
    let Some(found) = head.windows(LEAD.len()).position(|window| window == LEAD) else { return true };
    let said = &head[found + LEAD.len()..];
    let said = said.split(|byte| *byte == b'"').next().unwrap_or_default();
    match (said.iter().position(|byte| *byte == b'/'), resource.group.as_bytes()) {
        (None, group) => group.is_empty() && said == resource.version.as_bytes(),
        (Some(slash), group) => &said[..slash] == group && &said[slash + 1..] == resource.version.as_bytes(),
    }
}

/// The object in the words of the resource that was asked for.
pub(crate) fn spoken(mut object: Value, resource: &Resource) -> Value {
    match stored_as(resource) {
        Some(Other::Event) => object = renamed(object, |(old, new)| (old, new)),
        Some(Other::Autoscaler) => object = older_autoscaler::older(object),
        None => {}
    }
    object["kind"] = json!(resource.kind);
    object["apiVersion"] = json!(resource.api_version());
    object
}

/// The bytes of an object in the words of the resource that was asked for.
pub(crate) fn respoken(object: &Bytes, resource: &Resource) -> serde_json::Result<Bytes> {
    let value = spoken(serde_json::from_slice(object)?, resource);
    let revision = value.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    let revision = revision.and_then(|text| text.parse().ok()).unwrap_or(Revision::NONE);
    Ok(state::splice(&state::encode(&value), revision))
}

/// A resource whose objects are stored as those of another version or group.
enum Other {
    Event,
    Autoscaler,
}

fn stored_as(resource: &Resource) -> Option<Other> {
    match (&*resource.group, &*resource.version, &*resource.plural) {
        (EVENTS, _, "events") => Some(Other::Event),
        ("autoscaling", "v1", "horizontalpodautoscalers") => Some(Other::Autoscaler),
        _ => None,
    }
}

/// A draft that was made in the words of the request, as it is stored.
pub(crate) fn stored(mut draft: Draft, resource: &Resource, registry: &Registry) -> Draft {
    if let Some(of) = &resource.custom {
        return custom::stored(draft, of, resource);
    }
    let (kept, mut object) = match stored_as(resource) {
        None => return draft,
        Some(Other::Event) => {
            (registry.resource("", "v1", &resource.plural), renamed(draft.object, |(old, new)| (new, old)))
        }
        Some(Other::Autoscaler) => {
            (registry.resource("autoscaling", "v2", &resource.plural), older_autoscaler::newer(draft.object))
        }
    };
    let Some(kept) = kept else { return Draft { object, ..draft } };
    object["kind"] = json!(kept.kind);
    object["apiVersion"] = json!(kept.api_version());
    draft.event.object.group = kept.group.to_string();
    draft.event.object.version = kept.version.to_string();
    draft.event.meta.fields = kept.strategy.selectable(&object);
    draft.event.state = state::encode(&object);
    Draft { object, ..draft }
}

fn renamed(
    object: Value,
    pair: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str),
) -> Value {
    let Value::Object(fields) = object else { return object };
    let rename = |name: String| {
        let found = WORDS.into_iter().map(&pair).find(|(from, _)| *from == name);
        found.map_or(name, |(_, to)| to.to_owned())
    };
    Value::Object(fields.into_iter().map(|(name, value)| (rename(name), value)).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_spoken_of_in_newer_words_and_stored_in_the_old_ones() {
        let registry = Registry::builtin();
        let newer = registry.resource(EVENTS, "v1", "events").expect("is served");
        let older = registry.resource("", "v1", "events").expect("is served");
        let stored = json!({
            "kind": "Event", "apiVersion": "v1", "metadata": {"name": "e"}, "reason": "Started", "message": "it did",
            "involvedObject": {"kind": "Pod"}, "count": 3,
        });
        let told = spoken(stored.clone(), &newer);
        assert_eq!(
            told,
            json!({
                "kind": "Event", "apiVersion": "events.k8s.io/v1", "metadata": {"name": "e"}, "reason": "Started",
                "note": "it did", "regarding": {"kind": "Pod"}, "deprecatedCount": 3,
            })
        );
        let bytes = stored.to_string().replacen("{", "{\"kind\":\"Event\",", 1);
        assert!(speaks(bytes.as_bytes(), &older) && !speaks(bytes.as_bytes(), &newer));
        assert!(speaks(told.to_string().as_bytes(), &newer) && !speaks(told.to_string().as_bytes(), &older));
        assert_eq!((stored_group(&newer), stored_group(&older)), ("", ""));
    }
}
