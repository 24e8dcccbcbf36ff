//! The defaults of a pod's spec (`pkg/apis/core/v1/defaults.go`).

use serde_json::{Value, json};

use crate::json::{default, entries, text};

/// 0644, as the API writes it.
const FILE_MODE: i64 = 420;

/// The defaults of a template's spec: everything but what only a Pod gets.
pub(in crate::kinds) fn default_template(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    default(spec, "dnsPolicy", "ClusterFirst");
    default(spec, "restartPolicy", "Always");
    default(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "schedulerName", "default-scheduler");
    default(spec, "securityContext", json!({}));
    service_account_both_ways(spec);
    let host_network = spec["hostNetwork"] == true;
    for field in ["containers", "initContainers", "ephemeralContainers"] {
        for container in spec.get_mut(field).into_iter().flat_map(each) {
            default_container(container, host_network && field != "ephemeralContainers");
        }
    }
    spec.get_mut("volumes").into_iter().flat_map(each).for_each(default_volume);
}

/// The defaults of a Pod's spec.
pub(in crate::kinds) fn default_pod(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    default_template(spec);
    default(spec, "enableServiceLinks", true);
    for field in ["containers", "initContainers"] {
        spec.get_mut(field).into_iter().flat_map(each).for_each(request_what_is_limited);
    }
}

/// `serviceAccount` is the older name of `serviceAccountName`; both are always shown.
fn service_account_both_ways(spec: &mut Value) {
    let name = match text(spec, "serviceAccountName") {
        "" => text(spec, "serviceAccount").to_owned(),
        name => name.to_owned(),
    };
    if !name.is_empty() {
        spec["serviceAccount"] = json!(name);
        spec["serviceAccountName"] = json!(name);
    }
}

fn default_container(container: &mut Value, host_network: bool) {
    if !container.is_object() {
        return;
    }
    default(container, "imagePullPolicy", pull_policy(text(container, "image")));
    default(container, "terminationMessagePath", "/dev/termination-log");
    default(container, "terminationMessagePolicy", "File");
    default(container, "resources", json!({}));
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container[probe].is_object() {
            default_probe(&mut container[probe]);
        }
    }
    for moment in ["postStart", "preStop"] {
        default_http_get(container.get_mut("lifecycle").and_then(|lifecycle| lifecycle.get_mut(moment)));
    }
    for port in container.get_mut("ports").into_iter().flat_map(each) {
        default(port, "protocol", "TCP");
        if host_network {
            let number = port["containerPort"].clone();
            default(port, "hostPort", number);
        }
    }
    for variable in container.get_mut("env").into_iter().flat_map(each) {
        default_field_ref(variable.get_mut("valueFrom"));
    }
}

/// `Always` for an image without a tag or with the tag `latest`, when it names no digest.
fn pull_policy(image: &str) -> &'static str {
    if image.contains('@') {
        return "IfNotPresent";
    }
    let last = image.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        None | Some((_, "latest")) => "Always",
        Some(_) => "IfNotPresent",
    }
}

fn default_probe(probe: &mut Value) {
    default(probe, "timeoutSeconds", 1);
    default(probe, "periodSeconds", 10);
    default(probe, "successThreshold", 1);
    default(probe, "failureThreshold", 3);
    if probe["grpc"].is_object() && probe["grpc"]["service"].is_null() {
        probe["grpc"]["service"] = json!("");
    }
    default_http_get(Some(probe));
}

fn default_http_get(handler: Option<&mut Value>) {
    let Some(get) = handler.and_then(|handler| handler.get_mut("httpGet")).filter(|get| get.is_object())
    else {
        return;
    };
    default(get, "path", "/");
    default(get, "scheme", "HTTP");
}

fn default_field_ref(source: Option<&mut Value>) {
    let Some(field) = source.and_then(|source| source.get_mut("fieldRef")).filter(|field| field.is_object())
    else {
        return;
    };
    default(field, "apiVersion", "v1");
}

fn default_volume(volume: &mut Value) {
    if !volume.is_object() {
        return;
    }
    let is_bare = entries(volume).all(|(name, source)| name == "name" || source.is_null());
    if is_bare {
        volume["emptyDir"] = json!({});
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if volume[source].is_object() {
            default(&mut volume[source], "defaultMode", FILE_MODE);
        }
    }
    if volume["hostPath"].is_object() && volume["hostPath"]["type"].is_null() {
        volume["hostPath"]["type"] = json!("");
    }
    default_downward_items(volume.get_mut("downwardAPI"));
    default_claim_template(volume);
    let sources = volume.get_mut("projected").and_then(|projected| projected.get_mut("sources"));
    for source in sources.into_iter().flat_map(each) {
        if source["serviceAccountToken"].is_object() {
            default(&mut source["serviceAccountToken"], "expirationSeconds", 3600);
        }
        default_downward_items(source.get_mut("downwardAPI"));
    }
}

fn default_claim_template(volume: &mut Value) {
    let template = volume.get_mut("ephemeral").and_then(|ephemeral| ephemeral.get_mut("volumeClaimTemplate"));
    if let Some(spec) = template.and_then(|template| template.get_mut("spec")) {
        default(spec, "volumeMode", "Filesystem");
    }
}

fn default_downward_items(source: Option<&mut Value>) {
    let items = source.and_then(|source| source.get_mut("items"));
    for item in items.into_iter().flat_map(each) {
        default_field_ref(Some(item));
    }
}

/// A limit that has no request is requested too (`SetDefaults_Pod`).
pub(crate) fn request_what_is_limited(container: &mut Value) {
    let limits = container["resources"]["limits"].clone();
    for (name, limit) in entries(&limits) {
        let requests = &mut container["resources"]["requests"];
        if requests.is_null() {
            *requests = json!({});
        }
        default(requests, name, limit.clone());
    }
}

fn each(list: &mut Value) -> impl Iterator<Item = &mut Value> {
    list.as_array_mut().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_pulled_by_its_tag() {
        let cases = [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.25", "IfNotPresent"),
            ("localhost:5000/nginx", "Always"),
            ("localhost:5000/nginx:1", "IfNotPresent"),
            ("nginx@sha256:abc", "IfNotPresent"),
        ];
        for (image, policy) in cases {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }

    #[test]
    fn a_pod_gets_what_it_left_out_and_keeps_what_it_said() {
        let mut spec = json!({
            "containers": [{"name": "c", "image": "i:1", "ports": [{"containerPort": 80}],
                "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 5},
                "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                "resources": {"limits": {"cpu": "1"}}}],
            "restartPolicy": "Never", "serviceAccountName": "sa",
            "volumes": [{"name": "v"}, {"name": "s", "secret": {"secretName": "x"}}],
        });
        default_pod(&mut spec);
        assert_eq!(
            spec,
            json!({
                "containers": [{"name": "c", "image": "i:1", "imagePullPolicy": "IfNotPresent",
                    "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    "readinessProbe": {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "periodSeconds": 5,
                        "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3},
                    "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name", "apiVersion": "v1"}}}],
                    "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}},
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}],
                "restartPolicy": "Never", "serviceAccountName": "sa", "serviceAccount": "sa", "dnsPolicy": "ClusterFirst",
                "terminationGracePeriodSeconds": 30, "schedulerName": "default-scheduler", "securityContext": {},
                "enableServiceLinks": true,
                "volumes": [{"name": "v", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "x", "defaultMode": 420}}],
            })
        );
        let once = spec.clone();
        default_pod(&mut spec);
        assert_eq!(spec, once, "defaults change nothing the second time");
    }
}
