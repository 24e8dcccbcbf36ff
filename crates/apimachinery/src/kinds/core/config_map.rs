//! ConfigMap (`pkg/registry/core/configmap`, `pkg/apis/core/validation/validation.go` ValidateConfigMap).

use serde_json::{Value, json};

use crate::json::entries;
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string};
use crate::status::{FieldError, Path};
use crate::validation::config_key_faults;

pub(crate) const CONFIG_MAP: Kind = Kind {
    group: "",
    version: "v1",
    kind: "ConfigMap",
    plural: "configmaps",
    strategy: &ConfigMap,
    columns: &[
        NAME,
        string("Data", "How many keys it holds.", |map, _| {
            json!((entries(&map["data"]).count() + entries(&map["binaryData"]).count()).to_string())
        }),
        AGE,
    ],
    sealed: false,
};

/// The most that the values of a ConfigMap or a Secret may hold together, in bytes.
pub(super) const SIZE_MAX: usize = 1024 * 1024;

struct ConfigMap;

impl Strategy for ConfigMap {
    fn validate_create(&self, map: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let mut size = 0;
        for (key, value) in entries(&map["data"]) {
            check_key(key, &Path::of("data"), errors);
            if map["binaryData"].get(key).is_some() {
                errors.push(
                    Path::of("data").key(key).invalid(key.as_str(), "duplicate of key present in binaryData"),
                );
            }
            size += value.as_str().map_or(0, str::len);
        }
        for (key, value) in entries(&map["binaryData"]) {
            check_key(key, &Path::of("binaryData"), errors);
            size += decoded_length(value);
        }
        if size > SIZE_MAX {
            errors.push(Path::of("").too_long(SIZE_MAX));
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if old["immutable"] == true {
            check_immutable(new, old, &["data", "binaryData"], errors);
        }
        self.validate_create(new, cx, errors);
    }
}

/// What an immutable ConfigMap or Secret may not change.
pub(super) fn check_immutable(new: &Value, old: &Value, fields: &[&str], errors: &mut Vec<FieldError>) {
    const WHY: &str = "field is immutable when `immutable` is set";
    if new["immutable"] != true {
        errors.push(Path::of("immutable").forbidden(WHY));
    }
    for field in fields.iter().filter(|field| new[**field] != old[**field]) {
        errors.push(Path::of(field).forbidden(WHY));
    }
}

pub(super) fn check_key(key: &str, data: &Path<'_>, errors: &mut Vec<FieldError>) {
    errors.extend(config_key_faults(key).iter().map(|fault| data.key(key).invalid(key, fault)));
}

/// How many bytes a base64 text stands for.
pub(super) fn decoded_length(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default();
    (text.len() / 4 * 3).saturating_sub(text.bytes().rev().take(2).filter(|b| *b == b'=').count())
}
