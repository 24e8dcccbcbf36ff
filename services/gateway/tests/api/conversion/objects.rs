//! One object, asked for and written in either version.

use serde_json::{Value, json};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_read_and_written_in_either_version() {
    let (cluster, client, webhook) = began().await;
    made(&client, "v1", "a", json!({"hostPort": "h:1"})).await;
    assert_eq!(client.get(&format!("{}/a", sites("v1"))).await.json()["spec"]["hostPort"], "h:1");
    assert_eq!(
        webhook.asked(),
        Vec::<String>::new(),
        "nobody is asked about what rests in the version asked for"
    );

    let a = format!("{}/a", sites("v2"));
    let read = client.get(&a).await.json();
    assert_eq!(read["apiVersion"], "example.com/v2");
    assert_eq!(read["spec"], json!({"host": "h", "port": "1", "replicas": 1}));
    assert_eq!(read["metadata"]["labels"], json!({"spoken": "v2"}));
    assert_eq!(webhook.asked(), ["v2 a"]);

    // Judged in the version that it comes in, before anybody is asked; answered as it will be read.
    let wrong = client.post(&sites("v2"), &site("v2", "b", json!({"host": "h", "port": "x"}))).await;
    assert_eq!(wrong.code, 422, "{}", wrong.text());
    assert_eq!(webhook.asked(), Vec::<String>::new());
    let b = made(&client, "v2", "b", json!({"host": "g", "port": "2", "note": "lost"})).await;
    assert_eq!(
        (&b["apiVersion"], &b["spec"]),
        (&json!("example.com/v2"), &json!({"host": "g", "port": "2", "replicas": 1}))
    );
    assert_eq!(webhook.asked(), ["v1 b", "v2 b"]);
    let stored = client.get(&format!("{}/b", sites("v1"))).await.json();
    assert_eq!((&stored["spec"]["hostPort"], &stored["metadata"]["labels"]), (&json!("g:2"), &Value::Null));
    assert_eq!(stored["metadata"]["resourceVersion"], b["metadata"]["resourceVersion"]);
    assert_eq!(webhook.asked(), Vec::<String>::new(), "it rests in v1");

    // Changed in every way.
    let mut put = read.clone();
    put["spec"]["port"] = json!("3");
    let put = client.put(&a, &put).await;
    assert_eq!((put.code, &put.json()["spec"]["port"]), (200, &json!("3")), "{}", put.text());
    assert_eq!(webhook.asked(), ["v2 a", "v1 a", "v2 a"]);
    let stale = client.put(&a, &read).await;
    assert_eq!(stale.code, 409, "{}", stale.text());
    let merged = client.merge(&a, &json!({"spec": {"host": "i"}})).await.json();
    assert_eq!(merged["spec"], json!({"host": "i", "port": "3", "replicas": 1}));
    let change = json!([{"op": "test", "path": "/spec/host", "value": "i"}, {"op": "replace", "path": "/spec/host", "value": "j"}]);
    let changed = patched(&client, "application/json-patch+json", &a, &change).await;
    assert_eq!(changed.json()["spec"]["host"], "j", "{}", changed.text());
    let status = client.merge(&format!("{a}/status"), &json!({"status": {"replicas": 4}})).await.json();
    assert_eq!((&status["apiVersion"], &status["status"]["replicas"]), (&json!("example.com/v2"), &json!(4)));
    let scaled = client.merge(&format!("{a}/scale"), &json!({"spec": {"replicas": 5}})).await.json();
    assert_eq!((&scaled["spec"]["replicas"], &scaled["status"]["replicas"]), (&json!(5), &json!(4)));
    let scale = client.get(&format!("{a}/scale")).await.json();
    assert_eq!(scale["spec"]["replicas"], 5);
    let wanted = site("v2", "a", json!({"host": "k", "port": "4"}));
    let applied =
        patched(&client, "application/apply-patch+yaml", &format!("{a}?fieldManager=m&force=true"), &wanted)
            .await;
    assert_eq!(applied.code, 200, "{}", applied.text());
    assert_eq!(applied.json()["spec"], json!({"host": "k", "port": "4", "replicas": 5}));
    let first = patched(
        &client,
        "application/apply-patch+yaml",
        &format!("{}/c?fieldManager=m", sites("v2")),
        &site("v2", "c", json!({"host": "c", "port": "9"})),
    )
    .await;
    assert_eq!(first.code, 201, "{}", first.text());
    assert_eq!(
        client.get(&format!("{}/a", sites("v1"))).await.json()["spec"],
        json!({"hostPort": "k:4", "replicas": 5})
    );

    // Nothing is recorded of what was only rehearsed, or changes nothing.
    let before = client.get(&a).await.json();
    webhook.asked();
    let rehearsed = client.merge(&format!("{a}?dryRun=All"), &json!({"spec": {"host": "z"}})).await.json();
    assert_eq!(rehearsed["spec"]["host"], "z");
    assert_eq!(webhook.asked(), ["v2 a", "v1 a", "v2 a"]);
    assert_eq!(client.put(&a, &before).await.json(), before);
    assert_eq!(client.get(&a).await.json(), before);

    // The end: who watches hears of it in their version, and nobody is asked how it rested.
    let rests = client.merge(&a, &json!({"metadata": {"finalizers": ["example.com/held"]}})).await;
    assert_eq!(rests.code, 200, "{}", rests.text());
    let marked = client.delete(&a).await.json();
    assert_eq!(
        (&marked["spec"]["host"], marked["metadata"]["deletionTimestamp"].is_string()),
        (&json!("k"), true)
    );
    let freed = client.merge(&a, &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(freed.code, 200, "{}", freed.text());
    assert_eq!(client.get(&a).await.code, 404);
    webhook.asked();
    assert_eq!(client.delete(&format!("{}/b", sites("v2"))).await.json()["status"], "Success");
    assert_eq!(webhook.asked(), ["v2 b"]);
    assert_eq!(client.get(&format!("{}/b", sites("v1"))).await.code, 404);

    assert!(webhook.connections() < 10, "connections are kept: {}", webhook.connections());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_a_field_is_holds_in_every_version() {
    let (cluster, client, _webhook) = began().await;
    let apply = async |version: &str, manager: &str, spec: Value| {
        let path = format!("{}/s?fieldManager={manager}", sites(version));
        patched(&client, "application/apply-patch+yaml", &path, &site(version, "s", spec)).await
    };
    assert_eq!(apply("v1", "one", json!({"hostPort": "h:1"})).await.code, 201);
    // The same in other words is no conflict, anything else is one.
    let same = apply("v2", "two", json!({"host": "h"})).await;
    assert_eq!(same.code, 200, "{}", same.text());
    let conflict = apply("v2", "three", json!({"host": "i"})).await;
    assert_eq!(
        message(&conflict),
        (409, "Apply failed with 2 conflicts: conflicts with \"one\":\n- .spec.hostPort\nconflicts with \"two\":\n- .spec.host".to_owned())
    );
    let forced = apply("v2", "three&force=true", json!({"host": "i"})).await.json();
    let managers = |object: &Value| -> Vec<String> {
        let entries = object["metadata"]["managedFields"].as_array().unwrap().iter();
        let told = entries.map(|entry| {
            let version = entry["apiVersion"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            format!("{} {version} {}", entry["manager"].as_str().unwrap(), entry["fieldsV1"])
        });
        told.collect()
    };
    assert_eq!(managers(&forced), [r#"three v2 {"f:spec":{"f:host":{}}}"#]);
    // Who applies in another version is who they were.
    let moved = apply("v1", "three", json!({"hostPort": "i:1"})).await.json();
    assert_eq!(managers(&moved), [r#"three v1 {"f:spec":{"f:hostPort":{}}}"#]);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_speaks_several_versions() {
    let (cluster, client, webhook) = began().await;
    made(&client, "v1", "a", json!({"hostPort": "h:1"})).await;
    made(&client, "v1", "z", json!({"hostPort": "y:1"})).await;
    let namespaced = |version: &str, name: &str, spec: Value| {
        let mut object = site(version, name, spec);
        object["metadata"]["namespace"] = json!("default");
        object
    };
    let writes = json!({"writes": [
        {"verb": "apply", "object": namespaced("v2", "a", json!({"port": "2"}))},
        {"verb": "create", "object": namespaced("v2", "b", json!({"host": "g", "port": "3", "note": "lost"}))},
        {"verb": "create", "object": namespaced("v1", "c", json!({"hostPort": "i:4"}))},
        {"verb": "apply", "object": namespaced("v2", "z", json!({"host": "x"}))},
    ]});
    let path = "/apis/rutter.dev/v1/transactions";
    let rehearsed = client.post(&format!("{path}?dryRun=All"), &writes).await;
    assert_eq!(rehearsed.code, 200, "{}", rehearsed.text());
    webhook.asked();
    let done = client.post(path, &writes).await;
    assert_eq!(webhook.asked(), ["v2 a,z", "v1 a,b,z", "v2 a,b,z"]);
    assert_eq!(done.code, 200, "{}", done.text());
    let items = done.json()["items"].clone();
    assert_eq!(items[0]["spec"], json!({"host": "h", "port": "2", "replicas": 1}));
    assert_eq!(items[1]["spec"], json!({"host": "g", "port": "3", "replicas": 1}));
    let list = client.get(&sites("v1")).await.json();
    let stored: Vec<&Value> =
        list["items"].as_array().unwrap().iter().map(|item| &item["spec"]["hostPort"]).collect();
    assert_eq!(stored, ["h:2", "g:3", "i:4", "x:1"]);
    cluster.stop().await;
}
