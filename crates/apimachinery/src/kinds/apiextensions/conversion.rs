//! Conversion between versions (`validation.go`, validateCustomResourceConversion;
//! `k8s.io/apiserver/pkg/util/webhook/validation.go`).

use serde_json::Value;

use crate::json::{items, text};
use crate::status::{FieldError, Path};
use crate::validation::{dns_subdomain_faults, port_number_faults, service_name_faults};

const FORM: &str = "; desired format: https://host[/path]";

pub(super) fn check(conversion: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let strategy = path.child("strategy");
    let (config, versions) = (path.child("webhookClientConfig"), path.child("conversionReviewVersions"));
    match text(conversion, "strategy") {
        "" => errors.push(strategy.required("")),
        "None" | "Webhook" => {}
        other => errors.push(strategy.not_supported(other, &["None", "Webhook"])),
    }
    let webhook = &conversion["webhook"];
    if conversion["strategy"] == "Webhook" {
        client(&webhook["clientConfig"], &config, errors);
        review_versions(&webhook["conversionReviewVersions"], &versions, errors);
        return;
    }
    let why = "should not be set when strategy is not set to Webhook";
    if !webhook["clientConfig"].is_null() {
        errors.push(config.forbidden(why));
    }
    if !items(&webhook["conversionReviewVersions"]).is_empty() {
        errors.push(versions.forbidden(why));
    }
}

fn client(config: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if !config.is_object() {
        errors.push(path.required("required when strategy is set to Webhook"));
        return;
    }
    match (config["url"].as_str(), config["service"].is_object()) {
        (None, false) | (Some(_), true) => {
            errors.push(path.required("exactly one of url or service is required"));
        }
        (Some(address), false) => url(address, &path.child("url"), errors),
        (None, true) => service(&config["service"], &path.child("service"), errors),
    }
}

fn url(address: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    if scheme != "https" {
        errors.push(path.invalid(scheme, &format!("'https' is the only allowed URL scheme{FORM}")));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if host.is_empty() {
        errors.push(path.invalid("", &format!("host must be specified{FORM}")));
    }
    if let Some(user) = user {
        errors.push(path.invalid(user, "user information is not permitted in the URL"));
    }
    if let Some((_, fragment)) = rest.split_once('#') {
        errors.push(path.invalid(fragment, "fragments are not permitted in the URL"));
    }
    if let Some((_, query)) = rest.split('#').next().unwrap_or_default().split_once('?') {
        errors.push(path.invalid(query, "query parameters are not permitted in the URL"));
    }
}

fn service(service: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for field in ["name", "namespace"] {
        if text(service, field).is_empty() {
            errors.push(path.child(field).required(""));
        }
    }
    let port = service["port"].as_i64().unwrap_or(443);
    let faults = port_number_faults(port);
    if !faults.is_empty() {
        errors.push(path.child("port").invalid(port, &format!("port is not valid: {}", faults.join(", "))));
    }
    let Some(at) = service["path"].as_str().filter(|at| !at.is_empty() && *at != "/") else { return };
    let path = path.child("path");
    if !at.starts_with('/') {
        errors.push(path.invalid(at, "must start with a '/'"));
    }
    let bare = at.strip_prefix('/').unwrap_or(at);
    for (index, step) in bare.strip_suffix('/').unwrap_or(bare).split('/').enumerate() {
        if step.is_empty() {
            errors.push(path.invalid(at, &format!("segment[{index}] may not be empty")));
            continue;
        }
        for fault in dns_subdomain_faults(step) {
            errors.push(path.invalid(at, &format!("segment[{index}]: {fault}")));
        }
    }
}

fn review_versions(versions: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let list = items(versions);
    if list.is_empty() {
        errors.push(path.required(""));
        return;
    }
    for (index, version) in list.iter().enumerate() {
        let word = version.as_str().unwrap_or_default();
        if list[..index].contains(version) {
            errors.push(path.index(index).invalid(word, "duplicate version"));
            continue;
        }
        let faults = service_name_faults(word);
        errors.extend(faults.iter().map(|fault| path.index(index).invalid(word, fault)));
    }
    if !list.iter().any(|version| version == "v1" || version == "v1beta1") {
        errors.push(path.invalid(versions.clone(), "must include at least one of v1, v1beta1"));
    }
}
