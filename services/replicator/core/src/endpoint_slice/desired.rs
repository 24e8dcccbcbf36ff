//! The endpoints that a Service should have, by address family and ports.

use std::collections::BTreeMap;

use super::slice::{Endpoint, Family, Port, Ports};
use super::view::{Pod, Service, ServicePort, Target, View};

/// Endpoints that share their ports, by the uid of their pods.
pub(super) type Groups = BTreeMap<Ports, BTreeMap<String, Endpoint>>;

/// None for a Service that selects nothing: its endpoints are somebody else's business.
pub(super) fn groups(view: &View, service: &Service) -> Option<Vec<(Family, Groups)>> {
    service.selector.as_ref()?;
    Some(service.families.iter().map(|family| (*family, family_groups(view, service, *family))).collect())
}

fn family_groups(view: &View, service: &Service, family: Family) -> Groups {
    let mut groups = Groups::new();
    for pod in view.pods_of(service).filter(|pod| !pod.ended) {
        let Some(address) = pod.addresses.iter().find(|address| family.has(address)) else { continue };
        let endpoint = endpoint(view, service, pod, address);
        groups.entry(ports(service, pod)).or_default().insert(pod.uid.clone(), endpoint);
    }
    groups
}

fn endpoint(view: &View, service: &Service, pod: &Pod, address: &str) -> Endpoint {
    let has_name = !pod.hostname.is_empty() && pod.subdomain == service.key.name;
    Endpoint {
        address: address.to_owned(),
        ready: service.publish_not_ready || (pod.ready && !pod.terminating),
        serving: pod.ready,
        terminating: pod.terminating,
        hostname: has_name.then(|| pod.hostname.clone()),
        node: pod.node.clone(),
        zone: view.zone(&pod.node).to_owned(),
        namespace: pod.key.namespace.clone(),
        pod: pod.key.name.clone(),
        uid: pod.uid.clone(),
    }
}

/// The Service's ports as this pod has them; a named one that it lacks is left out.
pub(crate) fn ports(service: &Service, pod: &Pod) -> Ports {
    Ports(service.ports.iter().filter_map(|port| find(port, pod)).collect())
}

fn find(port: &ServicePort, pod: &Pod) -> Option<Port> {
    let number = match &port.target {
        Target::Number(number) => *number,
        Target::Name(wanted) => {
            let found =
                pod.ports.iter().find(|(name, protocol, _)| name == wanted && *protocol == port.protocol);
            found.map(|(_, _, number)| *number)?
        }
    };
    Some(Port {
        name: port.name.clone(),
        number,
        protocol: port.protocol.clone(),
        app_protocol: port.app_protocol.clone(),
    })
}
