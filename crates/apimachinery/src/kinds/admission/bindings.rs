//! Which requests a policy is for, and with which parameters.

use serde_json::{Value, json};

use super::{declared, matching};
use crate::json::{items, text};
use crate::kind::{Column, Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string};
use crate::status::{FieldError, Path};
use crate::validation::dns_subdomain_faults;

pub(crate) const VALIDATING_ADMISSION_POLICY_BINDING: Kind = declared(
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    &Binding { mutating: false },
    COLUMNS,
);
pub(crate) const MUTATING_ADMISSION_POLICY_BINDING: Kind = declared(
    "MutatingAdmissionPolicyBinding",
    "mutatingadmissionpolicybindings",
    &Binding { mutating: true },
    COLUMNS,
);

const COLUMNS: &[Column] = &[
    NAME,
    string("PolicyName", "The policy that it puts to work.", |one, _| {
        json!(text(&one["spec"], "policyName"))
    }),
    string("ParamRef", "The parameters that the policy gets.", |one, _| json!(parameters(one))),
    AGE,
];

struct Binding {
    mutating: bool,
}

impl Strategy for Binding {
    fn default(&self, binding: &mut Value, _: &Cx) {
        if let Some(matched) = binding.pointer_mut("/spec/matchResources") {
            matching::default_match(matched);
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, binding: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&binding["spec"], Path::of("spec"));
        let (name, place) = (text(spec, "policyName"), path.child("policyName"));
        match name {
            "" => errors.push(place.required("")),
            _ => errors.extend(dns_subdomain_faults(name).iter().map(|fault| place.invalid(name, fault))),
        }
        matching::param_ref(&spec["paramRef"], &path.child("paramRef"), errors);
        matching::match_resources(&spec["matchResources"], &path.child("matchResources"), errors);
        match self.mutating {
            true => mutable_operations(&spec["matchResources"], &path, errors),
            false => actions(&spec["validationActions"], &path.child("validationActions"), errors),
        }
    }
}

/// `validateValidationActions`.
fn actions(list: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const KNOWN: [&str; 3] = ["Audit", "Deny", "Warn"];
    let mut seen = Vec::new();
    for (index, action) in items(list).iter().filter_map(Value::as_str).enumerate() {
        if !KNOWN.contains(&action) {
            errors.push(path.index(index).not_supported(action, &KNOWN));
        }
        if seen.contains(&action) {
            errors.push(path.index(index).duplicate(action));
        }
        seen.push(action);
    }
    if seen.contains(&"Deny") && seen.contains(&"Warn") {
        let why = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        errors.push(path.invalid(list.clone(), why));
    }
    if seen.is_empty() {
        errors.push(path.required("at least one validation action is required"));
    }
}

/// Only what writes an object can be changed on its way.
fn mutable_operations(matched: &Value, spec: &Path<'_>, errors: &mut Vec<FieldError>) {
    const KNOWN: [&str; 2] = ["CREATE", "UPDATE"];
    let path = spec.child("matchResources.resourceRules.operations");
    let rules = items(&matched["resourceRules"]).iter();
    for operation in rules.flat_map(|rule| items(&rule["operations"])).filter_map(Value::as_str) {
        if !KNOWN.contains(&operation) {
            errors.push(path.not_supported(operation, &KNOWN));
        }
    }
}

fn parameters(binding: &Value) -> String {
    let reference = &binding["spec"]["paramRef"];
    match (text(reference, "namespace"), text(reference, "name")) {
        ("", "") if reference["selector"].is_null() => "<unset>".into(),
        (_, "") => reference["selector"].to_string(),
        ("", name) => format!("*/{name}"),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}
