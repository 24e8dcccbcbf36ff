//! The plugin LimitRanger (`plugin/pkg/admission/limitranger/admission.go`): a namespace's LimitRanges fill in what new
//! containers leave out, and bound what new pods and claims may ask for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::pod_sum::{self, Amounts, amounts};
use crate::json::{default, entries, items, text};
use crate::kinds::pod_spec::request_what_is_limited;
use crate::quantity::Quantity;

/// Where a pod says what was filled in.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";
/// The lists of containers that ranges speak of, in upstream's order, and how the annotation names one of them.
const CONTAINERS: [(&str, &str); 2] = [("containers", "container"), ("initContainers", "init container")];
/// What a pod as a whole may ask for by `spec.resources` (KEP 2837).
const POD_LEVEL: [&str; 2] = ["cpu", "memory"];

/// Gives the containers of a new pod what this range has for those that say nothing.
pub fn complete(pod: &mut Value, range: &Value) {
    let (requests, limits) = defaults(range);
    let mut told = Vec::new();
    for (list, called) in CONTAINERS {
        let containers = pod.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            // What a container limits it requests; that is said before ranges have their say.
            request_what_is_limited(container);
            let limited = fill(container, "limits", &limits);
            let requested = fill(container, "requests", &requests);
            let name = text(container, "name");
            let filled = [(requested, "request"), (limited, "limit")].into_iter();
            told.extend(
                filled
                    .filter(|(names, _)| !names.is_empty())
                    .map(|(names, what)| format!("{} {what} for {called} {name}", names.join(", "))),
            );
        }
    }
    if !told.is_empty() {
        let annotations = &mut pod["metadata"]["annotations"];
        if annotations.is_null() {
            *annotations = json!({});
        }
        annotations[ANNOTATION] = json!(format!("LimitRanger plugin set: {}", told.join("; ")));
    }
}

/// The requests and limits that the range gives to containers.
fn defaults(range: &Value) -> (BTreeMap<String, Value>, BTreeMap<String, Value>) {
    let mut both = (BTreeMap::new(), BTreeMap::new());
    for limit in items(&range["spec"]["limits"]).iter().filter(|limit| limit["type"] == "Container") {
        both.0.extend(entries(&limit["defaultRequest"]).map(|(name, amount)| (name.clone(), amount.clone())));
        both.1.extend(entries(&limit["default"]).map(|(name, amount)| (name.clone(), amount.clone())));
    }
    both
}

/// The names of what was filled in.
fn fill(container: &mut Value, list: &str, amounts: &BTreeMap<String, Value>) -> Vec<String> {
    if !container.is_object() {
        return Vec::new();
    }
    let mut filled = Vec::new();
    for (name, amount) in amounts {
        if !container["resources"][list][name.as_str()].is_null() {
            continue;
        }
        for level in [&["resources"][..], &["resources", list][..]] {
            let at = level.iter().fold(&mut *container, |value, field| &mut value[*field]);
            if at.is_null() {
                *at = json!({});
            }
        }
        default(&mut container["resources"][list], name, amount.clone());
        filled.push(name.clone());
    }
    filled
}

/// Everything that this range forbids about a new pod, in upstream's words.
#[must_use]
pub fn faults_of_pod(pod: &Value, range: &Value) -> Vec<String> {
    let spec = &pod["spec"];
    let mut faults = Vec::new();
    for limit in items(&range["spec"]["limits"]) {
        match text(limit, "type") {
            "Container" => {
                for (list, _) in CONTAINERS {
                    for container in items(&spec[list]) {
                        let resources = &container["resources"];
                        bounds(
                            limit,
                            &amounts(&resources["requests"]),
                            &amounts(&resources["limits"]),
                            &mut faults,
                        );
                    }
                }
            }
            "Pod" => bounds(limit, &whole(spec, "requests"), &whole(spec, "limits"), &mut faults),
            _ => {}
        }
    }
    faults
}

/// Everything that this range forbids about a new claim; only what a claim requests counts.
#[must_use]
pub fn faults_of_claim(claim: &Value, range: &Value) -> Vec<String> {
    let requests = amounts(&claim["spec"]["resources"]["requests"]);
    let mut faults = Vec::new();
    let limits = items(&range["spec"]["limits"]).iter();
    for limit in limits.filter(|limit| limit["type"] == "PersistentVolumeClaim") {
        let kind = text(limit, "type");
        for (name, bound) in amounts(&limit["min"]) {
            faults.extend(below(kind, name, bound, requests.get(name), None));
        }
        for (name, bound) in amounts(&limit["max"]) {
            faults.extend(match requests.get(name) {
                None => Some(format!("maximum {name} usage per {kind} is {bound}.  No request is specified")),
                Some(request) if *request > bound => {
                    Some(format!("maximum {name} usage per {kind} is {bound}, but request is {request}"))
                }
                Some(_) => None,
            });
        }
    }
    faults
}

/// Several faults as one, as upstream's `errors.NewAggregate` prints them.
#[must_use]
pub fn told(faults: &[String]) -> String {
    let mut seen = BTreeSet::new();
    let faults: Vec<&str> = faults.iter().map(String::as_str).filter(|fault| seen.insert(*fault)).collect();
    match faults.as_slice() {
        [one] => (*one).to_owned(),
        many => format!("[{}]", many.join(", ")),
    }
}

fn bounds(limit: &Value, requests: &Amounts<'_>, limits: &Amounts<'_>, faults: &mut Vec<String>) {
    let kind = text(limit, "type");
    for (name, bound) in amounts(&limit["min"]) {
        faults.extend(below(kind, name, bound, requests.get(name), limits.get(name)));
    }
    for (name, bound) in amounts(&limit["max"]) {
        faults.extend(above(kind, name, bound, requests.get(name), limits.get(name)));
    }
    for (name, bound) in amounts(&limit["maxLimitRequestRatio"]) {
        faults.extend(too_steep(kind, name, bound, requests.get(name), limits.get(name)));
    }
}

/// `minConstraint`
fn below(
    kind: &str,
    name: &str,
    bound: Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<String> {
    let words = format!("minimum {name} usage per {kind} is {bound}");
    match (request, limit) {
        (None, _) => Some(format!("{words}.  No request is specified")),
        (Some(request), _) if *request < bound => Some(format!("{words}, but request is {request}")),
        (_, Some(limit)) if *limit < bound => Some(format!("{words}, but limit is {limit}")),
        _ => None,
    }
}

/// `maxConstraint`
fn above(
    kind: &str,
    name: &str,
    bound: Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<String> {
    let words = format!("maximum {name} usage per {kind} is {bound}");
    match (request, limit) {
        (_, None) => Some(format!("{words}.  No limit is specified")),
        (_, Some(limit)) if *limit > bound => Some(format!("{words}, but limit is {limit}")),
        (Some(request), _) if *request > bound => Some(format!("{words}, but request is {request}")),
        _ => None,
    }
}

/// `limitRequestRatioConstraint`
fn too_steep(
    kind: &str,
    name: &str,
    bound: Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<String> {
    let words = format!("{name} max limit to request ratio per {kind} is {bound}, but");
    let Some(request) = request.filter(|request| !request.is_zero()) else {
        return Some(format!("{words} no request is specified or request is 0"));
    };
    let Some(limit) = limit.filter(|limit| !limit.is_zero()) else {
        return Some(format!("{words} no limit is specified or limit is 0"));
    };
    let ratio = limit.millis() as f64 / request.millis() as f64;
    (ratio * 1000.0 > bound.millis() as f64).then(|| format!("{words} provided ratio is {ratio:.6}"))
}

/// What a pod asks for as a whole, by its containers or by what it says for itself.
fn whole<'a>(spec: &'a Value, list: &str) -> Amounts<'a> {
    let mut sum = pod_sum::of_containers(spec, |container| amounts(&container["resources"][list]));
    let own = amounts(&spec["resources"][list]);
    sum.extend(own.into_iter().filter(|(name, _)| POD_LEVEL.contains(name)));
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(limit: Value) -> Value {
        json!({"spec": {"limits": [limit]}})
    }

    fn pod(resources: Value) -> Value {
        json!({"spec": {"containers": [{"name": "c", "resources": resources}]}})
    }

    #[test]
    fn a_container_gets_what_it_leaves_out_and_keeps_what_it_says() {
        let range = range(json!({"type": "Container", "default": {"cpu": "500m", "memory": "500Mi"},
            "defaultRequest": {"cpu": "100m", "memory": "200Mi"}}));
        let cases = [
            (
                json!({}),
                json!({"requests": {"cpu": "100m", "memory": "200Mi"}, "limits": {"cpu": "500m", "memory": "500Mi"}}),
            ),
            (
                json!({"requests": {"cpu": "300m"}}),
                json!({"requests": {"cpu": "300m", "memory": "200Mi"}, "limits": {"cpu": "500m", "memory": "500Mi"}}),
            ),
            (
                json!({"limits": {"cpu": "50m"}}),
                json!({"requests": {"cpu": "50m", "memory": "200Mi"}, "limits": {"cpu": "50m", "memory": "500Mi"}}),
            ),
        ];
        for (said, expected) in cases {
            let mut pod = pod(said);
            complete(&mut pod, &range);
            assert_eq!(pod["spec"]["containers"][0]["resources"], expected);
        }
    }

    #[test]
    fn the_pod_says_what_was_filled_in() {
        let range = range(
            json!({"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"memory": "1Mi", "cpu": "1"}}),
        );
        let mut pod = json!({"metadata": {"name": "p"}, "spec": {
            "containers": [{"name": "c"}], "initContainers": [{"name": "i", "resources": {"limits": {"cpu": "1"}}}]}});
        complete(&mut pod, &range);
        assert_eq!(
            pod["metadata"]["annotations"][ANNOTATION],
            "LimitRanger plugin set: cpu, memory request for container c; cpu limit for container c; \
             memory request for init container i"
        );
    }

    #[test]
    fn what_is_out_of_bounds_is_told_in_upstreams_words() {
        let bounded = range(json!({"type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": "1"}}));
        let cases = [
            (json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}}), vec![]),
            (
                json!({"requests": {"cpu": "10m"}, "limits": {"cpu": "2"}}),
                vec![
                    "minimum cpu usage per Container is 100m, but request is 10m",
                    "maximum cpu usage per Container is 1, but limit is 2",
                ],
            ),
            (
                json!({}),
                vec![
                    "minimum cpu usage per Container is 100m.  No request is specified",
                    "maximum cpu usage per Container is 1.  No limit is specified",
                ],
            ),
        ];
        for (said, expected) in cases {
            assert_eq!(faults_of_pod(&pod(said), &bounded), expected);
        }
        let ratio = range(json!({"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}}));
        let steep = pod(json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "300m"}}));
        assert_eq!(
            faults_of_pod(&steep, &ratio),
            ["cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000"]
        );
    }

    #[test]
    fn a_pod_asks_for_its_containers_together_or_for_its_largest_init_container() {
        let range = range(json!({"type": "Pod", "max": {"cpu": "2"}}));
        let asks = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}, "limits": {"cpu": cpu}}});
        let fits = json!({"spec": {"containers": [asks("1"), asks("1")], "initContainers": [asks("2")]}});
        assert!(faults_of_pod(&fits, &range).is_empty());
        let large = json!({"spec": {"containers": [asks("1")], "initContainers": [asks("3")]}});
        assert_eq!(faults_of_pod(&large, &range), ["maximum cpu usage per Pod is 2, but limit is 3"]);
    }

    #[test]
    fn a_claim_is_bounded_by_what_it_requests() {
        let range = range(
            json!({"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}}),
        );
        let claim = |storage: &str| json!({"spec": {"resources": {"requests": {"storage": storage}}}});
        assert!(faults_of_claim(&claim("2Gi"), &range).is_empty());
        let faults = faults_of_claim(&claim("3Gi"), &range);
        assert_eq!(
            told(&faults),
            "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"
        );
    }
}
