//! NamespaceLifecycle (plugin/pkg/admission/namespace/lifecycle): nothing is created in a namespace that doesn't exist or
//! is on its way out, and the namespaces that the cluster stands on stay. The creator's commit guards the namespace's
//! life, so a namespace that begins to end meanwhile refuses it.

use rutter_apimachinery::status::{Cause, Status, Subject};
use rutter_projection::Snapshot;
use rutter_schemas::{Key, Scope};

/// Namespaces that can't be deleted.
pub const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Whether `resource` may get a new object in `namespace`; answers the premise to guard.
///
/// # Errors
/// 404 when there is no such namespace, 403 with the cause `NamespaceTerminating` when it ends.
pub fn admit_create(
    snapshot: &Snapshot,
    namespace: &str,
    resource: Subject<'_>,
    name: &str,
) -> Result<Scope, Status> {
    let key = Key::new("", "namespaces", "", namespace);
    let found = snapshot.get(&key).map_err(|error| Status::internal(&error.to_string()))?;
    let Some(found) = found else {
        return Err(Status::not_found(Subject::new("", "namespaces"), namespace));
    };
    if found.meta.deletion.is_some() {
        return Err(terminating(namespace, resource, name));
    }
    Ok(Scope::ns_life(namespace))
}

fn terminating(namespace: &str, resource: Subject<'_>, name: &str) -> Status {
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    Status::forbidden(resource, name, &why).caused_by(Cause {
        reason: "NamespaceTerminating".into(),
        message: format!("namespace {namespace} is being terminated"),
        field: "metadata.namespace".into(),
    })
}

/// # Errors
/// 403 for a namespace that the cluster stands on.
pub fn admit_delete(name: &str) -> Result<(), Status> {
    if IMMORTAL.contains(&name) {
        return Err(Status::forbidden(
            Subject::new("", "namespaces"),
            name,
            "this namespace may not be deleted",
        ));
    }
    Ok(())
}
