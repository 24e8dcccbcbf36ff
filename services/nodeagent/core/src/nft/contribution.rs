//! What one Service adds to the maps.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use super::table::{Chain, Element, MASQUERADE};
use crate::view::{EndpointSlice, Service, ServicePort};

/// The elements of one Service, and the addresses of its endpoints on this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contribution {
    ports: Vec<Port>,
    pub(super) local: BTreeSet<Ipv4Addr>,
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Port {
    protocol: &'static str,
    port: u16,
    /// Addresses it is reached by inside the cluster.
    addresses: Vec<Ipv4Addr>,
    inside: Vec<SocketAddrV4>,
    node_port: Option<u16>,
    /// With `externalTrafficPolicy: Local`, only endpoints of this node, which then see the client's address.
    outside: Vec<SocketAddrV4>,
    outside_local: bool,
    affinity_s: Option<u32>,
}

/// `sessionAffinityConfig.clientIP.timeoutSeconds`, when it isn't said (core/v1 defaults).
const AFFINITY_S: u32 = 10_800;

impl Contribution {
    pub(super) fn of(service: &Service, slices: &[EndpointSlice], node: &str) -> Contribution {
        let Some(cluster_ip) = service.cluster_ip() else { return Contribution::default() };
        let external = service.spec.external_ips.iter().filter_map(|address| address.parse().ok());
        let addresses: Vec<Ipv4Addr> = std::iter::once(cluster_ip).chain(external).collect();
        let affinity_s = affinity(service);
        let inside_local = service.spec.internal_traffic_policy == "Local";
        let outside_local = service.spec.external_traffic_policy == "Local";
        let mut local = BTreeSet::new();
        let mut ports = Vec::new();
        for port in &service.spec.ports {
            let Some(protocol) = protocol(port) else { continue };
            let every = endpoints(slices, port, None);
            let here = endpoints(slices, port, Some(node));
            local.extend(here.iter().map(|endpoint| *endpoint.ip()));
            ports.push(Port {
                protocol,
                port: port.port,
                addresses: addresses.clone(),
                inside: if inside_local { here.clone() } else { every.clone() },
                node_port: Some(port.node_port).filter(|port| *port != 0),
                outside: if outside_local { here } else { every },
                outside_local,
                affinity_s,
            });
        }
        Contribution { ports, local }
    }

    /// The chains that its elements go to.
    pub(super) fn chains(&self) -> BTreeSet<Chain> {
        self.ports.iter().flat_map(|port| [port.inner_chain(), port.outer_chain()]).flatten().collect()
    }

    /// Its elements: which one, and what it maps to.
    pub(super) fn elements(&self) -> BTreeMap<Element, String> {
        let mut elements = BTreeMap::new();
        for port in &self.ports {
            port.inner(&mut elements);
            port.outer(&mut elements);
        }
        elements
    }
}

impl Port {
    fn inner_chain(&self) -> Option<Chain> {
        let count = u32::try_from(self.inside.len()).ok().filter(|count| *count > 0)?;
        Some(Chain::Pick { count, affinity_s: self.affinity_s })
    }

    fn outer_chain(&self) -> Option<Chain> {
        self.node_port?;
        let count = u32::try_from(self.outside.len()).ok().filter(|count| *count > 0)?;
        Some(Chain::Node { count, masquerade: !self.outside_local })
    }

    fn inner(&self, elements: &mut BTreeMap<Element, String>) {
        for address in &self.addresses {
            let front = format!("{address} . {} . {}", self.protocol, self.port);
            let Some(chain) = self.inner_chain() else {
                elements.insert(Element::refused(&front), String::new());
                continue;
            };
            elements.insert(Element::service(&front), format!("goto {chain}"));
            for (mark, endpoint) in self.inside.iter().enumerate() {
                elements.insert(Element::endpoint(&front, mark), to(endpoint));
            }
        }
    }

    fn outer(&self, elements: &mut BTreeMap<Element, String>) {
        let (Some(node_port), Some(chain)) = (self.node_port, self.outer_chain()) else { return };
        let front = format!("{} . {node_port}", self.protocol);
        elements.insert(Element::node_port(&front), format!("goto {chain}"));
        let offset = if self.outside_local { 0 } else { MASQUERADE as usize };
        for (mark, endpoint) in self.outside.iter().enumerate() {
            elements.insert(Element::node_endpoint(&front, offset + mark), to(endpoint));
        }
    }
}

fn to(endpoint: &SocketAddrV4) -> String {
    format!("{} . {}", endpoint.ip(), endpoint.port())
}

fn affinity(service: &Service) -> Option<u32> {
    if service.spec.session_affinity != "ClientIP" {
        return None;
    }
    let said = service
        .spec
        .session_affinity_config
        .pointer("/clientIP/timeoutSeconds")
        .and_then(serde_json::Value::as_u64);
    Some(said.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(AFFINITY_S))
}

fn protocol(port: &ServicePort) -> Option<&'static str> {
    match port.protocol.as_str() {
        "TCP" | "" => Some("tcp"),
        "UDP" => Some("udp"),
        "SCTP" => Some("sctp"),
        _ => None,
    }
}

/// The endpoints of a port, sorted, each once. Those that only serve while they terminate count when there is no ready
/// one (KEP-1669).
fn endpoints(slices: &[EndpointSlice], port: &ServicePort, on: Option<&str>) -> Vec<SocketAddrV4> {
    let chosen = |ready: bool| -> BTreeSet<SocketAddrV4> {
        let ports = slices.iter().filter(|slice| slice.address_type == "IPv4").flat_map(|slice| {
            let named =
                slice.ports.iter().filter(|other| other.name.as_deref().unwrap_or_default() == port.name);
            named.filter_map(|other| other.port).map(move |number| (slice, number))
        });
        ports
            .flat_map(|(slice, number)| slice.endpoints.iter().map(move |endpoint| (endpoint, number)))
            .filter(|(endpoint, _)| on.is_none_or(|node| endpoint.node_name.as_deref() == Some(node)))
            .filter(|(endpoint, _)| match ready {
                true => endpoint.conditions.is_ready(),
                false => endpoint.conditions.is_serving_while_terminating(),
            })
            .flat_map(|(endpoint, number)| endpoint.addresses.iter().map(move |address| (address, number)))
            .filter_map(|(address, number)| Some(SocketAddrV4::new(address.parse().ok()?, number)))
            .collect()
    };
    let ready = chosen(true);
    let found = if ready.is_empty() { chosen(false) } else { ready };
    found.into_iter().collect()
}
