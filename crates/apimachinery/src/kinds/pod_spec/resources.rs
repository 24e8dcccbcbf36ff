//! The rules for what a container asks for (`pkg/apis/core/validation/validation.go`, ValidateResourceRequirements).

use serde_json::Value;

use crate::json::entries;
use crate::quantity::Quantity;
use crate::status::{FieldError, Path};
use crate::validation::qualified_name_faults;

/// What the cluster itself knows; anything else has a prefix of its own.
const STANDARD: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

pub(in crate::kinds) fn requirements(requirements: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let (limits, requests) = (path.child("limits"), path.child("requests"));
    for (name, amount) in entries(&requirements["limits"]) {
        one(name, amount, &limits, errors);
    }
    for (name, amount) in entries(&requirements["requests"]) {
        one(name, amount, &requests, errors);
        within_limit(name, amount, &requirements["limits"], &requests, errors);
    }
    for (name, _) in entries(&requirements["limits"]) {
        if !overcommits(name) && requirements["requests"].get(name).is_none() {
            errors.push(limits.key(name).required("Limit must be set for non overcommitable resources"));
        }
    }
}

fn one(name: &str, amount: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let place = path.key(name);
    known_name(name, &place, errors);
    match Quantity::from_value(amount) {
        Err(error) => errors.push(place.invalid(amount.clone(), &error.to_string())),
        Ok(quantity) if quantity.is_negative() => {
            errors.push(place.invalid(quantity.to_string(), "must be greater than or equal to 0"));
        }
        Ok(quantity) if !quantity.is_whole() && is_counted_whole(name) => {
            errors.push(place.invalid(quantity.to_string(), "must be an integer"));
        }
        Ok(_) => {}
    }
}

fn known_name(name: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let faults = qualified_name_faults(name);
    errors.extend(faults.iter().map(|fault| path.invalid(name, fault)));
    let is_standard = STANDARD.contains(&name) || name.starts_with("hugepages-");
    if faults.is_empty() && !name.contains('/') && !is_standard {
        errors.push(path.invalid(name, "must be a standard resource for containers"));
    }
}

/// Extended resources are counted in whole units.
fn is_counted_whole(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/")
}

fn overcommits(name: &str) -> bool {
    STANDARD.contains(&name)
}

fn within_limit(name: &str, request: &Value, limits: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let place = path.key(name);
    let Ok(wanted) = Quantity::from_value(request) else { return };
    let Some(limit) = limits.get(name) else {
        if !overcommits(name) {
            errors.push(place.required("Limit must be set for non overcommitable resources"));
        }
        return;
    };
    let Ok(limit) = Quantity::from_value(limit) else { return };
    if !overcommits(name) && wanted != limit {
        errors.push(path.invalid(wanted.to_string(), &format!("must be equal to {name} limit of {limit}")));
    } else if wanted > limit {
        let why = format!("must be less than or equal to {name} limit of {limit}");
        errors.push(path.invalid(wanted.to_string(), &why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(value: &Value) -> Vec<String> {
        let mut errors = Vec::new();
        requirements(value, &Path::of("r"), &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn requests_stay_within_limits_and_names_are_known() {
        let cases = [
            (json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}), vec![]),
            (json!({"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "1"}}), vec![]),
            (
                json!({"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}),
                vec![r#"r.requests: Invalid value: "2": must be less than or equal to cpu limit of 1"#],
            ),
            (
                json!({"requests": {"cpu": "-1"}}),
                vec![r#"r.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0"#],
            ),
            (
                json!({"requests": {"gpu": "1"}, "limits": {"gpu": "1"}}),
                vec![
                    r#"r.limits[gpu]: Invalid value: "gpu": must be a standard resource for containers"#,
                    r#"r.requests[gpu]: Invalid value: "gpu": must be a standard resource for containers"#,
                ],
            ),
            (
                json!({"requests": {"example.com/gpu": "1500m"}, "limits": {"example.com/gpu": "1500m"}}),
                vec![
                    r#"r.limits[example.com/gpu]: Invalid value: "1500m": must be an integer"#,
                    r#"r.requests[example.com/gpu]: Invalid value: "1500m": must be an integer"#,
                ],
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(said(&value), expected, "{value}");
        }
    }
}
