//! A webhook behind a Service.

use bytes::Bytes;
use futures::StreamExt;
use rutter_runtime::roles::Role;
use rutter_schemas::protocol::dial::{Dial, DialAnswer, DialFrame, DialTarget, channel};
use rutter_schemas::subjects::node;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_behind_a_service_is_reached_through_its_node() {
    let cluster = Cluster::with_controllers().await;
    let client = cluster.admin();
    let webhook = Webhook::start(&["hook.default.svc"]).await;
    carries(cluster.connect(&Role::Node("n1".into())).await, "n1", webhook.address).await;
    let service =
        json!({"metadata": {"name": "hook"}, "spec": {"ports": [{"port": 443, "targetPort": 9443}]}});
    assert_eq!(client.post("/api/v1/namespaces/default/services", &service).await.code, 201);
    let config = json!({"service": {"namespace": "default", "name": "hook", "path": "/convert"}});
    let mut conversion = webhook.conversion_at(config);
    conversion["webhook"]["conversionReviewVersions"] = json!(["v1beta1"]);
    establish(&client, &definition(conversion)).await;
    made(&client, "v1", "a", json!({"hostPort": "h:1"})).await;
    let a = format!("{}/a", sites("v2"));
    let url = "https://hook.default.svc:443/convert?timeout=30s";
    let why = format!("Post \"{url}\": no endpoints available for service \"hook\"");
    let expected = (500, format!("conversion webhook for example.com/v1, Kind=Site failed: {why}"));
    assert_eq!(message(&client.get(&a).await), expected);

    let slice = json!({
        "metadata": {"name": "hook-1", "labels": {"kubernetes.io/service-name": "hook"}}, "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.244.0.7"], "conditions": {"ready": true}, "nodeName": "n1",
            "targetRef": {"kind": "Pod", "namespace": "default", "name": "p"}}],
        "ports": [{"name": "", "port": 9443, "protocol": "TCP"}],
    });
    let made = client.post("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", &slice).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let read = client.get(&a).await;
    assert_eq!(read.json()["spec"]["host"], "h", "{}", read.text());
    assert_eq!(client.merge(&a, &json!({"spec": {"host": "i"}})).await.json()["spec"]["host"], "i");
    assert_eq!(webhook.asked(), ["v2 a", "v2 a", "v1 a", "v2 a"]);
    assert!(webhook.connections() < 4, "connections are kept");
    cluster.stop().await;
}

/// A node that carries every connection to port 9443 of the pod `p` to an address of this machine.
async fn carries(nats: async_nats::Client, name: &'static str, to: std::net::SocketAddr) {
    let mut dials = nats.subscribe(node::dial(name)).await.unwrap();
    nats.flush().await.unwrap();
    tokio::spawn(async move {
        while let Some(message) = dials.next().await {
            let dial: Dial = serde_json::from_slice(&message.payload).unwrap();
            let expected = matches!(&dial.target, DialTarget::Connect { pod, port: 9443 } if pod.name == "p");
            assert!(expected, "{:?}", dial.target);
            tokio::spawn(carry(nats.clone(), name, dial, to));
        }
    });
}

async fn carry(nats: async_nats::Client, name: &str, dial: Dial, to: std::net::SocketAddr) {
    let (up, down) = (node::data(name, &dial.id, "up"), node::data(name, &dial.id, "down"));
    let mut heard = nats.subscribe(up).await.unwrap();
    nats.flush().await.unwrap();
    nats.publish(down.clone(), serde_json::to_vec(&DialAnswer::Open).unwrap().into()).await.unwrap();
    let mut socket = TcpStream::connect(to).await.unwrap();
    let (mut number, mut buffer) = (0, vec![0; 16 * 1024]);
    loop {
        tokio::select! {
            message = heard.next() => match DialFrame::decode(&message.unwrap().payload).unwrap() {
                DialFrame::Data { payload, .. } => socket.write_all(&payload).await.unwrap(),
                DialFrame::Credit { .. } => {}
                DialFrame::Eof { .. } | DialFrame::End { .. } => return,
            },
            read = socket.read(&mut buffer) => match read {
                Ok(size) if size > 0 => {
                    let payload = Bytes::copy_from_slice(&buffer[..size]);
                    let frame = DialFrame::Data { channel: channel::STDOUT, number, payload };
                    number += 1;
                    nats.publish(down.clone(), frame.encode()).await.unwrap();
                }
                _ => {
                    let end = DialFrame::End { number, reason: String::new() };
                    return nats.publish(down.clone(), end.encode()).await.unwrap();
                }
            },
        }
    }
}
