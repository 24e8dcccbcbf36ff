//! The addresses of a Service's pods in their canonical form: addresses that have the same ports stand together
//! (upstream: `pkg/api/v1/endpoints/util.go`, RepackSubsets).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::endpoint_slice::desired;
use crate::endpoint_slice::slice::{Family, Port};
use crate::endpoint_slice::view::{Pod, Service, View};

/// How many addresses are told at most (upstream's `maxCapacity`).
const MOST: usize = 1000;

/// `subsets`, as they are written.
pub(super) struct Subsets {
    pub json: Vec<Value>,
    pub truncated: bool,
}

/// The addresses of one port, each with whether it is ready, by address and pod.
type Addresses<'a> = BTreeMap<(&'a str, &'a str), (bool, &'a Pod)>;

impl Subsets {
    pub(super) fn of(view: &View, service: &Service) -> Subsets {
        let by_port = by_port(view, service);
        let mut by_addresses: Vec<(Addresses<'_>, Vec<Port>)> = Vec::new();
        for (port, addresses) in by_port {
            let same = by_addresses.iter_mut().find(|(known, _)| is_same(known, &addresses));
            match same {
                Some((_, ports)) => ports.extend(port),
                None => by_addresses.push((addresses, port.into_iter().collect())),
            }
        }
        let mut room = Room::of(&by_addresses);
        let json = by_addresses.iter().map(|(addresses, ports)| subset(service, addresses, ports, &mut room));
        Subsets { json: json.collect(), truncated: room.truncated }
    }
}

/// A headless Service may have no ports; its addresses stand without any.
fn by_port<'a>(view: &'a View, service: &Service) -> BTreeMap<Option<Port>, Addresses<'a>> {
    let family = service.families.first().copied().unwrap_or(Family::IPv4);
    let mut all = BTreeMap::<Option<Port>, Addresses<'a>>::new();
    for pod in view.pods_of(service).filter(|pod| is_told(pod, service)) {
        let Some(address) = pod.addresses.iter().find(|address| family.has(address)) else { continue };
        let ready = service.publish_not_ready || pod.ready;
        let bare = service.ports.is_empty() && service.headless;
        let ports = desired::ports(service, pod).0.into_iter().map(Some);
        for port in ports.chain(bare.then_some(None)) {
            all.entry(port).or_default().insert((address, &pod.uid), (ready, pod));
        }
    }
    all
}

/// `ShouldPodBeInEndpoints`
fn is_told(pod: &Pod, service: &Service) -> bool {
    !pod.ended && (!pod.terminating || service.publish_not_ready)
}

fn is_same(one: &Addresses<'_>, other: &Addresses<'_>) -> bool {
    let told = |addresses: &Addresses<'_>| -> Vec<(String, String, bool)> {
        addresses.iter().map(|((ip, uid), (ready, _))| ((*ip).into(), (*uid).into(), *ready)).collect()
    };
    one.len() == other.len() && told(one) == told(other)
}

/// What fits: ready addresses first, then those that are not.
struct Room {
    ready: usize,
    unready: usize,
    truncated: bool,
}

impl Room {
    fn of(all: &[(Addresses<'_>, Vec<Port>)]) -> Room {
        let states = || all.iter().flat_map(|(addresses, _)| addresses.values().map(|(ready, _)| *ready));
        let ready = states().filter(|ready| *ready).count().min(MOST);
        Room { ready, unready: MOST - ready, truncated: states().count() > MOST }
    }
}

fn subset(service: &Service, addresses: &Addresses<'_>, ports: &[Port], room: &mut Room) -> Value {
    let mut subset = json!({});
    for (field, wanted, left) in
        [("addresses", true, &mut room.ready), ("notReadyAddresses", false, &mut room.unready)]
    {
        let here = addresses.iter().filter(|(_, (ready, _))| *ready == wanted).take(*left);
        let told: Vec<Value> = here.map(|((ip, _), (_, pod))| address(service, ip, pod)).collect();
        *left -= told.len();
        if !told.is_empty() {
            subset[field] = json!(told);
        }
    }
    if !ports.is_empty() {
        subset["ports"] = ports.iter().map(port).collect();
    }
    subset
}

fn address(service: &Service, ip: &str, pod: &Pod) -> Value {
    let mut address = json!({
        "ip": ip,
        "nodeName": pod.node,
        "targetRef": { "kind": "Pod", "namespace": pod.key.namespace, "name": pod.key.name, "uid": pod.uid },
    });
    if !pod.hostname.is_empty() && pod.subdomain == service.key.name {
        address["hostname"] = json!(pod.hostname);
    }
    address
}

fn port(port: &Port) -> Value {
    let mut told = json!({ "port": port.number, "protocol": port.protocol });
    if !port.name.is_empty() {
        told["name"] = json!(port.name);
    }
    if let Some(protocol) = &port.app_protocol {
        told["appProtocol"] = json!(protocol);
    }
    told
}
