//! ResourceQuotas: what is full refuses, what goes makes room, and nobody gets past by being quick.

use http::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::cluster::Cluster;

/// A namespace with one quota, `q`, once that is counted.
async fn quotad(cluster: &Cluster, namespace: &str, hard: Value) -> Client {
    let client = cluster.admin();
    let made = client.post("/api/v1/namespaces", &json!({"metadata": {"name": namespace}})).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": hard}});
    let made = client.post(&of(namespace, "resourcequotas"), &quota).await;
    assert_eq!(made.code, 201, "{}", made.text());
    until(&client, &quota_of(namespace), |quota| quota["status"]["hard"] == quota["spec"]["hard"]).await;
    client
}

fn of(namespace: &str, resource: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/{resource}")
}

fn quota_of(namespace: &str) -> String {
    format!("{}/q", of(namespace, "resourcequotas"))
}

async fn until(client: &Client, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..3_000 {
        let found = client.get(path).await.json();
        if is_so(&found) {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{path} never came to it: {}", client.get(path).await.text());
}

async fn until_used(client: &Client, namespace: &str, name: &str, used: &str) {
    until(client, &quota_of(namespace), |quota| quota["status"]["used"][name] == used).await;
}

/// Asks until there is room.
async fn until_made(client: &Client, path: &str, object: &Value) {
    for _ in 0..3_000 {
        let made = client.post(path, object).await;
        match made.code {
            201 => return,
            403 => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            _ => panic!("{}", made.text()),
        }
    }
    panic!("there never was room for {object}");
}

fn pod(name: &str, cpu: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [
        {"name": "c", "image": "i:1", "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}}}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_quota_refuses_in_upstreams_words_and_has_room_again_after_a_deletion() {
    let cluster = Cluster::with_controllers().await;
    let client = quotad(&cluster, "full", json!({"pods": "2", "requests.cpu": "1", "count/pods": "9"})).await;
    let pods = of("full", "pods");
    for name in ["a", "b"] {
        let made = client.post(&pods, &pod(name, "500m")).await;
        assert_eq!(made.code, 201, "{}", made.text());
    }
    let refused = client.post(&pods, &pod("c", "250m")).await;
    assert_eq!(
        refused.json(),
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 403,
            "reason": "Forbidden", "details": {"name": "c", "kind": "pods"},
            "message": "pods \"c\" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=250m, \
                        used: pods=2,requests.cpu=1, limited: pods=2,requests.cpu=1",
        })
    );
    let silent = json!({"metadata": {"name": "s"}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let refused = client.post(&pods, &silent).await;
    assert_eq!(refused.code, 403);
    let words = "pods \"s\" is forbidden: failed quota: q: must specify requests.cpu for: c";
    assert_eq!(refused.json()["message"], words);
    until_used(&client, "full", "requests.cpu", "1").await;

    let gone = client.delete(&format!("{pods}/a?gracePeriodSeconds=0")).await;
    assert_eq!(gone.code, 200, "{}", gone.text());
    until_made(&client, &pods, &pod("c", "250m")).await;
    until_used(&client, "full", "requests.cpu", "750m").await;

    // A pod that ended gives back what it used; that it is there still counts.
    let ended = client.merge(&format!("{pods}/b/status"), &json!({"status": {"phase": "Succeeded"}})).await;
    assert_eq!(ended.code, 200, "{}", ended.text());
    until_used(&client, "full", "pods", "1").await;
    until_used(&client, "full", "count/pods", "2").await;
    until_made(&client, &pods, &pod("d", "750m")).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_create_at_once_reach_a_quota_and_never_exceed_it() {
    let mut cluster = Cluster::with_controllers().await;
    let client = quotad(&cluster, "race", json!({"count/secrets": "40"})).await;
    let clients = [client.clone(), cluster.another_gateway().await];
    let secrets = of("race", "secrets");
    let creators = (0..64).map(|n| {
        let (client, secrets) = (clients[n % 2].clone(), secrets.clone());
        tokio::spawn(async move {
            let made = client.post(&secrets, &json!({"metadata": {"name": format!("s{n}")}})).await;
            assert!(matches!(made.code, 201 | 403), "{}", made.text());
            if made.code == 403 {
                let words = made.json()["message"].as_str().unwrap().to_owned();
                let end = "is forbidden: exceeded quota: q, requested: count/secrets=1, used: count/secrets=40, \
                           limited: count/secrets=40";
                assert!(words.ends_with(end), "{words}");
            }
            usize::from(made.code == 201)
        })
    });
    let mut made = 0;
    for creator in creators.collect::<Vec<_>>() {
        made += creator.await.unwrap();
    }
    assert_eq!(made, 40);
    let listed = client.get(&secrets).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 40);
    until_used(&client, "race", "count/secrets", "40").await;

    // All go at once, and all that room is there again.
    let swept = client.delete(&secrets).await;
    assert_eq!(swept.code, 200, "{}", swept.text());
    until_used(&client, "race", "count/secrets", "0").await;
    for n in 0..40 {
        until_made(&client, &secrets, &json!({"metadata": {"name": format!("t{n}")}})).await;
    }
    let refused = client.post(&secrets, &json!({"metadata": {"name": "last"}})).await;
    assert_eq!(refused.code, 403, "{}", refused.text());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rehearsals_count_nothing_and_transactions_and_changes_count_like_births() {
    let cluster = Cluster::with_controllers().await;
    let hard = json!({"services": "2", "services.nodeports": "2", "count/configmaps": "3"});
    let client = quotad(&cluster, "more", hard).await;
    let services = of("more", "services");
    let service = |name: &str, kind: &str| json!({"metadata": {"name": name}, "spec": {"type": kind, "ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]}});
    for _ in 0..5 {
        let rehearsed = client.post(&format!("{services}?dryRun=All"), &service("s", "NodePort")).await;
        assert_eq!(rehearsed.code, 201, "{}", rehearsed.text());
    }
    assert_eq!(client.post(&services, &service("s", "ClusterIP")).await.code, 201);
    assert_eq!(client.post(&services, &service("t", "NodePort")).await.code, 201);
    let grown = client.merge(&format!("{services}/s"), &json!({"spec": {"type": "NodePort"}})).await;
    assert_eq!(grown.code, 403);
    let words = "services \"s\" is forbidden: exceeded quota: q, requested: services.nodeports=2, \
                 used: services.nodeports=2, limited: services.nodeports=2";
    assert_eq!(grown.json()["message"], words);
    until_used(&client, "more", "services.nodeports", "2").await;
    let shrunk = client.merge(&format!("{services}/t"), &json!({"spec": {"type": "ClusterIP"}})).await;
    assert_eq!(shrunk.code, 200, "{}", shrunk.text());
    until_used(&client, "more", "services.nodeports", "0").await;
    let grown = client.merge(&format!("{services}/s"), &json!({"spec": {"type": "NodePort"}})).await;
    assert_eq!(grown.code, 200, "{}", grown.text());

    // kube-root-ca.crt is there: two fit.
    let create = |name: &str| {
        json!({"verb": "create", "object": {"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "more"}}})
    };
    let transact = async |names: &[&str]| {
        let writes: Vec<Value> = names.iter().map(|name| create(name)).collect();
        client.post("/apis/rutter.dev/v1/transactions", &json!({"writes": writes})).await
    };
    let refused = transact(&["a", "b", "c"]).await;
    assert_eq!(refused.code, 403, "{}", refused.text());
    let words = refused.json()["message"].as_str().unwrap().to_owned();
    assert!(words.starts_with("writes[2]: configmaps \"c\" is forbidden: exceeded quota: q"), "{words}");
    let made = transact(&["a", "b"]).await;
    assert_eq!(made.code, 200, "{}", made.text());
    assert_eq!(transact(&["c"]).await.code, 403);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_set_bears_what_a_quota_leaves_room_for_and_says_so() {
    let cluster = Cluster::with_controllers().await;
    let client = quotad(&cluster, "some", json!({"pods": "2"})).await;
    let labels = json!({"app": "web"});
    let controller = json!({"metadata": {"name": "web"}, "spec": {"replicas": 3, "selector": labels, "template": {
        "metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}}});
    let path = of("some", "replicationcontrollers");
    assert_eq!(client.post(&path, &controller).await.code, 201);
    let web = format!("{path}/web");
    let failing = until(&client, &web, |web| {
        web["status"]["replicas"] == 2 && web["status"]["conditions"][0]["type"] == "ReplicaFailure"
    });
    let condition = failing.await["status"]["conditions"][0].clone();
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("True"), &json!("FailedCreate")));
    let words = condition["message"].as_str().unwrap();
    assert!(words.contains("is forbidden: exceeded quota: q, requested: pods=1, used: "), "{words}");
    until(&client, &of("some", "events"), |events| {
        let mut all = events["items"].as_array().into_iter().flatten();
        all.any(|event| event["reason"] == "FailedCreate")
    })
    .await;

    let headers = [("content-type", "application/merge-patch+json")];
    let scaled = json!({"spec": {"replicas": 2}}).to_string();
    assert_eq!(client.ask(Method::PATCH, &web, &headers, scaled.into()).await.code, 200);
    until(&client, &web, |web| web["status"]["conditions"].is_null()).await;
    cluster.stop().await;
}
