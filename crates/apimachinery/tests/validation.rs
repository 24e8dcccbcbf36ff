//! What is refused, and in which words: one case a rule, each a change to an object that is right.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use rutter_apimachinery::registry::Registry;
use rutter_apimachinery::write::{WriteCx, create};
use serde_json::{Value, json};
use uuid::Uuid;

/// What is said of an object, without the head (`Pod "x" is invalid: `).
fn said(group: &str, plural: &str, object: Value) -> String {
    let resource = Registry::builtin().resource(group, "v1", plural).unwrap_or_else(|| panic!("no {plural}"));
    let cx = WriteCx {
        now: "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap(),
        uid: Uuid::from_u128(1),
        namespace: "default",
        name: "",
        user: "anna",
        field_manager: "test",
    };
    match create(&resource, "", object, &cx) {
        Ok(_) => String::new(),
        Err(status) => {
            let (_, faults) = status.message.split_once(" is invalid: ").unwrap_or(("", &status.message));
            faults.to_owned()
        }
    }
}

fn check(group: &str, plural: &str, right: &Value, cases: &[(&str, Value, &str)]) {
    assert_eq!(said(group, plural, right.clone()), "", "the object to start from is right");
    for (at, value, expected) in cases {
        let mut object = right.clone();
        let (parent, field) = at.rsplit_once('/').unwrap();
        let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("no {at}"));
        match parent {
            Value::Array(list) => list[field.parse::<usize>().unwrap()] = value.clone(),
            other => other[field] = value.clone(),
        }
        let faults = said(group, plural, object);
        let matches = expected.strip_suffix('…').map_or(faults == *expected, |head| faults.starts_with(head));
        assert!(matches, "{at} = {value}\n     said {faults}\n expected {expected}");
    }
}

fn pod() -> Value {
    json!({"metadata": {"name": "x"}, "spec": {
        "containers": [{"name": "c", "image": "i:1", "ports": [{"containerPort": 80}], "env": [{"name": "E", "value": "v"}],
            "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        "initContainers": [{"name": "i", "image": "i:1"}],
        "volumes": [{"name": "v", "emptyDir": {}}]}})
}

#[test]
fn pods() {
    check(
        "",
        "pods",
        &pod(),
        &[
            ("/spec/containers", json!([]), "spec.containers: Required value"),
            (
                "/spec/containers/0/name",
                json!("C"),
                "spec.containers[0].name: Invalid value: \"C\": a lowercase RFC 1123 label must…",
            ),
            ("/spec/containers/0/name", json!(""), "spec.containers[0].name: Required value"),
            (
                "/spec/containers/0/image",
                json!(" i"),
                "spec.containers[0].image: Invalid value: \" i\": must not have leading or trailing whitespace",
            ),
            (
                "/spec/containers/0/imagePullPolicy",
                json!("Sometimes"),
                "spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
            ),
            (
                "/spec/containers/0/terminationMessagePolicy",
                json!("x"),
                "spec.containers[0].terminationMessagePolicy: Unsupported value: \"x\": supported values: \"File\", \"FallbackToLogsOnError\"",
            ),
            (
                "/spec/initContainers/0/name",
                json!("c"),
                "spec.initContainers[0].name: Duplicate value: \"c\"",
            ),
            (
                "/spec/initContainers/0/readinessProbe",
                json!({"exec": {"command": ["x"]}}),
                "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
            ),
            (
                "/spec/restartPolicy",
                json!("No"),
                "spec.restartPolicy: Unsupported value: \"No\": supported values: \"Always\", \"OnFailure\", \"Never\"",
            ),
            (
                "/spec/dnsPolicy",
                json!("None"),
                "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
            ),
            (
                "/spec/containers/0/ports/0",
                json!({"containerPort": 0}),
                "spec.containers[0].ports[0].containerPort: Required value",
            ),
            (
                "/spec/containers/0/ports/0",
                json!({"containerPort": 70000}),
                "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            ),
            (
                "/spec/containers/0/ports/0",
                json!({"containerPort": 80, "protocol": "ICMP"}),
                "spec.containers[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
            ),
            (
                "/spec/containers/0/ports",
                json!([{"containerPort": 80, "hostPort": 8}, {"containerPort": 81, "hostPort": 8}]),
                "spec.containers[0].ports[1].hostPort: Duplicate value: \"TCP//8\"",
            ),
            (
                "/spec/containers/0/env/0",
                json!({"name": "A=B"}),
                "spec.containers[0].env[0].name: Invalid value: \"A=B\": a valid environment variable name must consist only of printable ASCII characters other than '='",
            ),
            (
                "/spec/containers/0/env/0",
                json!({"name": "E", "valueFrom": {}}),
                "spec.containers[0].env[0].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
            ),
            (
                "/spec/containers/0/env/0",
                json!({"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "spec.foo"}}}),
                "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.foo\": error converting fieldPath: field label not supported: spec.foo",
            ),
            (
                "/spec/containers/0/env/0",
                json!({"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}}),
                "",
            ),
            (
                "/spec/containers/0/env/0",
                json!({"name": "E", "valueFrom": {"secretKeyRef": {"name": "s"}}}),
                "spec.containers[0].env[0].valueFrom.secretKeyRef.key: Required value",
            ),
            (
                "/spec/containers/0/volumeMounts/0",
                json!({"name": "w", "mountPath": "/v"}),
                "spec.containers[0].volumeMounts[0].name: Not found: \"w\"",
            ),
            (
                "/spec/containers/0/volumeMounts",
                json!([{"name": "v", "mountPath": "/v"}, {"name": "v", "mountPath": "/v"}]),
                "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/v\": must be unique",
            ),
            (
                "/spec/volumes/0",
                json!({"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}),
                "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
            ),
            (
                "/spec/volumes",
                json!([{"name": "v"}, {"name": "v"}]),
                "spec.volumes[1].name: Duplicate value: \"v\"",
            ),
            (
                "/spec/volumes/0",
                json!({"name": "v", "secret": {}}),
                "spec.volumes[0].secret.secretName: Required value",
            ),
            (
                "/spec/volumes/0",
                json!({"name": "v", "configMap": {"name": "m", "items": [{"key": "k", "path": "../k"}]}}),
                "spec.volumes[0].configMap.items[0].path: Invalid value: \"../k\": must not contain '..'",
            ),
            (
                "/spec/containers/0/livenessProbe",
                json!({"httpGet": {"port": 0}}),
                "spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
            ),
            (
                "/spec/containers/0/livenessProbe",
                json!({}),
                "spec.containers[0].livenessProbe: Required value: must specify a handler type",
            ),
            (
                "/spec/containers/0/livenessProbe",
                json!({"exec": {"command": ["x"]}, "successThreshold": 2}),
                "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
            ),
            (
                "/spec/containers/0/livenessProbe",
                json!({"exec": {"command": ["x"]}, "tcpSocket": {"port": 1}}),
                "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
            ),
            (
                "/spec/containers/0/lifecycle",
                json!({"preStop": {"sleep": {"seconds": 60}}}),
                "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 60: must be non-negative and less than terminationGracePeriodSeconds (30)",
            ),
            (
                "/spec/containers/0/resources",
                json!({"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}),
                "spec.containers[0].resources.requests: Invalid value: \"2Gi\": must be less than or equal to memory limit of 1Gi",
            ),
            (
                "/spec/containers/0/securityContext",
                json!({"runAsUser": -1}),
                "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
            ),
            (
                "/spec/tolerations",
                json!([{"key": "k", "operator": "Near"}]),
                "spec.tolerations[0].operator: Unsupported value: \"Near\": supported values: \"Equal\", \"Exists\"",
            ),
            (
                "/spec/tolerations",
                json!([{"operator": "Exists", "tolerationSeconds": 1}]),
                "spec.tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` is set",
            ),
            (
                "/spec/nodeSelector",
                json!({"a b": "c"}),
                "spec.nodeSelector: Invalid value: \"a b\": name part must consist of…",
            ),
            (
                "/spec/affinity",
                json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}),
                "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term",
            ),
            (
                "/spec/topologySpreadConstraints",
                json!([{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]),
                "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
            ),
            (
                "/spec/activeDeadlineSeconds",
                json!(0),
                "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
            ),
            (
                "/spec/hostname",
                json!("a.b"),
                "spec.hostname: Invalid value: \"a.b\": a lowercase RFC 1123 label must…",
            ),
        ],
    );
}

fn service() -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}]}})
}

#[test]
fn services() {
    check(
        "",
        "services",
        &service(),
        &[
            (
                "/metadata/name",
                json!("1web"),
                "metadata.name: Invalid value: \"1web\": a DNS-1035 label must consist of…",
            ),
            ("/spec/ports", json!([]), "spec.ports: Required value"),
            (
                "/spec/ports/0",
                json!({"port": 0}),
                "[spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive, spec.ports[0].targetPort: Invalid value: 0: must be…",
            ),
            (
                "/spec/ports",
                json!([{"name": "a", "port": 80}, {"name": "a", "port": 81}]),
                "spec.ports[1].name: Duplicate value: \"a\"",
            ),
            (
                "/spec/ports",
                json!([{"port": 80}, {"name": "b", "port": 81}]),
                "spec.ports[0].name: Required value",
            ),
            (
                "/spec/ports",
                json!([{"name": "a", "port": 80}, {"name": "b", "port": 80}]),
                "spec.ports[1]: Duplicate value: {\"port\":80,\"protocol\":\"TCP\"}",
            ),
            (
                "/spec/ports/0",
                json!({"port": 80, "nodePort": 30000}),
                "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
            ),
            (
                "/spec/type",
                json!("Magic"),
                "spec.type: Unsupported value: \"Magic\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\"",
            ),
            ("/spec/type", json!("ExternalName"), "spec.externalName: Required value"),
            (
                "/spec/sessionAffinity",
                json!("Cookie"),
                "spec.sessionAffinity: Unsupported value: \"Cookie\": supported values: \"ClientIP\", \"None\"",
            ),
            (
                "/spec/clusterIP",
                json!("10.96"),
                "spec.clusterIPs[0]: Invalid value: \"10.96\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            ),
            (
                "/spec/externalIPs",
                json!(["127.0.0.1"]),
                "spec.externalIPs[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)",
            ),
            ("/spec/clusterIP", json!("None"), ""),
        ],
    );
}

#[test]
fn deployments() {
    let right = json!({"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    check(
        "apps",
        "deployments",
        &right,
        &[
            (
                "/spec/replicas",
                json!(-1),
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
            ),
            ("/spec/selector", Value::Null, "spec.selector: Required value"),
            (
                "/spec/selector",
                json!({}),
                "spec.selector: Invalid value: {}: empty selector is invalid for deployment",
            ),
            (
                "/spec/selector",
                json!({"matchLabels": {"app": "db"}}),
                "spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` does not match template `labels`",
            ),
            (
                "/spec/template/spec/restartPolicy",
                json!("Never"),
                "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
            ),
            ("/spec/template/spec/containers", json!([]), "spec.template.spec.containers: Required value"),
            (
                "/spec/strategy",
                json!({"type": "Recreate", "rollingUpdate": {}}),
                "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
            ),
            (
                "/spec/strategy",
                json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}),
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0",
            ),
            (
                "/spec/strategy",
                json!({"rollingUpdate": {"maxUnavailable": "101%"}}),
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%",
            ),
            (
                "/spec/progressDeadlineSeconds",
                json!(0),
                "spec.progressDeadlineSeconds: Invalid value: 0: must be greater than minReadySeconds",
            ),
        ],
    );
}

#[test]
fn config_maps_and_secrets() {
    let right = json!({"metadata": {"name": "m"}, "data": {"a": "b"}});
    check(
        "",
        "configmaps",
        &right,
        &[
            (
                "/data/a b",
                json!("x"),
                "data[a b]: Invalid value: \"a b\": a valid config key must consist of…",
            ),
            ("/data/big", json!("x".repeat(1 << 20)), "Too long: may not be more than 1048576 bytes"),
            (
                "/binaryData",
                json!({"a": "eA=="}),
                "data[a]: Invalid value: \"a\": duplicate of key present in binaryData",
            ),
        ],
    );
    check(
        "",
        "secrets",
        &json!({"metadata": {"name": "s"}}),
        &[
            (
                "/type",
                json!("kubernetes.io/tls"),
                "[data[tls.crt]: Required value, data[tls.key]: Required value]",
            ),
            ("/type", json!("kubernetes.io/dockerconfigjson"), "data[.dockerconfigjson]: Required value"),
            (
                "/type",
                json!("kubernetes.io/service-account-token"),
                "metadata.annotations[kubernetes.io/service-account.name]: Required value",
            ),
        ],
    );
}

#[test]
fn nodes_leases_slices_and_addresses() {
    check(
        "",
        "nodes",
        &json!({"metadata": {"name": "n.1"}, "spec": {}}),
        &[
            (
                "/spec/taints",
                json!([{"key": "k", "effect": "Never"}]),
                "metadata.taints[0].effect: Unsupported value: \"Never\": supported values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\"",
            ),
            (
                "/spec/podCIDRs",
                json!(["10.0.0.0"]),
                "spec.podCIDRs[0]: Invalid value: \"10.0.0.0\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
            ),
        ],
    );
    check(
        "coordination.k8s.io",
        "leases",
        &json!({"metadata": {"name": "l"}, "spec": {}}),
        &[(
            "/spec/leaseDurationSeconds",
            json!(0),
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        )],
    );
    let slice = json!({"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": []});
    check(
        "discovery.k8s.io",
        "endpointslices",
        &slice,
        &[
            (
                "/addressType",
                json!("MAC"),
                "addressType: Unsupported value: \"MAC\": supported values: \"FQDN\", \"IPv4\", \"IPv6\"",
            ),
            (
                "/endpoints/0",
                json!({"addresses": []}),
                "endpoints[0].addresses: Required value: must contain at least 1 address",
            ),
            (
                "/endpoints/0",
                json!({"addresses": ["::1"]}),
                "endpoints[0].addresses[0]: Invalid value: \"::1\": must be a valid IPv4 address",
            ),
        ],
    );
    let parent = json!({"resource": "services", "namespace": "default", "name": "web"});
    check(
        "networking.k8s.io",
        "ipaddresses",
        &json!({"metadata": {"name": "10.96.0.1"}, "spec": {"parentRef": parent}}),
        &[
            (
                "/metadata/name",
                json!("10.96.0"),
                "metadata.name: Invalid value: \"10.96.0\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            ),
            ("/spec/parentRef", Value::Null, "spec.parentRef: Required value"),
        ],
    );
}
