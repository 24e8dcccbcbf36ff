//! The group rbac.authorization.k8s.io (`pkg/registry/rbac`, `pkg/apis/rbac/v1/defaults.go`,
//! `pkg/apis/rbac/validation/validation.go`).

use serde_json::{Value, json};

use crate::json::{default, is_empty, items, text};
use crate::kind::{Column, Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string, wide};
use crate::status::{FieldError, Path};
use crate::validation::{NameRule, immutable, path_segment_faults, selector};

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) const ROLE: Kind = role("Role", "roles", &Role { clusterwide: false });
pub(super) const CLUSTER_ROLE: Kind = role("ClusterRole", "clusterroles", &Role { clusterwide: true });
pub(super) const ROLE_BINDING: Kind = binding("RoleBinding", "rolebindings", &Binding { clusterwide: false });
pub(super) const CLUSTER_ROLE_BINDING: Kind =
    binding("ClusterRoleBinding", "clusterrolebindings", &Binding { clusterwide: true });

const CREATED_AT: Column = Column {
    name: "Created At",
    data_type: "date",
    format: "",
    priority: 0,
    description: "When it was created.",
    cell: |role, _| role["metadata"]["creationTimestamp"].clone(),
};

const fn role(kind: &'static str, plural: &'static str, strategy: &'static dyn Strategy) -> Kind {
    Kind { group: GROUP, version: "v1", kind, plural, strategy, columns: &[NAME, CREATED_AT], sealed: false }
}

const fn binding(kind: &'static str, plural: &'static str, strategy: &'static dyn Strategy) -> Kind {
    Kind { group: GROUP, version: "v1", kind, plural, strategy, columns: BINDING_COLUMNS, sealed: false }
}

const BINDING_COLUMNS: &[Column] = &[
    NAME,
    string("Role", "What is granted.", |binding, _| {
        let role = &binding["roleRef"];
        json!(format!("{}/{}", text(role, "kind"), text(role, "name")))
    }),
    AGE,
    wide("Users", "The users to whom.", |binding, _| json!(subjects(binding, "User"))),
    wide("Groups", "The groups to whom.", |binding, _| json!(subjects(binding, "Group"))),
    wide("ServiceAccounts", "The service accounts to whom.", |binding, _| {
        json!(subjects(binding, "ServiceAccount"))
    }),
];

struct Role {
    clusterwide: bool,
}

struct Binding {
    clusterwide: bool,
}

impl Strategy for Role {
    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn validate_create(&self, role: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let list = Path::of("rules");
        for (index, one) in items(&role["rules"]).iter().enumerate() {
            rule(one, self.clusterwide, &list.index(index), errors);
        }
        let selectors = Path::of("aggregationRule.clusterRoleSelectors");
        if !role["aggregationRule"].is_null() && is_empty(&role["aggregationRule"]["clusterRoleSelectors"]) {
            errors.push(
                selectors.required("at least one clusterRoleSelector required if aggregationRule is non-nil"),
            );
        }
        for (index, one) in items(&role["aggregationRule"]["clusterRoleSelectors"]).iter().enumerate() {
            selector(one, &selectors.index(index), errors);
        }
    }
}

/// `ValidatePolicyRule`
fn rule(rule: &Value, clusterwide: bool, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if is_empty(&rule["verbs"]) {
        errors.push(path.child("verbs").required("verbs must contain at least one value"));
    }
    if !is_empty(&rule["nonResourceURLs"]) {
        let place = path.child("nonResourceURLs");
        let found = rule["nonResourceURLs"].clone();
        if !clusterwide {
            errors.push(place.invalid(found.clone(), "namespaced rules cannot apply to non-resource URLs"));
        }
        if ["apiGroups", "resources", "resourceNames"].iter().any(|field| !is_empty(&rule[*field])) {
            errors.push(
                place.invalid(found, "rules cannot apply to both regular resources and non-resource URLs"),
            );
        }
        return;
    }
    if is_empty(&rule["apiGroups"]) {
        errors.push(path.child("apiGroups").required("resource rules must supply at least one api group"));
    }
    if is_empty(&rule["resources"]) {
        errors.push(path.child("resources").required("resource rules must supply at least one resource"));
    }
}

impl Strategy for Binding {
    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn default(&self, binding: &mut Value, _: &Cx) {
        if binding["roleRef"].is_object() {
            default(&mut binding["roleRef"], "apiGroup", GROUP);
        }
        for subject in binding.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
            if ["User", "Group"].contains(&text(subject, "kind")) {
                default(subject, "apiGroup", GROUP);
            }
        }
    }

    fn validate_create(&self, binding: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        role_ref(&binding["roleRef"], self.clusterwide, &Path::of("roleRef"), errors);
        let list = Path::of("subjects");
        for (index, one) in items(&binding["subjects"]).iter().enumerate() {
            subject(one, self.clusterwide, &list.index(index), errors);
        }
    }

    /// What a binding grants is its identity.
    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        self.validate_create(new, cx, errors);
        let mut changed = Vec::new();
        immutable(&new["roleRef"], &old["roleRef"], &Path::of("roleRef"), &mut changed);
        errors.extend(
            changed.into_iter().map(|error| FieldError { detail: "cannot change roleRef".into(), ..error }),
        );
    }
}

fn role_ref(role: &Value, clusterwide: bool, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if text(role, "apiGroup") != GROUP {
        errors.push(path.child("apiGroup").not_supported(text(role, "apiGroup"), &[GROUP]));
    }
    let known: &[&str] = if clusterwide { &["ClusterRole"] } else { &["Role", "ClusterRole"] };
    if !known.contains(&text(role, "kind")) {
        errors.push(path.child("kind").not_supported(text(role, "kind"), known));
    }
    match text(role, "name") {
        "" => errors.push(path.child("name").required("")),
        name => {
            let faults = path_segment_faults(name);
            errors.extend(faults.iter().map(|fault| path.child("name").invalid(name, fault)));
        }
    }
}

/// `ValidateRoleBindingSubject`
fn subject(subject: &Value, clusterwide: bool, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if text(subject, "name").is_empty() {
        errors.push(path.child("name").required(""));
    }
    let group = text(subject, "apiGroup");
    match text(subject, "kind") {
        "ServiceAccount" => {
            if !group.is_empty() {
                errors.push(path.child("apiGroup").not_supported(group, &[""]));
            }
            if clusterwide && text(subject, "namespace").is_empty() {
                errors.push(path.child("namespace").required(""));
            }
        }
        "User" | "Group" if group != GROUP => {
            errors.push(path.child("apiGroup").not_supported(group, &[GROUP]));
        }
        "User" | "Group" => {}
        other => errors.push(path.child("kind").not_supported(other, &["ServiceAccount", "User", "Group"])),
    }
}

fn subjects(binding: &Value, kind: &str) -> String {
    let wanted = items(&binding["subjects"]).iter().filter(|subject| text(subject, "kind") == kind);
    let told = wanted.map(|subject| match text(subject, "namespace") {
        "" => text(subject, "name").to_owned(),
        namespace => format!("{namespace}/{}", text(subject, "name")),
    });
    told.collect::<Vec<_>>().join(", ")
}
