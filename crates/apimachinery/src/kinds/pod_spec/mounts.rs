//! The rules for what a container mounts (`pkg/apis/core/validation/validation.go`, ValidateVolumeMounts,
//! ValidateVolumeDevices).

use std::collections::BTreeSet;

use serde_json::Value;

use super::containers::Volumes;
use super::volumes::local_descending_path;
use crate::json::{items, text};
use crate::status::{FieldError, Path};

pub(super) fn validate(container: &Value, volumes: &Volumes, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    mounts(container, volumes, &path.child("volumeMounts"), errors);
    devices(container, volumes, &path.child("volumeDevices"), errors);
}

fn mounts(container: &Value, volumes: &Volumes, list: &Path<'_>, errors: &mut Vec<FieldError>) {
    let mut taken = BTreeSet::new();
    for (index, mount) in items(&container["volumeMounts"]).iter().enumerate() {
        let path = list.index(index);
        named(mount, volumes, &path, errors);
        let place = text(mount, "mountPath");
        if place.is_empty() {
            errors.push(path.child("mountPath").required(""));
        }
        if !taken.insert(place) {
            errors.push(path.child("mountPath").invalid(place, "must be unique"));
        }
        part(mount, list, &path, errors);
        propagation(mount, container, list, errors);
    }
}

fn named(mount: &Value, volumes: &Volumes, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let name = text(mount, "name");
    if name.is_empty() {
        errors.push(path.child("name").required(""));
    }
    if !volumes.contains_key(name) {
        errors.push(path.child("name").not_found(name));
    }
}

fn part(mount: &Value, list: &Path<'_>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (plain, expression) = (text(mount, "subPath"), text(mount, "subPathExpr"));
    local_descending_path(plain, &list.child("subPath"), errors);
    if !plain.is_empty() && !expression.is_empty() {
        let why = "subPathExpr and subPath are mutually exclusive";
        errors.push(path.child("subPathExpr").invalid(expression, why));
    }
    local_descending_path(expression, &list.child("subPathExpr"), errors);
}

fn propagation(mount: &Value, container: &Value, list: &Path<'_>, errors: &mut Vec<FieldError>) {
    let path = list.child("mountPropagation");
    match text(mount, "mountPropagation") {
        "" | "None" | "HostToContainer" => {}
        "Bidirectional" if container["securityContext"]["privileged"] == true => {}
        "Bidirectional" => {
            errors.push(
                path.forbidden("Bidirectional mount propagation is available only to privileged containers"),
            );
        }
        other => errors.push(path.not_supported(other, &["Bidirectional", "HostToContainer", "None"])),
    }
}

fn devices(container: &Value, volumes: &Volumes, list: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (index, device) in items(&container["volumeDevices"]).iter().enumerate() {
        let path = list.index(index);
        named(device, volumes, &path, errors);
        let source = &volumes.get(text(device, "name")).unwrap_or(&Value::Null);
        let is_claim = ["persistentVolumeClaim", "ephemeral"].iter().any(|kind| !source[*kind].is_null());
        if !source.is_null() && !is_claim {
            let why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
            errors.push(path.child("name").invalid(text(device, "name"), why));
        }
        if text(device, "devicePath").is_empty() {
            errors.push(path.child("devicePath").required(""));
        }
    }
}
