//! Service (`pkg/registry/core/service/strategy.go`, `storage/alloc.go`, `pkg/apis/core/v1/defaults.go`).
//!
//! Addresses and node ports are not chosen here: who writes a Service brings them along, each as an object of its own
//! in the same commit. [`needs_cluster_ip`] and [`needs_node_port`] say what is to be brought.

mod printer;
mod validate;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::json::{default, is_empty, items, remove, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, labels, string, wide};
use crate::status::FieldError;
use crate::validation::NameRule;

pub(crate) const SERVICE: Kind = Kind {
    group: "",
    version: "v1",
    kind: "Service",
    plural: "services",
    strategy: &Service,
    columns: &[
        NAME,
        string("Type", "How it is reached.", |service, _| json!(text(&service["spec"], "type"))),
        string("Cluster-IP", "Its address within the cluster.", |service, _| printer::cluster_ip(service)),
        string("External-IP", "Its addresses to the outside.", |service, _| {
            json!(printer::external_ip(service))
        }),
        string("Port(s)", "Its ports, with the node's where there is one.", |service, _| {
            printer::ports(service)
        }),
        AGE,
        wide("Selector", "The labels of its pods.", |service, _| labels(&service["spec"]["selector"])),
    ],
    sealed: false,
};

/// Whether a Service has an address within the cluster, which somebody must bring while it has none.
#[must_use]
pub fn needs_cluster_ip(service: &Value) -> bool {
    let spec = &service["spec"];
    text(spec, "type") != "ExternalName" && text(spec, "clusterIP").is_empty()
}

/// Whether every node listens for this port of a Service, for which somebody must bring a number.
#[must_use]
pub fn needs_node_port(service: &Value, port: &Value) -> bool {
    let spec = &service["spec"];
    let wants = match text(spec, "type") {
        "NodePort" => true,
        "LoadBalancer" => spec["allocateLoadBalancerNodePorts"] != false,
        _ => false,
    };
    wants && port["nodePort"].as_i64().unwrap_or(0) == 0
}

pub(super) struct Service;

impl Strategy for Service {
    fn name_rule(&self) -> NameRule {
        NameRule::ServiceLabel
    }

    fn default(&self, service: &mut Value, _: &Cx) {
        if service["spec"].is_object() {
            default_spec(&mut service["spec"]);
        }
    }

    fn prepare_create(&self, service: &mut Value, _: &Cx) {
        service["status"] = json!({"loadBalancer": {}});
        one_address_both_ways(&mut service["spec"]);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, cx: &Cx) {
        if cx.is_status() || !new["spec"].is_object() {
            return;
        }
        keep_what_was_allocated(&mut new["spec"], &old["spec"]);
        drop_what_the_type_has_not(&mut new["spec"], &old["spec"]);
        one_address_both_ways(&mut new["spec"]);
    }

    fn validate_create(&self, service: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        validate::service(service, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if !cx.is_status() {
            validate::service(new, errors);
            validate::update(&new["spec"], &old["spec"], errors);
        }
    }

    fn creates_on_update(&self) -> bool {
        true
    }

    fn selectable(&self, service: &Value) -> BTreeMap<String, String> {
        let spec = &service["spec"];
        BTreeMap::from([
            ("spec.clusterIP".into(), text(spec, "clusterIP").into()),
            ("spec.type".into(), text(spec, "type").into()),
        ])
    }

    fn selectable_names(&self) -> &'static [&'static str] {
        &["spec.clusterIP", "spec.type"]
    }
}

fn default_spec(spec: &mut Value) {
    default(spec, "sessionAffinity", "None");
    default(spec, "type", "ClusterIP");
    match text(spec, "sessionAffinity") {
        "None" => remove(spec, "sessionAffinityConfig"),
        "ClientIP" if is_empty(&spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"]) => {
            spec["sessionAffinityConfig"] = json!({"clientIP": {"timeoutSeconds": 10_800}});
        }
        _ => {}
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        default(port, "protocol", "TCP");
        let number = port["port"].clone();
        if port.is_object() && !number.is_null() && is_zero(&port["targetPort"]) {
            port["targetPort"] = number;
        }
    }
    match text(spec, "type") {
        "LoadBalancer" => default(spec, "allocateLoadBalancerNodePorts", true),
        "ExternalName" => return,
        _ => {}
    }
    if ["NodePort", "LoadBalancer"].contains(&text(spec, "type")) {
        default(spec, "externalTrafficPolicy", "Cluster");
    }
    default(spec, "internalTrafficPolicy", "Cluster");
    default_families(spec);
}

/// One stack, the one of the address that is there, or IPv4 (`storage/alloc.go`, initIPFamilyFields).
fn default_families(spec: &mut Value) {
    default(spec, "ipFamilyPolicy", "SingleStack");
    if items(&spec["ipFamilies"]).is_empty() {
        let family = match text(spec, "clusterIP").parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) => "IPv6",
            _ => "IPv4",
        };
        spec["ipFamilies"] = json!([family]);
    }
}

fn is_zero(port: &Value) -> bool {
    port.is_null() || port == 0 || port == ""
}

/// `clusterIP` is the first of `clusterIPs`.
fn one_address_both_ways(spec: &mut Value) {
    let first = items(&spec["clusterIPs"]).first().cloned();
    match (text(spec, "clusterIP").to_owned(), first) {
        (ip, None) if !ip.is_empty() => spec["clusterIPs"] = json!([ip]),
        (ip, Some(first)) if ip.is_empty() => spec["clusterIP"] = first,
        _ => {}
    }
}

/// An update that leaves out what was allocated keeps it (`storage/storage.go`, patchAllocatedValues).
fn keep_what_was_allocated(new: &mut Value, old: &Value) {
    let has_address = |spec: &Value| text(spec, "type") != "ExternalName";
    if has_address(new) && has_address(old) {
        for field in ["clusterIP", "clusterIPs"] {
            if is_empty(&new[field]) && !is_empty(&old[field]) {
                new[field] = old[field].clone();
            }
        }
        // An address given in one of the two forms only is meant in both.
        if text(new, "clusterIP") != text(old, "clusterIP") && new["clusterIPs"] == old["clusterIPs"] {
            new["clusterIPs"] = json!([new["clusterIP"]]);
        }
    }
    let uses_ports = |spec: &Value| ["NodePort", "LoadBalancer"].contains(&text(spec, "type"));
    if uses_ports(new) && uses_ports(old) {
        keep_node_ports(new, old);
    }
}

fn keep_node_ports(new: &mut Value, old: &Value) {
    let same = |a: &Value, b: &Value| a["port"] == b["port"] && a["protocol"] == b["protocol"];
    for port in new.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if !is_zero(&port["nodePort"]) {
            continue;
        }
        let before = items(&old["ports"]).iter().find(|old| same(old, port) && !is_zero(&old["nodePort"]));
        if let Some(before) = before {
            port["nodePort"] = before["nodePort"].clone();
        }
    }
}

/// A change of type takes along what the new type has no place for, when the client left it as it was
/// (`strategy.go`, dropTypeDependentFields).
fn drop_what_the_type_has_not(new: &mut Value, old: &Value) {
    if text(new, "type") == text(old, "type") {
        return;
    }
    if text(new, "type") == "ExternalName" {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            if new[field] == old[field] {
                remove(new, field);
            }
        }
    }
    if ["ClusterIP", "ExternalName"].contains(&text(new, "type")) {
        for port in new.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            let kept = items(&old["ports"]).iter().any(|old| old["nodePort"] == port["nodePort"]);
            if kept {
                remove(port, "nodePort");
            }
        }
        for field in ["externalTrafficPolicy", "healthCheckNodePort", "allocateLoadBalancerNodePorts"] {
            if new[field] == old[field] {
                remove(new, field);
            }
        }
    }
    if text(old, "type") == "ExternalName" && new["externalName"] == old["externalName"] {
        remove(new, "externalName");
    }
}
