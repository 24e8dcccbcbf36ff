//! What a pod names, and its node therefore may read: the edges from a pod in upstream's node authorizer
//! (`plugin/pkg/auth/authorizer/node/graph.go`, AddPod).

use std::collections::BTreeSet;

use rutter_schemas::Key;
use serde_json::Value;

/// The ConfigMaps, Secrets, claims and the ServiceAccount that a pod names. `pod` is a whole object.
pub fn references(pod: &Value) -> BTreeSet<Key> {
    let mut found = Found { namespace: text(&pod["metadata"], "namespace"), keys: BTreeSet::new() };
    let spec = &pod["spec"];
    found.add("serviceaccounts", spec, "serviceAccountName");
    for secret in items(spec, "imagePullSecrets") {
        found.add("secrets", secret, "name");
    }
    for volume in items(spec, "volumes") {
        found.volume(volume, text(&pod["metadata"], "name"));
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in items(spec, list) {
            found.environment(container);
        }
    }
    found.keys
}

struct Found<'a> {
    namespace: &'a str,
    keys: BTreeSet<Key>,
}

impl Found<'_> {
    fn add(&mut self, resource: &str, source: &Value, field: &str) {
        self.name(resource, text(source, field));
    }

    fn name(&mut self, resource: &str, name: &str) {
        if !name.is_empty() {
            self.keys.insert(Key::new("", resource, self.namespace, name));
        }
    }

    fn volume(&mut self, volume: &Value, pod: &str) {
        self.add("secrets", &volume["secret"], "secretName");
        self.add("configmaps", &volume["configMap"], "name");
        self.add("persistentvolumeclaims", &volume["persistentVolumeClaim"], "claimName");
        if volume["ephemeral"].is_object() {
            self.name("persistentvolumeclaims", &format!("{pod}-{}", text(volume, "name")));
        }
        for source in items(&volume["projected"], "sources") {
            self.add("secrets", &source["secret"], "name");
            self.add("configmaps", &source["configMap"], "name");
        }
    }

    fn environment(&mut self, container: &Value) {
        for source in items(container, "envFrom") {
            self.add("secrets", &source["secretRef"], "name");
            self.add("configmaps", &source["configMapRef"], "name");
        }
        for variable in items(container, "env") {
            self.add("secrets", &variable["valueFrom"]["secretKeyRef"], "name");
            self.add("configmaps", &variable["valueFrom"]["configMapKeyRef"], "name");
        }
    }
}

fn items<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    object[field].as_array().into_iter().flatten()
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}
