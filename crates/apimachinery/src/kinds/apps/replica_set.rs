//! ReplicaSet (`pkg/registry/apps/replicaset/strategy.go`, `pkg/apis/apps/validation/validation.go`
//! ValidateReplicaSet).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::workload;
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, CONTAINERS, IMAGES, NAME, integer, number, wide};
use crate::status::{FieldError, Path};
use crate::validation::non_negative;

pub(crate) const REPLICA_SET: Kind = Kind {
    group: "apps",
    version: "v1",
    kind: "ReplicaSet",
    plural: "replicasets",
    strategy: &ReplicaSet,
    columns: &[
        NAME,
        integer("Desired", "How many pods it should have.", |set, _| number(&set["spec"]["replicas"])),
        integer("Current", "How many pods it has.", |set, _| number(&set["status"]["replicas"])),
        integer("Ready", "How many of them are ready.", |set, _| number(&set["status"]["readyReplicas"])),
        AGE,
        CONTAINERS,
        IMAGES,
        wide("Selector", "The labels of its pods.", |set, _| workload::selector_told(set)),
    ],
    sealed: false,
};

struct ReplicaSet;

impl Strategy for ReplicaSet {
    fn default(&self, set: &mut Value, _: &Cx) {
        if let Some(spec) = set.get_mut("spec") {
            workload::default_spec(spec);
        }
    }

    fn prepare_create(&self, set: &mut Value, _: &Cx) {
        set["status"] = json!({"replicas": 0});
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, set: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        workload::validate(&set["spec"], "ReplicaSet", errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if cx.is_status() {
            status(&new["status"], errors);
            return;
        }
        self.validate_create(new, cx, errors);
        workload::selector_stays(new, old, errors);
    }

    fn selectable(&self, set: &Value) -> BTreeMap<String, String> {
        BTreeMap::from([("status.replicas".into(), number(&set["status"]["replicas"]).to_string())])
    }

    fn selectable_names(&self) -> &'static [&'static str] {
        &["status.replicas"]
    }

    fn fact(&self, before: Option<&Value>, after: &Value) -> Option<&'static str> {
        (before?["spec"]["replicas"] != after["spec"]["replicas"]).then_some("ReplicaSetScaled")
    }
}

/// `ValidateReplicaSetStatus`
fn status(status: &Value, errors: &mut Vec<FieldError>) {
    let path = Path::of("status");
    for field in
        ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"]
    {
        non_negative(&status[field], &path.child(field), errors);
    }
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    for field in ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"] {
        if count(field) > count("replicas") {
            errors.push(path.child(field).invalid(count(field), "cannot be greater than status.replicas"));
        }
    }
    if count("availableReplicas") > count("readyReplicas") {
        let available = path.child("availableReplicas");
        errors.push(available.invalid(count("availableReplicas"), "cannot be greater than readyReplicas"));
    }
}
