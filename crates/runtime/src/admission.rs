//! What every new object has to pass beyond the rules of its own kind, whoever makes it: people through a gateway, or
//! controllers through the executor of plans. What is here needs no configuration.

mod quota;

use rutter_apimachinery::admission::{limit_range, priority, runtime_class, service_account};
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::resource_subject;
use rutter_projection::{Error, ListQuery, Snapshot};
use rutter_schemas::{Key, Uuid};
use serde_json::Value;

pub use quota::Shelf;
pub use rutter_apimachinery::admission::quota::Charges;

/// Completes and checks an object that is about to be born in `namespace`. The order is upstream's
/// (`pkg/kubeapiserver/options/plugins.go`).
///
/// # Errors
/// 403 for a pod whose ServiceAccount or class isn't there or says otherwise, and for what a LimitRange forbids.
pub fn birth(
    resource: &Resource,
    namespace: &str,
    object: &mut Value,
    snapshot: &Snapshot,
) -> Result<(), Status> {
    let birth = Birth { resource, namespace, snapshot };
    match (&*resource.group, &*resource.plural) {
        ("", "pods") => birth.pod(object),
        ("", "persistentvolumeclaims") => birth.claim(object),
        _ => Ok(()),
    }
}

/// What a rule may look at: the object's kind and place, and the cluster as it stands.
struct Birth<'a> {
    resource: &'a Resource,
    namespace: &'a str,
    snapshot: &'a Snapshot,
}

impl Birth<'_> {
    fn pod(&self, pod: &mut Value) -> Result<(), Status> {
        let ranges = self.all(&ListQuery::of("", "limitranges").namespace(self.namespace))?;
        for range in &ranges {
            limit_range::complete(pod, range);
        }
        self.account(pod)?;
        self.priority(pod)?;
        self.runtime_class(pod)?;
        let faults: Vec<String> =
            ranges.iter().flat_map(|range| limit_range::faults_of_pod(pod, range)).collect();
        self.within(pod, &faults)
    }

    fn claim(&self, claim: &Value) -> Result<(), Status> {
        let ranges = self.all(&ListQuery::of("", "limitranges").namespace(self.namespace))?;
        let faults: Vec<String> =
            ranges.iter().flat_map(|range| limit_range::faults_of_claim(claim, range)).collect();
        self.within(claim, &faults)
    }

    fn within(&self, object: &Value, faults: &[String]) -> Result<(), Status> {
        if faults.is_empty() { Ok(()) } else { Err(self.forbidden(object, &limit_range::told(faults))) }
    }

    fn account(&self, pod: &mut Value) -> Result<(), Status> {
        let Some(account) = service_account::account_of(pod) else { return Ok(()) };
        let namespace = self.namespace;
        let Some(found) = self.one(&Key::new("", "serviceaccounts", namespace, account))? else {
            let why = format!(
                "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
            );
            return Err(self.forbidden(pod, &why));
        };
        service_account::complete(pod, &found, Uuid::new_v4().as_bytes());
        Ok(())
    }

    fn priority(&self, pod: &mut Value) -> Result<(), Status> {
        const GROUP: &str = "scheduling.k8s.io";
        let class = match priority::class_of(pod) {
            Some(name) => match self.one(&Key::new(GROUP, "priorityclasses", "", name))? {
                Some(class) => class,
                None => priority::system_class(name).ok_or_else(|| {
                    self.forbidden(pod, &format!("no PriorityClass with name {name} was found"))
                })?,
            },
            None => priority::global_default(self.all(&ListQuery::of(GROUP, "priorityclasses"))?)
                .unwrap_or_else(priority::no_class),
        };
        priority::complete(pod, &class).map_err(|why| self.forbidden(pod, &why))
    }

    fn runtime_class(&self, pod: &mut Value) -> Result<(), Status> {
        let Some(name) = runtime_class::class_of(pod) else {
            return runtime_class::check_without(pod).map_err(|why| self.forbidden(pod, &why));
        };
        let Some(class) = self.one(&Key::new("node.k8s.io", "runtimeclasses", "", name))? else {
            return Err(self.forbidden(pod, &runtime_class::missing(name)));
        };
        runtime_class::complete(pod, &class).map_err(|why| self.forbidden(pod, &why))
    }

    fn forbidden(&self, object: &Value, why: &str) -> Status {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        Status::forbidden(resource_subject(self.resource), name, why)
    }

    fn one(&self, key: &Key) -> Result<Option<Value>, Status> {
        let found = self.snapshot.get_object(key).map_err(|error| broken(&error))?;
        found.map(|object| serde_json::from_slice(&object).map_err(|error| broken(&error))).transpose()
    }

    fn all(&self, query: &ListQuery) -> Result<Vec<Value>, Status> {
        all(self.snapshot, query)
    }
}

fn all(snapshot: &Snapshot, query: &ListQuery) -> Result<Vec<Value>, Status> {
    let read = |object: Result<_, Error>| {
        let object: bytes::Bytes = object.map_err(|error| broken(&error))?;
        serde_json::from_slice(&object).map_err(|error| broken(&error))
    };
    snapshot.list_objects(query).map(read).collect()
}

fn broken(error: &dyn std::fmt::Display) -> Status {
    Status::internal(&error.to_string())
}
