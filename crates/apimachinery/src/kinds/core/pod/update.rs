//! What may change about a pod (`pkg/apis/core/validation/validation.go`, ValidatePodUpdate).

use serde_json::Value;

use crate::json::{carry, is_empty, items, text};
use crate::kinds::pod_spec::{self, Within};
use crate::status::{FieldError, Path};
use crate::validation::immutable;

const MAY_CHANGE: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
                          `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only \
                          additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be \
                          set to 1 if it was previously negative)";

/// Through the pod itself: images, a shorter deadline, more tolerations.
pub(super) fn validate(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let path = Path::of("spec");
    pod_spec::validate(&new["spec"], &new["metadata"], &path, Within::Pod, errors);
    if same_length(new, old, &path, errors) {
        check_deadline(&new["spec"], &old["spec"], &path.child("activeDeadlineSeconds"), errors);
        check_tolerations(&new["spec"], &old["spec"], &path.child("tolerations"), errors);
        check_gates(&new["spec"], &old["spec"], &path.child("schedulingGates"), errors);
        let rest = without_what_may_change(&new["spec"], &old["spec"]);
        if rest != old["spec"] {
            errors.push(path.forbidden(MAY_CHANGE));
        }
    }
}

fn same_length(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) -> bool {
    let changed = ["containers", "initContainers"]
        .into_iter()
        .find(|list| items(&new["spec"][*list]).len() != items(&old["spec"][*list]).len());
    if let Some(list) = changed {
        errors.push(path.child(list).forbidden("pod updates may not add or remove containers"));
    }
    changed.is_none()
}

/// A deadline may be set, and it may come nearer.
fn check_deadline(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    match (new["activeDeadlineSeconds"].as_i64(), old["activeDeadlineSeconds"].as_i64()) {
        (Some(new), Some(old)) if new > old => {
            errors.push(path.invalid(new, "must be less than or equal to previous value"));
        }
        (None, Some(_)) => {
            errors.push(path.invalid(Value::Null, "must not update from a positive integer to nil value"));
        }
        _ => {}
    }
}

/// Tolerations may be added, and their seconds changed (`validateOnlyAddedTolerations`).
fn check_tolerations(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let timeless = |toleration: &Value| {
        let mut toleration = toleration.clone();
        crate::json::remove(&mut toleration, "tolerationSeconds");
        toleration
    };
    let kept: Vec<Value> = items(&new["tolerations"]).iter().map(timeless).collect();
    if !items(&old["tolerations"]).iter().all(|old| kept.contains(&timeless(old))) {
        errors.push(path.forbidden("existing toleration can not be modified except its tolerationSeconds"));
    }
}

/// Gates may go, none may come.
fn check_gates(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for (index, gate) in items(&new["schedulingGates"]).iter().enumerate() {
        if !items(&old["schedulingGates"]).contains(gate) {
            let why =
                format!("only deletion is allowed, but found new scheduling gate '{}'", text(gate, "name"));
            errors.push(path.index(index).child("name").forbidden(&why));
        }
    }
}

/// The new spec with what may change put back.
fn without_what_may_change(new: &Value, old: &Value) -> Value {
    let mut spec = new.clone();
    for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        carry(&mut spec, old, field);
    }
    let is_negative =
        |spec: &Value| spec["terminationGracePeriodSeconds"].as_i64().is_some_and(|grace| grace < 0);
    if is_negative(old) && spec["terminationGracePeriodSeconds"] == 1 {
        carry(&mut spec, old, "terminationGracePeriodSeconds");
    }
    for list in ["containers", "initContainers"] {
        let olds = items(&old[list]);
        for (container, old) in
            spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().zip(olds)
        {
            carry(container, old, "image");
        }
    }
    if !items(&old["schedulingGates"]).is_empty() {
        for field in ["nodeSelector", "affinity"] {
            carry(&mut spec, old, field);
        }
    }
    spec
}

/// Through `status`: what only the agent knows (`ValidatePodStatusUpdate`).
pub(super) fn validate_status(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let path = Path::of("status");
    let node = (text(&new["spec"], "nodeName"), text(&old["spec"], "nodeName"));
    if node.0 != node.1 {
        errors.push(path.child("nodeName").forbidden("may not be changed directly"));
    }
    let nominated = text(&new["status"], "nominatedNodeName");
    if !nominated.is_empty() {
        let faults = crate::validation::dns_subdomain_faults(nominated);
        errors.extend(faults.iter().map(|fault| path.child("nominatedNodeName").invalid(nominated, fault)));
    }
    check_restarts(new, old, "containerStatuses", &path, errors);
    check_restarts(new, old, "initContainerStatuses", &path, errors);
    if !is_empty(&old["status"]["qosClass"]) {
        immutable(&new["status"]["qosClass"], &old["status"]["qosClass"], &path.child("qosClass"), errors);
    }
}

/// A container of a pod that starts nothing again does not run after it has ended
/// (`ValidateContainerStateTransition`).
fn check_restarts(new: &Value, old: &Value, list: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let policy = text(&old["spec"], "restartPolicy");
    if policy == "Always" {
        return;
    }
    let olds = items(&old["status"][list]);
    for old in olds.iter().filter(|old| old["state"]["terminated"].is_object()) {
        if policy == "OnFailure" && old["state"]["terminated"]["exitCode"] != 0 {
            continue;
        }
        let at = items(&new["status"][list]).iter().position(|new| new["name"] == old["name"]);
        let Some(index) = at else { continue };
        if !new["status"][list][index]["state"]["terminated"].is_object() {
            let list = path.child(list);
            let place = list.index(index);
            errors.push(place.child("state").forbidden("may not be transitioned to non-terminated state"));
        }
    }
}

/// Through `ephemeralcontainers`: more of them, and nothing else.
pub(super) fn validate_ephemeral(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let path = Path::of("spec.ephemeralContainers");
    pod_spec::validate(&new["spec"], &new["metadata"], &Path::of("spec"), Within::Pod, errors);
    let (now, before) =
        (items(&new["spec"]["ephemeralContainers"]), items(&old["spec"]["ephemeralContainers"]));
    for old in before {
        let name = text(old, "name");
        match now.iter().find(|new| new["name"] == old["name"]) {
            None => errors.push(
                path.forbidden(&format!("existing ephemeral containers \"{name}\" may not be removed\n")),
            ),
            Some(new) if new != old => {
                errors.push(
                    path.forbidden(&format!("existing ephemeral containers \"{name}\" may not be changed\n")),
                );
            }
            Some(_) => {}
        }
    }
    let mut rest = new["spec"].clone();
    carry(&mut rest, &old["spec"], "ephemeralContainers");
    if rest != old["spec"] {
        errors.push(Path::of("spec").forbidden("only ephemeral containers may be changed here"));
    }
}
