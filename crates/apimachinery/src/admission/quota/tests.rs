//! What is counted, what is covered, what is said: cases as data.

use std::collections::BTreeMap;
use std::convert::Infallible;

use serde_json::{Value, json};

use super::*;

fn usage(group: &str, plural: &str, object: &Value) -> BTreeMap<String, String> {
    meter(group, plural, object).usage.into_iter().map(|(name, amount)| (name, amount.to_string())).collect()
}

fn expected(used: &Value) -> BTreeMap<String, String> {
    serde_json::from_value(used.clone()).unwrap()
}

fn asks(requests: &Value, limits: &Value) -> Value {
    json!({"name": "c", "resources": {"requests": requests, "limits": limits}})
}

#[test]
fn a_pod_uses_what_its_containers_ask_for_and_nothing_once_it_ended() {
    let one = asks(
        &json!({"cpu": "1", "memory": "1Gi", "hugepages-2Mi": "4Mi", "example.com/gpu": "2", "kubernetes.io/x": "1"}),
        &json!({"cpu": "2", "ephemeral-storage": "1G"}),
    );
    let cases = [
        (json!({"containers": [{}]}), json!({}), json!({"count/pods": "1", "pods": "1"})),
        (json!({"containers": [one]}), json!({"phase": "Failed"}), json!({"count/pods": "1"})),
        (
            json!({"containers": [one]}),
            json!({}),
            json!({
                "count/pods": "1", "pods": "1", "cpu": "1", "requests.cpu": "1", "limits.cpu": "2",
                "memory": "1Gi", "requests.memory": "1Gi", "hugepages-2Mi": "4Mi", "requests.hugepages-2Mi": "4Mi",
                "requests.example.com/gpu": "2", "ephemeral-storage": "1G", "requests.ephemeral-storage": "1G",
                "limits.ephemeral-storage": "1G",
            }),
        ),
        // The larger of the containers together and each init container with the sidecars before it.
        (
            json!({
                "containers": [asks(&json!({"cpu": "1"}), &json!({})), asks(&json!({"cpu": "1"}), &json!({}))],
                "initContainers": [
                    {"restartPolicy": "Always", "resources": {"requests": {"cpu": "500m"}}},
                    {"resources": {"requests": {"cpu": "3"}}},
                ],
            }),
            json!({}),
            json!({"count/pods": "1", "pods": "1", "cpu": "3500m", "requests.cpu": "3500m"}),
        ),
        // What the pod says for itself, and what it costs to run it.
        (
            json!({
                "containers": [asks(&json!({"cpu": "1"}), &json!({}))],
                "resources": {"requests": {"cpu": "2"}},
                "overhead": {"cpu": "100m", "memory": "1Mi"},
            }),
            json!({}),
            json!({
                "count/pods": "1", "pods": "1", "cpu": "2100m", "requests.cpu": "2100m",
                "memory": "1Mi", "requests.memory": "1Mi",
            }),
        ),
        // While it is made smaller it still has what it had.
        (
            json!({"containers": [asks(&json!({"cpu": "1"}), &json!({}))]}),
            json!({"containerStatuses": [{"name": "c", "resources": {"requests": {"cpu": "2"}}}]}),
            json!({"count/pods": "1", "pods": "1", "cpu": "2", "requests.cpu": "2"}),
        ),
    ];
    for (spec, status, used) in cases {
        let pod = json!({"spec": spec, "status": status});
        assert_eq!(usage("", "pods", &pod), expected(&used), "{pod}");
    }
}

#[test]
fn services_claims_and_other_objects_use_what_upstream_counts() {
    let service = |spec: Value| ("", "services", json!({"spec": spec}));
    let ports = json!([{"port": 1}, {"port": 2, "nodePort": 30_000}]);
    let claim = |spec: Value| ("", "persistentvolumeclaims", json!({"spec": spec}));
    let of_service = |ports: &str, balancers: &str| {
        json!({
            "count/services": "1", "services": "1", "services.nodeports": ports,
            "services.loadbalancers": balancers,
        })
    };
    let cases = [
        (service(json!({"type": "ClusterIP", "ports": ports})), of_service("0", "0")),
        (service(json!({"type": "NodePort", "ports": ports})), of_service("2", "0")),
        (service(json!({"type": "LoadBalancer", "ports": ports})), of_service("2", "1")),
        (
            service(json!({"type": "LoadBalancer", "ports": ports, "allocateLoadBalancerNodePorts": false})),
            of_service("1", "1"),
        ),
        (
            claim(json!({"storageClassName": "gold", "resources": {"requests": {"storage": "1Gi"}}})),
            json!({
                "count/persistentvolumeclaims": "1", "persistentvolumeclaims": "1", "requests.storage": "1Gi",
                "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
                "gold.storageclass.storage.k8s.io/requests.storage": "1Gi",
            }),
        ),
        (
            (
                "resource.k8s.io",
                "resourceclaims",
                json!({"spec": {"devices": {"requests": [
                    {"exactly": {"deviceClassName": "gpu", "count": 2}},
                    {"exactly": {"deviceClassName": "gpu", "allocationMode": "All"}},
                    {"firstAvailable": [{"deviceClassName": "nic", "count": 1}, {"deviceClassName": "nic", "count": 3}]},
                ]}}}),
            ),
            json!({
                "count/resourceclaims.resource.k8s.io": "1", "gpu.deviceclass.resource.k8s.io/devices": "34",
                "nic.deviceclass.resource.k8s.io/devices": "3",
            }),
        ),
        (("", "configmaps", json!({})), json!({"count/configmaps": "1", "configmaps": "1"})),
        (("apps", "deployments", json!({})), json!({"count/deployments.apps": "1"})),
        (("example.com", "widgets", json!({})), json!({"count/widgets.example.com": "1"})),
        (("", "events", json!({})), json!({})),
    ];
    for ((group, plural, object), used) in cases {
        assert_eq!(usage(group, plural, &object), expected(&used), "{object}");
    }
}

#[test]
fn what_is_used_is_counted_under_its_names() {
    let names = [
        "pods",
        "count/pods",
        "limits.memory",
        "requests.hugepages-2Mi",
        "requests.example.com/gpu",
        "services.nodeports",
        "gold.storageclass.storage.k8s.io/requests.storage",
        "requests.storage",
        "gpu.deviceclass.resource.k8s.io/devices",
        "count/resourceclaims.resource.k8s.io",
    ];
    for name in names {
        assert_eq!(counted_by(name), Some(Counted::Metered), "{name}");
    }
    let objects = |group: &str, plural: &str| {
        Some(Counted::Objects { group: group.to_owned(), plural: plural.to_owned() })
    };
    assert_eq!(counted_by("count/widgets.example.com"), objects("example.com", "widgets"));
    assert_eq!(counted_by("secrets"), objects("", "secrets"));
    for name in ["count/events", "example.com/gpu", "requests.kubernetes.io/x", "deployments"] {
        assert_eq!(counted_by(name), None, "{name}");
    }
}

#[test]
fn a_quota_covers_what_all_of_its_scopes_match() {
    let scopes = |scopes: &[&str]| json!({"scopes": scopes});
    let selects = |scope: &str, operator: &str, values: &[&str]| {
        json!({"scopeSelector": {"matchExpressions": [
            {"scopeName": scope, "operator": operator, "values": values}]}})
    };
    let pod = |spec: Value| ("", "pods", json!({"spec": spec}));
    let plain = || pod(json!({"containers": [{}]}));
    let burst = || pod(json!({"containers": [asks(&json!({"cpu": "1"}), &json!({}))]}));
    let bounded = || pod(json!({"containers": [{}], "activeDeadlineSeconds": 0}));
    let classed = || pod(json!({"containers": [{}], "priorityClassName": "high"}));
    let term = json!({"namespaceSelector": {}});
    let crossing = || {
        pod(json!({"containers": [{}], "affinity": {"podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"podAffinityTerm": term}]}}}))
    };
    let claim =
        |class: &str| ("", "persistentvolumeclaims", json!({"spec": {"volumeAttributesClassName": class}}));
    let cases = [
        (json!({}), ("", "configmaps", json!({})), true),
        (scopes(&["BestEffort"]), ("", "configmaps", json!({})), false),
        (scopes(&["BestEffort"]), plain(), true),
        (scopes(&["BestEffort"]), burst(), false),
        (scopes(&["NotBestEffort"]), burst(), true),
        (scopes(&["Terminating"]), plain(), false),
        (scopes(&["Terminating"]), bounded(), true),
        (scopes(&["NotTerminating"]), plain(), true),
        (scopes(&["NotTerminating", "BestEffort"]), plain(), true),
        (scopes(&["NotTerminating", "BestEffort"]), burst(), false),
        (scopes(&["PriorityClass"]), plain(), false),
        (scopes(&["PriorityClass"]), classed(), true),
        (selects("PriorityClass", "In", &["high"]), classed(), true),
        (selects("PriorityClass", "In", &["low"]), classed(), false),
        (selects("PriorityClass", "NotIn", &["low"]), classed(), true),
        (selects("PriorityClass", "NotIn", &["low"]), plain(), true),
        (selects("PriorityClass", "DoesNotExist", &[]), plain(), true),
        (selects("PriorityClass", "DoesNotExist", &[]), classed(), false),
        (scopes(&["CrossNamespacePodAffinity"]), crossing(), true),
        (scopes(&["CrossNamespacePodAffinity"]), plain(), false),
        (selects("VolumeAttributesClass", "In", &["gold"]), claim("gold"), true),
        (selects("VolumeAttributesClass", "In", &["gold"]), claim("silver"), false),
        (selects("VolumeAttributesClass", "Exists", &[]), claim(""), false),
        (selects("VolumeAttributesClass", "Exists", &[]), plain(), false),
    ];
    for (spec, (group, plural, object), covered) in cases {
        let quota = Quota::read(&json!({"spec": spec}));
        assert_eq!(quota.covers(&meter(group, plural, &object).traits), covered, "{spec} {object}");
    }
}

/// `q` with what it asked for when it was counted.
fn counted(hard: Value) -> Quota {
    let used = hard.clone();
    Quota::read(&json!({
        "metadata": {"name": "q", "uid": "u"}, "spec": {"hard": hard}, "status": {"hard": hard, "used": used},
    }))
}

fn amounts(list: Value) -> Amounts {
    amount::amounts(&list)
}

#[test]
fn an_addition_is_judged_by_the_counters_and_refused_in_upstreams_words() {
    let quota = counted(json!({"cpu": "2", "memory": "1Gi", "pods": "3"}));
    let at = |cpu: i64, memory: i64, pods: i64| {
        move |counter: &str| {
            Ok::<_, Infallible>(match counter {
                "u/cpu" => cpu,
                "u/memory" => memory,
                "u/pods" => pods,
                other => panic!("{other} is not counted"),
            })
        }
    };
    let asked = amounts(json!({"cpu": "500m", "memory": "512Mi", "pods": "1", "services": "1"}));
    let count = |name: &str, delta: i64, max: u64| Count { name: name.into(), delta, max: Some(max) };
    let within =
        vec![count("u/cpu", 500, 2000), count("u/memory", 512 << 20, 1 << 30), count("u/pods", 1, 3)];
    assert_eq!(quota.judge(&asked, at(1500, 512 << 20, 2)), Ok(Verdict::Within(within)));
    let cases = [
        (at(1501, 0, 2), "exceeded quota: q, requested: cpu=500m, used: cpu=1501m, limited: cpu=2"),
        (
            at(1600, 768 << 20, 3),
            "exceeded quota: q, requested: cpu=500m,memory=512Mi,pods=1, used: cpu=1600m,memory=768Mi,pods=3, \
             limited: cpu=2,memory=1Gi,pods=3",
        ),
    ];
    for (counted, words) in cases {
        assert_eq!(quota.judge(&asked, counted), Ok(Verdict::Exceeded(words.to_owned())));
    }
}

#[test]
fn what_is_asked_for_and_not_yet_counted_is_added_without_a_bound() {
    let quota = Quota::read(&json!({
        "metadata": {"name": "q", "uid": "u"}, "spec": {"hard": {"pods": "1"}}, "status": {},
    }));
    let verdict = quota.judge(&amounts(json!({"pods": "1"})), |_| Ok::<_, Infallible>(7));
    let added = Count { name: "u/pods".into(), delta: 1, max: None };
    assert_eq!(verdict, Ok(Verdict::Within(vec![added])));
    let unknown = Quota::read(&json!({
        "metadata": {"name": "q", "uid": "u"}, "spec": {"hard": {"pods": "1"}}, "status": {"hard": {"pods": "1"}},
    }));
    let verdict = unknown.judge(&amounts(json!({"pods": "1"})), |_| Ok::<_, Infallible>(0));
    assert_eq!(verdict, Ok(Verdict::Exceeded("status unknown for quota: q, resources: pods".into())));
}

#[test]
fn containers_have_to_ask_for_the_cpu_and_memory_that_are_counted() {
    let pod = |spec: Value| json!({"spec": spec});
    let both = json!({"containers": [
        {"name": "b"}, {"name": "a", "resources": {"requests": {"cpu": "1"}}}], "initContainers": [{"name": "i"}]});
    let cases = [
        (json!({"pods": "1", "requests.ephemeral-storage": "1"}), pod(both.clone()), None),
        (
            json!({"cpu": "1", "requests.memory": "1"}),
            pod(both.clone()),
            Some("failed quota: q: must specify cpu for: b,i; requests.memory for: a,b,i"),
        ),
        (json!({"cpu": "1"}), pod(json!({"containers": [asks(&json!({}), &json!({"cpu": "1"}))]})), None),
        (
            json!({"limits.cpu": "1"}),
            pod(json!({"containers": [asks(&json!({"cpu": "1"}), &json!({}))]})),
            Some("failed quota: q: must specify limits.cpu for: c"),
        ),
        (
            json!({"cpu": "1"}),
            pod(json!({"containers": [{"name": "c"}], "resources": {"requests": {"memory": "1"}}})),
            None,
        ),
    ];
    for (hard, pod, words) in cases {
        assert_eq!(counted(hard).demand(&pod).err().as_deref(), words, "{pod}");
    }
}

#[test]
fn a_change_adds_only_what_is_more() {
    let before = amounts(json!({"a": "2", "b": "1"}));
    let after = amounts(json!({"a": "1", "b": "3", "c": "1"}));
    assert_eq!(raised(&after, &before), amounts(json!({"b": "2", "c": "1"})));
}
