//! Deployment (`pkg/registry/apps/deployment/strategy.go`, `pkg/apis/apps/v1/defaults.go`,
//! `pkg/apis/apps/validation/validation.go` ValidateDeployment).

use serde_json::{Value, json};

use super::workload::{self, int_or_any_percent, int_or_percent, is_zero};
use crate::json::{default, is_empty, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, CONTAINERS, IMAGES, NAME, number, string, wide};
use crate::status::{FieldError, Path};
use crate::validation::non_negative;

pub(crate) const DEPLOYMENT: Kind = Kind {
    group: "apps",
    version: "v1",
    kind: "Deployment",
    plural: "deployments",
    strategy: &Deployment,
    columns: &[
        NAME,
        string("Ready", "How many of its pods are ready, of how many.", |deployment, _| {
            let ready = number(&deployment["status"]["readyReplicas"]);
            json!(format!("{ready}/{}", number(&deployment["spec"]["replicas"])))
        }),
        string("Up-to-date", "How many of its pods are of the newest template.", |deployment, _| {
            json!(number(&deployment["status"]["updatedReplicas"]).to_string())
        }),
        string("Available", "How many of its pods have been ready long enough.", |deployment, _| {
            json!(number(&deployment["status"]["availableReplicas"]).to_string())
        }),
        AGE,
        CONTAINERS,
        IMAGES,
        wide("Selector", "The labels of its pods.", |deployment, _| workload::selector_told(deployment)),
    ],
    sealed: false,
};

struct Deployment;

impl Strategy for Deployment {
    fn default(&self, deployment: &mut Value, _: &Cx) {
        let Some(spec) = deployment.get_mut("spec").filter(|spec| spec.is_object()) else { return };
        workload::default_spec(spec);
        default(spec, "revisionHistoryLimit", 10);
        default(spec, "progressDeadlineSeconds", 600);
        default(spec, "strategy", json!({}));
        let strategy = &mut spec["strategy"];
        default(strategy, "type", "RollingUpdate");
        if text(strategy, "type") == "RollingUpdate" {
            default(strategy, "rollingUpdate", json!({}));
            default(&mut strategy["rollingUpdate"], "maxUnavailable", "25%");
            default(&mut strategy["rollingUpdate"], "maxSurge", "25%");
        }
    }

    fn has_generation(&self) -> bool {
        true
    }

    /// Annotations count too, since the controller copies them to the ReplicaSet.
    fn bumps_generation(&self, old: &Value, new: &Value) -> bool {
        old["spec"] != new["spec"] || old["metadata"]["annotations"] != new["metadata"]["annotations"]
    }

    fn validate_create(&self, deployment: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&deployment["spec"], Path::of("spec"));
        workload::validate(spec, "ReplicaSet", errors);
        strategy(&spec["strategy"], &path.child("strategy"), errors);
        non_negative(&spec["revisionHistoryLimit"], &path.child("revisionHistoryLimit"), errors);
        progress_deadline(spec, &path.child("progressDeadlineSeconds"), errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if cx.is_status() {
            status(&new["status"], errors);
            return;
        }
        self.validate_create(new, cx, errors);
        workload::selector_stays(new, old, errors);
    }

    fn fact(&self, before: Option<&Value>, after: &Value) -> Option<&'static str> {
        let (old, new) = (&before?["spec"], &after["spec"]);
        if old["template"] != new["template"] {
            Some("DeploymentTemplateChanged")
        } else if old["replicas"] != new["replicas"] {
            Some("DeploymentScaled")
        } else if old["paused"] != new["paused"] {
            Some(if new["paused"] == true { "DeploymentPaused" } else { "DeploymentResumed" })
        } else {
            None
        }
    }
}

/// `ValidateDeploymentStrategy`
fn strategy(strategy: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let rolling = &strategy["rollingUpdate"];
    let at = path.child("rollingUpdate");
    match text(strategy, "type") {
        "Recreate" if !rolling.is_null() => {
            errors.push(at.forbidden("may not be specified when strategy `type` is 'Recreate'"));
        }
        "Recreate" => {}
        "RollingUpdate" if is_empty(rolling) => {
            errors.push(at.required("this should be defaulted and never be nil"))
        }
        "RollingUpdate" => rolling_update(rolling, &at, errors),
        other => errors.push(path.not_supported(other, &["Recreate", "RollingUpdate"])),
    }
}

fn rolling_update(rolling: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    int_or_percent(&rolling["maxUnavailable"], &path.child("maxUnavailable"), errors);
    int_or_any_percent(&rolling["maxSurge"], &path.child("maxSurge"), errors);
    if is_zero(&rolling["maxUnavailable"]) && is_zero(&rolling["maxSurge"]) {
        let found = rolling["maxUnavailable"].clone();
        errors.push(path.child("maxUnavailable").invalid(found, "may not be 0 when `maxSurge` is 0"));
    }
}

fn progress_deadline(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    non_negative(&spec["progressDeadlineSeconds"], path, errors);
    if let Some(seconds) = spec["progressDeadlineSeconds"].as_i64()
        && seconds <= spec["minReadySeconds"].as_i64().unwrap_or(0)
    {
        errors.push(path.invalid(seconds, "must be greater than minReadySeconds"));
    }
}

/// `ValidateDeploymentStatus`
fn status(status: &Value, errors: &mut Vec<FieldError>) {
    let path = Path::of("status");
    for field in [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "collisionCount",
    ] {
        non_negative(&status[field], &path.child(field), errors);
    }
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    for (field, bound) in [
        ("updatedReplicas", "replicas"),
        ("readyReplicas", "replicas"),
        ("availableReplicas", "replicas"),
        ("availableReplicas", "readyReplicas"),
    ] {
        if count(field) > count(bound) {
            errors.push(
                path.child(field)
                    .invalid(count(field), &format!("cannot be greater than {}", bound_told(bound))),
            );
        }
    }
}

fn bound_told(bound: &str) -> &str {
    if bound == "replicas" { "status.replicas" } else { bound }
}
