//! The rules for Services (`pkg/apis/core/validation/validation.go`, ValidateService, ValidateServiceUpdate).

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::json::{is_empty, items, text};
use crate::status::{FieldError, Path};
use crate::validation::{
    dns_label_faults, dns_subdomain_faults, ip_faults, is_cidr, labels, port_name_faults, port_number_faults,
};

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
/// A day: the longest that a client may be held to one endpoint.
const AFFINITY_SECONDS_MAX: i64 = 86_400;

pub(super) fn service(service: &Value, errors: &mut Vec<FieldError>) {
    let (spec, path) = (&service["spec"], Path::of("spec"));
    by_type(spec, &path, errors);
    ports(spec, &path, errors);
    labels(&spec["selector"], &path.child("selector"), errors);
    affinity(spec, &path, errors);
    addresses(spec, &path, errors);
    external_ips(spec, &path, errors);
    one_of(spec, "type", &TYPES, &path, errors);
    unique_ports(spec, &path, errors);
    source_ranges(spec, &path, errors);
    traffic_policies(spec, &path, errors);
}

/// An address, once given, stays, as long as the type has one.
pub(super) fn update(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let has_address = |spec: &Value| text(spec, "type") != "ExternalName";
    if !has_address(new) || !has_address(old) {
        return;
    }
    let first = |spec: &Value| items(&spec["clusterIPs"]).first().cloned();
    if let Some(before) = first(old)
        && first(new).as_ref() != Some(&before)
    {
        let why = "may not change once set";
        errors.push(Path::of("spec.clusterIPs[0]").invalid(new["clusterIPs"].clone(), why));
    }
    let family = |spec: &Value| items(&spec["ipFamilies"]).first().cloned();
    if family(old).is_some() && family(new) != family(old) {
        errors.push(
            Path::of("spec.ipFamilies[0]").invalid(new["ipFamilies"].clone(), "may not change once set"),
        );
    }
}

fn is_headless(spec: &Value) -> bool {
    items(&spec["clusterIPs"]).first().is_some_and(|first| first == "None")
        || text(spec, "clusterIP") == "None"
}

fn by_type(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let kind = text(spec, "type");
    if items(&spec["ports"]).is_empty() && !is_headless(spec) && kind != "ExternalName" {
        errors.push(path.child("ports").required(""));
    }
    let list = path.child("clusterIPs");
    match kind {
        "LoadBalancer" | "NodePort" if is_headless(spec) => {
            let why = format!("may not be set to 'None' for {kind} services");
            errors.push(list.index(0).invalid("None", &why));
        }
        "ExternalName" => external_name(spec, path, errors),
        _ => {}
    }
}

fn external_name(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if !is_empty(&spec[field]) {
            errors.push(path.child(field).forbidden("may not be set for ExternalName services"));
        }
    }
    let path = path.child("externalName");
    match text(spec, "externalName").trim_end_matches('.') {
        "" => errors.push(path.required("")),
        name => errors.extend(dns_subdomain_faults(name).iter().map(|fault| path.invalid(name, fault))),
    }
}

fn ports(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let list = path.child("ports");
    let ports = items(&spec["ports"]);
    let mut names = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = list.index(index);
        port_rules(port, is_headless(spec), &path, errors);
        match text(port, "name") {
            "" if ports.len() > 1 => errors.push(path.child("name").required("")),
            "" => {}
            name => {
                errors.extend(
                    dns_label_faults(name).iter().map(|fault| path.child("name").invalid(name, fault)),
                );
                if !names.insert(name) {
                    errors.push(path.child("name").duplicate(name));
                }
            }
        }
        if text(spec, "type") == "ClusterIP" && port["nodePort"].as_i64().unwrap_or(0) != 0 {
            errors.push(path.child("nodePort").forbidden("may not be used when `type` is 'ClusterIP'"));
        }
    }
}

/// `validateServicePort`
fn port_rules(port: &Value, headless: bool, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let number = port["port"].as_i64().unwrap_or(0);
    errors.extend(port_number_faults(number).iter().map(|fault| path.child("port").invalid(number, fault)));
    one_of(port, "protocol", &["SCTP", "TCP", "UDP"], path, errors);
    let target = path.child("targetPort");
    match &port["targetPort"] {
        Value::String(name) => {
            errors.extend(port_name_faults(name).iter().map(|fault| target.invalid(name.as_str(), fault)));
        }
        other => {
            let number = other.as_i64().unwrap_or(0);
            errors.extend(port_number_faults(number).iter().map(|fault| target.invalid(number, fault)));
        }
    }
    if headless && is_empty(&port["targetPort"]) {
        errors.push(target.required(""));
    }
}

fn unique_ports(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let list = path.child("ports");
    let (mut ports, mut node_ports) = (BTreeSet::new(), BTreeSet::new());
    for (index, port) in items(&spec["ports"]).iter().enumerate() {
        let path = list.index(index);
        let protocol = text(port, "protocol");
        let node_port = port["nodePort"].as_i64().unwrap_or(0);
        if node_port != 0 && !node_ports.insert((protocol, node_port)) {
            errors.push(path.child("nodePort").duplicate(node_port));
        }
        let number = port["port"].as_i64().unwrap_or(0);
        if !ports.insert((protocol, number)) {
            errors.push(path.duplicate(json!({"protocol": protocol, "port": number})));
        }
    }
}

fn affinity(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    one_of(spec, "sessionAffinity", &["ClientIP", "None"], path, errors);
    let config = path.child("sessionAffinityConfig");
    match text(spec, "sessionAffinity") {
        "ClientIP" => {
            let client = config.child("clientIP");
            let seconds = &spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"];
            match seconds.as_i64() {
                None => errors.push(client.required("when session affinity type is ClientIP")),
                Some(number) if number <= 0 || number > AFFINITY_SECONDS_MAX => {
                    let why = format!("must be greater than 0 and less than {AFFINITY_SECONDS_MAX}");
                    errors.push(client.child("timeoutSeconds").invalid(number, &why));
                }
                Some(_) => {}
            }
        }
        "None" if !is_empty(&spec["sessionAffinityConfig"]) => {
            errors.push(config.forbidden("must not be set when session affinity is None"));
        }
        _ => {}
    }
}

/// `ValidateServiceClusterIPsRelatedFields`, for one stack.
fn addresses(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if text(spec, "type") == "ExternalName" {
        return;
    }
    let list = path.child("clusterIPs");
    let ips = items(&spec["clusterIPs"]);
    if let Some(first) = ips.first()
        && text(spec, "clusterIP") != first.as_str().unwrap_or_default()
    {
        errors.push(list.invalid(spec["clusterIPs"].clone(), "first value must match `clusterIP`"));
    }
    if ips.len() > 2 {
        errors.push(list.invalid(spec["clusterIPs"].clone(), "may only hold up to 2 values"));
    }
    for (index, ip) in ips.iter().enumerate() {
        let (ip, path) = (ip.as_str().unwrap_or_default(), list.index(index));
        match ip {
            "None" if ips.len() > 1 => {
                errors.push(path.invalid(ip, "'None' must be the first and only value"));
            }
            "None" => {}
            ip => errors.extend(ip_faults(ip).iter().map(|fault| path.invalid(ip, fault))),
        }
    }
    families(spec, path, errors);
}

fn families(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let list = path.child("ipFamilies");
    let mut seen = BTreeSet::new();
    for (index, family) in items(&spec["ipFamilies"]).iter().enumerate() {
        let (name, path) = (family.as_str().unwrap_or_default(), list.index(index));
        if !["IPv4", "IPv6"].contains(&name) {
            errors.push(path.not_supported(name, &["IPv4", "IPv6"]));
        }
        if !seen.insert(name) {
            errors.push(path.duplicate(name));
        }
        let is_other = match items(&spec["clusterIPs"]).get(index).and_then(Value::as_str).map(str::parse) {
            Some(Ok(IpAddr::V4(_))) => name == "IPv6",
            Some(Ok(IpAddr::V6(_))) => name == "IPv4",
            _ => false,
        };
        if is_other {
            let ips = path_of_ips(index);
            errors.push(Path::of(&ips).invalid(
                spec["clusterIPs"][index].clone(),
                &format!("expected an {name} value as indicated by `ipFamilies[{index}]`"),
            ));
        }
    }
    if !is_empty(&spec["ipFamilyPolicy"]) {
        let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
        one_of(spec, "ipFamilyPolicy", &policies, path, errors);
    }
}

fn path_of_ips(index: usize) -> String {
    format!("spec.clusterIPs[{index}]")
}

fn external_ips(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let list = path.child("externalIPs");
    for (index, ip) in items(&spec["externalIPs"]).iter().enumerate() {
        let (ip, path) = (ip.as_str().unwrap_or_default(), list.index(index));
        errors.extend(ip_faults(ip).iter().map(|fault| path.invalid(ip, fault)));
        if let Some(why) = special(ip) {
            errors.push(path.invalid(ip, why));
        }
    }
}

/// `ValidateNonSpecialIP`
fn special(ip: &str) -> Option<&'static str> {
    let ip: IpAddr = ip.parse().ok()?;
    if ip.is_unspecified() {
        return Some("may not be unspecified (0.0.0.0 or ::)");
    }
    if ip.is_loopback() {
        return Some("may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    let (link_local, multicast) = match ip {
        IpAddr::V4(ip) => (ip.is_link_local(), ip.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), ip.segments()[0] & 0xff0f == 0xff02),
    };
    if link_local {
        return Some("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    multicast.then_some("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
}

fn source_ranges(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let ranges = items(&spec["loadBalancerSourceRanges"]);
    if ranges.is_empty() {
        return;
    }
    let list = path.child("LoadBalancerSourceRanges");
    if text(spec, "type") != "LoadBalancer" {
        errors.push(list.forbidden("may only be used when `type` is 'LoadBalancer'"));
    }
    for (index, range) in ranges.iter().enumerate() {
        let range = range.as_str().unwrap_or_default().trim();
        if !is_cidr(range) {
            let why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
            errors.push(list.index(index).invalid(range, why));
        }
    }
}

fn traffic_policies(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let external = text(spec, "externalTrafficPolicy");
    let is_external = ["NodePort", "LoadBalancer"].contains(&text(spec, "type"));
    if !external.is_empty() {
        if !is_external && items(&spec["externalIPs"]).is_empty() {
            let why = "may only be set for externally-accessible services";
            errors.push(path.child("externalTrafficPolicy").invalid(external, why));
        }
        one_of(spec, "externalTrafficPolicy", &["Cluster", "Local"], path, errors);
    }
    if !is_empty(&spec["internalTrafficPolicy"]) {
        one_of(spec, "internalTrafficPolicy", &["Cluster", "Local"], path, errors);
    }
}

fn one_of(object: &Value, field: &str, known: &[&str], path: &Path<'_>, errors: &mut Vec<FieldError>) {
    match text(object, field) {
        "" => errors.push(path.child(field).required("")),
        word if known.contains(&word) => {}
        word => errors.push(path.child(field).not_supported(word, known)),
    }
}
