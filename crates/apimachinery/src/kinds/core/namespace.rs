//! Namespace (`pkg/registry/core/namespace`, `pkg/apis/core/v1/defaults.go`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::json::{is_empty, items, text};
use crate::kind::{Cx, Kind, Strategy};
use crate::kinds::columns::{AGE, NAME, string};
use crate::status::{FieldError, Path};
use crate::validation::{NameRule, qualified_name_faults};

pub(crate) const NAMESPACE: Kind = Kind {
    group: "",
    version: "v1",
    kind: "Namespace",
    plural: "namespaces",
    strategy: &Namespace,
    columns: &[
        NAME,
        string("Status", "Active, or Terminating once it is being deleted.", |namespace, _| {
            json!(text(&namespace["status"], "phase"))
        }),
        AGE,
    ],
    sealed: false,
};

struct Namespace;

/// The label by which selectors can name a namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

impl Strategy for Namespace {
    fn name_rule(&self) -> NameRule {
        NameRule::Label
    }

    fn default(&self, namespace: &mut Value, _: &Cx) {
        label_by_name(namespace);
    }

    fn prepare_create(&self, namespace: &mut Value, _: &Cx) {
        label_by_name(namespace);
        namespace["status"] = json!({"phase": "Active"});
        let finalizers = items(&namespace["spec"]["finalizers"]);
        if !finalizers.contains(&json!("kubernetes")) {
            let mut finalizers = finalizers.to_vec();
            finalizers.push(json!("kubernetes"));
            namespace["spec"] = json!({"finalizers": finalizers});
        }
    }

    /// Finalizers of the spec change through `finalize` only.
    fn prepare_update(&self, new: &mut Value, old: &Value, cx: &Cx) {
        match cx.subresource {
            "" => crate::json::carry(new, old, "spec"),
            "finalize" => crate::json::carry(new, old, "status"),
            _ => {}
        }
    }

    fn prepare_delete(&self, namespace: &mut Value, _: &Cx) {
        namespace["status"]["phase"] = json!("Terminating");
    }

    fn is_held(&self, namespace: &Value) -> bool {
        !items(&namespace["spec"]["finalizers"]).is_empty()
    }

    fn validate_update(&self, new: &Value, _: &Value, cx: &Cx, errors: &mut Vec<FieldError>) {
        match cx.subresource {
            "status" => check_phase(new, errors),
            "finalize" => check_finalizers(new, errors),
            _ => {}
        }
    }

    fn selectable(&self, namespace: &Value) -> BTreeMap<String, String> {
        BTreeMap::from([("status.phase".into(), text(&namespace["status"], "phase").into())])
    }

    fn selectable_names(&self) -> &'static [&'static str] {
        &["status.phase"]
    }
}

fn label_by_name(namespace: &mut Value) {
    let name = namespace["metadata"]["name"].clone();
    if is_empty(&name) {
        return;
    }
    let labels = &mut namespace["metadata"]["labels"];
    if labels.is_null() {
        *labels = json!({});
    }
    if labels.is_object() {
        labels[NAME_LABEL] = name;
    }
}

/// `ValidateNamespaceStatusUpdate`
fn check_phase(namespace: &Value, errors: &mut Vec<FieldError>) {
    let path = Path::of("status.phase");
    let phase = text(&namespace["status"], "phase");
    match (is_empty(&namespace["metadata"]["deletionTimestamp"]), phase) {
        (true, "Active") | (false, "Terminating") => {}
        (true, phase) => {
            errors.push(path.invalid(phase, "may only be 'Active' if `deletionTimestamp` is empty"));
        }
        (false, phase) => {
            errors.push(path.invalid(phase, "may only be 'Terminating' if `deletionTimestamp` is not empty"));
        }
    }
}

/// `ValidateNamespaceFinalizeUpdate`
fn check_finalizers(namespace: &Value, errors: &mut Vec<FieldError>) {
    let list = Path::of("spec.finalizers");
    for (index, name) in items(&namespace["spec"]["finalizers"]).iter().enumerate() {
        let name = name.as_str().unwrap_or_default();
        let path = list.index(index);
        errors.extend(qualified_name_faults(name).iter().map(|fault| path.invalid(name, fault)));
    }
}
