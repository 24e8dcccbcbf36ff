//! Scopes: which objects a quota is about (`podMatchesScopeFunc`, `pvcMatchesScopeFunc`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::texts;
use crate::json::{items, text};
use crate::kinds::pod_spec::qos_class;

/// What scopes look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Traits {
    /// No scope is about it.
    #[default]
    None,
    Pod {
        /// It may run for so long and no longer.
        terminating: bool,
        best_effort: bool,
        /// Empty without one.
        priority_class: String,
        /// Its affinities look at other namespaces.
        crosses_namespaces: bool,
    },
    Claim {
        attributes_classes: BTreeSet<String>,
    },
}

/// One scope, which all of a quota's have to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    scope: String,
    operator: String,
    values: Vec<String>,
}

impl Requirement {
    /// Those of a quota's `spec`.
    pub(super) fn all(spec: &Value) -> Vec<Requirement> {
        let named = texts(&spec["scopes"]).into_iter().map(|scope| Requirement {
            scope,
            operator: "Exists".into(),
            values: Vec::new(),
        });
        let selected = items(&spec["scopeSelector"]["matchExpressions"]).iter().map(|one| Requirement {
            scope: text(one, "scopeName").to_owned(),
            operator: text(one, "operator").to_owned(),
            values: texts(&one["values"]),
        });
        named.chain(selected).collect()
    }

    pub(super) fn matches(&self, traits: &Traits) -> bool {
        match (self.scope.as_str(), traits) {
            ("Terminating", Traits::Pod { terminating, .. }) => *terminating,
            ("NotTerminating", Traits::Pod { terminating, .. }) => !terminating,
            ("BestEffort", Traits::Pod { best_effort, .. }) => *best_effort,
            ("NotBestEffort", Traits::Pod { best_effort, .. }) => !best_effort,
            ("CrossNamespacePodAffinity", Traits::Pod { crosses_namespaces, .. }) => *crosses_namespaces,
            ("PriorityClass", Traits::Pod { priority_class, .. }) => {
                self.selects(Some(priority_class.as_str()).filter(|class| !class.is_empty()))
            }
            ("VolumeAttributesClass", Traits::Claim { attributes_classes }) => match attributes_classes.len()
            {
                0 => self.selects(None),
                _ => attributes_classes.iter().any(|class| self.selects(Some(class))),
            },
            _ => false,
        }
    }

    /// As a label selector does with the name of a class.
    fn selects(&self, class: Option<&str>) -> bool {
        let is_named = class.is_some_and(|class| self.values.iter().any(|value| value == class));
        match self.operator.as_str() {
            "Exists" => class.is_some(),
            "DoesNotExist" => class.is_none(),
            "In" => is_named,
            "NotIn" => !is_named,
            _ => false,
        }
    }
}

pub(super) fn of_pod(pod: &Value) -> Traits {
    let spec = &pod["spec"];
    let quality = match text(&pod["status"], "qosClass") {
        "" => qos_class(spec),
        told => told,
    };
    Traits::Pod {
        terminating: spec["activeDeadlineSeconds"].as_i64().is_some_and(|seconds| seconds >= 0),
        best_effort: quality == "BestEffort",
        priority_class: text(spec, "priorityClassName").to_owned(),
        crosses_namespaces: crosses_namespaces(&spec["affinity"]),
    }
}

fn crosses_namespaces(affinity: &Value) -> bool {
    let crosses =
        |term: &Value| !items(&term["namespaces"]).is_empty() || !term["namespaceSelector"].is_null();
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let terms = &affinity[*kind];
        let preferred = items(&terms["preferredDuringSchedulingIgnoredDuringExecution"]).iter();
        items(&terms["requiredDuringSchedulingIgnoredDuringExecution"]).iter().any(crosses)
            || preferred.map(|term| &term["podAffinityTerm"]).any(crosses)
    })
}

pub(super) fn of_claim(claim: &Value) -> Traits {
    let status = &claim["status"];
    let named = [
        text(&claim["spec"], "volumeAttributesClassName"),
        text(status, "currentVolumeAttributesClassName"),
        text(&status["modifyVolumeStatus"], "targetVolumeAttributesClassName"),
    ];
    let named = named.into_iter().filter(|class| !class.is_empty());
    Traits::Claim { attributes_classes: named.map(str::to_owned).collect() }
}
