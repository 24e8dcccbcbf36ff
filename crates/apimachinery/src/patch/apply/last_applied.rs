//! kubectl's way from client-side to server-side apply: what it noted in an annotation when the client merged is its own,
//! whoever the server thinks owns it (`k8s.io/apimachinery/pkg/util/managedfields/internal/lastappliedmanager.go`), and
//! the note is kept true (`lastappliedupdater.go`), so that a client may go back.

use serde_json::{Value, json};

use super::fields::Fields;
use super::managers::Manager;
use super::shape::Shape;
use super::{strip, walk};
use crate::json::remove;
use crate::registry::Resource;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Who server-side apply is for kubectl unless it is told otherwise. Others get none of this.
const KUBECTL: &str = "kubectl";
/// More than this is not noted, since an object's annotations may not be longer (`TotalAnnotationSizeLimitB`).
const LONGEST: usize = 256 << 10;

/// Drops the conflicts about fields that stand as the client last applied them.
pub(super) fn settle(
    conflicts: &mut Vec<(Manager, Fields)>,
    manager: &str,
    live: &Value,
    resource: &Resource,
) {
    let Some(noted) = noted(live).filter(|_| manager == KUBECTL) else { return };
    let Ok(applied) = serde_json::from_str::<Value>(noted) else { return };
    let shape = Shape::Fields(resource.schema());
    let change = walk::difference(&applied, live, shape);
    let owned = strip(walk::owned(&applied, shape), resource, "");
    let still = owned.without(&change.changed).without(&change.removed);
    for (_, contested) in conflicts.iter_mut() {
        *contested = contested.without(&still);
    }
    conflicts.retain(|(_, contested)| !contested.is_empty());
}

/// Notes what was applied where a note is.
pub(super) fn renew(merged: &mut Value, wanted: &Value, manager: &str) {
    if manager != KUBECTL || noted(merged).is_none() {
        return;
    }
    let mut applied = wanted.clone();
    remove(&mut applied["metadata"], "managedFields");
    if applied["metadata"]["annotations"].is_object() {
        remove(&mut applied["metadata"]["annotations"], ANNOTATION);
    }
    let text = format!("{applied}\n");
    merged["metadata"]["annotations"][ANNOTATION] = json!(if text.len() > LONGEST { "" } else { &text });
}

fn noted(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][ANNOTATION].as_str().filter(|text| !text.is_empty())
}
