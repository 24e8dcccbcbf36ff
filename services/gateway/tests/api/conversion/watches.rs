//! Watches of one version, of objects that rest in another.

use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_speaks_its_own_version_and_shares_what_was_asked() {
    let (cluster, client, webhook) = began().await;
    made(&client, "v1", "a", json!({"hostPort": "h:1"})).await;
    let mut stored = client.watch(&format!("{}?watch=1", sites("v1"))).await;
    let mut all = client.watch(&format!("{}?watch=1", sites("v2"))).await;
    let mut also = client.watch(&format!("{}?watch=1", sites("v2"))).await;
    let mut chosen = client.watch(&format!("{}?watch=1&fieldSelector=spec.host%3Dh", sites("v2"))).await;
    let state = all.next().await.unwrap();
    assert_eq!((&state["type"], &state["object"]["spec"]["port"]), (&json!("ADDED"), &json!("1")));
    for watch in [&mut stored, &mut also, &mut chosen] {
        assert_eq!(watch.told().await, "ADDED a");
    }
    assert_eq!(webhook.asked(), ["v2 a", "v2 a", "v2 a"]);

    let b = made(&client, "v1", "b", json!({"hostPort": "g:2"})).await;
    for watch in [&mut all, &mut also] {
        let event = watch.next().await.unwrap();
        assert_eq!(event["object"]["apiVersion"], "example.com/v2");
        assert_eq!(event["object"]["spec"], json!({"host": "g", "port": "2", "replicas": 1}));
        assert_eq!(event["object"]["metadata"]["resourceVersion"], b["metadata"]["resourceVersion"]);
    }
    assert_eq!(stored.next().await.unwrap()["object"]["spec"]["hostPort"], "g:2");
    // What was before is asked about too, for the watch that selects.
    let left =
        client.merge(&format!("{}/a", sites("v1")), &json!({"spec": {"hostPort": "g:1"}})).await.json();
    let event = chosen.next().await.unwrap();
    assert_eq!(
        (&event["type"], &event["object"]["spec"]["host"]),
        (&json!("DELETED"), &json!("h")),
        "{event}"
    );
    assert_eq!(event["object"]["metadata"]["resourceVersion"], left["metadata"]["resourceVersion"]);
    for watch in [&mut all, &mut also] {
        assert_eq!(watch.told().await, "MODIFIED a");
    }
    let asked = webhook.asked();
    assert_eq!(
        asked.iter().filter(|asked| *asked == "v2 b").count(),
        2,
        "once for each form, however many watch: {asked:?}"
    );
    client.merge(&format!("{}/b", sites("v1")), &json!({"spec": {"hostPort": "h:2"}})).await;
    assert_eq!(chosen.told().await, "ADDED b");
    client.delete(&format!("{}/b", sites("v1"))).await;
    let gone = chosen.next().await.unwrap();
    assert_eq!((&gone["type"], &gone["object"]["spec"]["port"]), (&json!("DELETED"), &json!("2")));

    // From a revision on.
    let since = state["object"]["metadata"]["resourceVersion"].as_str().unwrap();
    let mut past = client.watch(&format!("{}?watch=1&resourceVersion={since}", sites("v2"))).await;
    let told = [
        past.next().await.unwrap(),
        past.next().await.unwrap(),
        past.next().await.unwrap(),
        past.next().await.unwrap(),
    ];
    let told = told.map(|event| {
        format!("{} {}", event["type"].as_str().unwrap(), event["object"]["spec"]["host"].as_str().unwrap())
    });
    assert_eq!(told, ["ADDED g", "MODIFIED g", "MODIFIED h", "DELETED h"]);

    // Who can't be told what happened is told why, and asks again.
    webhook.answers(|_| Some((500, json!("{}"))));
    made(&client, "v1", "d", json!({"hostPort": "h:4"})).await;
    let failed = past.next().await.unwrap();
    assert_eq!((&failed["type"], &failed["object"]["code"]), (&json!("ERROR"), &json!(500)), "{failed}");
    let why = failed["object"]["message"].as_str().unwrap();
    assert!(why.starts_with("conversion webhook for example.com/v1, Kind=Site failed: "), "{why}");
    assert_eq!(past.told().await, "the end");

    // A watch ends when objects are converted otherwise than when it began.
    for told in ["MODIFIED a", "MODIFIED b", "DELETED b", "ADDED d"] {
        assert_eq!(stored.told().await, told);
    }
    let path = format!("{DEFINITIONS}/sites.example.com");
    let changed =
        client.merge(&path, &json!({"spec": {"conversion": {"strategy": "None", "webhook": null}}})).await;
    assert_eq!(changed.code, 200, "{}", changed.text());
    made(&client, "v1", "e", json!({"hostPort": "h:5"})).await;
    assert_eq!(stored.told().await, "the end");
    cluster.stop().await;
}
