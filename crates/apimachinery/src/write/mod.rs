//! What a write makes of an object: system fields, the strategy's rules, and the event that records it.
//!
//! This is upstream's generic registry store (`k8s.io/apiserver/pkg/registry/generic/registry/store.go`,
//! `k8s.io/apiserver/pkg/registry/rest/{create,update,delete}.go`) without the store: the object before comes in, a
//! [`Draft`] of the event goes out, and nothing here reads a clock or a log.

mod create;
mod defaults;
mod delete;
mod draft;
mod options;
mod update;

use jiff::Timestamp;
use rutter_schemas::Event;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::decode;
use crate::json::text;
use crate::kind::Cx;
use crate::registry::Resource;
use crate::status::{Status, Subject};
pub use create::{create, managed};
pub use defaults::defaulted;
pub use delete::delete;
pub use options::{DeleteOptions, Preconditions, Propagation};
pub use update::update;

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
    /// `fieldManager`, or what stands for it; empty when whose the fields are is settled already.
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

/// An object that stays as it is and is written once more, to rest in another form.
#[must_use]
pub fn restated(resource: &Resource, before: &Value) -> Draft {
    draft::updated(resource, before, before.clone(), Vec::new())
}

impl WriteCx<'_> {
    fn of<'a>(&'a self, resource: &'a Resource, subresource: &'a str) -> Cx<'a> {
        Cx { resource, subresource, now: self.now, user: self.user }
    }
}

/// `metav1.Time`: RFC 3339 in UTC, whole seconds.
#[must_use]
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The resource in messages: `deployments.apps`.
#[must_use]
pub fn resource_subject(resource: &Resource) -> Subject<'_> {
    Subject::new(&resource.group, &resource.plural)
}

/// The kind in messages: `Deployment.apps`.
#[must_use]
pub fn kind_subject(resource: &Resource) -> Subject<'_> {
    Subject::new(&resource.group, &resource.kind)
}

/// Makes the object's namespace that of the request (`rest.EnsureObjectNamespaceMatchesRequestNamespace`).
fn settle_namespace(object: &mut Value, resource: &Resource, namespace: &str) -> Result<(), Status> {
    let wanted = if resource.namespaced { namespace } else { "" };
    let metadata = &mut object["metadata"];
    let found = text(metadata, "namespace");
    match (found, wanted) {
        (found, "") if found.is_empty() || !resource.namespaced => {
            crate::json::remove(metadata, "namespace");
        }
        ("", wanted) => metadata["namespace"] = json!(wanted),
        (found, wanted) if found == wanted => {}
        _ => {
            let why = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Status::bad_request(why));
        }
    }
    Ok(())
}

/// Refuses an object whose name is not the one in the path.
fn check_name(object: &Value, name: &str) -> Result<(), Status> {
    let found = text(&object["metadata"], "name");
    match name.is_empty() || found == name {
        true => Ok(()),
        false => Err(Status::bad_request(format!(
            "the name of the object ({found}) does not match the name on the URL ({name})"
        ))),
    }
}

/// Sets kind and apiVersion and brings the object into the shape that the rules rely on.
fn settle_shape(object: &mut Value, resource: &Resource) -> Result<(), Status> {
    decode::settled(object, resource)?;
    object["kind"] = json!(resource.kind);
    object["apiVersion"] = json!(resource.api_version());
    if object["metadata"].is_null() {
        object["metadata"] = json!({});
    }
    Ok(())
}
