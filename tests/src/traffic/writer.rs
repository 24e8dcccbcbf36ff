//! A writer: objects of many kinds, made, replaced, patched in every form and deleted, in an order drawn from a seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::Result;
use http::Method;
use rutter_client::Client;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::dice::Dice;

/// Objects of a writer that live at once, about.
const LIVING: usize = 24;

/// Where a kind lives, and how one of it begins.
struct Kind {
    path: &'static str,
    fresh: fn(&mut Dice) -> Value,
}

const KINDS: [Kind; 8] = [
    Kind { path: "/api/v1/namespaces/default/configmaps", fresh: config_map },
    Kind { path: "/api/v1/namespaces/default/secrets", fresh: secret },
    Kind { path: "/api/v1/namespaces/default/services", fresh: service },
    Kind { path: "/api/v1/namespaces/default/serviceaccounts", fresh: service_account },
    Kind { path: "/api/v1/namespaces/default/pods", fresh: pod },
    Kind { path: "/api/v1/namespaces/default/events", fresh: event },
    Kind { path: "/apis/coordination.k8s.io/v1/namespaces/default/leases", fresh: lease },
    Kind { path: "/apis/apps/v1/namespaces/default/deployments", fresh: deployment },
];

/// Something that this writer made, as it last saw it.
struct Mine {
    path: String,
    object: Value,
}

/// Writes until told to stop. What is refused is counted, and given up.
pub(super) async fn write(
    client: Arc<Client>,
    number: u64,
    seed: u64,
    refused: Arc<AtomicU64>,
    stop: CancellationToken,
) {
    let mut dice = Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
    let (mut living, mut made): (Vec<Mine>, u64) = (Vec::new(), 0);
    while !stop.is_cancelled() {
        let grows = living.len() < LIVING && dice.below(100) < 45;
        let done = if living.is_empty() || grows {
            made += 1;
            create(&client, &mut dice, &format!("w{number}-{made}")).await.map(|mine| living.push(mine))
        } else {
            let mut mine = living.swap_remove(dice.index(living.len()));
            match change(&client, &mut dice, &mut mine).await {
                Ok(true) => {
                    living.push(mine);
                    Ok(())
                }
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            }
        };
        if done.is_err() {
            refused.fetch_add(1, Relaxed);
        }
    }
}

async fn create(client: &Client, dice: &mut Dice, name: &str) -> Result<Mine> {
    let kind = &KINDS[dice.index(KINDS.len())];
    let mut object = (kind.fresh)(dice);
    object["metadata"] = json!({"name": name, "labels": {"app": format!("app-{}", dice.below(20))}});
    let object = client.json(Method::POST, kind.path, Some(&object)).await?;
    Ok(Mine { path: format!("{}/{name}", kind.path), object })
}

/// Changes an object in one of all ways; false when it is gone.
async fn change(client: &Client, dice: &mut Dice, mine: &mut Mine) -> Result<bool> {
    let step = dice.below(1_000_000).to_string();
    let patch = |form: &str, patch: Value| {
        let (form, path) = (form.to_owned(), mine.path.clone());
        async move { client.patch::<Value>(&path, &form, &patch).await }
    };
    mine.object = match dice.below(10) {
        0..=3 => {
            mine.object["metadata"]["annotations"] = json!({"step": step});
            client.json(Method::PUT, &mine.path, Some(&mine.object)).await?
        }
        4..=5 => {
            patch("application/merge-patch+json", json!({"metadata": {"annotations": {"merged": step}}}))
                .await?
        }
        6 => {
            let labels =
                json!({"metadata": {"labels": {"app": format!("app-{}", dice.below(20)), "step": step}}});
            patch("application/strategic-merge-patch+json", labels).await?
        }
        7 => {
            let add = json!([{"op": "add", "path": "/metadata/labels/patched", "value": step}]);
            patch("application/json-patch+json", add).await?
        }
        _ => {
            client.json::<Value>(Method::DELETE, &mine.path, None).await?;
            return Ok(false);
        }
    };
    Ok(true)
}

fn filler(dice: &mut Dice) -> String {
    let length = 40 + dice.index(400);
    "rutter ".chars().cycle().take(length).collect()
}

fn config_map(dice: &mut Dice) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"text": filler(dice)}})
}

fn secret(dice: &mut Dice) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"text": filler(dice)}})
}

fn service(dice: &mut Dice) -> Value {
    let port = 1 + dice.below(60_000);
    json!({"apiVersion": "v1", "kind": "Service", "spec": {"selector": {"app": "none"}, "ports": [{"port": port}]}})
}

fn service_account(_: &mut Dice) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": false})
}

fn pod(_: &mut Dice) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "spec": {
        "nodeSelector": {"nowhere": "true"}, "containers": [{"name": "c", "image": "rutter/demo:latest"}]}})
}

fn event(dice: &mut Dice) -> Value {
    json!({"apiVersion": "v1", "kind": "Event", "reason": "Tested", "message": filler(dice), "type": "Normal",
           "involvedObject": {"kind": "Pod", "namespace": "default", "name": "nobody"}})
}

fn lease(dice: &mut Dice) -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {
        "holderIdentity": "me", "leaseDurationSeconds": 10 + dice.below(50)}})
}

fn deployment(dice: &mut Dice) -> Value {
    let labels = json!({"app": format!("deployed-{}", dice.below(1_000_000_000))});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {
        "replicas": 0, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels},
                     "spec": {"containers": [{"name": "c", "image": "rutter/demo:latest"}]}}}})
}
