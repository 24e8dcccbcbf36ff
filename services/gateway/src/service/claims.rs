//! Claims: the objects that hold an address or a port for a Service. An address is an `IPAddress`, as the API has it; a
//! port is an internal object of group `rutter.dev`, which no client sees.

use std::net::Ipv4Addr;

use rutter_apimachinery::registry::Registry;
use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::{self, Draft, WriteCx};
use rutter_projection::{ListQuery, Record, Snapshot};
use rutter_schemas::{Event, Key, Meta, ObjectRef, Op, Revision, Uuid, state};
use serde_json::{Value, json};

use crate::chain::Call;
use crate::store::failed;

/// Something scarce that a Service has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    Address(Ipv4Addr),
    NodePort(u16),
}

const IP_GROUP: &str = "networking.k8s.io";
/// What tells upstream's controllers, and ours, who made an IPAddress.
const MANAGED_BY: &str = "ipallocator.k8s.io";
const MANAGED_BY_LABEL: &str = "ipaddress.kubernetes.io/managed-by";

impl Claim {
    /// What a Service has.
    pub fn of(service: &Value) -> Vec<Claim> {
        let addresses = service.pointer("/spec/clusterIPs").and_then(Value::as_array);
        let addresses =
            addresses.into_iter().flatten().filter_map(Value::as_str).filter_map(|text| text.parse().ok());
        let ports = service.pointer("/spec/ports").and_then(Value::as_array);
        let ports = ports.into_iter().flatten().filter_map(|port| port["nodePort"].as_u64());
        let health = service.pointer("/spec/healthCheckNodePort").and_then(Value::as_u64);
        let ports = ports.chain(health).filter(|port| *port > 0).filter_map(|port| u16::try_from(port).ok());
        let mut claims: Vec<Claim> =
            addresses.map(Claim::Address).chain(ports.map(Claim::NodePort)).collect();
        claims.sort();
        claims.dedup();
        claims
    }

    pub fn key(&self) -> Key {
        match self {
            Claim::Address(address) => Key::new(IP_GROUP, "ipaddresses", "", &address.to_string()),
            Claim::NodePort(port) => Key::new("rutter.dev", "nodeports", "", &port.to_string()),
        }
    }

    pub fn is_free(&self, snapshot: &Snapshot) -> Result<bool, Status> {
        Ok(self.record(snapshot)?.is_none())
    }

    /// Whether the claim is this Service's: another may have taken the address since.
    pub(super) fn is_held_by(&self, snapshot: &Snapshot, service: &Key) -> bool {
        let Ok(Some(object)) = snapshot.get_object(&self.key()) else { return false };
        holder(&object).is_some_and(|holder| holder == *service)
    }

    fn of_key(key: &Key) -> Option<Claim> {
        match &*key.resource {
            "ipaddresses" => key.name.parse().ok().map(Claim::Address),
            _ => key.name.parse().ok().map(Claim::NodePort),
        }
    }

    fn record(&self, snapshot: &Snapshot) -> Result<Option<Record>, Status> {
        snapshot.get(&self.key()).map_err(|error| failed(&error))
    }

    /// The claim's birth, for a Service of this request's namespace.
    pub fn taken(&self, registry: &Registry, service: &Value, call: &Call) -> Result<Draft, Status> {
        let name = service.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        self.taken_for(registry, &call.info.namespace, name)
    }

    /// The claim's birth.
    pub fn taken_for(&self, registry: &Registry, namespace: &str, service: &str) -> Result<Draft, Status> {
        match self {
            Claim::Address(address) => ip_address(registry, *address, namespace, service),
            Claim::NodePort(port) => Ok(node_port(*port, namespace, service)),
        }
    }

    /// The claim's end; none if it is gone.
    pub fn released(&self, registry: &Registry, snapshot: &Snapshot) -> Result<Option<Draft>, Status> {
        let Some(record) = self.record(snapshot)? else { return Ok(None) };
        let object: Value = serde_json::from_slice(&record.object).map_err(|error| failed(&error))?;
        Ok(Some(ended(self, registry, &record, object)))
    }
}

/// What is claimed for Services that aren't there, or don't have it. An IPAddress that somebody else made is theirs.
///
/// # Errors
/// When the view can't be read.
pub(super) fn left_behind(snapshot: &Snapshot) -> Result<Vec<(Key, Claim)>, Status> {
    let mut left = Vec::new();
    for (group, plural) in [(IP_GROUP, "ipaddresses"), ("rutter.dev", "nodeports")] {
        for entry in snapshot.list(&ListQuery::of(group, plural)) {
            let (key, record) = entry.map_err(|error| failed(&error))?;
            let is_ours = group != IP_GROUP
                || record.meta.labels.get(MANAGED_BY_LABEL).is_some_and(|by| by == MANAGED_BY);
            let Some((service, claim)) = holder(&record.object).zip(Claim::of_key(&key)) else { continue };
            if is_ours && !has(snapshot, &service, &claim)? {
                left.push((service, claim));
            }
        }
    }
    Ok(left)
}

fn has(snapshot: &Snapshot, service: &Key, claim: &Claim) -> Result<bool, Status> {
    let found = snapshot.get_object(service).map_err(|error| failed(&error))?;
    let service: Option<Value> = found.and_then(|object| serde_json::from_slice(&object).ok());
    Ok(service.is_some_and(|service| Claim::of(&service).contains(claim)))
}

/// The Service that a claim names.
fn holder(claim: &[u8]) -> Option<Key> {
    let claim: Value = serde_json::from_slice(claim).ok()?;
    let parent = &claim["spec"]["parentRef"];
    Some(Key::new("", "services", parent["namespace"].as_str()?, parent["name"].as_str()?))
}

fn ip_address(
    registry: &Registry,
    address: Ipv4Addr,
    namespace: &str,
    service: &str,
) -> Result<Draft, Status> {
    let Some(resource) = registry.resource(IP_GROUP, "v1", "ipaddresses") else {
        return Err(Status::internal("the registry has no IPAddress"));
    };
    let name = address.to_string();
    let object = json!({
        "metadata": {
            "name": name,
            "labels": { "ipaddress.kubernetes.io/ip-family": "IPv4", MANAGED_BY_LABEL: MANAGED_BY },
        },
        "spec": { "parentRef": { "group": "", "resource": "services", "namespace": namespace, "name": service } },
    });
    let cx = WriteCx {
        now: jiff::Timestamp::now(),
        uid: Uuid::new_v4(),
        namespace: "",
        name: "",
        user: "system:gateway",
        field_manager: "gateway",
    };
    write::create(&resource, "", object, &cx)
}

fn node_port(port: u16, namespace: &str, service: &str) -> Draft {
    let uid = Uuid::new_v4().to_string();
    let object = json!({
        "kind": "NodePort",
        "apiVersion": "rutter.dev/v1",
        "metadata": { "name": port.to_string(), "uid": uid, "creationTimestamp": write::time(jiff::Timestamp::now()) },
        "spec": { "parentRef": { "group": "", "resource": "services", "namespace": namespace, "name": service } },
    });
    let about = ObjectRef {
        group: "rutter.dev".into(),
        version: "v1".into(),
        kind: "NodePort".into(),
        resource: "nodeports".into(),
        namespace: String::new(),
        name: port.to_string(),
        uid,
    };
    draft("NodePortTaken", Op::Create, about, Revision::NONE, Meta::default(), object)
}

fn ended(claim: &Claim, registry: &Registry, record: &Record, mut object: Value) -> Draft {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    let key = claim.key();
    let (version, kind, event_type) = match claim {
        Claim::Address(_) => {
            let version =
                registry.resource(IP_GROUP, "v1", "ipaddresses").map(|resource| resource.version.to_string());
            (version.unwrap_or_else(|| "v1".to_owned()), "IPAddress", "IPAddressDeleted")
        }
        Claim::NodePort(_) => ("v1".to_owned(), "NodePort", "NodePortReleased"),
    };
    let about = ObjectRef {
        group: key.group,
        version,
        kind: kind.to_owned(),
        resource: key.resource,
        namespace: key.namespace,
        name: key.name,
        uid: record.uid.to_string(),
    };
    draft(event_type, Op::Delete, about, record.revision, Meta::clone(&record.meta), object)
}

fn draft(event_type: &str, op: Op, about: ObjectRef, prior: Revision, meta: Meta, object: Value) -> Draft {
    let before = (op == Op::Delete).then_some(&object);
    let after = (op != Op::Delete).then_some(&object);
    let event = Event {
        event_type: event_type.to_owned(),
        op,
        prior,
        meta,
        touches: rutter_schemas::touches(before, after, &about),
        object: about,
        state: state::encode(&object),
    };
    Draft { event, object, warnings: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_its_addresses_and_ports_once_each() {
        let service = json!({"spec": {
            "clusterIPs": ["10.96.0.7"],
            "ports": [{"port": 53, "nodePort": 30053, "protocol": "UDP"}, {"port": 53, "nodePort": 30053}, {"port": 80}],
        }});
        assert_eq!(
            Claim::of(&service),
            [Claim::Address(Ipv4Addr::new(10, 96, 0, 7)), Claim::NodePort(30053)]
        );
        assert_eq!(Claim::of(&json!({"spec": {"clusterIPs": ["None"]}})), []);
    }
}
