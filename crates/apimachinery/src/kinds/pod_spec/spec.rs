//! The rules for a pod's spec as a whole (`pkg/apis/core/validation/validation.go`, ValidatePodSpec).

use std::collections::BTreeSet;

use serde_json::Value;

use super::{containers, scheduling, security, volumes};
use crate::json::{is_empty, items, text};
use crate::status::{FieldError, Path};
use crate::validation::{dns_label_faults, dns_subdomain_faults, ip_faults, labels, qualified_name_faults};

/// Where the spec stands: some rules hold for Pods only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kinds) enum Within {
    Pod,
    Template,
}

/// The longest that a pod may be given to end, or to run: 2³¹-1 seconds.
const SECONDS_MAX: i64 = i32::MAX as i64;

/// Checks a pod template: its labels, its annotations, its spec (`ValidatePodTemplateSpec`).
pub(in crate::kinds) fn validate_template(template: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let metadata = path.child("metadata");
    labels(&template["metadata"]["labels"], &metadata.child("labels"), errors);
    for key in template["metadata"]["annotations"].as_object().into_iter().flat_map(serde_json::Map::keys) {
        let faults = qualified_name_faults(&key.to_lowercase());
        let path = metadata.child("annotations");
        errors.extend(faults.iter().map(|fault| path.invalid(key.as_str(), fault)));
    }
    let spec = path.child("spec");
    validate(&template["spec"], &template["metadata"], &spec, Within::Template, errors);
    if !items(&template["spec"]["ephemeralContainers"]).is_empty() {
        errors.push(
            spec.child("ephemeralContainers").forbidden("ephemeral containers not allowed in pod template"),
        );
    }
}

/// Checks a pod's spec after defaulting.
pub(in crate::kinds) fn validate(
    spec: &Value,
    _metadata: &Value,
    path: &Path<'_>,
    within: Within,
    errors: &mut Vec<FieldError>,
) {
    let volumes = volumes::validate(&spec["volumes"], &path.child("volumes"), errors);
    containers::validate(spec, &volumes, path, within, errors);
    one_of(spec, "restartPolicy", &["Always", "OnFailure", "Never"], path, errors);
    one_of(spec, "dnsPolicy", &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"], path, errors);
    dns_config(spec, path, errors);
    labels(&spec["nodeSelector"], &path.child("nodeSelector"), errors);
    security::pod(spec, path, errors);
    if within == Within::Pod {
        host_ports(spec, path, errors);
    }
    image_pull_secrets(spec, path, errors);
    scheduling::validate(spec, path, errors);
    names(spec, path, errors);
    deadlines(spec, path, errors);
    gates(spec, path, errors);
    host_aliases(spec, path, errors);
}

pub(super) fn one_of(
    object: &Value,
    field: &str,
    known: &[&str],
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    match text(object, field) {
        "" => errors.push(path.child(field).required("")),
        word if known.contains(&word) => {}
        word => errors.push(path.child(field).not_supported(word, known)),
    }
}

fn dns_config(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (config, path) = (&spec["dnsConfig"], path.child("dnsConfig"));
    let is_bare = text(spec, "dnsPolicy") == "None";
    if is_bare && config.is_null() {
        errors.push(path.required("must provide `dnsConfig` when `dnsPolicy` is None"));
        return;
    }
    let servers = items(&config["nameservers"]);
    let list = path.child("nameservers");
    if is_bare && servers.is_empty() {
        errors.push(list.required("must provide at least one DNS nameserver when `dnsPolicy` is None"));
    }
    if servers.len() > 3 {
        errors.push(list.invalid(config["nameservers"].clone(), "must not have more than 3 nameservers"));
    }
    for (index, server) in servers.iter().enumerate() {
        let server = server.as_str().unwrap_or_default();
        errors.extend(ip_faults(server).iter().map(|fault| list.index(index).invalid(server, fault)));
    }
    searches(config, &path.child("searches"), errors);
}

fn searches(config: &Value, list: &Path<'_>, errors: &mut Vec<FieldError>) {
    let searches: Vec<&str> = items(&config["searches"]).iter().filter_map(Value::as_str).collect();
    if searches.len() > 32 {
        errors.push(list.invalid(config["searches"].clone(), "must not have more than 32 search paths"));
    }
    if searches.join(" ").len() > 2048 {
        let why = "must not have more than 2048 characters (including spaces) in the search list";
        errors.push(list.invalid(config["searches"].clone(), why));
    }
    for (index, search) in searches.into_iter().enumerate().filter(|(_, search)| *search != ".") {
        let plain = search.trim_end_matches('.').replace('_', "-");
        errors.extend(
            dns_subdomain_faults(&plain).iter().map(|fault| list.index(index).invalid(search, fault)),
        );
    }
}

fn host_ports(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if spec["hostNetwork"] != true {
        return;
    }
    let list = path.child("containers");
    for (index, container) in items(&spec["containers"]).iter().enumerate() {
        let path = list.index(index);
        let ports = path.child("ports");
        for (index, port) in items(&container["ports"]).iter().enumerate() {
            if port["hostPort"] != port["containerPort"] {
                let why = "must match `containerPort` when `hostNetwork` is true";
                errors.push(ports.index(index).child("hostPort").invalid(port["hostPort"].clone(), why));
            }
        }
    }
}

fn image_pull_secrets(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let list = path.child("imagePullSecrets");
    for (index, secret) in items(&spec["imagePullSecrets"]).iter().enumerate() {
        if secret.as_object().is_some_and(|secret| secret.keys().any(|key| key != "name")) {
            errors.push(list.index(index).invalid(secret.clone(), "only name may be set"));
        }
    }
}

fn names(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (field, faults) in [
        ("serviceAccountName", dns_subdomain_faults as fn(&str) -> Vec<String>),
        ("nodeName", dns_subdomain_faults),
        ("priorityClassName", dns_subdomain_faults),
        ("runtimeClassName", dns_subdomain_faults),
        ("hostname", dns_label_faults),
        ("subdomain", dns_label_faults),
        ("schedulerName", qualified_name_faults),
    ] {
        let name = text(spec, field);
        if !name.is_empty() {
            errors.extend(faults(name).iter().map(|fault| path.child(field).invalid(name, fault)));
        }
    }
}

fn deadlines(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if let Some(seconds) = spec["activeDeadlineSeconds"].as_i64()
        && !(1..=SECONDS_MAX).contains(&seconds)
    {
        let why = crate::validation::range(1, SECONDS_MAX);
        errors.push(path.child("activeDeadlineSeconds").invalid(seconds, &why));
    }
    if let Some(seconds) = spec["terminationGracePeriodSeconds"].as_i64()
        && seconds < 0
    {
        let why = "must be greater than or equal to 0";
        errors.push(path.child("terminationGracePeriodSeconds").invalid(seconds, why));
    }
    let policy = text(spec, "preemptionPolicy");
    if !policy.is_empty() && !["PreemptLowerPriority", "Never"].contains(&policy) {
        let known = ["PreemptLowerPriority", "Never"];
        errors.push(path.child("preemptionPolicy").not_supported(policy, &known));
    }
}

fn gates(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let readiness = path.child("readinessGates");
    for (index, gate) in items(&spec["readinessGates"]).iter().enumerate() {
        let kind = text(gate, "conditionType");
        let path = readiness.index(index);
        errors.extend(
            qualified_name_faults(kind).iter().map(|fault| path.child("conditionType").invalid(kind, fault)),
        );
    }
    let scheduling = path.child("schedulingGates");
    let mut seen = BTreeSet::new();
    for (index, gate) in items(&spec["schedulingGates"]).iter().enumerate() {
        let name = text(gate, "name");
        errors.extend(
            qualified_name_faults(name).iter().map(|fault| scheduling.index(index).invalid(name, fault)),
        );
        if !seen.insert(name) {
            errors.push(scheduling.index(index).duplicate(name));
        }
    }
    if !is_empty(&spec["schedulingGates"]) && !is_empty(&spec["nodeName"]) {
        let why = "cannot be set until all schedulingGates have been cleared";
        errors.push(path.child("nodeName").forbidden(why));
    }
}

fn host_aliases(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let list = path.child("hostAliases");
    for (index, alias) in items(&spec["hostAliases"]).iter().enumerate() {
        let path = list.index(index);
        let ip = text(alias, "ip");
        errors.extend(ip_faults(ip).iter().map(|fault| path.child("ip").invalid(ip, fault)));
        let names = path.child("hostnames");
        for (index, name) in items(&alias["hostnames"]).iter().enumerate() {
            let name = name.as_str().unwrap_or_default();
            errors.extend(
                dns_subdomain_faults(name).iter().map(|fault| names.index(index).invalid(name, fault)),
            );
        }
    }
}
