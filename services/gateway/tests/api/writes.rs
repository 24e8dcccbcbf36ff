//! Writing at once: nothing is lost, nothing is half seen.

use http::Method;
use serde_json::{Value, json};

use crate::cluster::Cluster;

const PATH: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test(flavor = "multi_thread")]
async fn many_who_increment_one_object_lose_nothing() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    client.post(PATH, &json!({"metadata": {"name": "n"}, "data": {"count": "0"}})).await;
    let clients = (0..64).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            for _ in 0..2 {
                loop {
                    let mut object = client.get(&format!("{PATH}/n")).await.json();
                    let count: u64 = object["data"]["count"].as_str().unwrap().parse().unwrap();
                    object["data"]["count"] = json!((count + 1).to_string());
                    match client.put(&format!("{PATH}/n"), &object).await.code {
                        200 => break,
                        409 => continue,
                        other => panic!("{other}"),
                    }
                }
            }
        })
    });
    for done in clients.collect::<Vec<_>>() {
        done.await.unwrap();
    }
    let object = client.get(&format!("{PATH}/n")).await.json();
    assert_eq!(object["data"]["count"], "128");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_gateway_recorded_no_other_denies() {
    let mut cluster = Cluster::start().await;
    let (one, other) = (cluster.admin(), cluster.another_gateway().await);
    let path = format!("{PATH}/n");
    for round in 0..25 {
        let made = one.post(PATH, &json!({"metadata": {"name": "n"}})).await;
        assert_eq!(made.code, 201, "round {round}: {}", made.text());
        let changed = other.merge(&path, &json!({"data": {"round": round.to_string()}})).await;
        assert_eq!(changed.code, 200, "round {round}: {}", changed.text());
        let again = one.put(&path, &changed.json()).await;
        assert_eq!(again.code, 200, "round {round}: {}", again.text());
        let gone = other.delete(&path).await;
        assert_eq!(gone.code, 200, "round {round}: {}", gone.text());
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_of_different_fields_all_land() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    client.post(PATH, &json!({"metadata": {"name": "n"}})).await;
    let patches = (0..16).map(|n| {
        let client = client.clone();
        tokio::spawn(async move {
            let answer = client.merge(&format!("{PATH}/n"), &json!({"data": {format!("k{n}"): "v"}})).await;
            assert_eq!(answer.code, 200, "{}", answer.text());
        })
    });
    for done in patches.collect::<Vec<_>>() {
        done.await.unwrap();
    }
    let object = client.get(&format!("{PATH}/n")).await.json();
    assert_eq!(object["data"].as_object().map(|data| data.len()), Some(16));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn managers_that_apply_different_fields_all_land() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let appliers = (0..8).map(|n| {
        let client = client.clone();
        tokio::spawn(async move {
            for round in 0..5 {
                let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n"},
                    "data": {format!("k{n}"): round.to_string()}});
                let headers = [("content-type", "application/apply-patch+yaml")];
                let path = format!("{PATH}/n?fieldManager=m{n}");
                let answer = client.ask(Method::PATCH, &path, &headers, wanted.to_string().into()).await;
                assert!([200, 201].contains(&answer.code), "{}", answer.text());
            }
        })
    });
    for done in appliers.collect::<Vec<_>>() {
        done.await.unwrap();
    }
    let object = client.get(&format!("{PATH}/n")).await.json();
    let all: serde_json::Map<_, _> = (0..8).map(|n| (format!("k{n}"), json!("4"))).collect();
    assert_eq!(object["data"], Value::Object(all));
    assert_eq!(object["metadata"]["managedFields"].as_array().map(Vec::len), Some(8));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_under_contention_is_never_half_seen() {
    const MEMBERS: usize = 20;
    const ROUNDS: usize = 15;
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let member = |round: &str| -> Vec<Value> {
        let write = |n| {
            json!({"verb": "apply", "object": {"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("t{n:02}"), "namespace": "default", "labels": {"tx": "yes"}},
            "data": {"round": round}}})
        };
        (0..MEMBERS).map(write).collect()
    };
    let made = client.post("/apis/rutter.dev/v1/transactions", &json!({"writes": member("0")})).await;
    assert_eq!(made.code, 200, "{}", made.text());
    let from = client.get(PATH).await.json()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();

    let writers = (0..3).map(|writer| {
        let (client, member) = (client.clone(), member);
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let writes = member(&format!("{writer}-{round}"));
                let answer =
                    client.post("/apis/rutter.dev/v1/transactions", &json!({"writes": writes})).await;
                assert!([200, 409].contains(&answer.code), "{}", answer.text());
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let rounds = |list: &Value| -> std::collections::BTreeSet<String> {
        let items = list["items"].as_array().unwrap();
        assert_eq!(items.len(), MEMBERS);
        items.iter().map(|item| item["data"]["round"].as_str().unwrap().to_owned()).collect()
    };
    let mut lists = 0;
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        let list = client.get(&format!("{PATH}?labelSelector=tx%3Dyes")).await.json();
        assert_eq!(rounds(&list).len(), 1, "half of a transaction: {:?}", rounds(&list));
        // Pages are of the list's revision, whatever is written between them.
        let first = client.get(&format!("{PATH}?labelSelector=tx%3Dyes&limit=7")).await.json();
        let mut items = first["items"].as_array().unwrap().clone();
        let mut token = first["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        while !token.is_empty() {
            let page =
                client.get(&format!("{PATH}?labelSelector=tx%3Dyes&limit=7&continue={token}")).await.json();
            items.extend(page["items"].as_array().unwrap().clone());
            token = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        }
        assert_eq!(rounds(&json!({"items": items})).len(), 1, "half of a transaction in pages");
        lists += 1;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(lists > 0);

    // A watch tells the members of each round one after another, with nothing of another round between.
    client.post(PATH, &json!({"metadata": {"name": "last"}})).await;
    let mut watch = client.watch(&format!("{PATH}?watch=true&resourceVersion={from}")).await;
    let (mut told, mut commits) = (Vec::new(), 0);
    loop {
        let event = watch.next().await.unwrap();
        if event["object"]["metadata"]["name"] == "last" {
            break;
        }
        told.push(event["object"]["data"]["round"].clone());
        if told.len() == MEMBERS {
            assert!(told.iter().all(|round| *round == told[0]), "{told:?}");
            told.clear();
            commits += 1;
        }
    }
    assert!(told.is_empty() && commits > 0, "{commits} commits, and {told:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_all_or_nothing() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let path = "/apis/rutter.dev/v1/transactions";
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}});
    let create = |name: &str| json!({"verb": "create", "object": map(name)});
    let done = client.post(path, &json!({"writes": [create("a"), create("b")]})).await;
    assert_eq!(done.code, 200, "{}", done.text());
    let items = done.json()["items"].clone();
    let revision =
        |n: usize| items[n]["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(revision(1), revision(0) + 1);

    let half = client.post(path, &json!({"writes": [create("c"), create("a")]})).await;
    assert_eq!(half.code, 409);
    assert_eq!(half.json()["message"], "writes[1]: configmaps \"a\" already exists");
    assert_eq!(client.get(&format!("{PATH}/c")).await.code, 404);

    let twice = client.post(path, &json!({"writes": [create("d"), create("d")]})).await;
    assert_eq!(twice.code, 400);
    let many: Vec<Value> = (0..1001).map(|n| create(&format!("m{n}"))).collect();
    assert_eq!(client.post(path, &json!({"writes": many})).await.code, 413);

    let swap = json!({"writes": [{"verb": "delete", "object": map("a")}, {"verb": "apply", "object": {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "namespace": "default"}, "data": {"k": "v"}}}]});
    assert_eq!(client.post(path, &swap).await.code, 200);
    assert_eq!(client.get(&format!("{PATH}/a")).await.code, 404);
    assert_eq!(client.get(&format!("{PATH}/b")).await.json()["data"]["k"], "v");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eviction_keeps_to_the_budget() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    if client.get(budgets).await.code == 404 {
        eprintln!("PodDisruptionBudget is not served yet");
        return cluster.stop().await;
    }
    let budget = json!({"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}});
    let made = client.post(budgets, &budget).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let status = json!({"status": {"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2}});
    let patched = client.merge(&format!("{budgets}/b/status"), &status).await;
    assert_eq!(patched.code, 200, "{}", patched.text());
    let mut codes = Vec::new();
    for name in ["p", "q"] {
        let pod = json!({"metadata": {"name": name, "labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        client.post("/api/v1/namespaces/default/pods", &pod).await;
        let path = format!("/api/v1/namespaces/default/pods/{name}");
        client.merge(&format!("{path}/status"), &json!({"status": {"phase": "Running"}})).await;
        let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}});
        codes.push(client.post(&format!("{path}/eviction"), &eviction).await.code);
    }
    assert_eq!(codes, [201, 429]);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_never_rests_in_clear() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let canary = "Y2FuYXJ5LWluLWEtY29hbC1taW5l";
    let made = client
        .post(
            "/api/v1/namespaces/default/secrets",
            &json!({"metadata": {"name": "s"}, "data": {"k": canary}}),
        )
        .await;
    assert_eq!(made.json()["data"]["k"], canary);
    assert_eq!(client.get("/api/v1/namespaces/default/secrets/s").await.code, 200);
    let snapshot = cluster.gateway.store.snapshot().unwrap();
    let key = rutter_schemas::Key::new("", "secrets", "default", "s");
    let stored = snapshot.get_object(&key).unwrap().unwrap();
    assert!(!String::from_utf8_lossy(&stored).contains(canary));
    let log = client.get("/apis/rutter.dev/v1/log?from=0").await.text();
    assert!(log.contains("\"secrets\"") && !log.contains(canary));
    let answer = client
        .ask(
            Method::GET,
            "/api/v1/namespaces/default/secrets?watch=true&timeoutSeconds=1",
            &[],
            bytes::Bytes::new(),
        )
        .await;
    assert!(answer.text().contains(canary));
    cluster.stop().await;
}
