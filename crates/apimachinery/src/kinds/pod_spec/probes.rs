//! The rules for probes and for what runs at a container's start and end
//! (`pkg/apis/core/validation/validation.go`, validateProbe, validateHandler, validateLifecycle).

use serde_json::Value;

use crate::json::{items, text};
use crate::status::{FieldError, Path};
use crate::validation::{non_negative, port_name_faults, port_number_faults};

pub(super) fn of_container(
    container: &Value,
    grace: Option<i64>,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    let lifecycle = path.child("lifecycle");
    for moment in ["postStart", "preStop"] {
        let action = &container["lifecycle"][moment];
        if !action.is_null() {
            handler(action, grace, &lifecycle.child(moment), errors);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container[name].is_null() {
            continue;
        }
        let path = path.child(name);
        probe(&container[name], grace, &path, errors);
        if name == "readinessProbe" {
            without_grace(&container[name], &path, errors);
        } else if container[name]["successThreshold"] != 1 {
            let found = container[name]["successThreshold"].clone();
            errors.push(path.child("successThreshold").invalid(found, "must be 1"));
        }
    }
}

fn without_grace(probe: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let seconds = &probe["terminationGracePeriodSeconds"];
    if !seconds.is_null() {
        let path = path.child("terminationGracePeriodSeconds");
        errors.push(path.invalid(seconds.clone(), "must not be set for readinessProbes"));
    }
}

fn probe(probe: &Value, grace: Option<i64>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    handler(probe, grace, path, errors);
    for field in
        ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
    {
        non_negative(&probe[field], &path.child(field), errors);
    }
    let seconds = &probe["terminationGracePeriodSeconds"];
    if seconds.as_i64().is_some_and(|seconds| seconds <= 0) {
        errors.push(
            path.child("terminationGracePeriodSeconds").invalid(seconds.clone(), "must be greater than 0"),
        );
    }
}

/// Exactly one thing is done.
fn handler(action: &Value, grace: Option<i64>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let kinds = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];
    let mut present = kinds.into_iter().filter(|kind| !action[*kind].is_null());
    let Some(first) = present.next() else {
        errors.push(path.required("must specify a handler type"));
        return;
    };
    one_handler(first, &action[first], grace, &path.child(first), errors);
    for other in present {
        errors.push(path.child(other).forbidden("may not specify more than 1 handler type"));
    }
}

fn one_handler(
    kind: &str,
    action: &Value,
    grace: Option<i64>,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    match kind {
        "exec" if items(&action["command"]).is_empty() => errors.push(path.child("command").required("")),
        "httpGet" => http_get(action, path, errors),
        "tcpSocket" | "grpc" => port(&action["port"], &path.child("port"), errors),
        "sleep" => sleep(action, grace, path, errors),
        _ => {}
    }
}

fn http_get(get: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if text(get, "path").is_empty() {
        errors.push(path.child("path").required(""));
    }
    port(&get["port"], &path.child("port"), errors);
    let scheme = text(get, "scheme");
    if !["HTTP", "HTTPS"].contains(&scheme) {
        errors.push(path.child("scheme").not_supported(scheme, &["HTTP", "HTTPS"]));
    }
    for header in items(&get["httpHeaders"]) {
        let name = text(header, "name");
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            errors.push(path.child("httpHeaders").invalid(
                name,
                "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex \
                 used for validation is '[-A-Za-z0-9]+')",
            ));
        }
    }
}

/// A number, or the name of a container's port.
fn port(port: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    match port {
        Value::String(name) => {
            errors.extend(port_name_faults(name).iter().map(|fault| path.invalid(name.as_str(), fault)));
        }
        other => {
            let number = other.as_i64().unwrap_or(0);
            errors.extend(port_number_faults(number).iter().map(|fault| path.invalid(number, fault)));
        }
    }
}

fn sleep(sleep: &Value, grace: Option<i64>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let seconds = sleep["seconds"].as_i64().unwrap_or(0);
    let Some(grace) = grace else { return };
    if !(0..=grace).contains(&seconds) {
        let why = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        errors.push(path.invalid(seconds, &why));
    }
}
