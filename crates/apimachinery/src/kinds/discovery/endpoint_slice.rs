//! EndpointSlice (`pkg/registry/discovery/endpointslice`, `pkg/apis/discovery/validation/validation.go`,
//! `pkg/apis/discovery/v1/defaults.go`).

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::json::{default, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string};
use crate::status::{FieldError, Path};
use crate::validation::{dns_label_faults, dns_subdomain_faults, immutable, labels};

pub(crate) const ENDPOINT_SLICE: Kind = Kind {
    group: "discovery.k8s.io",
    version: "v1",
    kind: "EndpointSlice",
    plural: "endpointslices",
    strategy: &EndpointSlice,
    columns: &[
        NAME,
        string("AddressType", "IPv4, IPv6 or FQDN.", |slice, _| json!(text(slice, "addressType"))),
        string("Ports", "The ports of every endpoint.", |slice, _| json!(ports(slice))),
        string("Endpoints", "The addresses.", |slice, _| json!(addresses(slice))),
        AGE,
    ],
    sealed: false,
};

const ENDPOINTS_MAX: usize = 1000;
const PORTS_MAX: usize = 20_000;
const ADDRESSES_MAX: usize = 100;

struct EndpointSlice;

impl Strategy for EndpointSlice {
    fn default(&self, slice: &mut Value, _: &Cx) {
        for port in slice.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if port.is_object() && port["name"].is_null() {
                port["name"] = json!("");
            }
            default(port, "protocol", "TCP");
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn bumps_generation(&self, old: &Value, new: &Value) -> bool {
        ["addressType", "endpoints", "ports"].iter().any(|field| old[*field] != new[*field])
    }

    fn validate_create(&self, slice: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let address_type = text(slice, "addressType");
        let path = Path::of("addressType");
        match address_type {
            "" => errors.push(path.required("")),
            "IPv4" | "IPv6" | "FQDN" => {}
            other => errors.push(path.not_supported(other, &["FQDN", "IPv4", "IPv6"])),
        }
        check_endpoints(slice, address_type, errors);
        check_ports(slice, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        self.validate_create(new, cx, errors);
        immutable(&new["addressType"], &old["addressType"], &Path::of("addressType"), errors);
    }
}

fn check_endpoints(slice: &Value, address_type: &str, errors: &mut Vec<FieldError>) {
    let list = Path::of("endpoints");
    let endpoints = items(&slice["endpoints"]);
    if endpoints.len() > ENDPOINTS_MAX {
        errors.push(list.too_many(endpoints.len(), ENDPOINTS_MAX));
        return;
    }
    for (index, endpoint) in endpoints.iter().enumerate() {
        let path = list.index(index);
        check_addresses(endpoint, address_type, &path, errors);
        labels(&endpoint["deprecatedTopology"], &path.child("deprecatedTopology"), errors);
        let host = text(endpoint, "hostname");
        if !host.is_empty() {
            errors.extend(
                dns_label_faults(host).iter().map(|fault| path.child("hostname").invalid(host, fault)),
            );
        }
    }
}

fn check_addresses(endpoint: &Value, address_type: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let list = path.child("addresses");
    let addresses = items(&endpoint["addresses"]);
    match addresses.len() {
        0 => errors.push(list.required("must contain at least 1 address")),
        count if count > ADDRESSES_MAX => errors.push(list.too_many(count, ADDRESSES_MAX)),
        _ => {}
    }
    for (index, address) in addresses.iter().enumerate() {
        let address = address.as_str().unwrap_or_default();
        let path = list.index(index);
        let parsed = address.parse::<IpAddr>();
        match address_type {
            "IPv4" if !matches!(parsed, Ok(IpAddr::V4(_))) => {
                errors.push(path.invalid(address, "must be a valid IPv4 address"));
            }
            "IPv6" if !matches!(parsed, Ok(IpAddr::V6(_))) => {
                errors.push(path.invalid(address, "must be a valid IPv6 address"));
            }
            "FQDN" => {
                errors.extend(dns_subdomain_faults(address).iter().map(|fault| path.invalid(address, fault)))
            }
            _ => {}
        }
    }
}

fn check_ports(slice: &Value, errors: &mut Vec<FieldError>) {
    let list = Path::of("ports");
    let ports = items(&slice["ports"]);
    if ports.len() > PORTS_MAX {
        errors.push(list.too_many(ports.len(), PORTS_MAX));
        return;
    }
    let mut seen = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let path = list.index(index);
        let name = text(port, "name");
        if !name.is_empty() {
            errors.extend(dns_label_faults(name).iter().map(|fault| path.child("name").invalid(name, fault)));
        }
        if seen.contains(&name) {
            errors.push(path.child("name").duplicate(name));
        }
        seen.push(name);
        if !["TCP", "UDP", "SCTP"].contains(&text(port, "protocol")) {
            let found = text(port, "protocol");
            errors.push(path.child("protocol").not_supported(found, &["SCTP", "TCP", "UDP"]));
        }
    }
}

/// The first three, and how many more.
fn shortened(shown: &[String]) -> String {
    match shown.len() {
        0 => "<unset>".into(),
        1..=3 => shown.join(","),
        count => format!("{} + {} more...", shown[..3].join(","), count - 3),
    }
}

fn ports(slice: &Value) -> String {
    let number =
        |port: &Value| port["port"].as_i64().map_or_else(|| "*".to_owned(), |number| number.to_string());
    shortened(&items(&slice["ports"]).iter().map(number).collect::<Vec<_>>())
}

fn addresses(slice: &Value) -> String {
    let all = items(&slice["endpoints"]).iter().flat_map(|endpoint| items(&endpoint["addresses"]));
    shortened(&all.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>())
}
