//! StatefulSet and ControllerRevision (`pkg/registry/apps/statefulset/strategy.go`,
//! `pkg/registry/apps/controllerrevision/strategy.go`, `pkg/apis/apps/v1/defaults.go`,
//! `pkg/apis/apps/validation/validation.go` ValidateStatefulSet).

use serde_json::{Value, json};

use super::workload;
use crate::json::{carry, default, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, CONTAINERS, IMAGES, NAME, integer, number, or_none, string};
use crate::status::{FieldError, Path};
use crate::validation::{immutable, non_negative};

pub(crate) const STATEFUL_SET: Kind = Kind {
    group: "apps",
    version: "v1",
    kind: "StatefulSet",
    plural: "statefulsets",
    strategy: &StatefulSet,
    columns: &[
        NAME,
        string("Ready", "How many of its pods are ready, of how many.", |set, _| {
            let ready = number(&set["status"]["readyReplicas"]);
            json!(format!("{ready}/{}", number(&set["spec"]["replicas"])))
        }),
        AGE,
        CONTAINERS,
        IMAGES,
    ],
    sealed: false,
};

pub(crate) const CONTROLLER_REVISION: Kind = Kind {
    group: "apps",
    version: "v1",
    kind: "ControllerRevision",
    plural: "controllerrevisions",
    strategy: &Revision,
    columns: &[
        NAME,
        string("Controller", "Whose revision it is.", |revision, _| or_none(&controller(revision))),
        integer("Revision", "Its number.", |revision, _| number(&revision["revision"])),
        AGE,
    ],
    sealed: false,
};

struct StatefulSet;
struct Revision;

impl Strategy for StatefulSet {
    fn default(&self, set: &mut Value, _: &Cx) {
        let Some(spec) = set.get_mut("spec").filter(|spec| spec.is_object()) else { return };
        workload::default_spec(spec);
        default(spec, "podManagementPolicy", "OrderedReady");
        default(spec, "revisionHistoryLimit", 10);
        default(spec, "persistentVolumeClaimRetentionPolicy", json!({}));
        let retention = &mut spec["persistentVolumeClaimRetentionPolicy"];
        default(retention, "whenDeleted", "Retain");
        default(retention, "whenScaled", "Retain");
        default(spec, "updateStrategy", json!({}));
        let strategy = &mut spec["updateStrategy"];
        default(strategy, "type", "RollingUpdate");
        if text(strategy, "type") == "RollingUpdate" {
            default(strategy, "rollingUpdate", json!({}));
            default(&mut strategy["rollingUpdate"], "partition", 0);
        }
        let claims = spec.get_mut("volumeClaimTemplates").and_then(Value::as_array_mut);
        for claim in claims.into_iter().flatten().filter(|claim| claim.is_object()) {
            claim["kind"] = json!("PersistentVolumeClaim");
            claim["apiVersion"] = json!("v1");
            claim["status"] = json!({"phase": "Pending"});
            if let Some(spec) = claim.get_mut("spec") {
                default(spec, "volumeMode", "Filesystem");
            }
        }
    }

    fn prepare_create(&self, set: &mut Value, _: &Cx) {
        set["status"] = json!({"replicas": 0, "availableReplicas": 0});
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, set: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&set["spec"], Path::of("spec"));
        policies(spec, &path, errors);
        non_negative(&spec["replicas"], &path.child("replicas"), errors);
        non_negative(&spec["minReadySeconds"], &path.child("minReadySeconds"), errors);
        non_negative(&spec["ordinals"]["start"], &Path::of("spec.ordinals.start"), errors);
        workload::selector_and_template(
            spec,
            "empty selector is invalid for statefulset",
            "StatefulSet",
            errors,
        );
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        if cx.is_status() {
            return;
        }
        self.validate_create(new, cx, errors);
        let mut rest = new["spec"].clone();
        for field in [
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        ] {
            carry(&mut rest, &old["spec"], field);
        }
        if rest != old["spec"] {
            let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                       'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                       'minReadySeconds' are forbidden";
            errors.push(Path::of("spec").forbidden(why));
        }
    }

    fn fact(&self, before: Option<&Value>, after: &Value) -> Option<&'static str> {
        let (old, new) = (&before?["spec"], &after["spec"]);
        if old["template"] != new["template"] {
            return Some("StatefulSetTemplateChanged");
        }
        (old["replicas"] != new["replicas"]).then_some("StatefulSetScaled")
    }
}

fn policies(spec: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let management = text(spec, "podManagementPolicy");
    if !["OrderedReady", "Parallel"].contains(&management) {
        let why = "must be 'OrderedReady' or 'Parallel'";
        errors.push(path.child("podManagementPolicy").invalid(management, why));
    }
    let (strategy, path) = (&spec["updateStrategy"], path.child("updateStrategy"));
    match text(strategy, "type") {
        "OnDelete" if strategy["rollingUpdate"].is_object() => {
            let found = strategy["rollingUpdate"].clone();
            let why = "only allowed for updateStrategy 'RollingUpdate'";
            errors.push(path.child("rollingUpdate").invalid(found, why));
        }
        "OnDelete" => {}
        "RollingUpdate" => {
            let rolling = path.child("rollingUpdate");
            non_negative(&strategy["rollingUpdate"]["partition"], &rolling.child("partition"), errors);
        }
        other => errors.push(path.invalid(other, "must be 'RollingUpdate' or 'OnDelete'")),
    }
}

impl Strategy for Revision {
    fn validate_create(&self, revision: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        if revision["data"].is_null() {
            errors.push(Path::of("data").required("data is mandatory"));
        }
        non_negative(&revision["revision"], &Path::of("revision"), errors);
    }

    fn validate_update(&self, new: &Value, old: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        self.validate_create(new, cx, errors);
        immutable(&new["data"], &old["data"], &Path::of("data"), errors);
    }
}

/// `statefulset.apps/web`
fn controller(revision: &Value) -> String {
    let owners = items(&revision["metadata"]["ownerReferences"]);
    let Some(owner) = owners.iter().find(|owner| owner["controller"] == true) else { return String::new() };
    let group = text(owner, "apiVersion").split_once('/').map_or("", |(group, _)| group);
    let kind = text(owner, "kind").to_lowercase();
    let kind = if group.is_empty() { kind } else { format!("{kind}.{group}") };
    format!("{kind}/{}", text(owner, "name"))
}
