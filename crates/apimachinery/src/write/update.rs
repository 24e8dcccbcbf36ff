//! A change of an object (`k8s.io/apiserver/pkg/registry/rest/update.go`, BeforeUpdate; `store.go`, Update).

use serde_json::{Value, json};

use super::create::{metadata, refuse};
use super::{Draft, WriteCx, check_name, defaulted, draft, resource_subject, settle_namespace, settle_shape};
use crate::json::{carry, is_empty, is_same, items, remove, text};
use crate::kind::Cx;
use crate::patch;
use crate::registry::Resource;
use crate::status::{FieldError, MODIFIED, Path, Status};
use crate::validation;

/// Accepts a change of `before`, which carries its `resourceVersion`, or says why not; none when nothing changes.
///
/// When the change takes away the last thing that held a deletion back, the draft is the deletion.
///
/// # Errors
/// 400, 409 when `after` was computed from another revision or another uid, 422.
pub fn update(
    resource: &Resource,
    subresource: &str,
    before: &Value,
    mut after: Value,
    cx: &WriteCx<'_>,
) -> Result<Option<Draft>, Status> {
    settle_shape(&mut after, resource)?;
    settle_namespace(&mut after, resource, cx.namespace)?;
    check_name(&after, cx.name)?;
    check_precondition(resource, before, &after)?;
    let rules = cx.of(resource, subresource);
    keep_system_fields(&mut after["metadata"], &before["metadata"]);
    defaulted(&mut after, &rules);
    keep_the_other_half(&mut after, before, &rules);
    resource.strategy.prepare_update(&mut after, before, &rules);
    bump_generation(&mut after, before, &rules);
    refuse(resource, &after, validate(&after, before, &rules))?;
    if is_same(&after, before) {
        return Ok(None);
    }
    patch::track_update(resource, before, &mut after, cx.field_manager, subresource, cx.now);
    let warnings = resource.strategy.warnings(&after, &rules);
    Ok(Some(match may_go(resource, &after) {
        true => draft::removed(resource, before, after, warnings),
        false => draft::updated(resource, before, after, warnings),
    }))
}

/// Whether a marked object has nothing left to wait for.
pub(super) fn may_go(resource: &Resource, object: &Value) -> bool {
    let metadata = &object["metadata"];
    !is_empty(&metadata["deletionTimestamp"])
        && items(&metadata["finalizers"]).is_empty()
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
        && !resource.strategy.is_held(object)
}

fn check_precondition(resource: &Resource, before: &Value, after: &Value) -> Result<(), Status> {
    let (old, new) = (&before["metadata"], &after["metadata"]);
    let conflict = |why: &str| Err(Status::conflict(resource_subject(resource), text(old, "name"), why));
    let (uid, had) = (text(new, "uid"), text(old, "uid"));
    if !uid.is_empty() && uid != had {
        return conflict(&format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {had}"
        ));
    }
    match text(new, "resourceVersion") {
        "" | "0" if !resource.strategy.allows_unconditional_update() => {
            let path = Path::of("metadata.resourceVersion");
            refuse(resource, after, vec![path.invalid(0, "must be specified for an update")])
        }
        "" | "0" => Ok(()),
        revision if revision != text(old, "resourceVersion") => conflict(MODIFIED),
        _ => Ok(()),
    }
}

/// What only the server may change.
fn keep_system_fields(new: &mut Value, old: &Value) {
    for field in ["uid", "creationTimestamp", "generation", "resourceVersion"] {
        carry(new, old, field);
    }
    if !is_empty(&old["deletionTimestamp"]) {
        carry(new, old, "deletionTimestamp");
        carry(new, old, "deletionGracePeriodSeconds");
    }
    if is_empty(&new["managedFields"]) {
        carry(new, old, "managedFields");
    }
    if is_empty(&new["generateName"]) {
        carry(new, old, "generateName");
    }
    remove(new, "selfLink");
}

/// Through `status` only the status changes (and annotations, as upstream lets them), through the rest everything
/// but the status.
fn keep_the_other_half(after: &mut Value, before: &Value, rules: &Cx<'_>) {
    if rules.is_status() {
        let status = after["status"].take();
        let mut metadata = after["metadata"].take();
        for field in ["labels", "ownerReferences", "finalizers"] {
            carry(&mut metadata, &before["metadata"], field);
        }
        *after = before.clone();
        after["metadata"] = metadata;
        match (status.is_null(), &rules.resource.custom) {
            (false, _) => after["status"] = status,
            (true, None) => after["status"] = json!({}),
            (true, Some(_)) => remove(after, "status"),
        }
    } else if rules.resource.has_status() {
        carry(after, before, "status");
    }
}

fn bump_generation(after: &mut Value, before: &Value, rules: &Cx<'_>) {
    if rules.is_status() || !rules.resource.strategy.bumps_generation(before, after) {
        return;
    }
    let generation = before["metadata"]["generation"].as_i64().unwrap_or(0);
    after["metadata"]["generation"] = json!(generation + 1);
}

fn validate(after: &Value, before: &Value, rules: &Cx<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let resource = rules.resource;
    metadata(&after["metadata"], resource, &mut errors);
    validation::metadata_update(&after["metadata"], &before["metadata"], &mut errors);
    resource.strategy.validate_update(after, before, rules, &mut errors);
    errors
}
