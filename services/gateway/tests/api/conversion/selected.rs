//! Lists: of mixed versions, in pages, selected by what objects are in the version that is asked for.

use bytes::Bytes;
use http::Method;
use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_mixed_versions_is_asked_about_at_once() {
    let (cluster, client, webhook) = began().await;
    made(&client, "v1", "a", json!({"hostPort": "h:1"})).await;
    made(&client, "v1", "c", json!({"hostPort": "h:3"})).await;
    store_as(&client, "v2").await;
    made(&client, "v2", "b", json!({"host": "h", "port": "2", "note": "kept"})).await;
    assert_eq!(webhook.asked(), Vec::<String>::new());

    let list = client.get(&sites("v2")).await.json();
    assert_eq!((names(&list).as_str(), &list["kind"]), ("a,b,c", &json!("SiteList")));
    assert_eq!(list["items"][0]["spec"], json!({"host": "h", "port": "1", "replicas": 1}));
    assert_eq!(list["items"][1]["spec"]["note"], "kept");
    assert_eq!(webhook.asked(), ["v2 a,c"]);
    let list = client.get(&sites("v1")).await.json();
    assert_eq!(list["items"][1]["spec"], json!({"hostPort": "h:2", "replicas": 1}));
    assert_eq!(webhook.asked(), ["v1 b"]);

    // Page by page, and in other shapes.
    let mut path = format!("{}?limit=1", sites("v2"));
    let mut found = Vec::new();
    for remaining in [Some(2), Some(1), None] {
        let page = client.get(&path).await.json();
        assert_eq!(page["metadata"]["remainingItemCount"].as_u64(), remaining);
        found.push(page["items"][0]["spec"]["port"].clone());
        let token = page["metadata"]["continue"].as_str().unwrap_or_default();
        path = format!("{}?limit=1&continue={token}", sites("v2"));
    }
    assert_eq!(found, ["1", "2", "3"]);
    let table = [("accept", "application/json;as=Table;g=meta.k8s.io;v=v1")];
    let table = client.ask(Method::GET, &sites("v2"), &table, Bytes::new()).await.json();
    assert_eq!(table["rows"][0]["cells"], json!(["a", "h"]));
    let partial = [("accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")];
    let partial = client.ask(Method::GET, &sites("v2"), &partial, Bytes::new()).await.json();
    assert_eq!(partial["items"][0]["metadata"]["labels"], json!({"spoken": "v2"}));

    // A write that changes nothing moves what rests in the older version; the past is read as the present is.
    let a = client.get(&format!("{}/a", sites("v1"))).await.json();
    webhook.asked();
    let moved = client.put(&format!("{}/a", sites("v1")), &a).await.json();
    assert_ne!(moved["metadata"]["resourceVersion"], a["metadata"]["resourceVersion"]);
    assert_eq!(moved["spec"], a["spec"]);
    assert_eq!(webhook.asked(), ["v2 a", "v1 a"]);
    let revision = a["metadata"]["resourceVersion"].as_str().unwrap();
    let exact = format!("?resourceVersion={revision}&resourceVersionMatch=Exact");
    let past = client.get(&format!("{}{exact}", sites("v2"))).await.json();
    assert_eq!((names(&past).as_str(), &past["items"][0]["spec"]["port"]), ("a", &json!("1")));

    // All of them go at once, chosen by what they are in this version.
    let chosen = format!("{}?fieldSelector=spec.hostPort%3Dh:2", sites("v1"));
    assert_eq!(names(&client.delete(&chosen).await.json()), "b");
    assert_eq!(names(&client.delete(&sites("v2")).await.json()), "a,c");
    assert_eq!(names(&client.get(&sites("v1")).await.json()), "");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_and_labels_are_selected_in_the_version_that_is_asked_for() {
    let (cluster, client, webhook) = began().await;
    made(&client, "v1", "a", json!({"hostPort": "h:1"})).await;
    made(&client, "v1", "b", json!({"hostPort": "h:2"})).await;
    made(&client, "v2", "c", json!({"host": "g", "port": "1"})).await;
    let cases = [
        ("v1", "fieldSelector=spec.hostPort%3Dh:1", "a"),
        ("v1", "fieldSelector=spec.hostPort%3Dg:1", "c"),
        ("v1", "fieldSelector=spec.hostPort!%3Dh:1", "b,c"),
        ("v2", "fieldSelector=spec.host%3Dh", "a,b"),
        ("v2", "fieldSelector=spec.port%3D1", "a,c"),
        ("v2", "fieldSelector=spec.host%3Dh,spec.port%3D1", "a"),
        ("v2", "fieldSelector=spec.host%3Dh,metadata.name%3Db", "b"),
        ("v2", "labelSelector=spoken%3Dv2", "a,b,c"),
        ("v1", "labelSelector=spoken%3Dv2", ""),
    ];
    for stored in ["v1", "v2"] {
        for (version, selector, chosen) in cases {
            let list = client.get(&format!("{}?{selector}", sites(version))).await.json();
            assert_eq!(names(&list), chosen, "{version} {selector}, stored as {stored}");
        }
        // A page has as many as are chosen.
        let page = client.get(&format!("{}?limit=1&fieldSelector=spec.port%3D1", sites("v2"))).await.json();
        let token = page["metadata"]["continue"].as_str().unwrap();
        let rest = format!("{}?limit=1&fieldSelector=spec.port%3D1&continue={token}", sites("v2"));
        let rest = client.get(&rest).await.json();
        assert_eq!((names(&page).as_str(), names(&rest).as_str()), ("a", "c"));
        assert!(rest["metadata"]["continue"].is_null(), "{rest}");
        if stored == "v1" {
            store_as(&client, "v2").await;
            for name in ["a", "b", "c"] {
                let path = format!("{}/{name}", sites("v2"));
                let found = client.get(&path).await.json();
                assert_eq!(client.put(&path, &found).await.code, 200);
            }
        }
    }
    webhook.asked();
    assert_eq!(
        names(&client.get(&format!("{}?fieldSelector=metadata.name%3Da", sites("v1"))).await.json()),
        "a"
    );
    assert_eq!(webhook.asked(), ["v1 a"], "nobody is asked about what its name rules out");
    let other = client.get(&format!("{}?fieldSelector=spec.host%3Dh", sites("v1"))).await;
    assert_eq!(message(&other), (400, "field label not supported: spec.host".to_owned()));
    cluster.stop().await;
}
