//! Policies in CEL: what makes a request refused, or changed on its way. What is wrong inside an expression is for
//! whoever evaluates them.

use serde_json::{Value, json};

use super::{declared, matching};
use crate::json::{default, is_empty, items, text};
use crate::kind::{Column, Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, integer, string};
use crate::status::{FieldError, Path};
use crate::validation::{c_identifier_faults, qualified_name_faults};

pub(crate) const VALIDATING_ADMISSION_POLICY: Kind = declared(
    "ValidatingAdmissionPolicy",
    "validatingadmissionpolicies",
    &Policy { mutating: false },
    &[
        NAME,
        integer("Validations", "How many rules it has.", |policy, _| {
            json!(items(&policy["spec"]["validations"]).len())
        }),
        PARAM_KIND,
        AGE,
    ],
);
pub(crate) const MUTATING_ADMISSION_POLICY: Kind = declared(
    "MutatingAdmissionPolicy",
    "mutatingadmissionpolicies",
    &Policy { mutating: true },
    &[
        NAME,
        integer("Mutations", "How many changes it makes.", |policy, _| {
            json!(items(&policy["spec"]["mutations"]).len())
        }),
        PARAM_KIND,
        AGE,
    ],
);

const PARAM_KIND: Column =
    string("ParamKind", "The kind of its parameters.", |policy, _| match &policy["spec"]["paramKind"] {
        Value::Null => json!("<unset>"),
        kind => json!(format!("{}/{}", text(kind, "apiVersion"), text(kind, "kind"))),
    });

struct Policy {
    mutating: bool,
}

impl Strategy for Policy {
    fn default(&self, policy: &mut Value, _: &Cx) {
        let Some(spec) = policy.get_mut("spec").filter(|spec| spec.is_object()) else { return };
        default(spec, "failurePolicy", "Fail");
        if let Some(matched) = spec.get_mut("matchConstraints") {
            matching::default_match(matched);
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, policy: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&policy["spec"], Path::of("spec"));
        match text(spec, "failurePolicy") {
            "" => errors.push(path.child("failurePolicy").required("")),
            "Fail" | "Ignore" => {}
            other => errors.push(path.child("failurePolicy").not_supported(other, &["Fail", "Ignore"])),
        }
        param_kind(&spec["paramKind"], &path.child("paramKind"), errors);
        let constraints = path.child("matchConstraints");
        if spec["matchConstraints"].is_null() {
            errors.push(constraints.required(""));
        } else {
            matching::match_resources(&spec["matchConstraints"], &constraints, errors);
            if is_empty(&spec["matchConstraints"]["resourceRules"]) {
                errors.push(constraints.child("resourceRules").required(""));
            }
        }
        matching::match_conditions(&spec["matchConditions"], &path.child("matchConditions"), errors);
        variables(&spec["variables"], &path.child("variables"), errors);
        match self.mutating {
            true => mutations(spec, &path, errors),
            false => validations(policy, &path, errors),
        }
    }
}

fn param_kind(kind: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if kind.is_null() {
        return;
    }
    for field in ["apiVersion", "kind"].into_iter().filter(|field| text(kind, field).is_empty()) {
        errors.push(path.child(field).required(""));
    }
}

fn variables(list: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (index, variable) in items(list).iter().enumerate() {
        let path = path.index(index);
        let name = text(variable, "name");
        if name.trim().is_empty() {
            errors.push(path.child("name").required("name is not specified"));
        } else if !c_identifier_faults(name).is_empty() {
            errors.push(path.child("name").invalid(name, "must be a valid CEL identifier"));
        }
        if text(variable, "expression").trim().is_empty() {
            errors.push(path.child("expression").required("expression is not specified"));
        }
    }
}

/// `validateValidation` and `validateAuditAnnotation`.
fn validations(policy: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const REASONS: [&str; 4] = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];
    const LONGEST: usize = 5 * 1024;
    let spec = &policy["spec"];
    if is_empty(&spec["validations"]) && is_empty(&spec["auditAnnotations"]) {
        let why = "validations or auditAnnotations must contain at least one item";
        errors.push(path.child("validations").required(why));
        errors.push(path.child("auditAnnotations").required(why));
    }
    let list = path.child("validations");
    for (index, validation) in items(&spec["validations"]).iter().enumerate() {
        let path = list.index(index);
        if text(validation, "expression").trim().is_empty() {
            errors.push(path.child("expression").required("expression is not specified"));
        }
        for field in ["messageExpression", "message"] {
            let said = text(validation, field);
            if !said.is_empty() && said.trim().is_empty() {
                errors.push(path.child(field).invalid(said, "must be non-empty if specified"));
            }
        }
        let message = text(validation, "message");
        if message.trim().contains('\n') {
            errors.push(path.child("message").invalid(message, "must not contain line breaks"));
        }
        let reason = text(validation, "reason");
        if !reason.is_empty() && !REASONS.contains(&reason) {
            errors.push(path.child("reason").not_supported(reason, &REASONS));
        }
    }
    let (list, mut seen) = (path.child("auditAnnotations"), Vec::new());
    for (index, annotation) in items(&spec["auditAnnotations"]).iter().enumerate() {
        let (path, key) = (list.index(index), text(annotation, "key"));
        let whole = format!("{}/{key}", text(&policy["metadata"], "name"));
        let faults = qualified_name_faults(&whole);
        errors.extend(faults.iter().map(|fault| path.child("key").invalid(whole.clone(), fault)));
        match text(annotation, "valueExpression").trim() {
            "" => errors.push(path.child("valueExpression").required("valueExpression is not specified")),
            said if said.len() > LONGEST => {
                let why = format!("must not exceed {LONGEST} bytes in length");
                errors.push(path.child("valueExpression").required(&why));
            }
            _ => {}
        }
        if seen.contains(&key) {
            errors.push(path.child("key").duplicate(key));
        }
        seen.push(key);
    }
}

/// `validateMutation`.
fn mutations(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    const TYPES: [(&str, &str, &str); 2] = [
        ("ApplyConfiguration", "applyConfiguration", "jsonPatch"),
        ("JSONPatch", "jsonPatch", "applyConfiguration"),
    ];
    if is_empty(&spec["mutations"]) {
        errors.push(path.child("mutations").required("mutations must contain at least one item"));
    }
    match text(spec, "reinvocationPolicy") {
        "" => errors.push(path.child("reinvocationPolicy").required("")),
        "Never" | "IfNeeded" => {}
        other => {
            errors.push(path.child("reinvocationPolicy").not_supported(other, &["IfNeeded", "Never"]));
        }
    }
    let list = path.child("mutations");
    for (index, mutation) in items(&spec["mutations"]).iter().enumerate() {
        let (path, kind) = (list.index(index), text(mutation, "patchType"));
        let Some((_, wanted, other)) = TYPES.into_iter().find(|(name, ..)| *name == kind) else {
            errors.push(match kind {
                "" => path.child("patchType").required(""),
                _ => path.child("patchType").not_supported(kind, &TYPES.map(|(name, ..)| name)),
            });
            continue;
        };
        if mutation[wanted].is_null() {
            errors.push(path.child(wanted).required(&format!("must be specified when patchType is {kind}")));
        } else if text(&mutation[wanted], "expression").trim().is_empty() {
            errors.push(path.child(wanted).child("expression").required("expression is not specified"));
        }
        if !mutation[other].is_null() {
            let why = format!("must not be specified when patchType is {kind}");
            errors.push(path.child(other).invalid(format!("{{{other}}}"), &why));
        }
    }
}
