//! Streams into a pod, with kubectl at one end and at the other a node of the test's own that echoes.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use rutter_runtime::roles::Role;
use rutter_schemas::protocol::dial::{Dial, DialAnswer, DialFrame, DialTarget, WINDOW, channel};
use rutter_schemas::subjects::node;
use serde_json::json;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::client::Client;
use crate::cluster::Cluster;
use crate::kubectl::Kubectl;

type Socket = tokio_tungstenite::WebSocketStream<hyper_util::rt::TokioIo<hyper::upgrade::Upgraded>>;

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

/// Opens a WebSocket; gives back what was agreed on, and the socket.
async fn websocket(client: &Client, path: &str, protocol: &str) -> (Option<String>, Socket) {
    let mut headers = vec![
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    if !protocol.is_empty() {
        headers.push(("sec-websocket-protocol", protocol));
    }
    let answer = client.begin(http::Method::GET, path, &headers, Bytes::new()).await;
    assert_eq!(answer.status(), 101, "{path} as {protocol}");
    let agreed = answer.headers().get("sec-websocket-protocol");
    let agreed = agreed.map(|protocol| protocol.to_str().unwrap().to_owned());
    let upgraded = hyper_util::rt::TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    (agreed, Socket::from_raw_socket(upgraded, tungstenite::protocol::Role::Client, None).await)
}

/// All that comes, until an orderly end.
async fn told(socket: &mut Socket) -> Vec<Message> {
    let mut messages = Vec::new();
    loop {
        match socket.next().await.expect("an end that says so").unwrap() {
            Message::Close(_) => return messages,
            message => messages.push(message),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_comes_over_a_websocket() {
    let cluster = Cluster::start().await;
    agent(cluster.connect(&Role::Node("n1".into())).await, "n1").await;
    placed(&cluster, "p", "n1").await;
    let client = cluster.admin();
    let path = "/api/v1/namespaces/default/pods/p/log?container=c";
    for (protocol, first, last) in [
        ("", Message::binary(""), Message::binary("one\ntwo\n")),
        ("binary.k8s.io", Message::binary(""), Message::binary("one\ntwo\n")),
        ("base64.binary.k8s.io", Message::text(""), Message::text("b25lCnR3bwo=")),
    ] {
        let (agreed, mut socket) = websocket(&client, path, protocol).await;
        assert_eq!(agreed.unwrap_or_default(), protocol);
        assert_eq!(told(&mut socket).await, [first, last], "{protocol}");
    }
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "channel.k8s.io"),
    ];
    assert_eq!(client.begin(http::Method::GET, path, &headers, Bytes::new()).await.status(), 403);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_speaks_every_channel_protocol() {
    let cluster = Cluster::start().await;
    agent(cluster.connect(&Role::Node("n1".into())).await, "n1").await;
    placed(&cluster, "p", "n1").await;
    let client = cluster.admin();
    let path = |command: &str| {
        format!("/api/v1/namespaces/default/pods/p/exec?container=c&stdout=1&stderr=1&command={command}")
    };
    for (protocol, text) in [
        ("v5.channel.k8s.io", false),
        ("v4.channel.k8s.io", false),
        ("v4.base64.channel.k8s.io", true),
        ("base64.channel.k8s.io", true),
        ("channel.k8s.io", false),
        ("", false),
    ] {
        let (agreed, mut socket) = websocket(&client, &path("fail"), protocol).await;
        assert_eq!(agreed.unwrap_or_default(), protocol);
        let messages = told(&mut socket).await;
        let (hello, oops) = match text {
            true => (Message::text("1"), Message::text("2b29wcwo=")),
            false => (Message::binary(&b"\x01"[..]), Message::binary(&b"\x02oops\n"[..])),
        };
        assert_eq!(messages[..2], [hello, oops], "{protocol}");
        let end = match text {
            true => {
                use base64::Engine;
                let message = messages[2].to_text().unwrap();
                assert!(message.starts_with('3'), "{message}");
                base64::engine::general_purpose::STANDARD.decode(&message[1..]).unwrap()
            }
            false => messages[2].clone().into_data()[1..].to_vec(),
        };
        let end = String::from_utf8(end).unwrap();
        if protocol.starts_with('v') {
            assert!(end.contains("NonZeroExitCode"), "{protocol}: {end}");
        } else {
            assert_eq!(end, "command terminated with non-zero exit code", "{protocol}");
        }
    }
    // Input as text.
    let path = format!("{}&stdin=1", path("cat"));
    let (_, mut socket) = websocket(&client, &path, "base64.channel.k8s.io").await;
    socket.send(Message::text("0aGVhcmQ=")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("1"));
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("1aGVhcmQ="));
    cluster.stop().await;
}

/// An agent whose next connection speaks HTTP and answers `hi`; gives back what was dialled and the
/// first request.
async fn speaks_http(
    nats: async_nats::Client,
    heard_answer: tokio::sync::oneshot::Receiver<()>,
) -> tokio::task::JoinHandle<(DialTarget, String)> {
    let mut dials = nats.subscribe(node::dial("n1")).await.unwrap();
    nats.flush().await.unwrap();
    tokio::spawn(async move {
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
        (dial.target, request)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_and_nodes_are_reached_through_the_proxy() {
    let cluster = Cluster::start().await;
    let nats = cluster.connect(&Role::Node("n1".into())).await;
    let client = cluster.admin();
    placed(&cluster, "p", "n1").await;
    let node = json!({"metadata": {"name": "n1"}});
    assert_eq!(client.post("/api/v1/nodes", &node).await.code, 201);
    let pod = |dialled: &DialTarget| matches!(dialled, DialTarget::Connect { port: 80, .. });
    let pages = |dialled: &DialTarget| *dialled == DialTarget::Pages;
    let host = |dialled: &DialTarget| *dialled == DialTarget::Host { port: 9100 };
    type Case = (&'static str, &'static str, fn(&DialTarget) -> bool);
    let cases: [Case; 5] = [
        ("/api/v1/namespaces/default/pods/p:80/proxy/a/b?c=d", "/a/b?c=d", pod),
        ("/api/v1/namespaces/default/pods/p:80/proxy/a%2Fb/?c=%20d", "/a%2Fb/?c=%20d", pod),
        ("/api/v1/nodes/n1/proxy/logs/", "/logs/", pages),
        ("/api/v1/nodes/n1:10250/proxy/", "/", pages),
        ("/api/v1/nodes/n1:9100/proxy/metrics", "/metrics", host),
    ];
    for (path, asked, dials) in cases {
        let (answered, heard_answer) = tokio::sync::oneshot::channel::<()>();
        let serving = speaks_http(nats.clone(), heard_answer).await;
        let answer = client.get(path).await;
        assert_eq!((answer.code, answer.text().as_str()), (200, "hi"), "{path}");
        answered.send(()).unwrap();
        let (dialled, request) = serving.await.unwrap();
        assert!(dials(&dialled), "{path}: {dialled:?}");
        assert!(request.starts_with(&format!("GET {asked} HTTP/1.1\r\n")), "{path}: {request}");
    }
    // The root of what is proxied ends with a slash.
    for path in ["/api/v1/nodes/n1/proxy", "/api/v1/namespaces/default/pods/p/proxy"] {
        let answer = client.get(&format!("{path}?a=b")).await;
        assert_eq!(
            (answer.code, answer.headers["location"].to_str().unwrap()),
            (301, format!("{path}/?a=b").as_str())
        );
    }
    assert_eq!(client.get("/api/v1/nodes/n2/proxy/healthz").await.code, 404);
    assert_eq!(client.get("/api/v1/nodes/n1:http/proxy/healthz").await.code, 400);
    cluster.stop().await;
}
