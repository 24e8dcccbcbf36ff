//! From an accepted write to the event that records it: type, index fields, touches, state.

use rutter_schemas::{Event, Meta, ObjectRef, Op, Owner, Revision, state, touches};
use serde_json::Value;

use super::Draft;
use crate::json::{entries, is_empty, items, remove, text};
use crate::registry::Resource;

pub(super) fn created(resource: &Resource, object: Value, warnings: Vec<String>) -> Draft {
    draft(resource, Op::Create, None, object, warnings)
}

pub(super) fn updated(resource: &Resource, before: &Value, object: Value, warnings: Vec<String>) -> Draft {
    draft(resource, Op::Update, Some(before), object, warnings)
}

/// `object` is the last state.
pub(super) fn removed(resource: &Resource, before: &Value, object: Value, warnings: Vec<String>) -> Draft {
    draft(resource, Op::Delete, Some(before), object, warnings)
}

fn draft(
    resource: &Resource,
    op: Op,
    before: Option<&Value>,
    mut object: Value,
    warnings: Vec<String>,
) -> Draft {
    remove(&mut object["metadata"], "resourceVersion");
    let about = about(resource, &object["metadata"]);
    let after = Some(&object).filter(|_| op != Op::Delete);
    let event = Event {
        event_type: event_type(resource, op, before, &object),
        op,
        prior: before.map_or(Revision::NONE, revision),
        meta: meta(resource, &object),
        touches: touches(before, after, &about),
        object: about,
        state: state::encode(&object),
    };
    Draft { event, object, warnings }
}

fn about(resource: &Resource, metadata: &Value) -> ObjectRef {
    ObjectRef {
        group: resource.group.to_string(),
        version: resource.version.to_string(),
        kind: resource.kind.to_string(),
        resource: resource.plural.to_string(),
        namespace: text(metadata, "namespace").to_owned(),
        name: text(metadata, "name").to_owned(),
        uid: text(metadata, "uid").to_owned(),
    }
}

fn revision(before: &Value) -> Revision {
    text(&before["metadata"], "resourceVersion").parse().map_or(Revision::NONE, Revision)
}

/// The kind's own word for what happened, or the plain one.
fn event_type(resource: &Resource, op: Op, before: Option<&Value>, after: &Value) -> String {
    let kind = &resource.kind;
    if op == Op::Delete {
        return format!("{kind}Deleted");
    }
    let is_marked = |object: &Value| !is_empty(&object["metadata"]["deletionTimestamp"]);
    if is_marked(after) && !before.is_some_and(is_marked) {
        return format!("{kind}DeletionRequested");
    }
    if let Some(fact) = resource.strategy.fact(before, after) {
        return fact.to_owned();
    }
    match before {
        None => format!("{kind}Created"),
        Some(before) if only_status_changed(before, after) => format!("{kind}StatusChanged"),
        Some(_) => format!("{kind}Updated"),
    }
}

fn only_status_changed(before: &Value, after: &Value) -> bool {
    let names = entries(before).chain(entries(after)).map(|(name, _)| name.as_str());
    let mut rest = names.filter(|name| !matches!(*name, "status" | "metadata"));
    before["status"] != after["status"] && rest.all(|name| before[name] == after[name])
}

fn meta(resource: &Resource, object: &Value) -> Meta {
    let metadata = &object["metadata"];
    let labels = entries(&metadata["labels"]);
    Meta {
        labels: labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
        owners: items(&metadata["ownerReferences"]).iter().map(owner).collect(),
        fields: resource.strategy.selectable(object),
        deletion: metadata["deletionTimestamp"].as_str().map(str::to_owned),
        generation: metadata["generation"].as_i64().unwrap_or(0),
        finalizers: items(&metadata["finalizers"])
            .iter()
            .filter_map(|name| Some(name.as_str()?.to_owned()))
            .collect(),
    }
}

fn owner(reference: &Value) -> Owner {
    let text = |field| text(reference, field).to_owned();
    Owner {
        uid: text("uid"),
        api_version: text("apiVersion"),
        kind: text("kind"),
        name: text("name"),
        controller: reference["controller"] == true,
        block: reference["blockOwnerDeletion"] == true,
    }
}
