//! Streams into a pod, with kubectl at one end and at the other a node of the test's own that echoes.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::StreamExt;
use rutter_runtime::roles::Role;
use rutter_schemas::protocol::dial::{Dial, DialAnswer, DialFrame, DialTarget, WINDOW, channel};
use rutter_schemas::subjects::node;
use serde_json::json;

use crate::cluster::Cluster;
use crate::kubectl::Kubectl;

/// Answers every dial: a log of two lines, a command that echoes its input, a connection that answers in capitals.
async fn agent(nats: async_nats::Client, name: &'static str) {
    let mut dials = nats.subscribe(node::dial(name)).await.unwrap();
    nats.flush().await.unwrap();
    tokio::spawn(async move {
        while let Some(message) = dials.next().await {
            let dial: Dial = serde_json::from_slice(&message.payload).unwrap();
            tokio::spawn(stream(nats.clone(), name, dial));
        }
    });
}

struct Line {
    nats: async_nats::Client,
    down: String,
    number: u64,
}

impl Line {
    async fn send(&mut self, frame: impl FnOnce(u64) -> DialFrame) {
        let frame = frame(self.number);
        self.number += 1;
        self.nats.publish(self.down.clone(), frame.encode()).await.unwrap();
    }

    async fn data(&mut self, channel: u8, payload: Bytes) {
        self.send(|number| DialFrame::Data { channel, number, payload }).await;
    }

    async fn end(&mut self, reason: &str) {
        let reason = reason.to_owned();
        self.send(|number| DialFrame::End { number, reason }).await;
    }
}

async fn stream(nats: async_nats::Client, name: &str, dial: Dial) {
    let (up, down) = (node::data(name, &dial.id, "up"), node::data(name, &dial.id, "down"));
    let mut heard = nats.subscribe(up).await.unwrap();
    nats.flush().await.unwrap();
    if matches!(&dial.target, DialTarget::Exec { command, .. } if command[0] == "refused") {
        let status = json!(rutter_apimachinery::status::Status::bad_request("no such container"));
        let answer = serde_json::to_vec(&DialAnswer::Refused { status }).unwrap();
        return nats.publish(down, answer.into()).await.unwrap();
    }
    let mut line = Line { nats: nats.clone(), down: down.clone(), number: 0 };
    nats.publish(down, serde_json::to_vec(&DialAnswer::Open).unwrap().into()).await.unwrap();
    match &dial.target {
        DialTarget::Logs { options, .. } => {
            line.data(channel::STDOUT, "one\ntwo\n".into()).await;
            if options.follow {
                line.data(channel::STDOUT, "three\n".into()).await;
            }
            return line.end("").await;
        }
        DialTarget::Exec { command, .. } if command[0] == "fail" => {
            line.data(channel::STDERR, "oops\n".into()).await;
            let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "reason": "NonZeroExitCode", "message": "command terminated with non-zero exit code",
                "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}});
            line.data(channel::ERROR, status.to_string().into()).await;
            return line.end("").await;
        }
        _ => {}
    }
    let loud = matches!(dial.target, DialTarget::PortForward { .. } | DialTarget::Connect { .. });
    echo(&mut heard, &mut line, loud).await;
}

/// Sends back what comes, as far as credit allows; a loud one answers one piece in capitals and ends.
async fn echo(heard: &mut async_nats::Subscriber, line: &mut Line, loud: bool) {
    let (mut expected, mut owed, mut credit) = (0, 0, WINDOW);
    let (mut at_end, mut reported) = (false, loud);
    let mut waiting: VecDeque<(u8, Bytes)> = VecDeque::new();
    while let Some(message) = heard.next().await {
        match DialFrame::decode(&message.payload).unwrap() {
            DialFrame::Data { channel, number, payload } => {
                assert_eq!(number, expected, "nothing is lost");
                expected += 1;
                owed += u32::try_from(payload.len()).unwrap();
                if channel == channel::STDIN {
                    at_end = loud;
                    let said = if loud { payload.to_ascii_uppercase().into() } else { payload };
                    waiting.push_back((channel::STDOUT, said));
                }
            }
            DialFrame::Eof { .. } => at_end = true,
            DialFrame::End { .. } => return,
            DialFrame::Credit { bytes } => credit += bytes,
        }
        if at_end && !reported {
            reported = true;
            let success = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
            waiting.push_back((channel::ERROR, success.to_string().into()));
        }
        while let Some((channel, said)) = waiting.front().cloned() {
            let size = u32::try_from(said.len()).unwrap();
            if size > credit {
                break;
            }
            credit -= size;
            waiting.pop_front();
            line.data(channel, said).await;
        }
        if at_end && waiting.is_empty() {
            return line.end("").await;
        }
        if owed > WINDOW / 2 {
            let credit = DialFrame::Credit { bytes: std::mem::take(&mut owed) };
            line.nats.publish(line.down.clone(), credit.encode()).await.unwrap();
        }
    }
}

async fn placed(cluster: &Cluster, pod: &str, node: &str) {
    let client = cluster.admin();
    let object = json!({"metadata": {"name": pod}, "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]}});
    let made = client.post("/api/v1/namespaces/default/pods", &object).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let path = format!("/api/v1/namespaces/default/pods/{pod}");
    client.post(&format!("{path}/binding"), &json!({"target": {"kind": "Node", "name": node}})).await;
    client.merge(&format!("{path}/status"), &json!({"status": {"phase": "Running"}})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_reaches_into_a_pod() {
    let cluster = Cluster::start().await;
    let dir = tempfile::tempdir().unwrap();
    let Some(kubectl) = Kubectl::new(&cluster, dir.path()) else { return cluster.stop().await };
    agent(cluster.connect(&Role::Node("n1".into())).await, "n1").await;
    placed(&cluster, "p", "n1").await;
    placed(&cluster, "lost", "n2").await;
    tokio::task::spawn_blocking(move || {
        assert_eq!(kubectl.says("logs p"), "one\ntwo");
        assert_eq!(kubectl.says("logs -f p"), "one\ntwo\nthree");
        assert_eq!(kubectl.given("exec -i p -- cat", "hello"), "hello");
        let long = "0123456789abcdef".repeat(128 * 1024);
        assert_eq!(kubectl.given("exec -i p -- cat", &long).len(), long.len());
        let failed = kubectl.run(&["exec", "p", "--", "fail"], "");
        assert_eq!(failed.status.code(), Some(7));
        assert!(String::from_utf8_lossy(&failed.stderr).starts_with("oops\n"));
        assert!(kubectl.fails("exec p -- refused").contains("no such container"));
        assert!(kubectl.fails("logs lost").contains("node \"n2\" does not answer"));
        assert_eq!(kubectl.given("attach -i p", "typed"), "typed");
        // The older way: SPDY.
        let spdy = |words: &str, input: &str| {
            kubectl.with("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false").given(words, input)
        };
        assert_eq!(spdy("exec -i p -- cat", "hello"), "hello");
        assert_eq!(spdy("exec -i p -- cat", &long).len(), long.len());
        for websockets in ["true", "false"] {
            let kubectl = kubectl.with("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets);
            let mut forward = kubectl.forward("p", 80);
            for word in ["first", "second"] {
                assert_eq!(forward.exchange(word), word.to_uppercase());
            }
        }
    })
    .await
    .unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_reached_through_the_proxy() {
    let cluster = Cluster::start().await;
    let nats = cluster.connect(&Role::Node("n1".into())).await;
    // An agent whose connections speak HTTP.
    let mut dials = nats.subscribe(node::dial("n1")).await.unwrap();
    nats.flush().await.unwrap();
    let (answered, heard_answer) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let dial: Dial = serde_json::from_slice(&dials.next().await.unwrap().payload).unwrap();
        let (up, down) = (node::data("n1", &dial.id, "up"), node::data("n1", &dial.id, "down"));
        let mut heard = nats.subscribe(up).await.unwrap();
        nats.flush().await.unwrap();
        nats.publish(down.clone(), serde_json::to_vec(&DialAnswer::Open).unwrap().into()).await.unwrap();
        let mut request = String::new();
        while !request.contains("\r\n\r\n") {
            if let DialFrame::Data { payload, .. } =
                DialFrame::decode(&heard.next().await.unwrap().payload).unwrap()
            {
                request.push_str(&String::from_utf8_lossy(&payload));
            }
        }
        let mut line = Line { nats, down, number: 0 };
        line.data(channel::STDOUT, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".into()).await;
        // A whole answer is passed on although the connection stays open.
        heard_answer.await.unwrap();
        line.end("").await;
        request
    });
    placed(&cluster, "p", "n1").await;
    let answer = cluster.admin().get("/api/v1/namespaces/default/pods/p:80/proxy/a/b?c=d").await;
    assert_eq!((answer.code, answer.text().as_str()), (200, "hi"));
    answered.send(()).unwrap();
    assert!(serving.await.unwrap().starts_with("GET /a/b?c=d HTTP/1.1\r\n"));
    cluster.stop().await;
}
