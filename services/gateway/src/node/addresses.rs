//! Ranges of pod addresses: each node gets one of the cluster's, held by an object of its own made with `expect: absent`
//! in the commit that gives it (upstream: `pkg/controller/nodeipam`). It goes when the node does.

use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::{self, Draft};
use rutter_projection::{ListQuery, Snapshot};
use rutter_schemas::{Event, Key, Meta, ObjectRef, Op, Revision, Uuid, state};
use serde_json::{Value, json};

use crate::Gateway;
use crate::store::failed;

/// The cluster's range of pod addresses, cut into one for each node.
#[derive(Debug)]
pub struct PodRange {
    base: u32,
    bits: u8,
    /// Where the next search begins: nodes that come at once don't all want the same range.
    next: Mutex<u32>,
}

/// Every node has a /24: 254 addresses, and upstream's 110 pods at most.
const NODE_BITS: u8 = 24;

impl PodRange {
    /// From `10.244.0.0/16`; none for what is not such a range, or too small for a node.
    pub fn parse(cidr: &str) -> Option<PodRange> {
        let (address, bits) = cidr.split_once('/')?;
        let (address, bits): (Ipv4Addr, u8) = (address.parse().ok()?, bits.parse().ok()?);
        if !(8..=NODE_BITS).contains(&bits) {
            return None;
        }
        let size = 1u32 << (32 - bits);
        Some(PodRange { base: u32::from(address) & !(size - 1), bits, next: Mutex::new(0) })
    }

    /// The first range that is free, looked for behind the last that was found.
    fn find<E>(&self, is_free: impl Fn(Ipv4Addr) -> Result<bool, E>) -> Result<Option<Ipv4Addr>, E> {
        let count = 1u32 << (NODE_BITS - self.bits);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let start = *next;
        for number in (0..count).map(|step| (start + step) % count) {
            let range = Ipv4Addr::from(self.base + (number << (32 - NODE_BITS)));
            if is_free(range)? {
                *next = number + 1;
                return Ok(Some(range));
            }
        }
        Ok(None)
    }
}

/// The object that holds a range.
fn key(range: Ipv4Addr) -> Key {
    Key::new("rutter.dev", "podcidrs", "", &format!("{range}-{NODE_BITS}"))
}

/// Gives a node its range, if it has none. Where none is left, the node goes without, as upstream's do.
///
/// # Errors
/// When the view can't be read.
pub fn give(gateway: &Gateway, snapshot: &Snapshot, node: &mut Value) -> Result<Option<Draft>, Status> {
    let has = node.pointer("/spec/podCIDR").and_then(Value::as_str).is_some_and(|range| !range.is_empty());
    if has {
        return Ok(None);
    }
    let name = node.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_free = |range| Ok(snapshot.get(&key(range)).map_err(|error| failed(&error))?.is_none());
    let Some(range) = gateway.pod_range.find(is_free)? else {
        tracing::warn!(node = %name, "every range of pod addresses is taken: it gets none");
        return Ok(None);
    };
    let text = format!("{range}/{NODE_BITS}");
    if !node["spec"].is_object() {
        node["spec"] = json!({});
    }
    node["spec"]["podCIDR"] = json!(text);
    node["spec"]["podCIDRs"] = json!([text]);
    Ok(Some(taken(range, &name)))
}

/// Takes away the range that a node brings: it has none but what it was given.
pub fn forget(node: &mut Value) {
    if let Some(spec) = node["spec"].as_object_mut() {
        spec.remove("podCIDR");
        spec.remove("podCIDRs");
    }
}

fn taken(range: Ipv4Addr, node: &str) -> Draft {
    let name = key(range).name;
    let uid = Uuid::new_v4().to_string();
    let object = json!({
        "kind": "PodCIDR",
        "apiVersion": "rutter.dev/v1",
        "metadata": { "name": name, "uid": uid, "creationTimestamp": write::time(jiff::Timestamp::now()) },
        "spec": { "nodeName": node },
    });
    draft("PodCIDRTaken", Op::Create, about(name, uid), Revision::NONE, object)
}

/// Writes down the node's own address, by which the others reach its range, when it has told another than stands there.
///
/// # Errors
/// When the view can't be read.
pub fn routed(snapshot: &Snapshot, node: &Value) -> Result<Option<Draft>, Status> {
    let address = internal_address(node);
    if address.is_none() {
        return Ok(None);
    }
    let Some((range, object, revision)) = held(snapshot, node)? else { return Ok(None) };
    if object.pointer("/spec/address").and_then(Value::as_str) == address {
        return Ok(None);
    }
    let mut object = object;
    object["spec"]["address"] = json!(address);
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Some(draft("PodCIDRRouted", Op::Update, about(key(range).name, uid), revision, object)))
}

fn internal_address(node: &Value) -> Option<&str> {
    let addresses = node.pointer("/status/addresses")?.as_array()?;
    let internal = addresses.iter().find(|address| address["type"] == "InternalIP")?;
    internal["address"].as_str()
}

/// The range of a node, with the object that holds it and its revision; none if it has none.
fn held(snapshot: &Snapshot, node: &Value) -> Result<Option<(Ipv4Addr, Value, Revision)>, Status> {
    let range = node.pointer("/spec/podCIDR").and_then(Value::as_str).and_then(|text| text.split_once('/'));
    let Some(range) = range.and_then(|(address, _)| address.parse().ok()) else { return Ok(None) };
    let Some(record) = snapshot.get(&key(range)).map_err(|error| failed(&error))? else { return Ok(None) };
    let mut object: Value = serde_json::from_slice(&record.object).map_err(|error| failed(&error))?;
    if object["spec"]["nodeName"] != node["metadata"]["name"] {
        return Ok(None);
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    Ok(Some((range, object, record.revision)))
}

/// Gives back the range of a node that is gone; none if it has none.
///
/// # Errors
/// When the view can't be read.
pub fn released(snapshot: &Snapshot, node: &Value) -> Result<Option<Draft>, Status> {
    let Some((range, object, revision)) = held(snapshot, node)? else { return Ok(None) };
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Some(draft("PodCIDRReleased", Op::Delete, about(key(range).name, uid), revision, object)))
}

/// The nodes that aren't there and have ranges still, each as far as that tells.
///
/// # Errors
/// When the view can't be read.
pub fn left_behind(snapshot: &Snapshot) -> Result<Vec<(Key, Value)>, Status> {
    let mut left = Vec::new();
    for entry in snapshot.list(&ListQuery::of("rutter.dev", "podcidrs")) {
        let (key, record) = entry.map_err(|error| failed(&error))?;
        let object: Value = serde_json::from_slice(&record.object).map_err(|error| failed(&error))?;
        let Some(name) = object.pointer("/spec/nodeName").and_then(Value::as_str) else { continue };
        let node = Key::new("", "nodes", "", name);
        if snapshot.get(&node).map_err(|error| failed(&error))?.is_none() {
            let range = key.name.replace('-', "/");
            left.push((node, json!({ "metadata": { "name": name }, "spec": { "podCIDR": range } })));
        }
    }
    Ok(left)
}

fn about(name: String, uid: String) -> ObjectRef {
    ObjectRef {
        group: "rutter.dev".into(),
        version: "v1".into(),
        kind: "PodCIDR".into(),
        resource: "podcidrs".into(),
        namespace: String::new(),
        name,
        uid,
    }
}

fn draft(event_type: &str, op: Op, object_ref: ObjectRef, prior: Revision, object: Value) -> Draft {
    let event = Event {
        event_type: event_type.to_owned(),
        op,
        object: object_ref,
        prior,
        meta: Meta::default(),
        touches: Vec::new(),
        state: state::encode(&object),
    };
    Draft { event, object, warnings: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_into_one_for_each_node_and_nodes_that_come_at_once_get_different_ones() {
        let range = PodRange::parse("10.244.0.0/22").expect("a range");
        let find = |taken: &[&str]| {
            let is_free = |range: Ipv4Addr| Ok::<_, Status>(!taken.contains(&&*range.to_string()));
            range.find(is_free).expect("readable").map(|range| range.to_string())
        };
        let all = ["10.244.0.0", "10.244.1.0", "10.244.2.0", "10.244.3.0"];
        assert_eq!(all.map(|_| find(&[])), all.map(|range| Some(range.to_owned())));
        assert_eq!(find(&[all[0], all[1]]), Some(all[2].to_owned()));
        assert_eq!(find(&all), None);
        assert!(PodRange::parse("10.244.0.0/25").is_none());
        assert!(PodRange::parse("10.244.0.0").is_none());
    }
}
