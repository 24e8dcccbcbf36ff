//! Watching: from any revision, by selectors, with bookmarks and initial events.

use serde_json::{Value, json};

use crate::client::Client;
use crate::cluster::Cluster;

const PATH: &str = "/api/v1/namespaces/default/configmaps";

async fn make(client: &Client, name: &str, labels: Value) -> String {
    let made = client.post(PATH, &json!({"metadata": {"name": name, "labels": labels}})).await;
    assert_eq!(made.code, 201, "{}", made.text());
    made.json()["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_the_state_the_past_and_what_comes() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let first = make(&client, "a", json!({})).await;
    make(&client, "b", json!({})).await;
    client.delete(&format!("{PATH}/a")).await;

    let mut state = client.watch(&format!("{PATH}?watch=true")).await;
    assert_eq!(state.code, 200);
    assert_eq!([state.told().await, state.told().await], ["ADDED b", "ADDED kube-root-ca.crt"]);

    let mut past = client.watch(&format!("{PATH}?watch=true&resourceVersion={first}")).await;
    assert_eq!([past.told().await, past.told().await], ["ADDED b", "DELETED a"]);

    let mut legacy = client.watch("/api/v1/watch/namespaces/default/configmaps/c").await;
    make(&client, "c", json!({})).await;
    for watch in [&mut state, &mut past, &mut legacy] {
        assert_eq!(watch.told().await, "ADDED c");
    }
    client.merge(&format!("{PATH}/c"), &json!({"data": {"k": "v"}})).await;
    let modified = state.next().await.unwrap();
    assert_eq!((&modified["type"], &modified["object"]["data"]["k"]), (&json!("MODIFIED"), &json!("v")));
    cluster.stop().await;
    assert_eq!(legacy.told().await, "MODIFIED c");
    assert_eq!(legacy.told().await, "the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_comes_into_a_selection_is_added_and_one_that_leaves_is_deleted() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let mut watch = client.watch(&format!("{PATH}?watch=true&labelSelector=x%3D1")).await;
    make(&client, "a", json!({"x": "2"})).await;
    let path = format!("{PATH}/a");
    client.merge(&path, &json!({"metadata": {"labels": {"x": "1"}}})).await;
    assert_eq!(watch.told().await, "ADDED a");
    let left = client.merge(&path, &json!({"metadata": {"labels": {"x": "3"}}})).await.json();
    let event = watch.next().await.unwrap();
    assert_eq!(event["type"], "DELETED");
    assert_eq!(event["object"]["metadata"]["labels"]["x"], "1", "its state before");
    assert_eq!(event["object"]["metadata"]["resourceVersion"], left["metadata"]["resourceVersion"]);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn initial_events_end_with_a_bookmark_that_says_so() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    make(&client, "a", json!({})).await;
    let query =
        "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = client.watch(&format!("{PATH}?{query}")).await;
    assert_eq!([watch.told().await, watch.told().await], ["ADDED a", "ADDED kube-root-ca.crt"]);
    let bookmark = watch.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    make(&client, "b", json!({})).await;
    assert_eq!(watch.told().await, "ADDED b");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_when_its_time_is_over_and_refuses_the_future() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let mut watch = client.watch(&format!("{PATH}?watch=true&timeoutSeconds=1&resourceVersion=0")).await;
    assert_eq!(watch.told().await, "ADDED kube-root-ca.crt");
    assert_eq!(watch.told().await, "the end");
    let future = client.get(&format!("{PATH}?watch=true&resourceVersion=99999999")).await;
    assert_eq!(future.code, 504);
    assert_eq!(future.json()["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_folded_over_a_list_is_the_list_at_the_end() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let start = client.get(PATH).await.json();
    let from = start["metadata"]["resourceVersion"].as_str().unwrap();
    let mut state: std::collections::BTreeMap<String, Value> = start["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["metadata"]["name"].as_str().unwrap().to_owned(),
                item["metadata"]["resourceVersion"].clone(),
            )
        })
        .collect();
    for n in 0..40 {
        let name = format!("o{}", n % 7);
        match n % 3 {
            0 => drop(client.post(PATH, &json!({"metadata": {"name": name}})).await),
            1 => drop(client.merge(&format!("{PATH}/{name}"), &json!({"data": {"n": n.to_string()}})).await),
            _ => drop(client.delete(&format!("{PATH}/{name}")).await),
        }
    }
    make(&client, "last", json!({})).await;
    let mut watch = client.watch(&format!("{PATH}?watch=true&resourceVersion={from}")).await;
    loop {
        let event = watch.next().await.unwrap();
        let name = event["object"]["metadata"]["name"].as_str().unwrap().to_owned();
        let revision = event["object"]["metadata"]["resourceVersion"].clone();
        let before = match event["type"].as_str().unwrap() {
            "DELETED" => state.remove(&name).is_some(),
            "ADDED" => state.insert(name.clone(), revision).is_none(),
            _ => state.insert(name.clone(), revision).is_some(),
        };
        assert!(before, "{event} does not fit what was told before");
        if name == "last" {
            break;
        }
    }
    let end = client.get(PATH).await.json();
    let listed: std::collections::BTreeMap<String, Value> = end["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["metadata"]["name"].as_str().unwrap().to_owned(),
                item["metadata"]["resourceVersion"].clone(),
            )
        })
        .collect();
    assert_eq!(state, listed);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_over_a_websocket_too() {
    use futures::StreamExt;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::protocol::Role;
    let cluster = Cluster::start().await;
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let path = format!("{PATH}?watch=true&timeoutSeconds=2");
    let response = cluster.admin().begin(http::Method::GET, &path, &headers, bytes::Bytes::new()).await;
    assert_eq!(response.status(), 101);
    let upgraded = hyper_util::rt::TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
    let first = socket.next().await.unwrap().unwrap().into_text().unwrap();
    let event: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(
        (&event["type"], &event["object"]["metadata"]["name"]),
        (&json!("ADDED"), &json!("kube-root-ca.crt"))
    );
    assert!(socket.next().await.unwrap().unwrap().is_close());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_table_says_its_columns_once() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let headers = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let path = format!("{PATH}?watch=true&timeoutSeconds=1&resourceVersion=0");
    make(&client, "a", json!({})).await;
    let answer = client.ask(http::Method::GET, &path, &headers, bytes::Bytes::new()).await;
    let events: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let columns = |n: usize| events[n]["object"]["columnDefinitions"].is_array();
    assert_eq!((events.len(), columns(0), columns(1)), (2, true, false));
    assert_eq!(events[1]["object"]["rows"][0]["cells"][0], "kube-root-ca.crt");
    cluster.stop().await;
}
