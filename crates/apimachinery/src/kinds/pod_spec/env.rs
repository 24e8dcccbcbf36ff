//! The rules for a container's environment (`pkg/apis/core/validation/validation.go`, ValidateEnv, ValidateEnvFrom).

use serde_json::Value;

use crate::json::{entries, items, text};
use crate::status::{FieldError, Path};
use crate::validation::{config_key_faults, dns_subdomain_faults, env_name_faults, qualified_name_faults};

const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

pub(super) fn variables(list: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (index, variable) in items(list).iter().enumerate() {
        let path = path.index(index);
        match text(variable, "name") {
            "" => errors.push(path.child("name").required("")),
            name => errors
                .extend(env_name_faults(name).iter().map(|fault| path.child("name").invalid(name, fault))),
        }
        if !variable["valueFrom"].is_null() {
            value_from(variable, &path.child("valueFrom"), errors);
        }
    }
}

fn value_from(variable: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let source = &variable["valueFrom"];
    for (kind, one) in entries(source) {
        let path = path.child(kind);
        match kind.as_str() {
            "fieldRef" => field_ref(one, &FIELDS, &path, errors),
            "resourceFieldRef" => resource_ref(one, false, &path, errors),
            "configMapKeyRef" | "secretKeyRef" => key_ref(one, &path, errors),
            _ => {}
        }
    }
    match entries(source).filter(|(_, one)| !one.is_null()).count() {
        0 => {
            let why =
                "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
            errors.push(path.invalid("", why));
        }
        _ if !text(variable, "value").is_empty() => {
            errors.push(path.invalid("", "may not be specified when `value` is not empty"));
        }
        1 => {}
        _ => errors.push(path.invalid("", "may not have more than one field specified at a time")),
    }
}

/// `validateObjectFieldSelector`. `known` are the paths without a subscript.
pub(super) fn field_ref(reference: &Value, known: &[&str], path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for field in ["apiVersion", "fieldPath"] {
        if text(reference, field).is_empty() {
            errors.push(path.child(field).required(""));
            return;
        }
    }
    let wanted = text(reference, "fieldPath");
    match subscripted(wanted) {
        Some(("metadata.annotations", key)) => {
            errors.extend(
                qualified_name_faults(&key.to_lowercase()).iter().map(|fault| path.invalid(key, fault)),
            );
        }
        Some(("metadata.labels", key)) => {
            errors.extend(qualified_name_faults(key).iter().map(|fault| path.invalid(key, fault)));
        }
        Some((other, _)) => errors.push(path.invalid(other, "does not support subscript")),
        None if known.contains(&wanted) => {}
        None if FIELDS.contains(&wanted) || wanted.starts_with("metadata.") => {
            errors.push(path.child("fieldPath").not_supported(wanted, known));
        }
        None => {
            let why = format!("error converting fieldPath: field label not supported: {wanted}");
            errors.push(path.child("fieldPath").invalid(wanted, &why));
        }
    }
}

/// `metadata.labels['key']`
fn subscripted(path: &str) -> Option<(&str, &str)> {
    path.strip_suffix("']")?.split_once("['")
}

/// `validateContainerResourceFieldSelector`
pub(super) fn resource_ref(
    reference: &Value,
    in_volume: bool,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    let wanted = text(reference, "resource");
    let is_huge =
        ["limits.hugepages-", "requests.hugepages-"].iter().any(|prefix| wanted.starts_with(prefix));
    if in_volume && text(reference, "containerName").is_empty() {
        errors.push(path.child("containerName").required(""));
    } else if wanted.is_empty() {
        errors.push(path.child("resource").required(""));
    } else if !RESOURCES.contains(&wanted) && !is_huge {
        errors.push(path.child("resource").not_supported(wanted, &RESOURCES));
    }
}

fn key_ref(reference: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let name = text(reference, "name");
    errors.extend(dns_subdomain_faults(name).iter().map(|fault| path.child("name").invalid(name, fault)));
    match text(reference, "key") {
        "" => errors.push(path.child("key").required("")),
        key => {
            errors.extend(config_key_faults(key).iter().map(|fault| path.child("key").invalid(key, fault)))
        }
    }
}

pub(super) fn sources(list: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (index, source) in items(list).iter().enumerate() {
        let at = path.index(index);
        let prefix = text(source, "prefix");
        if !prefix.is_empty() {
            errors.extend(
                env_name_faults(prefix).iter().map(|fault| at.child("prefix").invalid(prefix, fault)),
            );
        }
        let present = ["configMapRef", "secretRef"].into_iter().filter(|kind| !source[*kind].is_null());
        let present: Vec<&str> = present.collect();
        for kind in &present {
            let place = at.child(kind);
            match text(&source[*kind], "name") {
                "" => errors.push(place.child("name").required("")),
                name => {
                    let faults = dns_subdomain_faults(name);
                    errors.extend(faults.iter().map(|fault| place.child("name").invalid(name, fault)));
                }
            }
        }
        match present.len() {
            0 => errors.push(path.invalid("", "must specify one of: `configMapRef` or `secretRef`")),
            1 => {}
            _ => errors.push(path.invalid("", "may not have more than one field specified at a time")),
        }
    }
}
