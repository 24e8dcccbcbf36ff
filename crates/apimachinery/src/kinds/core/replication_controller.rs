//! ReplicationController and PodTemplate (`pkg/registry/core/replicationcontroller`, `pkg/registry/core/podtemplate`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::json::{default, is_empty, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, CONTAINERS, IMAGES, NAME, integer, labels, number, string, wide};
use crate::kinds::pod_spec::{default_template, validate_template};
use crate::selector::LabelSelector;
use crate::status::{FieldError, Path};
use crate::validation::non_negative;

pub(crate) const REPLICATION_CONTROLLER: Kind = Kind {
    group: "",
    version: "v1",
    kind: "ReplicationController",
    plural: "replicationcontrollers",
    strategy: &Controller,
    columns: &[
        NAME,
        integer("Desired", "How many pods it should have.", |set, _| number(&set["spec"]["replicas"])),
        integer("Current", "How many pods it has.", |set, _| number(&set["status"]["replicas"])),
        integer("Ready", "How many of them are ready.", |set, _| number(&set["status"]["readyReplicas"])),
        AGE,
        CONTAINERS,
        IMAGES,
        wide("Selector", "The labels of its pods.", |set, _| labels(&set["spec"]["selector"])),
    ],
    sealed: false,
};

pub(crate) const POD_TEMPLATE: Kind = Kind {
    group: "",
    version: "v1",
    kind: "PodTemplate",
    plural: "podtemplates",
    strategy: &Template,
    columns: &[
        NAME,
        string("Containers", "The names of its containers.", |object, _| containers(object, "name")),
        string("Images", "The images of its containers.", |object, _| containers(object, "image")),
        string("Pod Labels", "The labels of its pods.", |object, _| {
            labels(&object["template"]["metadata"]["labels"])
        }),
    ],
    sealed: false,
};

struct Controller;
struct Template;

impl Strategy for Controller {
    fn orphans_by_default(&self) -> bool {
        true
    }

    /// What the selector leaves out, the template's labels say.
    fn default(&self, set: &mut Value, _: &Cx) {
        let template_labels = set["spec"]["template"]["metadata"]["labels"].clone();
        let Some(spec) = set.get_mut("spec").filter(|spec| spec.is_object()) else { return };
        default(spec, "replicas", 1);
        if let Some(template) = spec.get_mut("template").and_then(|template| template.get_mut("spec")) {
            default_template(template);
        }
        if is_empty(&template_labels) {
            return;
        }
        if is_empty(&spec["selector"]) {
            spec["selector"] = template_labels.clone();
        }
        if is_empty(&set["metadata"]["labels"]) {
            set["metadata"]["labels"] = template_labels;
        }
    }

    fn prepare_create(&self, set: &mut Value, _: &Cx) {
        set["status"] = json!({"replicas": 0});
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn validate_create(&self, set: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        let (spec, path) = (&set["spec"], Path::of("spec"));
        non_negative(&spec["replicas"], &path.child("replicas"), errors);
        non_negative(&spec["minReadySeconds"], &path.child("minReadySeconds"), errors);
        if is_empty(&spec["selector"]) {
            errors.push(path.child("selector").required(""));
        }
        let template = path.child("template");
        if spec["template"].is_null() {
            errors.push(template.required(""));
            return;
        }
        let found = &spec["template"]["metadata"]["labels"];
        if !LabelSelector::from_labels(&spec["selector"]).matches_value(found) {
            let metadata = template.child("metadata");
            let why = "`selector` does not match template `labels`";
            errors.push(metadata.child("labels").invalid(found.clone(), why));
        }
        validate_template(&spec["template"], &template, errors);
        let (policy, place) = (text(&spec["template"]["spec"], "restartPolicy"), template.child("spec"));
        if policy != "Always" {
            errors.push(place.child("restartPolicy").not_supported(policy, &["Always"]));
        }
    }

    fn selectable(&self, set: &Value) -> BTreeMap<String, String> {
        BTreeMap::from([("status.replicas".into(), number(&set["status"]["replicas"]).to_string())])
    }

    fn selectable_names(&self) -> &'static [&'static str] {
        &["status.replicas"]
    }

    fn fact(&self, before: Option<&Value>, after: &Value) -> Option<&'static str> {
        (before?["spec"]["replicas"] != after["spec"]["replicas"]).then_some("ReplicationControllerScaled")
    }
}

impl Strategy for Template {
    fn default(&self, object: &mut Value, _: &Cx) {
        if let Some(spec) = object.get_mut("template").and_then(|template| template.get_mut("spec")) {
            default_template(spec);
        }
    }

    fn validate_create(&self, object: &Value, _: &Cx, errors: &mut Vec<FieldError>) {
        validate_template(&object["template"], &Path::of("template"), errors);
    }
}

fn containers(object: &Value, field: &str) -> Value {
    let containers = items(&object["template"]["spec"]["containers"]);
    json!(containers.iter().map(|container| text(container, field)).collect::<Vec<_>>().join(","))
}
