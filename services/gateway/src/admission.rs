//! Admission: what the cluster, rather than the kind, says about a write. The place for quotas, limits, policies and
//! webhooks; what is here needs no configuration. It runs inside the executor's decision, so a retry admits anew.

mod custom;
pub mod defaults;
pub mod namespace;
mod resize;

use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::{self, Draft};
use rutter_projection::Snapshot;
use rutter_runtime::admission::{Charges, Shelf};
use rutter_schemas::{Scope, Uuid};
use serde_json::{Value, json};

use crate::authn::User;
use crate::chain::Call;
use crate::service;
use crate::store::Plan;

/// An object as the cluster lets it be written, and what has to happen with it.
#[derive(Debug)]
pub struct Admitted {
    pub object: Value,
    pub companions: Companions,
    pub guards: Vec<Scope>,
    pub charges: Charges,
}

impl Admitted {
    fn as_asked(object: Value) -> Admitted {
        let (companions, charges) = (Companions::default(), Charges::default());
        Admitted { object, companions, guards: Vec::new(), charges }
    }
}

/// Writes that belong to another in the same commit: the addresses and ports that a Service takes.
#[derive(Debug, Default)]
pub struct Companions(pub Vec<Draft>);

impl Companions {
    /// The plan with these behind its own drafts, so that the object's event stays the first.
    pub fn join<T>(self, mut plan: Plan<T>) -> Plan<T> {
        plan.drafts.extend(self.0);
        plan
    }

    /// Adds what the change of an object gives back.
    pub fn after(mut self, call: &Call, snapshot: &Snapshot, draft: &Draft) -> Result<Companions, Status> {
        if service::is_service(call) {
            self.0.extend(service::released(call, snapshot, draft)?);
        }
        Ok(self)
    }
}

/// # Errors
/// 404 and 403 for the namespace, 422 for an address or port that can't be had.
pub fn create(call: &Call, snapshot: &Snapshot, object: &Value) -> Result<Admitted, Status> {
    let mut admitted = Admitted::as_asked(object.clone());
    if call.resource.namespaced {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        admitted.guards.push(namespace::admit_create(snapshot, &call.info.namespace, call.subject(), name)?);
    }
    admitted.guards.extend(custom::admit_create(call, snapshot, object)?);
    rutter_runtime::admission::birth(&call.resource, &call.info.namespace, &mut admitted.object, snapshot)?;
    if service::is_service(call) {
        admitted.companions.0 = service::taken(call, snapshot, None, &mut admitted.object)?;
    }
    if call.resource.group == "certificates.k8s.io" && call.resource.plural == "certificatesigningrequests" {
        asked_by(&call.user, &mut admitted.object["spec"]);
    }
    if is_namespace(call) {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        if !name.is_empty() {
            admitted.companions.0 = defaults::of_namespace(&call.gateway, snapshot, name)?;
        }
    }
    let (books, namespace) = (Shelf(snapshot), &call.info.namespace);
    admitted.charges.birth(&books, &call.resource, namespace, &admitted.object)?;
    Ok(admitted)
}

/// A request for a certificate says who asks; nobody asks in another's name (upstream's certificates strategy,
/// PrepareForCreate).
fn asked_by(user: &User, spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    for field in ["uid", "extra"] {
        spec.as_object_mut().map(|spec| spec.remove(field));
    }
    spec["username"] = json!(user.name);
    spec["groups"] = json!(user.groups);
    if !user.uid.is_empty() {
        spec["uid"] = json!(user.uid);
    }
    if !user.extra.is_empty() {
        spec["extra"] = json!(user.extra);
    }
}

fn is_namespace(call: &Call) -> bool {
    call.resource.group.is_empty() && call.resource.plural == "namespaces"
}

/// # Errors
/// As for [`create`], of what is new.
pub fn update(call: &Call, snapshot: &Snapshot, before: &Value, after: Value) -> Result<Admitted, Status> {
    resize::admit(call, snapshot, before, &after)?;
    let mut admitted = Admitted::as_asked(after);
    admitted.guards.extend(custom::premise(call, snapshot)?);
    let (books, kind) = (Shelf(snapshot), (&*call.resource, call.info.subresource.as_str()));
    admitted.charges.change(&books, kind, &call.info.namespace, (before, &admitted.object))?;
    if service::is_service(call) && call.info.subresource.is_empty() {
        let asked = admitted.object.clone();
        admitted.companions.0 = match service::taken(call, snapshot, Some(before), &mut admitted.object) {
            Ok(taken) => taken,
            // Upstream allocates what it has found valid: the kind's own refusal comes first.
            Err(cannot) => {
                write::update(&call.resource, "", before, asked, &call.cx(Uuid::nil()))?;
                return Err(cannot);
            }
        };
    }
    Ok(admitted)
}

/// # Errors
/// 403 for what the cluster stands on.
pub fn delete(call: &Call, _before: &Value) -> Result<(), Status> {
    if is_namespace(call) {
        return namespace::admit_delete(&call.info.name);
    }
    Ok(())
}
