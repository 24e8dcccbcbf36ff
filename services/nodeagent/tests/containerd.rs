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
