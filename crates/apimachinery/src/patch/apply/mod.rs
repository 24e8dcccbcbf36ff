//! Server-side apply: each manager says what it wants to be true, and owns what it said
//! (`sigs.k8s.io/structured-merge-diff/merge/update.go`, `k8s.io/apimachinery/pkg/util/managedfields`).
//!
//! Ownership is kept in `metadata.managedFields`, from the birth of what clients create ([`track_birth`]). What our own
//! controllers make carries none, and at its first apply what stands belongs to `before-first-apply`, as upstream does
//! for objects it finds so. A write that is no apply takes what it changes away from every other manager
//! ([`track_update`]).

mod changes;
mod fields;
mod last_applied;
mod managers;
mod merge;
mod shape;
pub(crate) mod undeclared;
mod walk;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::json::is_empty;
use crate::registry::Resource;
use crate::status::{Cause, Path, Status, Subject};
use changes::{Between, Changes};
pub use changes::{SameNames, Versions};
use fields::Fields;
use managers::{Manager, Managers};
use shape::Shape;

/// Who applies, and how.
#[derive(Clone, Copy, Debug)]
pub struct Applying<'a> {
    /// `fieldManager`
    pub manager: &'a str,
    /// Whether to take over what others own and want otherwise.
    pub force: bool,
    /// `""` for the object itself.
    pub subresource: &'a str,
    pub now: Timestamp,
}

/// Applies `wanted` where every version calls its fields the same.
///
/// # Errors
/// As [`apply_over`].
pub fn apply(
    resource: &Resource,
    current: Option<&Value>,
    wanted: &Value,
    applying: &Applying<'_>,
) -> Result<Value, Status> {
    apply_over(resource, current, wanted, applying, &SameNames)
}

/// Applies `wanted`, a decoded object, to the current one, or to nothing; gives the object to write. What others own in
/// `versions` of their own is compared there.
///
/// # Errors
/// 400 for an object that brings managed fields along, 409 with every field that another manager wants otherwise,
/// 422 without a manager.
pub fn apply_over(
    resource: &Resource,
    current: Option<&Value>,
    wanted: &Value,
    applying: &Applying<'_>,
    versions: &dyn Versions,
) -> Result<Value, Status> {
    check(wanted, applying)?;
    let shape = Shape::of(resource);
    let nothing = json!({});
    let live = current.unwrap_or(&nothing);
    let me = Manager::applier(applying.manager, resource.api_version(), applying.subresource);
    let mut managers = Managers::read(live);
    if managers.is_empty() && current.is_some() {
        managers.insert_first(resource, strip(walk::owned(live, shape), resource, ""), applying.now);
    }

    let mine = strip(walk::owned(wanted, shape), resource, applying.subresource);
    let others = managers.owned_by_others(&me);
    let mut merged = merge::merged(live, wanted, shape);
    if let Some(before) = managers.owned_by(&me) {
        merge::prune(&mut merged, &before.abandoned(&mine, &others), shape);
    }
    let between = Between { live, merged: &merged, resource, subresource: applying.subresource };
    let changes = Changes::of(between, managers.versions_of_others(&me), versions)?;
    let mut conflicts = managers.conflicts(&me, &changes);
    if !applying.force && !conflicts.is_empty() {
        last_applied::settle(&mut conflicts, applying.manager, live, resource);
        if !conflicts.is_empty() {
            return Err(conflict(conflicts));
        }
    }
    managers.take_from_others(&me, |version| changes.in_version(version));
    let is_new = managers.owned_by(&me) != Some(&mine);
    if !is_new && crate::json::is_same(&merged, live) {
        return Ok(live.clone());
    }
    last_applied::renew(&mut merged, wanted, applying.manager);
    managers.set(me, mine, applying.now);
    managers.write(&mut merged);
    Ok(merged)
}

/// Notes whose the fields of a new object are: its maker's, defaults included.
pub(crate) fn track_birth(resource: &Resource, object: &mut Value, manager: &str, now: Timestamp) {
    let owned = strip(walk::owned(object, Shape::Fields(resource.schema())), resource, "");
    let mut managers = Managers::default();
    managers.set(Manager::updater(manager, resource.api_version(), ""), owned, now);
    managers.write(object);
}

/// Notes who changed what between two states of an object whose fields are managed; otherwise does nothing.
pub(crate) fn track_update(
    resource: &Resource,
    before: &Value,
    after: &mut Value,
    manager: &str,
    subresource: &str,
    now: Timestamp,
) {
    let stands = &before["metadata"]["managedFields"];
    let is_settled = manager.is_empty() || after["metadata"]["managedFields"] != *stands;
    if is_empty(stands) || is_settled {
        return;
    }
    let shape = Shape::of(resource);
    let difference = walk::difference(before, after, shape);
    let changed = strip(difference.changed, resource, subresource);
    let removed = strip(difference.removed, resource, subresource);
    if changed.is_empty() && removed.is_empty() {
        return;
    }
    let mut managers = Managers::read(before);
    let me = Manager::updater(manager, resource.api_version(), subresource);
    let change = walk::Difference { changed, removed };
    managers.take_from_others(&me, |_| &change);
    let mine = managers.owned_by(&me).cloned().unwrap_or_default();
    managers.set(me, mine.without(&change.removed).with(&change.changed), now);
    managers.write(after);
}

fn check(wanted: &Value, applying: &Applying<'_>) -> Result<(), Status> {
    if applying.manager.is_empty() {
        let error = Path::of("fieldManager").required("is required for apply patch");
        return Err(Status::invalid(Subject::new("meta.k8s.io", "PatchOptions"), "", vec![error]));
    }
    match is_empty(&wanted["metadata"]["managedFields"]) {
        true => Ok(()),
        false => Err(Status::bad_request("metadata.managedFields must be nil")),
    }
}

/// Leaves out what nobody owns: identity, what only the server sets, and the half that another path writes.
fn strip(owned: Fields, resource: &Resource, subresource: &str) -> Fields {
    let mut owned = owned;
    for name in ["f:apiVersion", "f:kind"] {
        owned.remove(&[name]);
    }
    for name in [
        "f:name",
        "f:namespace",
        "f:creationTimestamp",
        "f:selfLink",
        "f:uid",
        "f:generation",
        "f:managedFields",
        "f:resourceVersion",
        "f:generateName",
        "f:deletionTimestamp",
        "f:deletionGracePeriodSeconds",
    ] {
        owned.remove(&["f:metadata", name]);
    }
    match subresource {
        "status" => owned.keep_only(&["f:metadata", "f:status"]),
        _ if resource.has_status() => owned.remove(&["f:status"]),
        _ => {}
    }
    owned.forget_member(&["f:metadata"]);
    owned
}

/// `Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas`
fn conflict(conflicts: Vec<(Manager, Fields)>) -> Status {
    let mut causes = Vec::new();
    let mut told = Vec::new();
    for (manager, fields) in &conflicts {
        let paths = fields.paths();
        causes.extend(paths.iter().map(|path| Cause {
            reason: "FieldManagerConflict".into(),
            message: format!("conflict with {manager}"),
            field: path.clone(),
        }));
        told.push(format!("conflicts with {manager}:\n- {}", paths.join("\n- ")));
    }
    let message = match causes.as_slice() {
        [one] => format!("Apply failed with 1 conflict: {}: {}", one.message, one.field),
        many => format!("Apply failed with {} conflicts: {}", many.len(), told.join("\n")),
    };
    Status::apply_conflict(message, causes)
}

#[cfg(test)]
mod tests;
