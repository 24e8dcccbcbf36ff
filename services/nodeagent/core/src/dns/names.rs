//! The names that a Service gives.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::Data;
use crate::view::{Endpoint, EndpointSlice, Service};

type Names = BTreeMap<String, Vec<Data>>;

/// All names of a Service below (and with) its own, `<service>.<namespace>.svc.<domain>`.
pub(super) fn of(base: &str, service: &Service, slices: &[EndpointSlice]) -> Names {
    let mut names = Names::new();
    if service.spec.kind == "ExternalName" {
        add(&mut names, base, Data::Alias(service.spec.external_name.trim_end_matches('.').to_lowercase()));
    } else if let Some(address) = service.cluster_ip() {
        with_address(&mut names, base, address, service);
    } else if service.is_headless() {
        headless(&mut names, base, slices);
    }
    for data in names.values_mut() {
        data.sort();
        data.dedup();
    }
    names
}

/// `10-244-0-5.default.pod.cluster.local`.
pub(super) fn pod_address(name: &str, domain: &str) -> Option<Ipv4Addr> {
    let rest = name.strip_suffix(domain)?.strip_suffix(".pod.")?;
    let (address, namespace) = rest.split_once('.')?;
    (!namespace.is_empty() && !namespace.contains('.')).then(|| address.replace('-', ".").parse().ok())?
}

fn with_address(names: &mut Names, base: &str, address: Ipv4Addr, service: &Service) {
    add(names, base, Data::Address(address));
    add(names, &reverse(address), Data::Pointer(base.to_owned()));
    for port in service.spec.ports.iter().filter(|port| !port.name.is_empty()) {
        let name = port_name(base, &port.name, &port.protocol);
        add(names, &name, Data::Service { weight: 100, port: port.port, target: base.to_owned() });
    }
}

fn headless(names: &mut Names, base: &str, slices: &[EndpointSlice]) {
    let slices = slices.iter().filter(|slice| slice.address_type == "IPv4");
    let ready: Vec<(&EndpointSlice, &Endpoint, Ipv4Addr)> = slices
        .flat_map(|slice| slice.endpoints.iter().map(move |endpoint| (slice, endpoint)))
        .filter(|(_, endpoint)| endpoint.conditions.is_ready())
        .filter_map(|(slice, endpoint)| Some((slice, endpoint, endpoint.addresses.first()?.parse().ok()?)))
        .collect();
    let weight = 100 / u16::try_from(ready.len().clamp(1, 100)).expect("it is at most 100");
    for (slice, endpoint, address) in ready {
        let own = format!("{}.{base}", endpoint_name(endpoint, address));
        add(names, base, Data::Address(address));
        add(names, &own, Data::Address(address));
        add(names, &reverse(address), Data::Pointer(own.clone()));
        for port in &slice.ports {
            let (Some(name), Some(number)) =
                (port.name.as_deref().filter(|name| !name.is_empty()), port.port)
            else {
                continue;
            };
            let service = port_name(base, name, port.protocol.as_deref().unwrap_or("TCP"));
            add(names, &service, Data::Service { weight, port: number, target: own.clone() });
        }
    }
}

/// Its hostname, or its address with dashes.
fn endpoint_name(endpoint: &Endpoint, address: Ipv4Addr) -> String {
    match &endpoint.hostname {
        Some(hostname) if !hostname.is_empty() => hostname.to_lowercase(),
        _ => address.to_string().replace('.', "-"),
    }
}

/// `_http._tcp.web.default.svc.cluster.local`.
fn port_name(base: &str, port: &str, protocol: &str) -> String {
    let protocol = if protocol.is_empty() { "tcp".to_owned() } else { protocol.to_lowercase() };
    format!("_{}._{protocol}.{base}", port.to_lowercase())
}

fn reverse(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("{d}.{c}.{b}.{a}.in-addr.arpa")
}

fn add(names: &mut Names, name: &str, data: Data) {
    names.entry(name.to_owned()).or_default().push(data);
}
