//! The group policy: PodDisruptionBudget (`pkg/registry/policy/poddisruptionbudget`,
//! `pkg/apis/policy/validation/validation.go`).

use serde_json::{Value, json};

use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, integer, number, string};
use crate::status::{FieldError, Path};
use crate::validation::{self, non_negative};

pub(super) const POD_DISRUPTION_BUDGET: Kind = Kind {
    group: "policy",
    version: "v1",
    kind: "PodDisruptionBudget",
    plural: "poddisruptionbudgets",
    strategy: &Budget,
    columns: &[
        NAME,
        string("Min Available", "How many pods must stay.", |budget, _| {
            bound(&budget["spec"]["minAvailable"])
        }),
        string("Max Unavailable", "How many pods may be away.", |budget, _| {
            bound(&budget["spec"]["maxUnavailable"])
        }),
        integer("Allowed Disruptions", "How many pods may go now.", |budget, _| {
            number(&budget["status"]["disruptionsAllowed"])
        }),
        AGE,
    ],
    sealed: false,
};

struct Budget;

impl Strategy for Budget {
    fn prepare_create(&self, budget: &mut Value, _: &Cx) {
        budget["status"] =
            json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0});
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, budget: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&budget["spec"], Path::of("spec"));
        if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
            errors.push(path.invalid(spec.clone(), "minAvailable and maxUnavailable cannot be both set"));
        }
        for field in ["minAvailable", "maxUnavailable"] {
            crate::kinds::apps::int_or_percent(&spec[field], &path.child(field), errors);
        }
        validation::selector(&spec["selector"], &path.child("selector"), errors);
    }

    fn validate_update(&self, new: &Value, _: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if !cx.is_status() {
            self.validate_create(new, cx, errors);
            return;
        }
        let path = Path::of("status");
        for field in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
            non_negative(&new["status"][field], &path.child(field), errors);
        }
    }
}

fn bound(value: &Value) -> Value {
    match value {
        Value::Null => json!("N/A"),
        Value::String(text) => json!(text),
        number => json!(number.to_string()),
    }
}
