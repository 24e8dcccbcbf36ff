//! The group scheduling.k8s.io: PriorityClass (`pkg/registry/scheduling/priorityclass`,
//! `pkg/apis/scheduling/validation/validation.go`).

use serde_json::{Value, json};

use crate::json::{default, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, integer, number, string};
use crate::status::{FieldError, Path};

pub(super) const PRIORITY_CLASS: Kind = Kind {
    group: "scheduling.k8s.io",
    version: "v1",
    kind: "PriorityClass",
    plural: "priorityclasses",
    strategy: &Class,
    columns: &[
        NAME,
        integer("Value", "The priority of its pods.", |class, _| number(&class["value"])),
        string("Global-Default", "Whether pods without a class have it.", |class, _| {
            json!((class["globalDefault"] == true).to_string())
        }),
        AGE,
        string("PreemptionPolicy", "Whether others make room for its pods.", |class, _| {
            json!(text(class, "preemptionPolicy"))
        }),
    ],
    sealed: false,
};

/// Above this only the system's own classes stand.
const USER_MAX: i64 = 1_000_000_000;

struct Class;

impl Strategy for Class {
    fn default(&self, class: &mut Value, _: &Cx) {
        default(class, "preemptionPolicy", "PreemptLowerPriority");
    }

    fn validate_create(&self, class: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (name, value) = (text(&class["metadata"], "name"), class["value"].as_i64().unwrap_or(0));
        if name.starts_with("system-") {
            if !["system-cluster-critical", "system-node-critical"].contains(&name) {
                let why = "priority class names with 'system-' prefix are reserved for system use only. error: \
                           only system-cluster-critical and system-node-critical are known";
                errors.push(Path::of("metadata.name").forbidden(why));
            }
        } else if value > USER_MAX {
            let why = format!("maximum allowed value of a user defined priority is {USER_MAX}");
            errors.push(Path::of("value").forbidden(&why));
        }
        let policy = text(class, "preemptionPolicy");
        if !["PreemptLowerPriority", "Never"].contains(&policy) {
            errors
                .push(Path::of("preemptionPolicy").not_supported(policy, &["PreemptLowerPriority", "Never"]));
        }
    }

    fn validate_update(&self, new: &Value, old: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        if new["value"] != old["value"] {
            errors.push(Path::of("value").forbidden("may not be changed in an update."));
        }
        if new["preemptionPolicy"] != old["preemptionPolicy"] {
            let found = new["preemptionPolicy"].clone();
            errors.push(Path::of("preemptionPolicy").invalid(found, "field is immutable"));
        }
    }
}
