//! The two webhook configurations.

use serde_json::{Value, json};

use super::declared;
use crate::json::{default, is_empty, items, text};
use crate::kind::{Column, Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, integer};
use crate::status::{FieldError, Path};
use crate::validation::{dns_subdomain_faults, selector};

pub(crate) const VALIDATING_WEBHOOK_CONFIGURATION: Kind = declared(
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    &Webhooks { mutating: false },
    COLUMNS,
);
pub(crate) const MUTATING_WEBHOOK_CONFIGURATION: Kind = declared(
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    &Webhooks { mutating: true },
    COLUMNS,
);

const COLUMNS: &[Column] = &[
    NAME,
    integer("Webhooks", "How many it has.", |object, _| json!(items(&object["webhooks"]).len())),
    AGE,
];

struct Webhooks {
    mutating: bool,
}

impl Strategy for Webhooks {
    fn default(&self, object: &mut Value, _: &Cx) {
        for webhook in object.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
            default(webhook, "failurePolicy", "Fail");
            default(webhook, "matchPolicy", "Equivalent");
            default(webhook, "namespaceSelector", json!({}));
            default(webhook, "objectSelector", json!({}));
            default(webhook, "timeoutSeconds", 10);
            if self.mutating {
                default(webhook, "reinvocationPolicy", "Never");
            }
            if webhook["clientConfig"]["service"].is_object() {
                default(&mut webhook["clientConfig"]["service"], "port", 443);
            }
            for rule in webhook.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
                default(rule, "scope", "*");
            }
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn bumps_generation(&self, old: &Value, new: &Value) -> bool {
        old["webhooks"] != new["webhooks"]
    }

    fn validate_create(&self, object: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let list = Path::of("webhooks");
        let mut names = Vec::new();
        for (index, webhook) in items(&object["webhooks"]).iter().enumerate() {
            let path = list.index(index);
            let name = text(webhook, "name");
            if names.contains(&name) {
                errors.push(path.child("name").duplicate(name));
            }
            names.push(name);
            webhook_rules(webhook, &path, errors);
        }
    }
}

fn webhook_rules(webhook: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (name, place) = (text(webhook, "name"), path.child("name"));
    errors.extend(dns_subdomain_faults(name).iter().map(|fault| place.invalid(name, fault)));
    if name.split('.').count() < 3 {
        errors.push(place.invalid(name, "should be a domain with at least three segments separated by dots"));
    }
    if !items(&webhook["admissionReviewVersions"]).iter().any(|version| version == "v1") {
        let why = "must include at least one of v1, v1beta1";
        let found = webhook["admissionReviewVersions"].clone();
        errors.push(path.child("admissionReviewVersions").invalid(found, why));
    }
    let seconds = webhook["timeoutSeconds"].as_i64().unwrap_or(10);
    if !(1..=30).contains(&seconds) {
        let why = "the timeout value must be between 1 and 30 seconds";
        errors.push(path.child("timeoutSeconds").invalid(seconds, why));
    }
    for (field, known) in [
        ("failurePolicy", ["Fail", "Ignore"]),
        ("matchPolicy", ["Equivalent", "Exact"]),
        ("sideEffects", ["None", "NoneOnDryRun"]),
    ] {
        match text(webhook, field) {
            "" => errors.push(path.child(field).required("must specify one of its values")),
            word if known.contains(&word) => {}
            word => errors.push(path.child(field).not_supported(word, &known)),
        }
    }
    for field in ["namespaceSelector", "objectSelector"] {
        selector(&webhook[field], &path.child(field), errors);
    }
    let (client, place) = (&webhook["clientConfig"], path.child("clientConfig"));
    if is_empty(&client["url"]) == client["service"].is_null() {
        errors.push(place.required("exactly one of url or service is required"));
    }
}
