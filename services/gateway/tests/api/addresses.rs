//! Addresses of Services: given back when others delete what has them, and when nobody saw it happen.

use serde_json::json;

use crate::client::Client;
use crate::cluster::Cluster;

const ADDRESSES: &str = "/apis/networking.k8s.io/v1/ipaddresses";

/// Asks until the address is gone, half a minute at most.
async fn until_given_back(client: &Client, address: &str) {
    let path = format!("{ADDRESSES}/{address}");
    for _ in 0..3_000 {
        if client.get(&path).await.code == 404 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it was never given back: {}", client.get(&path).await.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_ends_gives_back_the_addresses_of_its_services() {
    let cluster = Cluster::with_controllers().await;
    let client = cluster.admin();
    client.post("/api/v1/namespaces", &json!({"metadata": {"name": "ends"}})).await;
    let mut taken = Vec::new();
    for name in ["a", "b", "c"] {
        let service = json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}});
        let made = client.post("/api/v1/namespaces/ends/services", &service).await;
        assert_eq!(made.code, 201, "{}", made.text());
        taken.push(made.json()["spec"]["clusterIP"].as_str().unwrap().to_owned());
    }
    client.delete("/api/v1/namespaces/ends").await;
    for address in taken {
        until_given_back(&client, &address).await;
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_behind_unseen_is_given_back_by_a_gateway_that_begins() {
    let mut cluster = Cluster::start().await;
    let client = cluster.admin();
    let held = |address: &str, by: &str, service: &str| {
        json!({"metadata": {"name": address, "labels": {"ipaddress.kubernetes.io/managed-by": by}},
               "spec": {"parentRef": {"resource": "services", "namespace": "default", "name": service}}})
    };
    let (ours, theirs, own) = ("10.96.7.1", "10.96.7.2", "10.96.0.1");
    for (address, by) in [(ours, "ipallocator.k8s.io"), (theirs, "somebody.example")] {
        let made = client.post(ADDRESSES, &held(address, by, "gone")).await;
        assert_eq!(made.code, 201, "{}", made.text());
    }
    let another = cluster.another_gateway().await;
    until_given_back(&another, ours).await;
    for kept in [theirs, own] {
        assert_eq!(client.get(&format!("{ADDRESSES}/{kept}")).await.code, 200, "{kept}");
    }
    cluster.stop().await;
}
