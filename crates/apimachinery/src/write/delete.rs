//! The deletion of an object (`k8s.io/apiserver/pkg/registry/rest/delete.go`, BeforeDelete; `store.go`, Delete).
//!
//! ```text
//!            grace, finalizers or the kind hold it          nothing holds it any more
//!   alive ────────────────────────────────────────▶ marked ──────────────────────────▶ gone
//!     └───────────────────────── nothing holds it ───────────────────────────────────────▲
//! ```

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{DeleteOptions, Deletion, Propagation, WriteCx, draft, kind_subject, time, update};
use crate::json::{is_empty, items, text};
use crate::kind::Cx;
use crate::registry::Resource;
use crate::status::{Status, Subject};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Accepts the deletion of `before`, which carries its `resourceVersion`, or says why not.
///
/// # Errors
/// 409 when a precondition does not hold.
pub fn delete(
    resource: &Resource,
    before: &Value,
    options: &DeleteOptions,
    cx: &WriteCx<'_>,
) -> Result<Deletion, Status> {
    check_preconditions(kind_subject(resource), &before["metadata"], options)?;
    let rules = cx.of(resource, "");
    let asked = options.grace_period_seconds.map(|seconds| if seconds < 0 { 1 } else { seconds });
    let was_marked = !is_empty(&before["metadata"]["deletionTimestamp"]);
    let marked = match was_marked {
        true => hurried(before, asked),
        false => Some(marked(before, asked, &rules)),
    };
    let Some(mut object) = marked else { return Ok(Deletion::Pending(before.clone())) };
    choose_finalizers(&mut object["metadata"], options, rules.resource.strategy.orphans_by_default());
    Ok(if update::may_go(resource, &object) {
        Deletion::Removed(draft::removed(resource, before, object, Vec::new()))
    } else if object == *before {
        Deletion::Pending(object)
    } else {
        Deletion::Marked(draft::updated(resource, before, object, Vec::new()))
    })
}

fn check_preconditions(kind: Subject<'_>, metadata: &Value, options: &DeleteOptions) -> Result<(), Status> {
    let conflict = |why: &str| Err(Status::conflict(kind, text(metadata, "name"), why));
    let (uid, revision) = (text(metadata, "uid"), text(metadata, "resourceVersion"));
    match &options.preconditions.uid {
        Some(wanted) if wanted != uid => {
            return conflict(&format!(
                "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). \
                 The object might have been deleted and then recreated"
            ));
        }
        _ => {}
    }
    match &options.preconditions.resource_version {
        Some(wanted) if wanted != revision => conflict(&format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record \
             ({revision}). The object might have been modified"
        )),
        _ => Ok(()),
    }
}

/// The object with its mark. Without grace it could go now.
fn marked(before: &Value, asked: Option<i64>, rules: &Cx<'_>) -> Value {
    let mut object = before.clone();
    let grace = rules.resource.strategy.grace(before, asked).unwrap_or(0);
    let metadata = &mut object["metadata"];
    mark(metadata, rules.now, grace);
    if let Some(generation) = metadata["generation"].as_i64().filter(|generation| *generation > 0) {
        metadata["generation"] = json!(generation + 1);
    }
    rules.resource.strategy.prepare_delete(&mut object, rules);
    object
}

/// A marked object whose grace was shortened; none when the request changes nothing. Where no grace is left, the
/// object as it stands.
fn hurried(before: &Value, asked: Option<i64>) -> Option<Value> {
    let metadata = &before["metadata"];
    let grace = metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    if grace == 0 {
        return Some(before.clone());
    }
    let asked = asked.filter(|asked| *asked < grace)?;
    let due: Timestamp = text(metadata, "deletionTimestamp").parse().ok()?;
    let began = due.checked_sub(SignedDuration::from_secs(grace)).ok()?;
    let mut object = before.clone();
    mark(&mut object["metadata"], began, asked);
    Some(object)
}

/// The mark says when the grace ends.
fn mark(metadata: &mut Value, began: Timestamp, grace: i64) {
    let due = began.checked_add(SignedDuration::from_secs(grace)).unwrap_or(Timestamp::MAX);
    metadata["deletionTimestamp"] = json!(time(due));
    metadata["deletionGracePeriodSeconds"] = json!(grace);
}

/// Adds the finalizer of the wanted propagation and takes the other's away; unasked, what is there stays, and where
/// there is none the kind's own default holds (`store.go`, deletionFinalizersForGarbageCollection).
fn choose_finalizers(metadata: &mut Value, options: &DeleteOptions, orphans_by_default: bool) {
    let is_one = |name: &Value| *name == ORPHAN || *name == FOREGROUND;
    let wanted = match (options.propagation_policy, options.orphan_dependents) {
        (Some(Propagation::Orphan), _) | (None, Some(true)) => Some(ORPHAN),
        (Some(Propagation::Foreground), _) => Some(FOREGROUND),
        (Some(Propagation::Background), _) | (None, Some(false)) => None,
        (None, None) if orphans_by_default && !items(&metadata["finalizers"]).iter().any(is_one) => {
            Some(ORPHAN)
        }
        (None, None) => return,
    };
    let others = items(&metadata["finalizers"]).iter().filter(|name| !is_one(name));
    let finalizers: Vec<Value> = others.cloned().chain(wanted.map(Value::from)).collect();
    match finalizers.is_empty() {
        true => crate::json::remove(metadata, "finalizers"),
        false => metadata["finalizers"] = Value::Array(finalizers),
    }
}
