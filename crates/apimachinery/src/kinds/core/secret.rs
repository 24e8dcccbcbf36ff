//! Secret (`pkg/registry/core/secret`, `pkg/apis/core/validation/validation.go` ValidateSecret).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::config_map::{SIZE_MAX, check_immutable, check_key, decoded_length};
use crate::json::{default, entries, remove, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string};
use crate::status::{FieldError, Path};
use crate::validation::immutable;

pub(crate) const SECRET: Kind = Kind {
    group: "",
    version: "v1",
    kind: "Secret",
    plural: "secrets",
    strategy: &Secret,
    columns: &[
        NAME,
        string("Type", "What kind of secret it holds.", |secret, _| json!(text(secret, "type"))),
        string("Data", "How many keys it holds.", |secret, _| {
            json!(entries(&secret["data"]).count().to_string())
        }),
        AGE,
    ],
    sealed: true,
};

struct Secret;

impl Strategy for Secret {
    /// `stringData` is write-only: it is folded into `data`, as upstream's conversion does.
    fn default(&self, secret: &mut Value, _: &Cx) {
        default(secret, "type", "Opaque");
        let plain = secret["stringData"].clone();
        for (key, value) in entries(&plain) {
            let encoded = STANDARD.encode(value.as_str().unwrap_or_default());
            if secret["data"].is_null() {
                secret["data"] = json!({});
            }
            if secret["data"].is_object() {
                secret["data"][key] = json!(encoded);
            }
        }
        remove(secret, "stringData");
    }

    fn validate_create(&self, secret: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let data = Path::of("data");
        let mut size = 0;
        for (key, value) in entries(&secret["data"]) {
            check_key(key, &data, errors);
            size += decoded_length(value);
        }
        if size > SIZE_MAX {
            errors.push(data.too_long(SIZE_MAX));
        }
        check_type(secret, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        immutable(&new["type"], &old["type"], &Path::of("type"), errors);
        if old["immutable"] == true {
            check_immutable(new, old, &["data"], errors);
        }
        self.validate_create(new, cx, errors);
    }

    fn selectable(&self, secret: &Value) -> BTreeMap<String, String> {
        BTreeMap::from([("type".into(), text(secret, "type").into())])
    }

    fn selectable_names(&self) -> &'static [&'static str] {
        &["type"]
    }
}

/// What the well-known types promise to hold.
fn check_type(secret: &Value, errors: &mut Vec<FieldError>) {
    match text(secret, "type") {
        "kubernetes.io/service-account-token" => {
            const ACCOUNT: &str = "kubernetes.io/service-account.name";
            if text(&secret["metadata"]["annotations"], ACCOUNT).is_empty() {
                errors.push(Path::of("metadata.annotations").key(ACCOUNT).required(""));
            }
        }
        "kubernetes.io/dockercfg" => check_document(secret, ".dockercfg", errors),
        "kubernetes.io/dockerconfigjson" => check_document(secret, ".dockerconfigjson", errors),
        "kubernetes.io/basic-auth" => {
            let held = &secret["data"];
            if held.get("username").is_none() && held.get("password").is_none() {
                errors.push(Path::of("data[username]").required(""));
                errors.push(Path::of("data[password]").required(""));
            }
        }
        "kubernetes.io/ssh-auth" if text(&secret["data"], "ssh-privatekey").is_empty() => {
            errors.push(Path::of("data[ssh-privatekey]").required(""));
        }
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"] {
                if secret["data"].get(key).is_none() {
                    errors.push(Path::of("data").key(key).required(""));
                }
            }
        }
        _ => {}
    }
}

/// A registry's credentials: JSON under a well-known key.
fn check_document(secret: &Value, key: &str, errors: &mut Vec<FieldError>) {
    let data = Path::of("data");
    let path = data.key(key);
    let Some(held) = secret["data"].get(key).and_then(Value::as_str) else {
        errors.push(path.required(""));
        return;
    };
    let document = STANDARD.decode(held).unwrap_or_default();
    if let Err(error) = serde_json::from_slice::<Value>(&document) {
        errors.push(path.invalid("<secret contents redacted>", &error.to_string()));
    }
}
