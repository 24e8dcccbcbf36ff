//! The rules for where a pod may run (`pkg/apis/core/validation/validation.go`, ValidateTolerations,
//! validateAffinity, validateTopologySpreadConstraints).

use serde_json::Value;

use crate::json::{is_empty, items, text};
use crate::status::{FieldError, Path};
use crate::validation::{
    dns_label_faults, dns_subdomain_faults, label_value_faults, qualified_name_faults, selector,
};

pub(super) fn validate(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    tolerations(&spec["tolerations"], &path.child("tolerations"), errors);
    affinity(&spec["affinity"], &path.child("affinity"), errors);
    spread(&spec["topologySpreadConstraints"], &path.child("topologySpreadConstraints"), errors);
}

fn tolerations(list: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (index, toleration) in items(list).iter().enumerate() {
        toleration_rules(toleration, &path.index(index), errors);
    }
}

fn toleration_rules(toleration: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (key, operator) = (text(toleration, "key"), text(toleration, "operator"));
    let (value, effect) = (text(toleration, "value"), text(toleration, "effect"));
    if !key.is_empty() {
        errors.extend(qualified_name_faults(key).iter().map(|fault| path.child("key").invalid(key, fault)));
    } else if operator != "Exists" {
        let why =
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        errors.push(path.child("operator").invalid(operator, why));
    }
    if !toleration["tolerationSeconds"].is_null() && effect != "NoExecute" {
        let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.push(path.child("effect").invalid(effect, why));
    }
    let place = path.child("operator");
    match operator {
        "" | "Equal" => {
            let faults = label_value_faults(value).join(";");
            if !faults.is_empty() {
                errors.push(place.invalid(value, &faults));
            }
        }
        "Exists" if !value.is_empty() => {
            errors.push(place.invalid(value, "value must be empty when `operator` is 'Exists'"));
        }
        "Exists" => {}
        other => errors.push(place.not_supported(other, &["Equal", "Exists"])),
    }
    taint_effect(effect, true, &path.child("effect"), errors);
}

/// What a taint does to pods that don't tolerate it.
pub(in crate::kinds) fn taint_effect(
    effect: &str,
    may_be_empty: bool,
    path: &Path<'_>,
    errors: &mut Vec<FieldError>,
) {
    match effect {
        "" if may_be_empty => {}
        "" => errors.push(path.required("")),
        "NoSchedule" | "PreferNoSchedule" | "NoExecute" => {}
        other => errors.push(path.not_supported(other, &["NoSchedule", "PreferNoSchedule", "NoExecute"])),
    }
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

fn affinity(affinity: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    node_affinity(&affinity["nodeAffinity"], &path.child("nodeAffinity"), errors);
    for kind in ["podAffinity", "podAntiAffinity"] {
        pod_affinity(&affinity[kind], &path.child(kind), errors);
    }
}

fn node_affinity(affinity: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if !affinity[REQUIRED].is_null() {
        let at = path.child(REQUIRED);
        let list = at.child("nodeSelectorTerms");
        let terms = items(&affinity[REQUIRED]["nodeSelectorTerms"]);
        if terms.is_empty() {
            errors.push(list.required("must have at least one node selector term"));
        }
        for (index, term) in terms.iter().enumerate() {
            node_term(term, &list.index(index), errors);
        }
    }
    let list = path.child(PREFERRED);
    for (index, preference) in items(&affinity[PREFERRED]).iter().enumerate() {
        let path = list.index(index);
        weight(preference, &path, errors);
        node_term(&preference["preference"], &path.child("preference"), errors);
    }
}

fn weight(weighted: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let weight = weighted["weight"].as_i64().unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.push(path.child("weight").invalid(weight, "must be in the range 1-100"));
    }
}

fn node_term(term: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let expressions = path.child("matchExpressions");
    for (index, requirement) in items(&term["matchExpressions"]).iter().enumerate() {
        node_expression(requirement, &expressions.index(index), errors);
    }
    let fields = path.child("matchFields");
    for (index, requirement) in items(&term["matchFields"]).iter().enumerate() {
        node_field(requirement, &fields.index(index), errors);
    }
}

fn node_expression(requirement: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let values = path.child("values");
    let count = items(&requirement["values"]).len();
    match text(requirement, "operator") {
        "In" | "NotIn" if count == 0 => {
            errors.push(values.required("must be specified when `operator` is 'In' or 'NotIn'"));
        }
        "Exists" | "DoesNotExist" if count > 0 => {
            let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(values.forbidden(why));
        }
        "Gt" | "Lt" if count != 1 => {
            errors.push(values.required("must be specified single value when `operator` is 'Lt' or 'Gt'"));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => errors.push(path.child("operator").invalid(other, "not a valid selector operator")),
    }
    let key = text(requirement, "key");
    errors.extend(qualified_name_faults(key).iter().map(|fault| path.child("key").invalid(key, fault)));
}

fn node_field(requirement: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let values = items(&requirement["values"]);
    match text(requirement, "operator") {
        "In" | "NotIn" if values.len() != 1 => {
            let why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            errors.push(path.child("values").required(why));
        }
        "In" | "NotIn" => {}
        other => errors.push(path.child("operator").invalid(other, "not a valid selector operator")),
    }
    if text(requirement, "key") != "metadata.name" {
        errors.push(path.child("key").invalid(text(requirement, "key"), "not a valid field selector key"));
        return;
    }
    let list = path.child("values");
    for (index, value) in values.iter().enumerate() {
        let name = value.as_str().unwrap_or_default();
        errors.extend(dns_subdomain_faults(name).iter().map(|fault| list.index(index).invalid(name, fault)));
    }
}

fn pod_affinity(affinity: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let required = path.child(REQUIRED);
    for (index, term) in items(&affinity[REQUIRED]).iter().enumerate() {
        pod_term(term, &required.index(index), errors);
    }
    let preferred = path.child(PREFERRED);
    for (index, weighted) in items(&affinity[PREFERRED]).iter().enumerate() {
        let path = preferred.index(index);
        weight(weighted, &path, errors);
        pod_term(&weighted["podAffinityTerm"], &path.child("podAffinityTerm"), errors);
    }
}

fn pod_term(term: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for field in ["labelSelector", "namespaceSelector"] {
        selector(&term[field], &path.child(field), errors);
    }
    for name in items(&term["namespaces"]).iter().filter_map(Value::as_str) {
        errors
            .extend(dns_label_faults(name).iter().map(|fault| path.child("namespace").invalid(name, fault)));
    }
    topology_key(text(term, "topologyKey"), &path.child("topologyKey"), errors);
}

fn topology_key(key: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if key.is_empty() {
        errors.push(path.required("can not be empty"));
    }
    errors.extend(qualified_name_faults(key).iter().map(|fault| path.invalid(key, fault)));
}

fn spread(list: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (index, constraint) in items(list).iter().enumerate() {
        let path = path.index(index);
        let skew = constraint["maxSkew"].as_i64().unwrap_or(0);
        if skew <= 0 {
            errors.push(path.child("maxSkew").invalid(skew, "must be greater than zero"));
        }
        topology_key(text(constraint, "topologyKey"), &path.child("topologyKey"), errors);
        let when = text(constraint, "whenUnsatisfiable");
        if !["DoNotSchedule", "ScheduleAnyway"].contains(&when) {
            let known = ["DoNotSchedule", "ScheduleAnyway"];
            errors.push(path.child("whenUnsatisfiable").not_supported(when, &known));
        }
        if !is_empty(&constraint["labelSelector"]) {
            selector(&constraint["labelSelector"], &path.child("labelSelector"), errors);
        }
    }
}
