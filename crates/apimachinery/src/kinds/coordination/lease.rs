//! Lease (`pkg/registry/coordination/lease`, `pkg/apis/coordination/validation/validation.go`).

use serde_json::{Value, json};

use crate::json::{is_empty, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string};
use crate::status::{FieldError, Path};
use crate::validation::non_negative;

pub(crate) const LEASE: Kind = Kind {
    group: "coordination.k8s.io",
    version: "v1",
    kind: "Lease",
    plural: "leases",
    strategy: &Lease,
    columns: &[
        NAME,
        string("Holder", "Who holds it.", |lease, _| json!(text(&lease["spec"], "holderIdentity"))),
        AGE,
    ],
    sealed: false,
};

struct Lease;

impl Strategy for Lease {
    fn creates_on_update(&self) -> bool {
        true
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }

    fn validate_create(&self, lease: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&lease["spec"], Path::of("spec"));
        if spec["leaseDurationSeconds"].as_i64().is_some_and(|seconds| seconds <= 0) {
            let seconds = spec["leaseDurationSeconds"].clone();
            errors.push(path.child("leaseDurationSeconds").invalid(seconds, "must be greater than 0"));
        }
        non_negative(&spec["leaseTransitions"], &path.child("leaseTransitions"), errors);
        if !is_empty(&spec["preferredHolder"]) && is_empty(&spec["strategy"]) {
            errors.push(path.child("preferredHolder").forbidden("cannot be set without `strategy`"));
        }
    }

    /// Renewals are told apart from changes of hands.
    fn fact(&self, before: Option<&Value>, after: &Value) -> Option<&'static str> {
        let holder = |lease: &Value| text(&lease["spec"], "holderIdentity").to_owned();
        match before {
            None => None,
            Some(before) if holder(before) == holder(after) => Some("LeaseRenewed"),
            Some(_) if holder(after).is_empty() => Some("LeaseReleased"),
            Some(_) => Some("LeaseAcquired"),
        }
    }
}
