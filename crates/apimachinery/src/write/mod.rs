//! What a write makes of an object: system fields, the strategy's rules, and the event that records it.
//!
//! This is upstream's generic registry store (`k8s.io/apiserver/pkg/registry/generic/registry/store.go`) without the
//! store: the object before comes in, a [`Draft`] of the event goes out, and nothing here reads a clock or a log.

mod options;

use jiff::Timestamp;
use rutter_schemas::Event;
use serde_json::Value;
use uuid::Uuid;

use crate::registry::Resource;
use crate::status::Status;
pub use options::{DeleteOptions, Preconditions, Propagation};

/// What a write needs besides the object.
#[derive(Clone, Copy, Debug)]
pub struct WriteCx<'a> {
    pub now: Timestamp,
    /// The uid that a new object gets, and the seed of a generated name: a new one for every try.
    pub uid: Uuid,
    /// The namespace of the request's path; empty for what is cluster-scoped.
    pub namespace: &'a str,
    /// The name in the request's path; empty for a POST.
    pub name: &'a str,
    /// Who writes.
    pub user: &'a str,
    /// `fieldManager`, or what stands for it.
    pub field_manager: &'a str,
}

/// A write that was accepted: the event to propose, and the object after it, without `resourceVersion`.
#[derive(Clone, Debug)]
pub struct Draft {
    pub event: Event,
    pub object: Value,
    /// One `Warning` header each.
    pub warnings: Vec<String>,
}

/// What a deletion comes to.
#[derive(Clone, Debug)]
pub enum Deletion {
    /// It is gone with this event.
    Removed(Draft),
    /// It is marked, and goes when its grace, its finalizers or its dependents allow.
    Marked(Draft),
    /// It was marked already, and this request changes nothing.
    Pending(Value),
}

/// Accepts a new object, or says why not.
///
/// # Errors
/// 400 when name or namespace contradict the request, 422 with every field that is wrong.
pub fn create(
    resource: &Resource,
    subresource: &str,
    object: Value,
    cx: &WriteCx<'_>,
) -> Result<Draft, Status> {
    let _ = (resource, subresource, object, cx);
    Err(Status::unavailable("not yet"))
}

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
    after: Value,
    cx: &WriteCx<'_>,
) -> Result<Option<Draft>, Status> {
    let _ = (resource, subresource, before, after, cx);
    Err(Status::unavailable("not yet"))
}

/// Accepts the deletion of `before`, which carries its `resourceVersion`, or says why not.
///
/// # Errors
/// 409 when a precondition does not hold, 422 when the options are invalid.
pub fn delete(
    resource: &Resource,
    before: &Value,
    options: &DeleteOptions,
    cx: &WriteCx<'_>,
) -> Result<Deletion, Status> {
    let _ = (resource, before, options, cx);
    Err(Status::unavailable("not yet"))
}
