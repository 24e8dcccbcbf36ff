//! ResourceQuota (`pkg/registry/core/resourcequota`, `pkg/apis/core/validation/validation.go`, `pkg/apis/core/helper`).

use serde_json::{Value, json};

use super::limits::amounts;
use crate::json::{entries, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string};
use crate::quantity::Quantity;
use crate::status::{FieldError, Path};

pub(crate) const RESOURCE_QUOTA: Kind = Kind {
    group: "",
    version: "v1",
    kind: "ResourceQuota",
    plural: "resourcequotas",
    strategy: &Quota,
    columns: &[
        NAME,
        string("Request", "What is used of what may be requested.", |quota, _| {
            json!(used_of_hard(quota, |name| !name.starts_with("limits.")))
        }),
        string("Limit", "What is used of what may be the limit.", |quota, _| {
            json!(used_of_hard(quota, |name| name.starts_with("limits.")))
        }),
        AGE,
    ],
    sealed: false,
};

/// What is counted by whole numbers (`standardIntegerResources`).
const PIECES: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
/// What else may be named without a domain (`standardQuotaResources`).
const AMOUNTS: [&str; 10] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];
/// What scopes that are about pods can bound.
const OF_PODS: [&str; 7] =
    ["pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
const CONFLICTS: [[&str; 2]; 2] = [["BestEffort", "NotBestEffort"], ["NotTerminating", "Terminating"]];
const ONLY_EXISTS: &str = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";

struct Quota;

impl Strategy for Quota {
    fn validate_create(&self, quota: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let spec = &quota["spec"];
        list(&spec["hard"], &Path::of("spec.hard"), errors);
        scopes(spec, errors);
        selectors(spec, errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if cx.is_status() {
            list(&new["status"]["hard"], &Path::of("status.hard"), errors);
            list(&new["status"]["used"], &Path::of("status.used"), errors);
            return;
        }
        self.validate_create(new, cx, errors);
        if sorted(&new["spec"]["scopes"]) != sorted(&old["spec"]["scopes"]) {
            errors.push(Path::of("spec.scopes").invalid(new["spec"]["scopes"].clone(), "field is immutable"));
        }
    }
}

fn sorted(scopes: &Value) -> Vec<&str> {
    let mut scopes: Vec<&str> = items(scopes).iter().filter_map(Value::as_str).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

/// Names that can be counted, and amounts that they can have.
fn list(list: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    amounts(list, path, errors);
    for (name, amount) in entries(list) {
        let at = path.key(name);
        if !name.contains('/') && !is_standard(name) {
            errors.push(at.invalid(name.as_str(), "must be a standard resource for quota"));
        }
        let is_whole = Quantity::from_value(amount).map_or(true, Quantity::is_whole);
        if (PIECES.contains(&name.as_str()) || is_extended(name)) && !is_whole {
            errors.push(at.invalid(amount.clone(), "must be an integer"));
        }
    }
}

fn is_standard(name: &str) -> bool {
    PIECES.contains(&name)
        || AMOUNTS.contains(&name)
        || name.strip_prefix("requests.").unwrap_or(name).starts_with("hugepages-")
}

/// `helper.IsExtendedResourceName`, as far as names go.
fn is_extended(name: &str) -> bool {
    name.contains('/')
        && !name.contains("kubernetes.io/")
        && !name.starts_with("requests.")
        && !name.starts_with("count/")
}

fn scopes(spec: &Value, errors: &mut Vec<FieldError>) {
    let (path, scopes) = (Path::of("spec.scopes"), &spec["scopes"]);
    let names: Vec<&str> = items(scopes).iter().filter_map(Value::as_str).collect();
    for scope in &names {
        if !is_scope(scope) {
            errors.push(path.invalid(scopes.clone(), "unsupported scope"));
        }
        for _ in unfit(spec, scope) {
            errors.push(path.invalid(scopes.clone(), "unsupported scope applied to resource"));
        }
    }
    conflicts(&names, spec, errors);
}

fn selectors(spec: &Value, errors: &mut Vec<FieldError>) {
    let selector = &spec["scopeSelector"];
    let above = Path::of("spec.scopeSelector");
    let path = above.child("matchExpressions");
    let expressions = items(&selector["matchExpressions"]);
    for expression in expressions {
        let (scope, operator) = (text(expression, "scopeName"), text(expression, "operator"));
        if !is_scope(scope) {
            errors.push(path.child("scopeName").invalid(scope, "unsupported scope"));
        }
        for _ in unfit(spec, scope) {
            errors.push(path.invalid(selector.clone(), "unsupported scope applied to resource"));
        }
        let by_itself = !matches!(scope, "PriorityClass" | "VolumeAttributesClass") && is_scope(scope);
        if by_itself && operator != "Exists" {
            errors.push(path.child("operator").invalid(operator, ONLY_EXISTS));
        }
        let values = items(&expression["values"]);
        match operator {
            "In" | "NotIn" if values.is_empty() => errors.push(path.child("values").required(
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            )),
            "Exists" | "DoesNotExist" if !values.is_empty() => errors.push(path.child("values").invalid(
                expression["values"].clone(),
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.push(path.child("operator").invalid(operator, "not a valid selector operator")),
        }
    }
    let names: Vec<&str> = expressions.iter().map(|expression| text(expression, "scopeName")).collect();
    conflicts(&names, spec, errors);
}

fn conflicts(names: &[&str], spec: &Value, errors: &mut Vec<FieldError>) {
    let of_two = |pair: &&[&str; 2]| pair.iter().all(|scope| names.contains(scope));
    for _ in CONFLICTS.iter().filter(of_two) {
        errors.push(Path::of("spec.scopes").invalid(spec["scopes"].clone(), "conflicting scopes"));
    }
}

fn is_scope(name: &str) -> bool {
    CONFLICTS.as_flattened().contains(&name)
        || matches!(name, "PriorityClass" | "VolumeAttributesClass" | "CrossNamespacePodAffinity")
}

/// The names that a quota of this scope can't bound.
fn unfit<'a>(spec: &'a Value, scope: &'a str) -> impl Iterator<Item = &'a String> {
    let fits = move |name: &str| match scope {
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        scope => !is_scope(scope) || OF_PODS.contains(&name),
    };
    let names = entries(&spec["hard"]).map(|(name, _)| name);
    names.filter(move |name| is_standard(name) && !fits(name))
}

/// `pods: 3/10, requests.cpu: 1/4`
fn used_of_hard(quota: &Value, wanted: impl Fn(&str) -> bool) -> String {
    let status = &quota["status"];
    let shown = entries(&status["hard"]).filter(|(name, _)| wanted(name)).map(|(name, hard)| {
        let used = match text(&status["used"], name) {
            "" => "0",
            used => used,
        };
        format!("{name}: {used}/{}", hard.as_str().unwrap_or_default())
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spec: Value, expected: &[&str]) {
        let mut errors = Vec::new();
        let spec = &spec;
        list(&spec["hard"], &Path::of("spec.hard"), &mut errors);
        scopes(spec, &mut errors);
        selectors(spec, &mut errors);
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(told, expected, "{spec}");
    }

    #[test]
    fn names_amounts_and_scopes_are_refused_in_upstreams_words() {
        check(
            json!({"hard": {"pods": "1", "count/x.y": "1", "requests.hugepages-2Mi": "4Mi", "a.b/c": "1"}}),
            &[],
        );
        check(
            json!({"hard": {"deployments": "1"}}),
            &[
                "spec.hard[deployments]: Invalid value: \"deployments\": must be a standard resource for quota",
            ],
        );
        check(
            json!({"hard": {"pods": "500m"}}),
            &["spec.hard[pods]: Invalid value: \"500m\": must be an integer"],
        );
        check(json!({"hard": {"pods": "1"}, "scopes": ["BestEffort", "NotTerminating"]}), &[]);
        check(
            json!({"hard": {"cpu": "1"}, "scopes": ["BestEffort"]}),
            &["spec.scopes: Invalid value: [\"BestEffort\"]: unsupported scope applied to resource"],
        );
        check(
            json!({"scopes": ["BestEffort", "NotBestEffort"]}),
            &["spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: conflicting scopes"],
        );
        check(json!({"scopes": ["Some"]}), &["spec.scopes: Invalid value: [\"Some\"]: unsupported scope"]);
        let selects = |scope: &str, operator: &str, values: &[&str]| {
            json!({"scopeSelector": {"matchExpressions": [
                {"scopeName": scope, "operator": operator, "values": values}]}})
        };
        check(selects("PriorityClass", "In", &["high"]), &[]);
        check(
            selects("PriorityClass", "In", &[]),
            &[
                "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            ],
        );
        check(
            selects("PriorityClass", "Exists", &["a"]),
            &[
                "spec.scopeSelector.matchExpressions.values: Invalid value: [\"a\"]: must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            ],
        );
        let only =
            format!("spec.scopeSelector.matchExpressions.operator: Invalid value: \"In\": {ONLY_EXISTS}");
        check(selects("BestEffort", "In", &["a"]), &[&only]);
    }
}
