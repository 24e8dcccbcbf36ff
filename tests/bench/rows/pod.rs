//! One pod on containerd, from its creation through the API to Running, beside the same pod by raw CRI calls to the same
//! containerd.

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use http::Method;
use rutter_client::Client;
use rutter_cri::{Containerd, runtime as cri};
use serde_json::{Value, json};

use crate::cluster::{Bench, Cluster};
use crate::report::{Bound, Report};

const ROUNDS: usize = 10;
const IMAGE: &str = "rutter/demo:latest";
const PODS: &str = "/api/v1/namespaces/default/pods";
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    if let Some(why) = bench.lacks_containers() {
        report.skip("one pod to Running on containerd", why);
        return Ok(());
    }
    let arguments = bench.real();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let cluster = bench.cluster("pod", &arguments)?;
    let (client, raw) = (cluster.client()?, Raw::of(&cluster)?);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let taken = tokio::time::timeout(PATIENCE, start(&client, &format!("pod-{round}"))).await??;
        let floor = raw.start(round).await?;
        // The first round warms caches.
        if round > 0 {
            ours.push(taken);
            bare.push(floor);
        }
    }
    let name = "one pod, create to Running on containerd, median";
    report.add(name, "ms", median(ours), Some(median(bare)), Bound::Times(1.25));
    Ok(())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

/// From the request to the event that says Running; then the pod is removed.
async fn start(client: &Client, name: &str) -> Result<Duration> {
    let list: Value = client.get(&format!("{PODS}?limit=1")).await?;
    let from = list["metadata"]["resourceVersion"].as_str().context("a list has a revision")?;
    let watch =
        |from: &str| format!("{PODS}?watch=true&resourceVersion={from}&fieldSelector=metadata.name%3D{name}");
    let mut lines = pin!(client.lines(&watch(from)).await?);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                     "spec": {"terminationGracePeriodSeconds": 0,
                              "containers": [{"name": "web", "image": IMAGE, "imagePullPolicy": "Never"}]}});
    let began = Instant::now();
    client.json::<Value>(Method::POST, PODS, Some(&pod)).await?;
    let taken = loop {
        let event = next(&mut lines).await?;
        if event["object"]["status"]["phase"] == "Running" {
            break began.elapsed();
        }
    };
    let path = format!("{PODS}/{name}?gracePeriodSeconds=0");
    client.json::<Value>(Method::DELETE, &path, None).await?;
    while next(&mut lines).await?["type"] != "DELETED" {}
    Ok(taken)
}

async fn next(lines: &mut (impl futures::Stream<Item = Result<bytes::Bytes>> + Unpin)) -> Result<Value> {
    let Some(line) = lines.try_next().await? else { bail!("the watch ended") };
    Ok(serde_json::from_slice(&line)?)
}

/// The node's containerd, spoken to directly.
struct Raw {
    containerd: Containerd,
    logs: PathBuf,
    /// The node's cgroup, which goes with the cluster.
    cgroup: String,
}

impl Raw {
    fn of(cluster: &Cluster<'_>) -> Result<Raw> {
        let node: Value = serde_json::from_slice(&fs::read(cluster.data().join("run/node.json"))?)?;
        let run_dir = node["run-dir"].as_str().context("the node says where it runs")?;
        let logs = cluster.data().join("bare");
        fs::create_dir_all(&logs)?;
        let name = node["node-name"].as_str().context("the node says its name")?;
        let containerd = Containerd::at(&Path::new(run_dir).join("containerd.sock"));
        Ok(Raw { containerd, logs, cgroup: format!("/rutter/{name}") })
    }

    /// Sandbox, its address, image, container, start; then everything is removed again.
    async fn start(&self, round: usize) -> Result<Duration> {
        let Containerd { mut runtime, mut images, .. } = self.containerd.clone();
        let began = Instant::now();
        let sandbox_config = self.sandbox(round);
        let request =
            cri::RunPodSandboxRequest { config: Some(sandbox_config.clone()), ..Default::default() };
        let pod_sandbox_id = runtime.run_pod_sandbox(request).await?.into_inner().pod_sandbox_id;
        let request = cri::PodSandboxStatusRequest { pod_sandbox_id: pod_sandbox_id.clone(), verbose: false };
        runtime.pod_sandbox_status(request).await?;
        let image = cri::ImageSpec { image: IMAGE.into(), ..Default::default() };
        images.image_status(cri::ImageStatusRequest { image: Some(image.clone()), verbose: false }).await?;
        let config = cri::ContainerConfig {
            metadata: Some(cri::ContainerMetadata { name: "web".into(), attempt: 0 }),
            image: Some(image),
            log_path: format!("{round}.log"),
            linux: Some(cri::LinuxContainerConfig::default()),
            ..Default::default()
        };
        let request = cri::CreateContainerRequest {
            pod_sandbox_id: pod_sandbox_id.clone(),
            config: Some(config),
            sandbox_config: Some(sandbox_config),
        };
        let container_id = runtime.create_container(request).await?.into_inner().container_id;
        runtime.start_container(cri::StartContainerRequest { container_id }).await?;
        let taken = began.elapsed();
        let request = cri::StopPodSandboxRequest { pod_sandbox_id: pod_sandbox_id.clone() };
        runtime.stop_pod_sandbox(request).await?;
        runtime.remove_pod_sandbox(cri::RemovePodSandboxRequest { pod_sandbox_id }).await?;
        Ok(taken)
    }

    fn sandbox(&self, round: usize) -> cri::PodSandboxConfig {
        cri::PodSandboxConfig {
            metadata: Some(cri::PodSandboxMetadata {
                name: format!("bare-{round}"),
                uid: format!("bare-{round}"),
                namespace: "default".into(),
                attempt: 0,
            }),
            hostname: "bare".into(),
            log_directory: self.logs.display().to_string(),
            linux: Some(cri::LinuxPodSandboxConfig {
                cgroup_parent: format!("{}/bare-{round}", self.cgroup),
                ..Default::default()
            }),
            ..Default::default()
        }
    }
}
