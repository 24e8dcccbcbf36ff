//! DaemonSet (`pkg/registry/apps/daemonset/strategy.go`, `pkg/apis/apps/v1/defaults.go`,
//! `pkg/apis/apps/validation/validation.go` ValidateDaemonSet).

use serde_json::{Value, json};

use super::workload::{self, int_or_percent, is_zero};
use crate::json::{default, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, CONTAINERS, IMAGES, NAME, integer, labels, number, string, wide};
use crate::status::{FieldError, Path};
use crate::validation::non_negative;

pub(crate) const DAEMON_SET: Kind = Kind {
    group: "apps",
    version: "v1",
    kind: "DaemonSet",
    plural: "daemonsets",
    strategy: &DaemonSet,
    columns: &[
        NAME,
        integer("Desired", "How many nodes should have its pod.", |set, _| {
            number(&set["status"]["desiredNumberScheduled"])
        }),
        integer("Current", "How many of them have it.", |set, _| {
            number(&set["status"]["currentNumberScheduled"])
        }),
        integer("Ready", "How many of those are ready.", |set, _| number(&set["status"]["numberReady"])),
        integer("Up-to-date", "How many are of the newest template.", |set, _| {
            number(&set["status"]["updatedNumberScheduled"])
        }),
        integer("Available", "How many have been ready long enough.", |set, _| {
            number(&set["status"]["numberAvailable"])
        }),
        string("Node Selector", "The labels of its nodes.", |set, _| {
            labels(&set["spec"]["template"]["spec"]["nodeSelector"])
        }),
        AGE,
        CONTAINERS,
        IMAGES,
        wide("Selector", "The labels of its pods.", |set, _| workload::selector_told(set)),
    ],
    sealed: false,
};

struct DaemonSet;

impl Strategy for DaemonSet {
    fn default(&self, set: &mut Value, _: &Cx) {
        let Some(spec) = set.get_mut("spec").filter(|spec| spec.is_object()) else { return };
        workload::default_pod_template(spec);
        default(spec, "revisionHistoryLimit", 10);
        default(spec, "updateStrategy", json!({}));
        let strategy = &mut spec["updateStrategy"];
        default(strategy, "type", "RollingUpdate");
        if text(strategy, "type") == "RollingUpdate" {
            default(strategy, "rollingUpdate", json!({}));
            default(&mut strategy["rollingUpdate"], "maxUnavailable", 1);
            default(&mut strategy["rollingUpdate"], "maxSurge", 0);
        }
    }

    fn prepare_create(&self, set: &mut Value, _: &Cx) {
        set["status"] = json!({"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0});
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, set: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&set["spec"], Path::of("spec"));
        workload::selector_and_template(spec, "empty selector is invalid for daemonset", "DaemonSet", errors);
        non_negative(&spec["minReadySeconds"], &path.child("minReadySeconds"), errors);
        non_negative(&spec["revisionHistoryLimit"], &path.child("revisionHistoryLimit"), errors);
        update_strategy(&spec["updateStrategy"], &path.child("updateStrategy"), errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if !cx.is_status() {
            self.validate_create(new, cx, errors);
            workload::selector_stays(new, old, errors);
        }
    }

    fn fact(&self, before: Option<&Value>, after: &Value) -> Option<&'static str> {
        let changed = before?["spec"]["template"] != after["spec"]["template"];
        changed.then_some("DaemonSetTemplateChanged")
    }
}

fn update_strategy(strategy: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    match text(strategy, "type") {
        "OnDelete" => {}
        "RollingUpdate" => {
            let (rolling, path) = (&strategy["rollingUpdate"], path.child("rollingUpdate"));
            int_or_percent(&rolling["maxUnavailable"], &path.child("maxUnavailable"), errors);
            int_or_percent(&rolling["maxSurge"], &path.child("maxSurge"), errors);
            let found = rolling["maxUnavailable"].clone();
            match (is_zero(&rolling["maxUnavailable"]), is_zero(&rolling["maxSurge"])) {
                (true, true) => {
                    errors.push(
                        path.child("maxUnavailable").invalid(found, "cannot be 0 when `maxSurge` is 0"),
                    );
                }
                (false, false) => {
                    let why = "may not be set when maxUnavailable is non-zero";
                    errors.push(path.child("maxSurge").invalid(rolling["maxSurge"].clone(), why));
                }
                _ => {}
            }
        }
        other => errors.push(path.child("type").not_supported(other, &["RollingUpdate", "OnDelete"])),
    }
}
