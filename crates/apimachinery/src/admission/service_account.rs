//! The plugin ServiceAccount (`plugin/pkg/admission/serviceaccount/admission.go`): a pod runs as an account of its
//! namespace, and its containers find that account's token, the cluster's CA and their namespace where in-cluster clients
//! look for them.

use serde_json::{Value, json};

use crate::json::{items, text};
use crate::name;

/// Where in-cluster clients look.
pub const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX: &str = "kube-api-access-";
/// A little more than an hour: agents know that such tokens may be renewed early.
const TOKEN_SECONDS: i64 = 3607;
/// Pods that a node's agent runs by itself and only shows to the API.
const MIRROR: &str = "/metadata/annotations/kubernetes.io~1config.mirror";

/// The account that the pod runs as; none for a mirror pod, which has none.
#[must_use]
pub fn account_of(pod: &Value) -> Option<&str> {
    if pod.pointer(MIRROR).is_some() {
        return None;
    }
    let named = ["serviceAccountName", "serviceAccount"].map(|field| text(&pod["spec"], field));
    Some(named.into_iter().find(|name| !name.is_empty()).unwrap_or("default"))
}

/// Gives a new pod what its account brings. The volume's name follows from `seed`.
pub fn complete(pod: &mut Value, account: &Value, seed: &[u8]) {
    if mounts_token(&pod["spec"], account) {
        mount_token(&mut pod["spec"], seed);
    }
    let secrets = items(&account["imagePullSecrets"]);
    if items(&pod["spec"]["imagePullSecrets"]).is_empty() && !secrets.is_empty() {
        let names = secrets.iter().map(|secret| json!({ "name": text(secret, "name") }));
        pod["spec"]["imagePullSecrets"] = names.collect();
    }
}

fn mounts_token(spec: &Value, account: &Value) -> bool {
    let said =
        [spec, account].into_iter().find_map(|object| object["automountServiceAccountToken"].as_bool());
    said.unwrap_or(true)
}

fn mount_token(spec: &mut Value, seed: &[u8]) {
    let known = items(&spec["volumes"]).iter().map(|volume| text(volume, "name"));
    let known = known.into_iter().find(|name| name.starts_with(VOLUME_PREFIX)).map(str::to_owned);
    let volume = known.clone().unwrap_or_else(|| name::generated(VOLUME_PREFIX, seed));
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            mounted |= mount(container, &volume);
        }
    }
    if mounted && known.is_none() {
        push(spec, "volumes", token_volume(&volume));
    }
}

/// Whether the container got the mount: one that has something there already keeps that.
fn mount(container: &mut Value, volume: &str) -> bool {
    if !container.is_object()
        || items(&container["volumeMounts"]).iter().any(|mount| text(mount, "mountPath") == MOUNT_PATH)
    {
        return false;
    }
    push(container, "volumeMounts", json!({ "name": volume, "readOnly": true, "mountPath": MOUNT_PATH }));
    true
}

fn token_volume(name: &str) -> Value {
    json!({
        "name": name,
        "projected": {
            "defaultMode": 0o644,
            "sources": [
                { "serviceAccountToken": { "expirationSeconds": TOKEN_SECONDS, "path": "token" } },
                { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
                { "downwardAPI": { "items": [{
                    "path": "namespace",
                    "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" },
                }] } },
            ],
        },
    })
}

fn push(object: &mut Value, list: &str, item: Value) {
    match object.get_mut(list).and_then(Value::as_array_mut) {
        Some(items) => items.push(item),
        None => object[list] = json!([item]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(mut pod: Value, account: &Value) -> Value {
        complete(&mut pod, account, b"seed");
        pod
    }

    #[test]
    fn every_container_finds_the_token_where_clients_look() {
        let pod = json!({"spec": {"initContainers": [{"name": "i"}], "containers": [{"name": "c"}]}});
        let pod = completed(pod, &json!({}));
        let volume = &pod["spec"]["volumes"][0];
        let name = text(volume, "name");
        assert!(name.starts_with("kube-api-access-") && name.len() == "kube-api-access-".len() + 5);
        let sources = items(&volume["projected"]["sources"]);
        assert_eq!(sources[0], json!({"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}));
        assert_eq!(sources[1]["configMap"]["name"], "kube-root-ca.crt");
        for list in ["initContainers", "containers"] {
            let mount = json!({"name": name, "readOnly": true, "mountPath": MOUNT_PATH});
            assert_eq!(pod["spec"][list][0]["volumeMounts"], json!([mount]), "{list}");
        }
    }

    #[test]
    fn the_pod_says_whether_it_wants_a_token_before_its_account_does() {
        let account = json!({"automountServiceAccountToken": false});
        let bare = json!({"spec": {"containers": [{"name": "c"}]}});
        assert_eq!(completed(bare.clone(), &account), bare);
        let mut asking = bare.clone();
        asking["spec"]["automountServiceAccountToken"] = json!(true);
        assert!(completed(asking, &account)["spec"]["volumes"].is_array());
        let mut refusing = bare;
        refusing["spec"]["automountServiceAccountToken"] = json!(false);
        assert!(completed(refusing, &json!({}))["spec"]["volumes"].is_null());
    }

    #[test]
    fn what_a_container_mounts_there_itself_stays() {
        let own = json!({"name": "mine", "mountPath": MOUNT_PATH});
        let pod = json!({"spec": {"containers": [{"name": "c", "volumeMounts": [own]}]}});
        assert_eq!(completed(pod.clone(), &json!({})), pod);
    }

    #[test]
    fn an_account_brings_its_pull_secrets_unless_the_pod_has_its_own() {
        let account = json!({"automountServiceAccountToken": false, "imagePullSecrets": [{"name": "a"}]});
        assert_eq!(
            completed(json!({"spec": {}}), &account)["spec"]["imagePullSecrets"],
            json!([{"name": "a"}])
        );
        let own = json!({"spec": {"imagePullSecrets": [{"name": "b"}]}});
        assert_eq!(completed(own.clone(), &account), own);
    }

    #[test]
    fn a_mirror_pod_has_no_account() {
        assert_eq!(account_of(&json!({"spec": {}})), Some("default"));
        assert_eq!(account_of(&json!({"spec": {"serviceAccount": "old"}})), Some("old"));
        let mirror = json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}, "spec": {}});
        assert_eq!(account_of(&mirror), None);
    }
}
