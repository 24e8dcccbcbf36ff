//! What rolls while things are killed, and what stands: a Deployment that changes with every run, and one whose
//! containers have to keep their ids.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use http::Method;
use rutter_tests::{Client, eventually};
use serde_json::{Value, json};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const ROLLING: &str = "roll";
const STEADY: &str = "steady";

/// Container ids by pod uid and container name.
pub(super) type Containers = BTreeMap<String, String>;

/// Sees that the steady one stands; then changes the other's template.
pub(super) async fn begin(client: &Client, run: u32) -> Result<()> {
    let container = |env: Value| json!([{"name": "c", "image": "rutter/demo:latest", "imagePullPolicy": "IfNotPresent", "env": env}]);
    put(client, STEADY, 2, container(json!([]))).await?;
    complete(client, STEADY).await?;
    put(client, ROLLING, 3, container(json!([{"name": "RUN", "value": run.to_string()}]))).await
}

/// Waits until the rollout has ended: every pod is of the new template and available.
pub(super) async fn end(client: &Client) -> Result<()> {
    complete(client, ROLLING).await
}

async fn put(client: &Client, name: &str, replicas: u32, containers: Value) -> Result<()> {
    let labels = json!({"app": name});
    let template = json!({"metadata": {"labels": labels},
                          "spec": {"terminationGracePeriodSeconds": 1, "containers": containers}});
    let wanted = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}});
    let path = format!("{DEPLOYMENTS}/{name}");
    eventually("a deployment is written", async || match client.get::<Value>(&path).await {
        Err(error) if format!("{error:#}").contains("not found") => {
            client.json::<Value>(Method::POST, DEPLOYMENTS, Some(&wanted)).await
        }
        Err(error) => Err(error),
        Ok(mut stands) => {
            stands["spec"]["template"] = wanted["spec"]["template"].clone();
            client.json::<Value>(Method::PUT, &path, Some(&stands)).await
        }
    })
    .await?;
    Ok(())
}

/// As `kubectl rollout status` decides it.
async fn complete(client: &Client, name: &str) -> Result<()> {
    eventually("a rollout ends", async || {
        let deployment: Value = client.get(&format!("{DEPLOYMENTS}/{name}")).await?;
        let (wanted, status) = (&deployment["spec"]["replicas"], &deployment["status"]);
        let is_current = status["observedGeneration"] == deployment["metadata"]["generation"];
        let counts = ["replicas", "updatedReplicas", "availableReplicas"];
        ensure!(is_current && counts.iter().all(|count| status[*count] == *wanted), "{name}: {status}");
        Ok(())
    })
    .await
}

/// The containers of the steady deployment.
pub(super) async fn containers(client: &Client) -> Result<Containers> {
    let path = format!("/api/v1/namespaces/default/pods?labelSelector=app%3D{STEADY}");
    let pods: Value = eventually("pods are listed", async || client.get(&path).await).await?;
    let mut containers = Containers::new();
    for pod in pods["items"].as_array().into_iter().flatten() {
        for status in pod["status"]["containerStatuses"].as_array().into_iter().flatten() {
            let key = format!("{}/{}", pod["metadata"]["uid"], status["name"]);
            containers.insert(key, status["containerID"].to_string());
        }
    }
    Ok(containers)
}

/// How many of them have another id now, or are gone.
pub(super) async fn changed(client: &Client, before: &Containers) -> Result<u64> {
    let after = containers(client).await?;
    Ok(before.iter().filter(|(key, id)| after.get(*key) != Some(id)).count() as u64)
}
