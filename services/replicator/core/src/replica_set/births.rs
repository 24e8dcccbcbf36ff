//! Making pods from the template, under names that follow from the view.

use rutter_apimachinery::name;
use rutter_apimachinery::recorder::Note;
use rutter_controller::Plan;
use rutter_controller::read::text;
use rutter_schemas::Key;
use serde_json::{Value, json};

use super::{Set, View, regarding};
use crate::owners::{controlling, references};

/// How many pods one commit bears or kills at most (upstream's `BurstReplicas`).
pub(super) const BURST: usize = 500;

/// How much text one commit of births may hold, in bytes: half a frame.
const BURST_BYTES: usize = 2 << 20;

/// The pods to make, `missing` of them or as many as one commit takes.
pub(super) fn births(view: &View, set: &Set, missing: usize) -> Vec<Value> {
    if missing == 0 {
        return Vec::new();
    }
    let one = child(set);
    let fits = BURST_BYTES / (one.to_string().len() + 512);
    names(view, set).take(missing.min(BURST).min(fits.max(1))).map(|name| named(&one, name)).collect()
}

pub(super) fn write(plan: &mut Plan, set: &Set, births: &[Value]) {
    for pod in births {
        plan.create(pod.clone());
        let told = format!("Created pod: {}", text(pod, "/metadata/name"));
        plan.note(Note::normal(regarding(set), "SuccessfulCreate", told));
    }
    if !births.is_empty() {
        plan.if_refused = Some(Note::warning(regarding(set), "FailedCreate", "Error creating: "));
    }
}

/// Names that no pod has, the same whenever the view is the same. The set's revision and the size of its family stand
/// for its scope's last touch, which a view that began with a snapshot could not know.
fn names<'a>(view: &'a View, set: &'a Set) -> impl Iterator<Item = String> + 'a {
    let (prefix, at) = (format!("{}-", set.key.name), set.revision);
    let active = view.family(&set.uid).map_or(0, |family| family.active.len());
    (0..u32::MAX)
        .map(move |index| {
            name::generated(&prefix, format!("{}\0{at}\0{active}\0{index}", set.uid).as_bytes())
        })
        .filter(|name| !view.has_pod(&Key::new("", "pods", &set.key.namespace, name)))
}

fn named(pod: &Value, name: String) -> Value {
    let mut pod = pod.clone();
    pod["metadata"]["name"] = Value::String(name);
    pod
}

/// A pod of the template, without a name.
fn child(set: &Set) -> Value {
    let template = set.template.value();
    let me = controlling(set.kind.api_version(), set.kind.name(), &set.key.name, &set.uid);
    let mut metadata = json!({
        "generateName": format!("{}-", set.key.name),
        "namespace": set.key.namespace,
        "ownerReferences": references([&me]),
    });
    for part in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.pointer(&format!("/metadata/{part}")).filter(|value| !value.is_null()) {
            metadata[part] = value.clone();
        }
    }
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] })
}
