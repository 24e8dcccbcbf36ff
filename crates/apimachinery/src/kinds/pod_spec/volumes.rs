//! The rules for volumes (`pkg/apis/core/validation/validation.go`, ValidateVolumes, validateVolumeSource).

use std::collections::BTreeSet;

use serde_json::Value;

use super::containers::Volumes;
use super::env::{field_ref, resource_ref};
use crate::json::{entries, items, text};
use crate::quantity::Quantity;
use crate::status::{FieldError, Path};
use crate::validation::{config_key_faults, dns_label_faults, dns_subdomain_faults};

/// Checks the list and gives the sources by name.
pub(super) fn validate(list: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) -> Volumes {
    let mut known = Volumes::new();
    for (index, volume) in items(list).iter().enumerate() {
        let path = path.index(index);
        let name = text(volume, "name");
        match name {
            "" => errors.push(path.child("name").required("")),
            name if known.contains_key(name) => errors.push(path.child("name").duplicate(name)),
            name => {
                errors.extend(
                    dns_label_faults(name).iter().map(|fault| path.child("name").invalid(name, fault)),
                );
            }
        }
        source(volume, &path, errors);
        known.insert(name.to_owned(), volume.clone());
    }
    known
}

fn source(volume: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let mut sources = entries(volume).filter(|(name, source)| *name != "name" && !source.is_null());
    let Some((kind, first)) = sources.next() else {
        errors.push(path.required("must specify a volume type"));
        return;
    };
    one_source(kind, first, &path.child(kind), errors);
    for (other, _) in sources {
        errors.push(path.child(other).forbidden("may not specify more than 1 volume type"));
    }
}

fn one_source(kind: &str, source: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    match kind {
        "emptyDir" => empty_dir(source, path, errors),
        "hostPath" => host_path(source, path, errors),
        "secret" => files_of(source, "secretName", path, errors),
        "configMap" => files_of(source, "name", path, errors),
        "downwardAPI" => {
            mode(&source["defaultMode"], &path.child("defaultMode"), errors);
            downward(source, path, errors);
        }
        "projected" => projected(source, path, errors),
        "persistentVolumeClaim" => needed(source, "claimName", path, errors),
        "nfs" => {
            needed(source, "server", path, errors);
            needed(source, "path", path, errors);
            if !text(source, "path").starts_with('/') && !text(source, "path").is_empty() {
                errors.push(path.child("path").invalid(text(source, "path"), "must be an absolute path"));
            }
        }
        "csi" => needed(source, "driver", path, errors),
        "ephemeral" if source["volumeClaimTemplate"].is_null() => {
            errors.push(path.child("volumeClaimTemplate").required(""));
        }
        _ => {}
    }
}

fn needed(source: &Value, field: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if text(source, field).is_empty() {
        errors.push(path.child(field).required(""));
    }
}

fn empty_dir(source: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let limit = &source["sizeLimit"];
    if Quantity::from_value(limit).is_ok_and(Quantity::is_negative) {
        let why = "SizeLimit field must be a valid resource quantity";
        errors.push(path.child("sizeLimit").forbidden(why));
    }
    let medium = text(source, "medium");
    if !matches!(medium, "" | "Memory" | "HugePages") && !medium.starts_with("HugePages-") {
        errors.push(path.child("medium").not_supported(medium, &["", "HugePages", "Memory"]));
    }
}

fn host_path(source: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const TYPES: [&str; 8] =
        ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    let place = text(source, "path");
    needed(source, "path", path, errors);
    if place.split('/').any(|step| step == "..") {
        errors.push(path.child("path").invalid(place, "must not contain '..'"));
    }
    let kind = text(source, "type");
    if !TYPES.contains(&kind) {
        errors.push(path.child("type").not_supported(kind, &TYPES));
    }
}

/// A Secret's or a ConfigMap's keys as files.
fn files_of(source: &Value, name: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    needed(source, name, path, errors);
    mode(&source["defaultMode"], &path.child("defaultMode"), errors);
    key_items(source, path, errors);
}

fn key_items(source: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let list = path.child("items");
    for (index, item) in items(&source["items"]).iter().enumerate() {
        let path = list.index(index);
        let key = text(item, "key");
        needed(item, "key", &path, errors);
        if !key.is_empty() {
            errors.extend(config_key_faults(key).iter().map(|fault| path.child("key").invalid(key, fault)));
        }
        needed(item, "path", &path, errors);
        local_descending_path(text(item, "path"), &path.child("path"), errors);
        mode(&item["mode"], &path.child("mode"), errors);
    }
}

const VOLUME_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

fn downward(source: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let list = path.child("items");
    for (index, item) in items(&source["items"]).iter().enumerate() {
        let path = list.index(index);
        needed(item, "path", &path, errors);
        local_descending_path(text(item, "path"), &path.child("path"), errors);
        mode(&item["mode"], &path.child("mode"), errors);
        match (item["fieldRef"].is_null(), item["resourceFieldRef"].is_null()) {
            (true, true) => errors
                .push(path.child("fieldRef").required("one of fieldRef and resourceFieldRef is required")),
            (false, true) => field_ref(&item["fieldRef"], &VOLUME_FIELDS, &path.child("fieldRef"), errors),
            (true, false) => {
                resource_ref(&item["resourceFieldRef"], true, &path.child("resourceFieldRef"), errors);
            }
            (false, false) => {
                let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.push(path.invalid("resource", why));
            }
        }
    }
}

fn projected(source: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    mode(&source["defaultMode"], &path.child("defaultMode"), errors);
    let list = path.child("sources");
    let mut paths = BTreeSet::new();
    for (index, one) in items(&source["sources"]).iter().enumerate() {
        let path = list.index(index);
        let mut kinds = entries(one).filter(|(_, source)| !source.is_null());
        let Some((kind, first)) = kinds.next() else {
            errors.push(path.required("must specify a volume type"));
            continue;
        };
        projection(kind, first, &path.child(kind), errors);
        for (other, _) in kinds {
            errors.push(path.child(other).forbidden("may not specify more than 1 volume type"));
        }
        if kind == "serviceAccountToken" && !paths.insert(text(first, "path")) {
            let why = "conflicting duplicate paths";
            errors.push(path.invalid(text(first, "path"), why));
        }
    }
}

fn projection(kind: &str, source: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    match kind {
        "secret" | "configMap" => {
            needed(source, "name", path, errors);
            key_items(source, path, errors);
        }
        "downwardAPI" => downward(source, path, errors),
        "serviceAccountToken" => service_account_token(source, path, errors),
        "clusterTrustBundle" => {
            let name = text(source, "name");
            if !name.is_empty() {
                let last = name.rsplit(':').next().unwrap_or_default();
                errors.extend(
                    dns_subdomain_faults(last).iter().map(|fault| path.child("name").invalid(name, fault)),
                );
            }
        }
        _ => {}
    }
}

fn service_account_token(source: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if let Some(seconds) = source["expirationSeconds"].as_i64() {
        let place = path.child("expirationSeconds");
        if seconds < 600 {
            errors.push(place.invalid(seconds, "may not specify a duration less than 10 minutes"));
        }
        if seconds > 1 << 32 {
            errors.push(place.invalid(seconds, "may not specify a duration larger than 2^32 seconds"));
        }
    }
    needed(source, "path", path, errors);
    local_descending_path(text(source, "path"), &path.child("path"), errors);
}

fn mode(mode: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if mode.as_i64().is_some_and(|mode| !(0..=0o777).contains(&mode)) {
        errors
            .push(path.invalid(mode.clone(), "must be a number between 0 and 0777 (octal), both inclusive"));
    }
}

/// A path that stays below where it starts (`validateLocalDescendingPath`). Empty is not this rule's business.
pub(super) fn local_descending_path(place: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if place.starts_with('/') {
        errors.push(path.invalid(place, "must be a relative path"));
    }
    if place.split('/').any(|step| step == "..") {
        errors.push(path.invalid(place, "must not contain '..'"));
    }
}
