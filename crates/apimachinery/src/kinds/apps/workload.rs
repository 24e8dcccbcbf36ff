//! What the workloads share: a selector, a template that it must select, and numbers that may be percentages
//! (`pkg/apis/apps/validation/validation.go`).

use serde_json::{Value, json};

use crate::json::{default, is_empty, text};
use crate::kinds::columns::labels;
use crate::kinds::pod_spec::{default_template, validate_template};
use crate::selector::LabelSelector;
use crate::status::{FieldError, Path};
use crate::validation::{self, immutable, non_negative};

/// Defaults of `spec.replicas` and the template.
pub(super) fn default_spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    default(spec, "replicas", 1);
    default_pod_template(spec);
}

pub(super) fn default_pod_template(spec: &mut Value) {
    if let Some(template) = spec.get_mut("template").and_then(|template| template.get_mut("spec")) {
        default_template(template);
    }
}

/// Checks replicas, minReadySeconds, selector and template. `owner` names the kind in messages.
pub(super) fn validate(spec: &Value, owner: &str, errors: &mut Vec<FieldError>) {
    let path = Path::of("spec");
    non_negative(&spec["replicas"], &path.child("replicas"), errors);
    non_negative(&spec["minReadySeconds"], &path.child("minReadySeconds"), errors);
    selector_and_template(spec, "empty selector is invalid for deployment", owner, errors);
}

pub(super) fn selector_and_template(spec: &Value, empty: &str, owner: &str, errors: &mut Vec<FieldError>) {
    let path = Path::of("spec");
    let selector = path.child("selector");
    if spec["selector"].is_null() {
        errors.push(selector.required(""));
    } else {
        validation::selector(&spec["selector"], &selector, errors);
        if is_empty(&spec["selector"]["matchLabels"]) && is_empty(&spec["selector"]["matchExpressions"]) {
            errors.push(selector.invalid(spec["selector"].clone(), empty));
        }
    }
    selected_template(spec, owner, &path.child("template"), errors);
}

/// `ValidatePodTemplateSpecForReplicaSet`
fn selected_template(spec: &Value, owner: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let template = &spec["template"];
    match LabelSelector::from_value(&spec["selector"]) {
        Ok(selector) if !selector.is_everything() && !spec["selector"].is_null() => {
            let labels = &template["metadata"]["labels"];
            if !selector.matches_value(labels) {
                let metadata = path.child("metadata");
                let found = if labels.is_null() { json!({}) } else { labels.clone() };
                let why = "`selector` does not match template `labels`";
                errors.push(metadata.child("labels").invalid(found, why));
            }
        }
        Ok(_) => {}
        Err(_) => errors.push(path.invalid("", "invalid label selector")),
    }
    validate_template(template, path, errors);
    runs_for_ever(&template["spec"], owner, &path.child("spec"), errors);
}

/// Pods of these workloads are replaced, so they neither end nor have a deadline.
fn runs_for_ever(spec: &Value, owner: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let policy = text(spec, "restartPolicy");
    if !policy.is_empty() && policy != "Always" {
        errors.push(path.child("restartPolicy").not_supported(policy, &["Always"]));
    }
    if !spec["activeDeadlineSeconds"].is_null() {
        let why = format!("activeDeadlineSeconds in {owner} is not Supported");
        errors.push(path.child("activeDeadlineSeconds").forbidden(&why));
    }
}

pub(super) fn selector_stays(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    immutable(&new["spec"]["selector"], &old["spec"]["selector"], &Path::of("spec.selector"), errors);
}

/// A count, or a percentage up to 100 %.
pub(in crate::kinds) fn int_or_percent(value: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    int_or_any_percent(value, path, errors);
    if value.as_str().and_then(percent).is_some_and(|percent| percent > 100) {
        errors.push(path.invalid(value.clone(), "must not be greater than 100%"));
    }
}

/// A count, or a percentage.
pub(super) fn int_or_any_percent(value: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    match value {
        Value::String(text) if percent(text).is_none() => errors.push(path.invalid(
            text.as_str(),
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
             regex used for validation is '[0-9]+%')",
        )),
        Value::String(_) => {}
        number => non_negative(number, path, errors),
    }
}

pub(super) fn is_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => percent(text) == Some(0),
        number => number.as_i64() == Some(0),
    }
}

fn percent(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('%')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// A LabelSelector as `kubectl` shows it.
pub(in crate::kinds) fn selector_told(object: &Value) -> Value {
    let selector = &object["spec"]["selector"];
    match LabelSelector::from_value(selector) {
        Ok(parsed) if !parsed.is_everything() && !selector.is_null() => json!(parsed.to_string()),
        Ok(_) => labels(&Value::Null),
        Err(_) => json!("<error>"),
    }
}
