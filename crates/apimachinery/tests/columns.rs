//! What `kubectl get -o wide` shows of an object: one line a case.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use rutter_apimachinery::registry::Registry;
use serde_json::{Value, json};

fn line(group: &str, version: &str, plural: &str, object: &Value) -> String {
    let now: Timestamp = "2026-01-01T01:00:00Z".parse().unwrap();
    let resource =
        Registry::builtin().resource(group, version, plural).unwrap_or_else(|| panic!("no {plural}"));
    let told = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let cells: Vec<String> =
        rutter_apimachinery::table::cells(&resource, object, now).into_iter().map(told).collect();
    cells.join(" | ")
}

fn object(rest: Value) -> Value {
    let mut object = rest;
    let extra = object["metadata"].take();
    object["metadata"] = json!({"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"});
    for (key, value) in extra.as_object().into_iter().flatten() {
        object["metadata"][key] = value.clone();
    }
    object
}

#[test]
fn objects_are_told_in_one_line_as_kubectl_tells_them() {
    let template =
        json!({"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j:2"}]}});
    let selector = json!({"matchLabels": {"app": "web"}});
    let cases = [
        (("", "v1", "namespaces"), json!({"status": {"phase": "Active"}}), "x | Active | 60m"),
        (
            ("apps", "v1", "deployments"),
            json!({"spec": {"replicas": 3, "selector": selector, "template": template},
                "status": {"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1}}),
            "x | 1/3 | 2 | 1 | 60m | a,b | i:1,j:2 | app=web",
        ),
        (
            ("apps", "v1", "replicasets"),
            json!({"spec": {"replicas": 3, "selector": selector, "template": template}, "status": {"replicas": 2}}),
            "x | 3 | 2 | 0 | 60m | a,b | i:1,j:2 | app=web",
        ),
        (
            ("", "v1", "services"),
            json!({"spec": {"type": "NodePort", "clusterIP": "10.96.0.1", "selector": {"app": "web"},
                "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}}),
            "x | NodePort | 10.96.0.1 | <none> | 80:30080/TCP,53/UDP | 60m | app=web",
        ),
        (
            ("", "v1", "services"),
            json!({"spec": {"type": "LoadBalancer", "clusterIP": "None"}}),
            "x | LoadBalancer | None | <pending> | <none> | 60m | <none>",
        ),
        (
            ("", "v1", "nodes"),
            json!({"metadata": {"labels": {"node-role.kubernetes.io/worker": ""}}, "spec": {"unschedulable": true},
                "status": {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                    "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Debian", "kernelVersion": "6.18", "containerRuntimeVersion": "containerd://1.6"}}}),
            "x | Ready,SchedulingDisabled | worker | 60m | v1.36.0 | 10.0.0.1 | <none> | Debian | 6.18 | containerd://1.6",
        ),
        (("", "v1", "configmaps"), json!({"data": {"a": "b"}, "binaryData": {"c": ""}}), "x | 2 | 60m"),
        (("", "v1", "secrets"), json!({"type": "Opaque", "data": {"a": ""}}), "x | Opaque | 1 | 60m"),
        (("coordination.k8s.io", "v1", "leases"), json!({"spec": {"holderIdentity": "me"}}), "x | me | 60m"),
        (
            ("discovery.k8s.io", "v1", "endpointslices"),
            json!({"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": ["1.1.1.1", "1.1.1.2"]},
                {"addresses": ["1.1.1.3", "1.1.1.4"]}]}),
            "x | IPv4 | 80 | 1.1.1.1,1.1.1.2,1.1.1.3 + 1 more... | 60m",
        ),
        (
            ("networking.k8s.io", "v1", "ipaddresses"),
            json!({"spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "web"}}}),
            "x | services/default/web | 60m",
        ),
        (
            ("batch", "v1", "jobs"),
            json!({"spec": {"completions": 2, "selector": selector, "template": template},
                "status": {"succeeded": 1, "startTime": "2026-01-01T00:59:00Z"}}),
            "x | Running | 1/2 | 60s | 60m | a,b | i:1,j:2 | app=web",
        ),
        (
            ("batch", "v1", "cronjobs"),
            json!({"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}}),
            "x | * * * * * | <none> | False | 0 | <none> | 60m | a,b | i:1,j:2",
        ),
        (
            ("", "v1", "persistentvolumeclaims"),
            json!({"spec": {"volumeName": "v", "storageClassName": "fast", "volumeMode": "Filesystem"},
                "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}}),
            "x | Bound | v | 1Gi | RWO | fast | <unset> | 60m | Filesystem",
        ),
        (
            ("policy", "v1", "poddisruptionbudgets"),
            json!({"spec": {"minAvailable": "50%"}, "status": {"disruptionsAllowed": 1}}),
            "x | 50% | N/A | 1 | 60m",
        ),
        (
            ("autoscaling", "v2", "horizontalpodautoscalers"),
            json!({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "minReplicas": 1, "maxReplicas": 5,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}}]},
                "status": {"currentReplicas": 2, "currentMetrics": [{"resource": {"current": {"averageUtilization": 12}}}]}}),
            "x | Deployment/web | cpu: 12%/80% | 1 | 5 | 2 | 60m",
        ),
        (
            ("networking.k8s.io", "v1", "ingresses"),
            json!({"spec": {"ingressClassName": "nginx", "rules": [{"host": "a.b"}], "tls": [{}]}}),
            "x | nginx | a.b |  | 80, 443 | 60m",
        ),
        (
            ("rbac.authorization.k8s.io", "v1", "rolebindings"),
            json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "anna"},
                {"kind": "ServiceAccount", "namespace": "n", "name": "s"}]}),
            "x | Role/r | 60m | anna |  | n/s",
        ),
        (
            ("storage.k8s.io", "v1", "storageclasses"),
            json!({"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
                "provisioner": "p", "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}),
            "x (default) | p | Delete | Immediate | false | 60m",
        ),
        (
            ("", "v1", "events"),
            json!({"type": "Warning", "reason": "BackOff", "involvedObject": {"kind": "Pod", "name": "web"}, "message": "m",
                "source": {"component": "kubelet", "host": "n"}, "firstTimestamp": "2026-01-01T00:50:00Z",
                "lastTimestamp": "2026-01-01T00:59:00Z", "count": 4}),
            "60s (x4 over 10m) | Warning | BackOff | pod/web |  | kubelet, n | m | 10m | 4 | x",
        ),
    ];
    for ((group, version, plural), rest, told) in cases {
        assert_eq!(line(group, version, plural, &object(rest)), told, "{plural}");
    }
}
