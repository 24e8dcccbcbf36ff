//! Changing what a pod's containers may use, through `resize` (`pkg/registry/core/pod/strategy.go`, podResizeStrategy;
//! `pkg/apis/core/validation/validation.go`, ValidatePodResize).

use serde_json::{Map, Value, json};

use crate::json::{carry, entries, is_empty, items, text};
use crate::kinds::pod_spec::{self, Within};
use crate::status::{FieldError, Path};

const LISTS: [&str; 2] = ["initContainers", "containers"];

/// Whatever else a client sends stays as it was. Containers that came, went or changed places are left for validation.
pub(super) fn keep_the_rest(new: &mut Value, old: &Value) {
    let spec = LISTS.iter().try_fold(old["spec"].clone(), |mut spec, list| {
        let (now, before) = (items(&new["spec"][*list]), items(&old["spec"][*list]));
        let named = |containers: &[Value]| -> Vec<Value> {
            containers.iter().map(|container| container["name"].clone()).collect()
        };
        if named(now) != named(before) {
            return None;
        }
        let kept = spec.get_mut(*list).and_then(Value::as_array_mut).into_iter().flatten();
        for (container, new) in kept.zip(now) {
            carry(container, new, "resources");
            carry(container, new, "resizePolicy");
        }
        Some(spec)
    });
    let Some(mut spec) = spec.filter(|spec| spec.is_object() && new["metadata"].is_object()) else { return };
    carry(&mut spec, &new["spec"], "resources");
    new["spec"] = spec;
    carry(new, old, "status");
    for field in ["labels", "annotations", "ownerReferences", "finalizers"] {
        carry(&mut new["metadata"], &old["metadata"], field);
    }
}

/// CPU and memory of containers may change, not vanish; and nothing else.
pub(super) fn validate(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let path = Path::of("spec");
    pod_spec::validate(&new["spec"], &new["metadata"], &path, Within::Pod, errors);
    if !text(&old["metadata"]["annotations"], "kubernetes.io/config.mirror").is_empty() {
        errors.clear();
        return errors.push(Path::of("").forbidden("static pods cannot be resized"));
    }
    if text(&old["spec"]["os"], "name") == "windows" {
        errors.clear();
        return errors.push(Path::of("").forbidden("windows pods cannot be resized"));
    }
    if pod_spec::qos_class(&new["spec"]) != pod_spec::qos_class(&old["spec"]) {
        let class = json!(pod_spec::qos_class(&new["spec"]));
        errors.push(path.invalid(class, "Pod QOS Class may not change as a result of resizing"));
    }
    if !is_supported(old) {
        errors.push(path.forbidden("Pod running on node without support for resize"));
    }
    check_pods_own(&new["spec"], &old["spec"], &path, errors);
    if !same_containers(new, old, &path, errors) {
        return;
    }
    for list in LISTS {
        check_containers(new, old, list, &path, errors);
    }
    if errors.is_empty() && without_what_may_change(&new["spec"], &old["spec"]) != old["spec"] {
        errors.push(path.forbidden("only cpu and memory resources are mutable"));
    }
}

/// The node of a pod that runs tells what its containers use, if it can resize them.
fn is_supported(pod: &Value) -> bool {
    let statuses = items(&pod["status"]["containerStatuses"]);
    let running = statuses.iter().find(|status| status["state"]["running"].is_object());
    running.is_none_or(|status| status["resources"].is_object())
}

fn check_pods_own(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let path = path.child("resources");
    let (now, before) = (&new["resources"], &old["resources"]);
    if !is_empty(before) && now.is_null() {
        return errors.push(path.forbidden("pod-level resources cannot be removed"));
    }
    for (field, words) in [
        ("requests", "pod-level resource requests cannot be removed"),
        ("limits", "pod-level resource limits cannot be removed"),
    ] {
        if has_lost(&now[field], &before[field]) {
            errors.push(path.child(field).forbidden(words));
        }
    }
}

fn same_containers(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) -> bool {
    let before = errors.len();
    for list in ["containers", "initContainers"] {
        let (now, olds) = (items(&new["spec"][list]), items(&old["spec"][list]));
        let path = path.child(list);
        if now.len() != olds.len() {
            errors.push(path.forbidden(&format!("{list} may not be added or removed on resize")));
            continue;
        }
        for (index, _) in
            now.iter().zip(olds).enumerate().filter(|(_, (new, old))| new["name"] != old["name"])
        {
            let words = format!("{list} may not be renamed or reordered on resize");
            errors.push(path.index(index).child("name").forbidden(&words));
        }
    }
    errors.len() == before
}

fn check_containers(new: &Value, old: &Value, list: &str, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let list_path = path.child(list);
    for (index, (new, old)) in items(&new["spec"][list]).iter().zip(items(&old["spec"][list])).enumerate() {
        let place = list_path.index(index);
        let resources = place.child("resources");
        for (field, words) in [
            ("requests", "resource requests cannot be removed"),
            ("limits", "resource limits cannot be removed"),
        ] {
            if has_lost(&new["resources"][field], &old["resources"][field]) {
                errors.push(resources.child(field).forbidden(words));
            }
        }
        let is_init = list == "initContainers";
        if container_without_what_may_change(new, old) != *old {
            errors.push(match is_init {
                true => place
                    .forbidden("only cpu and memory resources for init or sidecar containers are mutable"),
                false => path.forbidden("only cpu and memory resources are mutable"),
            });
        }
        let restarts =
            items(&new["resizePolicy"]).iter().any(|policy| policy["restartPolicy"] == "RestartContainer");
        if is_init && new != old && new["restartPolicy"] != "Always" && restarts {
            errors.push(place.forbidden(
                "non-sidecar init containers with a resize policy of RestartContainer cannot be resized",
            ));
        }
    }
}

fn has_lost(new: &Value, old: &Value) -> bool {
    entries(old).any(|(name, _)| new.get(name).is_none())
}

fn without_what_may_change(new: &Value, old: &Value) -> Value {
    let mut spec = new.clone();
    for list in LISTS {
        let olds = items(&old[list]);
        for (container, old) in
            spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().zip(olds)
        {
            *container = container_without_what_may_change(container, old);
        }
    }
    put_back(&mut spec, old);
    spec
}

fn container_without_what_may_change(new: &Value, old: &Value) -> Value {
    let mut container = new.clone();
    put_back(&mut container, old);
    container
}

/// CPU and memory as they were.
fn put_back(holder: &mut Value, old: &Value) {
    if !holder.is_object() {
        return;
    }
    if holder["resources"].is_null() {
        holder["resources"] = json!({});
    }
    if !holder["resources"].is_object() {
        return;
    }
    for side in ["requests", "limits"] {
        let mut amounts = match &holder["resources"][side] {
            Value::Null => Map::new(),
            Value::Object(amounts) => amounts.clone(),
            _ => continue,
        };
        for resource in ["cpu", "memory"] {
            match old["resources"][side].get(resource) {
                Some(amount) => drop(amounts.insert(resource.to_owned(), amount.clone())),
                None => drop(amounts.remove(resource)),
            }
        }
        holder["resources"][side] = Value::Object(amounts);
        if is_empty(&holder["resources"][side]) {
            carry(&mut holder["resources"], &old["resources"], side);
        }
    }
    if is_empty(&holder["resources"]) {
        carry(holder, old, "resources");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(resources: &Value) -> Value {
        json!({"metadata": {"name": "p"}, "spec": {
            "containers": [{"name": "c", "image": "i", "resources": resources}],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
        }})
    }

    fn faults(new: &Value, old: &Value) -> Vec<String> {
        let mut errors = Vec::new();
        validate(new, old, &mut errors);
        let own = |words: &String| !words.contains("equired");
        errors.iter().map(ToString::to_string).filter(own).collect()
    }

    #[test]
    fn cpu_and_memory_may_change_but_not_vanish() {
        let old = pod(&json!({"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}));
        let more = pod(&json!({"requests": {"cpu": "1500m", "memory": "1Gi"}, "limits": {"cpu": "2"}}));
        assert_eq!(faults(&more, &old), Vec::<String>::new());
        let less = pod(&json!({"requests": {"cpu": "1"}}));
        assert_eq!(
            faults(&less, &old),
            ["spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed"]
        );
        let other =
            pod(&json!({"requests": {"cpu": "1", "ephemeral-storage": "1Gi"}, "limits": {"cpu": "2"}}));
        assert_eq!(faults(&other, &old), ["spec: Forbidden: only cpu and memory resources are mutable"]);
        let none = pod(&json!({}));
        let guaranteed = faults(&none, &pod(&json!({"limits": {"cpu": "1", "memory": "1Gi"}})));
        assert!(
            guaranteed.iter().any(|words| words.contains("Pod QOS Class may not change")),
            "{guaranteed:?}"
        );
    }

    #[test]
    fn what_else_a_client_sends_is_not_taken() {
        let old = pod(&json!({"requests": {"cpu": "1"}}));
        let mut new = pod(&json!({"requests": {"cpu": "2"}}));
        new["spec"]["containers"][0]["image"] = json!("other");
        new["metadata"]["labels"] = json!({"a": "b"});
        keep_the_rest(&mut new, &old);
        assert_eq!(new, pod(&json!({"requests": {"cpu": "2"}})));
        let mut renamed = pod(&json!({"requests": {"cpu": "2"}}));
        renamed["spec"]["containers"][0]["name"] = json!("d");
        keep_the_rest(&mut renamed, &old);
        assert_eq!(
            faults(&renamed, &old),
            ["spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize"]
        );
    }
}
