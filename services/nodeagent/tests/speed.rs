//! How long a pod takes from its feed to Running, beside the same pod by bare CRI calls. Prints a row; run with
//! `cargo test -p rutter-nodeagent --test speed --release -- --ignored --nocapture`.

mod support;

use std::time::{Duration, Instant};

use rutter_cri::Containerd;
use rutter_cri::runtime as cri;
use serde_json::json;
use support::{IMAGE, Node, can_run_containers};

const ROUNDS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn a_pod_starts_about_as_quickly_as_bare_calls() {
    if !can_run_containers() {
        return;
    }
    let node = Node::start(5).await;
    let client = Containerd::at(&node.cfg.run_dir.join("containerd.sock"));
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let began = Instant::now();
        let name = format!("pod-{round}");
        node.put_pod(&name, json!({"containers": [{"name": "web"}]})).await;
        node.until_status(&name, "the pod runs", |status| status["phase"] == "Running").await;
        let taken = began.elapsed();
        node.delete_pod(&name, 0).await;
        node.until("the pod is deleted", |world| world.deleted.contains(&name)).await;
        let floor = start_barely(&node, client.clone(), round).await;
        // The first round warms caches.
        if round > 0 {
            ours.push(taken);
            bare.push(floor);
        }
    }
    let (ours, bare) = (median(ours), median(bare));
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    println!("one pod to Running: {ours:.1?}, by bare CRI calls {bare:.1?}, ratio {ratio:.2}");
    node.end().await;
    assert!(ratio < 2.0, "far more than the bare calls: {ratio:.2}");
}

/// Sandbox, its address, container, start: then everything is removed again.
async fn start_barely(node: &Node, client: Containerd, round: usize) -> Duration {
    let (mut runtime, mut images) = (client.runtime, client.images);
    let logs = node.cfg.data_dir.join("bare");
    std::fs::create_dir_all(&logs).expect("a directory");
    let began = Instant::now();
    let sandbox_config = cri::PodSandboxConfig {
        metadata: Some(cri::PodSandboxMetadata {
            name: format!("bare-{round}"),
            uid: format!("bare-{round}"),
            namespace: "default".into(),
            attempt: 0,
        }),
        hostname: "bare".into(),
        log_directory: logs.display().to_string(),
        linux: Some(cri::LinuxPodSandboxConfig {
            cgroup_parent: format!("/rutter/{}/bare-{round}", node.cfg.node_name),
            ..Default::default()
        }),
        ..Default::default()
    };
    let request = cri::RunPodSandboxRequest { config: Some(sandbox_config.clone()), ..Default::default() };
    let pod_sandbox_id =
        runtime.run_pod_sandbox(request).await.expect("a sandbox").into_inner().pod_sandbox_id;
    let request = cri::PodSandboxStatusRequest { pod_sandbox_id: pod_sandbox_id.clone(), verbose: false };
    runtime.pod_sandbox_status(request).await.expect("its address");
    let image = cri::ImageSpec { image: IMAGE.into(), ..Default::default() };
    let request = cri::ImageStatusRequest { image: Some(image.clone()), verbose: false };
    images.image_status(request).await.expect("the image");
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
    let container_id =
        runtime.create_container(request).await.expect("a container").into_inner().container_id;
    runtime.start_container(cri::StartContainerRequest { container_id }).await.expect("it starts");
    let taken = began.elapsed();
    let request = cri::StopPodSandboxRequest { pod_sandbox_id: pod_sandbox_id.clone() };
    runtime.stop_pod_sandbox(request).await.expect("it stops");
    runtime.remove_pod_sandbox(cri::RemovePodSandboxRequest { pod_sandbox_id }).await.expect("it goes");
    taken
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
