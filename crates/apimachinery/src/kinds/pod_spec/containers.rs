//! The rules for containers (`pkg/apis/core/validation/validation.go`, validateContainers, validateInitContainers,
//! validateEphemeralContainers).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::spec::{Within, one_of};
use super::{env, probes, resources, security};
use crate::json::{is_empty, items, text};
use crate::status::{FieldError, Path};
use crate::validation::{dns_label_faults, port_name_faults, port_number_faults};

/// Volumes by name.
pub(super) type Volumes = Map<String, Value>;

/// Checks the three lists of containers.
pub(super) fn validate(
    spec: &Value,
    volumes: &Volumes,
    path: &Path<'_>,
    within: Within,
    errors: &mut Vec<FieldError>,
) {
    let cx = Around { volumes, within, grace: spec["terminationGracePeriodSeconds"].as_i64() };
    let names = regular(&spec["containers"], &cx, &path.child("containers"), errors);
    let names = init(&spec["initContainers"], names, &cx, &path.child("initContainers"), errors);
    ephemeral(&spec["ephemeralContainers"], names, &cx, &path.child("ephemeralContainers"), errors);
}

/// What a container stands in.
struct Around<'a> {
    volumes: &'a Volumes,
    within: Within,
    /// `terminationGracePeriodSeconds` of the pod.
    grace: Option<i64>,
}

type Names<'a> = BTreeSet<&'a str>;

fn regular<'a>(list: &'a Value, cx: &Around<'_>, path: &Path<'_>, errors: &mut Vec<FieldError>) -> Names<'a> {
    let mut names = Names::new();
    let mut host_ports = BTreeSet::new();
    if items(list).is_empty() {
        errors.push(path.required(""));
    }
    for (index, container) in items(list).iter().enumerate() {
        let path = path.index(index);
        common(container, cx, &path, errors);
        take_name(container, &mut names, &path, errors);
        probes::of_container(container, cx.grace, &path, errors);
        unique_host_ports(container, &mut host_ports, &path, errors);
        if !is_empty(&container["restartPolicy"]) {
            let policies = ["Always", "Never", "OnFailure"];
            one_of(container, "restartPolicy", &policies, &path, errors);
        }
    }
    names
}

fn init<'a>(
    list: &'a Value,
    mut names: Names<'a>,
    cx: &Around<'_>,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) -> Names<'a> {
    for (index, container) in items(list).iter().enumerate() {
        let path = path.index(index);
        common(container, cx, &path, errors);
        take_name(container, &mut names, &path, errors);
        unique_host_ports(container, &mut BTreeSet::new(), &path, errors);
        if !is_empty(&container["restartPolicy"]) {
            let policies = ["Always", "Never", "OnFailure"];
            one_of(container, "restartPolicy", &policies, &path, errors);
        }
        if container["restartPolicy"] == "Always" {
            probes::of_container(container, cx.grace, &path, errors);
            continue;
        }
        for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if !container[field].is_null() {
                let why = "may not be set for init containers without restartPolicy=Always";
                errors.push(path.child(field).forbidden(why));
            }
        }
    }
    names
}

fn ephemeral(
    list: &Value,
    mut names: Names<'_>,
    cx: &Around<'_>,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    let others: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut taken: BTreeSet<String> = others.clone();
    names.clear();
    for (index, container) in items(list).iter().enumerate() {
        let path = path.index(index);
        common(container, cx, &path, errors);
        let name = text(container, "name");
        if !taken.insert(name.to_owned()) {
            errors.push(path.child("name").duplicate(name));
        }
        let target = text(container, "targetContainerName");
        if !target.is_empty() && !others.contains(target) {
            errors.push(path.child("targetContainerName").not_found(target));
        }
        for field in [
            "ports",
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle",
            "resources",
            "resizePolicy",
        ] {
            if !is_empty(&container[field]) {
                errors.push(path.child(field).forbidden("cannot be set for an Ephemeral Container"));
            }
        }
    }
}

fn take_name<'a>(container: &'a Value, names: &mut Names<'a>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let name = text(container, "name");
    if !name.is_empty() && !names.insert(name) {
        errors.push(path.child("name").duplicate(name));
    }
}

/// `validateContainerCommon`
fn common(container: &Value, cx: &Around<'_>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    match text(container, "name") {
        "" => errors.push(path.child("name").required("")),
        name => {
            errors.extend(dns_label_faults(name).iter().map(|fault| path.child("name").invalid(name, fault)))
        }
    }
    match text(container, "image") {
        "" => errors.push(path.child("image").required("")),
        image if cx.within == Within::Pod && image.trim() != image => {
            errors.push(path.child("image").invalid(image, "must not have leading or trailing whitespace"));
        }
        _ => {}
    }
    one_of(container, "terminationMessagePolicy", &["File", "FallbackToLogsOnError"], path, errors);
    ports(&container["ports"], &path.child("ports"), errors);
    env::variables(&container["env"], &path.child("env"), errors);
    env::sources(&container["envFrom"], &path.child("envFrom"), errors);
    super::mounts::validate(container, cx.volumes, path, errors);
    one_of(container, "imagePullPolicy", &["Always", "IfNotPresent", "Never"], path, errors);
    resources::requirements(&container["resources"], &path.child("resources"), errors);
    security::container(&container["securityContext"], &path.child("securityContext"), errors);
}

/// `validateContainerPorts`
fn ports(list: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let mut names = BTreeSet::new();
    for (index, port) in items(list).iter().enumerate() {
        let path = path.index(index);
        let name = text(port, "name");
        if !name.is_empty() {
            let faults = port_name_faults(name);
            if faults.is_empty() && !names.insert(name) {
                errors.push(path.child("name").duplicate(name));
            }
            errors.extend(faults.iter().map(|fault| path.child("name").invalid(name, fault)));
        }
        let number = |field: &str| port[field].as_i64().unwrap_or(0);
        if number("containerPort") == 0 {
            errors.push(path.child("containerPort").required(""));
        }
        for field in ["containerPort", "hostPort"].into_iter().filter(|field| number(field) != 0) {
            let faults = port_number_faults(number(field));
            errors.extend(faults.iter().map(|fault| path.child(field).invalid(number(field), fault)));
        }
        one_of(port, "protocol", &["SCTP", "TCP", "UDP"], &path, errors);
    }
}

fn unique_host_ports(
    container: &Value,
    seen: &mut BTreeSet<String>,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    let list = path.child("ports");
    for (index, port) in items(&container["ports"]).iter().enumerate() {
        let number = port["hostPort"].as_i64().unwrap_or(0);
        let name = format!("{}/{}/{number}", text(port, "protocol"), text(port, "hostIP"));
        if number != 0 && !seen.insert(name.clone()) {
            errors.push(list.index(index).child("hostPort").duplicate(name));
        }
    }
}
