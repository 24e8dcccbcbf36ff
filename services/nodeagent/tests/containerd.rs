//! Pods on real containerd, from the feed to the process and back.

mod support;

use serde_json::json;
use support::{IMAGE, Node, can_run_containers};

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_lives_its_life() {
    if !can_run_containers() {
        return;
    }
    let node = Node::start(1).await;
    node.put("configmaps", "settings", json!({"data": {"color": "red", "shape": "round"}})).await;
    node.put_pod(
        "web",
        json!({
            "containers": [{
                "name": "web",
                "env": [
                    {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                    {"name": "COLOR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "color"}}},
                ],
                "volumeMounts": [
                    {"name": "settings", "mountPath": "/settings"},
                    {"name": "scratch", "mountPath": "/scratch"},
                ],
                "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
                "livenessProbe": {"exec": {"command": ["/demo", "cat", "/settings/color"]}, "periodSeconds": 1},
            }],
            "volumes": [
                {"name": "settings", "configMap": {"name": "settings"}},
                {"name": "scratch", "emptyDir": {"medium": "Memory"}},
            ],
        }),
    )
    .await;
    let status = node.until_ready("web").await;
    assert_eq!(status["phase"], "Running");
    let ip = status["podIP"].as_str().expect("an address").to_owned();
    assert!(ip.starts_with("10.251.1."), "{ip}");
    let body = get(&ip, "/").await;
    assert!(body.starts_with("web"), "{body}");
    let env = get(&ip, "/env").await;
    assert!(env.contains(&format!("POD_IP={ip}\n")) && env.contains("COLOR=red\n"), "{env}");

    let id = status["containerStatuses"][0]["containerID"].clone();
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), get(&ip, "/exit?code=3")).await;
    let status = node
        .until_status("web", "the container was started again", |status| {
            let one = &status["containerStatuses"][0];
            one["restartCount"] == 1 && one["ready"] == true
        })
        .await;
    let one = &status["containerStatuses"][0];
    assert_ne!(one["containerID"], id);
    assert_eq!(one["lastState"]["terminated"]["exitCode"], 3);
    assert_eq!(one["lastState"]["terminated"]["containerID"], id);

    node.delete_pod("web", 10).await;
    node.until("the pod is deleted", |world| world.deleted.contains(&"web".to_owned())).await;
    let facts = node.facts();
    let has = |fact: &str| facts.iter().any(|known| known == fact);
    assert!(has("ContainerStarted") && has("PodReady"), "{facts:?}");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_keep_their_ids_over_crashes_of_the_agent_and_of_containerd() {
    if !can_run_containers() {
        return;
    }
    let mut node = Node::start(2).await;
    node.put_pod("web", json!({"containers": [{"name": "web"}]})).await;
    let before = node.until_ready("web").await["containerStatuses"][0].clone();
    node.put_pod("other", json!({"containers": [{"name": "web"}]})).await;
    node.until_ready("other").await;
    node.crash().await;
    node.resume();
    node.put_pod("third", json!({"containers": [{"name": "web"}]})).await;
    node.until_ready("third").await;
    assert_same_container(&node.status("web"), &before);
    let ip = node.status("web")["podIP"].as_str().expect("an address").to_owned();
    assert!(get(&ip, "/").await.starts_with("web"));

    let pid = std::fs::read_to_string(node.cfg.run_dir.join("containerd.pid")).expect("it runs");
    let killed = std::process::Command::new("kill").args(["-9", pid.trim()]).status().expect("kill is there");
    assert!(killed.success());
    node.put_pod("fourth", json!({"containers": [{"name": "web"}]})).await;
    node.until_ready("fourth").await;
    assert_same_container(&node.status("web"), &before);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_tokens_are_files_in_memory_and_users_can_read_them() {
    if !can_run_containers() {
        return;
    }
    let node = Node::start(6).await;
    node.put("secrets", "s", json!({"data": {"word": "Y2FuYXJ5"}})).await;
    node.put_pod(
        "job",
        json!({
            "restartPolicy": "Never",
            "serviceAccountName": "default",
            "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 2000},
            "containers": [{
                "name": "job",
                "args": ["cat", "/all/word"],
                "resources": {"limits": {"cpu": "100m", "memory": "32Mi"}},
                "volumeMounts": [{"name": "all", "mountPath": "/all"}],
            }, {
                "name": "token",
                "args": ["cat", "/all/token"],
                "volumeMounts": [{"name": "all", "mountPath": "/all"}],
            }, {
                "name": "hosts",
                "args": ["cat", "/etc/hosts"],
            }],
            "volumes": [{"name": "all", "projected": {"sources": [
                {"secret": {"name": "s"}},
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
            ]}}],
        }),
    )
    .await;
    let status = node.until_status("job", "the job has ended", |status| status["phase"] == "Succeeded").await;
    assert_eq!(status["qosClass"], "Burstable");
    assert_eq!((node.log("job", "job", 0).trim(), node.log("job", "token", 0).trim()), ("canary", "a-token"));
    assert!(node.log("job", "hosts", 0).contains("\tjob\n"), "{}", node.log("job", "hosts", 0));
    let found = std::process::Command::new("grep")
        .args(["-rl", "canary"])
        .arg(node.cfg.data_dir.join("pods"))
        .output();
    let found = String::from_utf8_lossy(&found.expect("grep is there").stdout).replace("logs", "");
    let on_disk: Vec<&str> = found.lines().filter(|path| !path.ends_with(".log")).collect();
    assert!(on_disk.is_empty(), "a secret lies on the disk: {on_disk:?}");
    node.delete_pod("job", 5).await;
    node.until("the pod is deleted", |world| world.deleted.contains(&"job".to_owned())).await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_config_map_follow_it_and_last_words_are_kept() {
    if !can_run_containers() {
        return;
    }
    let node = Node::start(3).await;
    node.put("configmaps", "m", json!({"data": {"k": "one"}})).await;
    let volumes = json!([{"name": "m", "configMap": {"name": "m"}}]);
    node.put_pod("web", json!({"containers": [{"name": "web"}], "volumes": volumes})).await;
    node.until_ready("web").await;
    let file = node.cfg.data_dir.join("pods/uid-web/volumes/m/k");
    assert_eq!(std::fs::read_to_string(&file).expect("it is mounted"), "one");
    node.put("configmaps", "m", json!({"data": {"k": "two"}})).await;
    node.until("the file has changed", |_| std::fs::read_to_string(&file).is_ok_and(|text| text == "two"))
        .await;

    let args = json!(["exit", "7", "good", "bye"]);
    node.put_pod("job", json!({"restartPolicy": "Never", "containers": [{"name": "job", "args": args}]}))
        .await;
    let status = node.until_status("job", "the job has failed", |status| status["phase"] == "Failed").await;
    let end = &status["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&end["exitCode"], &end["message"]), (&json!(7), &json!("good bye")));
    assert_eq!(node.log("job", "job", 0), "good bye\n");

    node.put_pod(
        "lost",
        json!({"containers": [{"name": "c", "image": "rutter/none:1", "imagePullPolicy": "Never"}]}),
    )
    .await;
    node.until_status("lost", "the image is missing", |status| {
        status["containerStatuses"][0]["state"]["waiting"]["reason"] == "ErrImageNeverPull"
    })
    .await;
    assert!(IMAGE.starts_with("rutter/"));
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_a_volume_that_is_read_only() {
    if !can_run_containers() {
        return;
    }
    let node = Node::start(8).await;
    let mounts = json!([{"name": "image", "mountPath": "/image"}]);
    let job = |name: &str, args: &[&str]| json!({"name": name, "args": args, "volumeMounts": mounts});
    node.put_pod(
        "job",
        json!({
            "restartPolicy": "Never",
            "containers": [
                job("reads", &["cat", "/image/demo"]),
                job("writes", &["write", "/image/new", "words"]),
            ],
            "volumes": [{"name": "image", "image": {"reference": IMAGE, "pullPolicy": "Never"}}],
        }),
    )
    .await;
    let status = node.until_status("job", "both have ended", |status| status["phase"] == "Failed").await;
    let code = |at: usize| status["containerStatuses"][at]["state"]["terminated"]["exitCode"].clone();
    assert_eq!((code(0), code(1)), (json!(0), json!(1)));
    assert!(
        node.log("job", "writes", 0).contains("Read-only file system"),
        "{}",
        node.log("job", "writes", 0)
    );
    let mounted = node.cfg.data_dir.join("pods/uid-job/image-volumes/image/demo");
    assert!(std::fs::metadata(&mounted).is_ok_and(|file| file.len() > 0));
    node.delete_pod("job", 1).await;
    node.until("the pod is deleted", |world| world.deleted.contains(&"job".to_owned())).await;
    assert!(!mounted.exists());

    node.put_pod(
        "lost",
        json!({
            "containers": [{"name": "c", "args": ["sleep", "1"]}],
            "volumes": [{"name": "image", "image": {"reference": "rutter/none:1", "pullPolicy": "Never"}}],
        }),
    )
    .await;
    node.until("operators are told", |world| {
        world
            .events
            .iter()
            .any(|(reason, message)| reason == "FailedMount" && message.contains("ErrImageNeverPull"))
    })
    .await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_resized_while_they_run() {
    if !can_run_containers() {
        return;
    }
    let node = Node::start(7).await;
    let size = |cpu: &str, memory: &str| {
        let amounts = json!({"cpu": cpu, "memory": memory});
        json!({"requests": amounts, "limits": amounts})
    };
    let policy = json!([{"resourceName": "memory", "restartPolicy": "RestartContainer"}]);
    node.put_pod(
        "web",
        json!({"containers": [
            {"name": "kept", "args": ["sleep", "100000"], "resources": size("100m", "64Mi")},
            {"name": "renewed", "args": ["sleep", "100000"], "resources": size("100m", "64Mi"), "resizePolicy": policy},
        ]}),
    )
    .await;
    let before = node.until_ready("web").await;
    let id = |status: &serde_json::Value, at: usize| status["containerStatuses"][at]["containerID"].clone();
    assert_eq!(limits(&node, &id(&before, 0)), (10_000, 64 << 20));

    let resize = async |generation: u64, size: serde_json::Value| {
        let mut pod = node.object("pods", "web");
        pod["metadata"]["generation"] = json!(generation);
        for container in pod["spec"]["containers"].as_array_mut().expect("containers") {
            container["resources"] = size.clone();
        }
        node.put("pods", "web", pod).await;
        let what = format!("resized to {size}");
        node.until_status("web", &what, |status| {
            let all = status["containerStatuses"].as_array().into_iter().flatten();
            let has_size = |one: &serde_json::Value| one["resources"] == size && one["ready"] == true;
            let resizing = status["conditions"].as_array().into_iter().flatten();
            let mut resizing =
                resizing.filter(|one| one["type"].as_str().is_some_and(|kind| kind.contains("Resize")));
            all.clone().count() == 2 && all.clone().all(has_size) && resizing.next().is_none()
        })
        .await
    };
    // More CPU, for which nobody restarts.
    let status = resize(2, size("200m", "64Mi")).await;
    assert_eq!((id(&status, 0), id(&status, 1)), (id(&before, 0), id(&before, 1)));
    assert_eq!(limits(&node, &id(&status, 0)), (20_000, 64 << 20));
    assert_eq!(limits(&node, &id(&status, 1)), (20_000, 64 << 20));
    // More memory, for which one does; and less again.
    let status = resize(3, size("200m", "96Mi")).await;
    assert_eq!(id(&status, 0), id(&before, 0));
    assert_ne!(id(&status, 1), id(&before, 1));
    assert_eq!(status["containerStatuses"][1]["restartCount"], 1);
    assert_eq!(limits(&node, &id(&status, 0)), (20_000, 96 << 20));
    assert_eq!(limits(&node, &id(&status, 1)), (20_000, 96 << 20));
    let status = resize(4, size("100m", "32Mi")).await;
    assert_eq!(id(&status, 0), id(&before, 0));
    assert_eq!(limits(&node, &id(&status, 0)), (10_000, 32 << 20));
    assert_eq!(status["observedGeneration"], 4);

    // What the node can't give is waited for.
    let mut pod = node.object("pods", "web");
    pod["metadata"]["generation"] = json!(5);
    pod["spec"]["containers"][0]["resources"] = size("4000", "32Mi");
    node.put("pods", "web", pod).await;
    let status = node
        .until_status("web", "the resize waits", |status| {
            let conditions = status["conditions"].as_array().into_iter().flatten();
            conditions.clone().any(|one| one["type"] == "PodResizePending" && one["reason"] == "Deferred")
        })
        .await;
    assert_eq!(status["containerStatuses"][0]["allocatedResources"]["cpu"], "100m");
    let events: Vec<String> =
        node.world.lock().expect("no panic").events.iter().map(|(reason, _)| reason.clone()).collect();
    for reason in ["ResizeStarted", "ResizeCompleted", "ResizeDeferred"] {
        assert!(events.iter().any(|known| known == reason), "{reason} in {events:?}");
    }
    node.delete_pod("web", 1).await;
    node.until("the pod is deleted", |world| world.deleted.contains(&"web".to_owned())).await;
    node.end().await;
}

/// CPU quota in microseconds a period and memory in bytes, as the kernel has them.
fn limits(node: &Node, id: &serde_json::Value) -> (u64, u64) {
    let id = id.as_str().and_then(|id| id.strip_prefix("containerd://")).expect("an id");
    let below = format!("rutter/{}/poduid-web/{id}", node.cfg.node_name);
    let read = |path: String| std::fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok();
    let either = |v1: &str, v2: &str| {
        read(format!("/sys/fs/cgroup/{}", v1.replace("{}", &below)))
            .or_else(|| read(format!("/sys/fs/cgroup/{below}/{v2}")))
            .unwrap_or_else(|| panic!("{below} has neither {v1} nor {v2}"))
    };
    (either("cpu/{}/cpu.cfs_quota_us", "cpu.max"), either("memory/{}/memory.limit_in_bytes", "memory.max"))
}

/// The body of an answer.
async fn get(ip: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect((ip, 8080)).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {ip}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// The container that ran before still runs. (Its start is told by containerd after an adoption and by the agent before
/// it, which may differ by the blink of a second.)
fn assert_same_container(status: &serde_json::Value, before: &serde_json::Value) {
    let after = &status["containerStatuses"][0];
    for kept in ["containerID", "restartCount", "ready", "lastState"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
}
