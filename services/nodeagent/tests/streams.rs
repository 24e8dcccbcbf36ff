//! Streams out of a node, over a real nats-server: the caller's side is written out here, frame by frame.

mod support;

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use rutter_schemas::protocol::dial::{
    CHUNK, Dial, DialAnswer, DialFrame, DialTarget, LogOptions, PodRef, WINDOW, channel,
};
use rutter_schemas::subjects;
use serde_json::json;
use support::{Broker, Node, can_run_containers};

/// The caller's side of one stream.
struct Caller {
    client: async_nats::Client,
    down: async_nats::Subscriber,
    up: String,
    sent: u64,
}

impl Caller {
    async fn dial(client: &async_nats::Client, node: &str, target: DialTarget) -> Result<Caller, String> {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let (up, down) = (subjects::node::data(node, &id, "up"), subjects::node::data(node, &id, "down"));
        let mut answers = client.subscribe(down.clone()).await.expect("connected");
        let text = serde_json::to_vec(&Dial { id, target }).expect("plain data");
        let dial = subjects::node::dial(node);
        client.publish_with_reply(dial, down, text.into()).await.expect("connected");
        let first = tokio::time::timeout(Duration::from_secs(10), answers.next()).await.expect("an answer");
        let first = first.expect("an answer").payload;
        match serde_json::from_slice(&first).expect("the first message is an answer") {
            DialAnswer::Open => Ok(Caller { client: client.clone(), down: answers, up, sent: 0 }),
            DialAnswer::Refused { status } => Err(status["message"].as_str().unwrap_or_default().to_owned()),
        }
    }

    async fn send(&mut self, payload: &[u8]) {
        let frame = DialFrame::Data {
            channel: channel::STDIN,
            number: self.sent,
            payload: Bytes::copy_from_slice(payload),
        };
        self.publish(frame).await;
    }

    async fn eof(&mut self) {
        let frame = DialFrame::Eof { channel: channel::STDIN, number: self.sent };
        self.publish(frame).await;
    }

    async fn publish(&mut self, frame: DialFrame) {
        self.sent += 1;
        self.client.publish(self.up.clone(), frame.encode()).await.expect("connected");
    }

    /// Everything until the end, by channel; grants what it reads.
    async fn read(&mut self) -> [String; 4] {
        let mut out: [Vec<u8>; 4] = Default::default();
        let mut due = 0;
        while let Ok(Some(message)) = tokio::time::timeout(Duration::from_secs(20), self.down.next()).await {
            match DialFrame::decode(&message.payload).expect("a frame") {
                DialFrame::Data { channel, number, payload } => {
                    assert_eq!(number, due);
                    assert!(payload.len() <= CHUNK);
                    due += 1;
                    out[usize::from(channel)].extend_from_slice(&payload);
                    let bytes = u32::try_from(payload.len()).expect("a chunk");
                    let grant = DialFrame::Credit { bytes }.encode();
                    self.client.publish(self.up.clone(), grant).await.expect("connected");
                }
                DialFrame::End { .. } => {
                    return out.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                }
                DialFrame::Eof { .. } => due += 1,
                DialFrame::Credit { .. } => {}
            }
        }
        panic!("the stream never ended; so far: {:?}", out.map(|bytes| bytes.len()));
    }
}

fn exec(pod: &PodRef, command: &[&str], stdin: bool) -> DialTarget {
    DialTarget::Exec {
        pod: pod.clone(),
        container: "web".into(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        stdin,
        stdout: true,
        stderr: true,
        tty: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_commands_and_connections_flow_through_the_broker() {
    if !can_run_containers() {
        return;
    }
    let Some(broker) = Broker::start() else { return };
    let node = Node::start_with(4, Some(broker.connect().await)).await;
    let (name, client) = (node.cfg.node_name.clone(), broker.connect().await);
    node.put_pod("web", json!({"containers": [{"name": "web"}]})).await;
    let status = node.until_ready("web").await;
    let pod = PodRef { namespace: "default".into(), name: "web".into(), uid: String::new() };

    let mut caller =
        Caller::dial(&client, &name, exec(&pod, &["/demo", "echo", "hi"], false)).await.expect("open");
    let [_, out, _, error] = caller.read().await;
    assert_eq!(out, "hi\n");
    assert!(error.contains("Success"), "{error}");

    let mut caller =
        Caller::dial(&client, &name, exec(&pod, &["/demo", "exit", "3"], false)).await.expect("open");
    let [_, _, _, error] = caller.read().await;
    assert!(error.contains("NonZeroExitCode") && error.contains("\"3\""), "{error}");

    let mut caller = Caller::dial(&client, &name, exec(&pod, &["/demo", "cat"], true)).await.expect("open");
    caller.send(b"through the pipe").await;
    caller.eof().await;
    let [_, out, ..] = caller.read().await;
    assert_eq!(out, "through the pipe");

    let refused =
        Caller::dial(&client, &name, exec(&pod, &["/nothing"], false)).await.err().unwrap_or_default();
    assert!(refused.contains("no such file"), "{refused}");

    // More than a window: it only comes whole if credit flows.
    let count = "60000";
    let mut caller =
        Caller::dial(&client, &name, exec(&pod, &["/demo", "lines", count], false)).await.expect("open");
    let [_, out, ..] = caller.read().await;
    assert!(out.len() > WINDOW as usize && out.lines().count() == 60000, "{}", out.len());

    let logs = |options: LogOptions| DialTarget::Logs { pod: pod.clone(), container: "web".into(), options };
    let ip = status["podIP"].as_str().expect("an address");
    let _ = tokio::net::TcpStream::connect((ip, 8080)).await.expect("it listens");
    let mut caller = Caller::dial(&client, &name, logs(LogOptions::default())).await.expect("open");
    let [_, out, ..] = caller.read().await;
    assert!(out.contains("8080"), "{out:?}");
    let previous = LogOptions { previous: true, ..LogOptions::default() };
    let refused = Caller::dial(&client, &name, logs(previous)).await.err().unwrap_or_default();
    assert!(refused.contains("previous terminated container"), "{refused}");

    for target in [
        DialTarget::PortForward { pod: pod.clone(), port: 8080 },
        DialTarget::Connect { pod: pod.clone(), port: 8080 },
    ] {
        let mut caller = Caller::dial(&client, &name, target).await.expect("open");
        caller.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        let [_, out, ..] = caller.read().await;
        assert!(out.contains("200") && out.ends_with("ok\n"), "{out}");
    }

    joined_containers_hear_the_end(&node, &client).await;
    the_node_tells_of_itself(&node, &client).await;

    // A stream that nobody reads holds back nobody else.
    let stalled = Caller::dial(&client, &name, exec(&pod, &["/demo", "lines", "100000000"], false))
        .await
        .expect("open");
    let mut caller =
        Caller::dial(&client, &name, exec(&pod, &["/demo", "echo", "on"], false)).await.expect("open");
    assert_eq!(caller.read().await[1], "on\n");
    let mut stalled = stalled;
    let number = stalled.sent;
    stalled.publish(DialFrame::End { number, reason: "enough".into() }).await;
    node.delete_pod("web", 1).await;
    node.until("the pod is deleted", |world| world.deleted.contains(&"web".to_owned())).await;
    node.end().await;
}

/// `stdinOnce`: the end of the first input is the container's, whose output still comes; without it, the container keeps
/// its input for who joins next.
async fn joined_containers_hear_the_end(node: &Node, client: &async_nats::Client) {
    let attach = |pod: &str| DialTarget::Attach {
        pod: PodRef { namespace: "default".into(), name: pod.into(), uid: String::new() },
        container: "c".into(),
        stdin: true,
        stdout: true,
        stderr: true,
        tty: false,
    };
    let name = node.cfg.node_name.clone();
    let reads_once = json!({"name": "c", "args": ["cat"], "stdin": true, "stdinOnce": true});
    node.put_pod("once", json!({"restartPolicy": "Never", "containers": [reads_once]})).await;
    node.until_ready("once").await;
    let mut caller = Caller::dial(client, &name, attach("once")).await.expect("open");
    caller.send(b"the first and ").await;
    caller.send(b"the last").await;
    caller.eof().await;
    let [_, out, _, error] = caller.read().await;
    assert_eq!(out, "the first and the last");
    assert!(error.contains("Success"), "{error}");
    let status =
        node.until_status("once", "it read to the end", |status| status["phase"] == "Succeeded").await;
    assert_eq!(status["containerStatuses"][0]["state"]["terminated"]["exitCode"], 0);

    let reads_on = json!({"name": "c", "args": ["cat"], "stdin": true});
    node.put_pod("on", json!({"restartPolicy": "Never", "containers": [reads_on]})).await;
    node.until_ready("on").await;
    for words in [&b"one\n"[..], b"two\n"] {
        let mut caller = Caller::dial(client, &name, attach("on")).await.expect("open");
        caller.send(words).await;
        node.until_log("on", "c", &String::from_utf8_lossy(words)).await;
        caller.eof().await;
        caller.read().await;
    }
    assert_eq!(node.status("on")["phase"], "Running");
    for pod in ["once", "on"] {
        node.delete_pod(pod, 1).await;
        node.until("the pod is deleted", |world| world.deleted.contains(&pod.to_owned())).await;
    }
}

async fn page(client: &async_nats::Client, node: &str, path: &str) -> String {
    let mut caller = Caller::dial(client, node, DialTarget::Pages).await.expect("open");
    caller.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await;
    let [_, answer, ..] = caller.read().await;
    answer
}

async fn the_node_tells_of_itself(node: &Node, client: &async_nats::Client) {
    let name = node.cfg.node_name.as_str();
    let body = |answer: String| {
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
        body.to_owned()
    };
    assert_eq!(body(page(client, name, "/healthz").await), "ok");
    let verbose = body(page(client, name, "/healthz?verbose").await);
    assert_eq!(verbose, "[+]ping ok\n[+]syncloop ok\nhealthz check passed\n");

    let pods: serde_json::Value =
        serde_json::from_str(&body(page(client, name, "/pods").await)).expect("JSON");
    assert_eq!((&pods["kind"], &pods["items"][0]["metadata"]["name"]), (&json!("PodList"), &json!("web")));
    assert_eq!(pods["items"][0]["status"]["phase"], "Running");

    let metrics = body(page(client, name, "/metrics/resource").await);
    let sample = |name: &str| {
        let line = metrics
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name} in {metrics}"));
        line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).expect("a number")
    };
    let of_web = "{container=\"web\",pod=\"web\",namespace=\"default\"}";
    assert!(sample(&format!("container_memory_working_set_bytes{of_web}")) > 0.0);
    assert!(sample(&format!("container_cpu_usage_seconds_total{of_web}")) > 0.0);
    assert!(sample("node_memory_working_set_bytes") > sample("pod_memory_working_set_bytes"));
    assert!(body(page(client, name, "/metrics").await).contains("kubelet_running_pods 1"));

    let summary = body(page(client, name, "/stats/summary").await);
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
    assert_eq!(summary["pods"][0]["podRef"]["name"], "web");
    assert!(summary["pods"][0]["containers"][0]["memory"]["workingSetBytes"].as_u64() > Some(0), "{summary}");
    assert!(summary["node"]["fs"]["capacityBytes"].as_u64() > Some(0), "{summary}");

    assert!(body(page(client, name, "/containerLogs/default/web/web").await).contains("8080"));
    let lost = page(client, name, "/containerLogs/default/web/none").await;
    assert!(
        lost.starts_with("HTTP/1.1 404 ") && lost.contains("container \"none\" not found in pod \"web\""),
        "{lost}"
    );
    assert!(body(page(client, name, "/configz").await).contains("\"maxPods\":110"));
    assert!(body(page(client, name, "/logs/").await).contains("<pre>"));
    assert!(page(client, name, "/logs/..%2f..%2fetc/passwd").await.starts_with("HTTP/1.1 404 "));
    assert!(page(client, name, "/run/default/web/web").await.starts_with("HTTP/1.1 404 "));
}
