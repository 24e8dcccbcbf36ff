//! Reading: encodings, large lists, history, who may.

use bytes::Bytes;
use http::Method;
use rutter_apimachinery::protobuf;
use serde_json::{Value, json};

use crate::cluster::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_thousands_comes_whole_in_every_encoding() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let path = "/api/v1/namespaces/default/configmaps";
    let writes: Vec<Value> = (0..600)
        .map(|n| {
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v".repeat(1000)},
                                "metadata": {"name": format!("c{n:04}"), "namespace": "default"}});
            json!({"verb": "create", "object": object})
        })
        .collect();
    let made = client.post("/apis/rutter.dev/v1/transactions", &json!({"writes": writes})).await;
    assert_eq!(made.code, 200, "{}", made.text());

    let all = client.get(path).await;
    let list = all.json();
    assert_eq!((all.code, list["kind"].as_str()), (200, Some("ConfigMapList")));
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 601);
    assert!(items[0].get("kind").is_none());

    let binary = client.ask(Method::GET, path, &[("accept", protobuf_type())], Bytes::new()).await;
    let decoded = protobuf::decode(&binary.bytes, None).unwrap();
    assert_eq!(decoded["items"].as_array().map(Vec::len), Some(601));
    assert_eq!(decoded["items"][0]["data"], items[0]["data"]);

    let squeezed = client.ask(Method::GET, path, &[("accept-encoding", "gzip")], Bytes::new()).await;
    assert_eq!(squeezed.headers["content-encoding"], "gzip");
    assert!(squeezed.bytes.len() * 4 < all.bytes.len());

    let table = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
    let table = client.ask(Method::GET, path, &table, Bytes::new()).await.json();
    assert_eq!(table["rows"].as_array().map(Vec::len), Some(601));

    // Pages, with writes between them, are the list at the first page's revision.
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("{path}?limit=250&continue={token}")).await.json();
        names.extend(page["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].clone()));
        client.delete(&format!("{path}/c{:04}", 599 - names.len() / 250)).await;
        token = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(names.len(), 601);
    cluster.stop().await;
}

fn protobuf_type() -> &'static str {
    "application/vnd.kubernetes.protobuf"
}

#[tokio::test(flavor = "multi_thread")]
async fn protobuf_goes_in_and_out() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "p"}, "data": {"k": "v"}});
    let body: Bytes = protobuf::encode(&object).unwrap().into();
    let headers = [("content-type", protobuf_type()), ("accept", protobuf_type())];
    let made = client.ask(Method::POST, "/api/v1/namespaces/default/configmaps", &headers, body).await;
    assert_eq!(made.code, 201);
    let made = protobuf::decode(&made.bytes, None).unwrap();
    assert_eq!((&made["data"]["k"], &made["kind"]), (&json!("v"), &json!("ConfigMap")));
    let read = client.get("/api/v1/namespaces/default/configmaps/p").await.json();
    assert_eq!(read["metadata"]["uid"], made["metadata"]["uid"]);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_what_happened_and_why() {
    let cluster = Cluster::start().await;
    let client = cluster.client("alice", &["people"]);
    let path = "/api/v1/namespaces/default/configmaps";
    let made = client.post(path, &json!({"metadata": {"name": "a"}, "data": {"k": "1"}})).await;
    assert_eq!(made.code, 201, "{}", made.text());
    client.merge(&format!("{path}/a"), &json!({"data": {"k": "2"}})).await;
    client.delete(&format!("{path}/a")).await;

    let query = "group=&resource=configmaps&namespace=default&name=a";
    let history = client.get(&format!("/apis/rutter.dev/v1/history?{query}")).await.json();
    let facts = history["facts"]["facts"].as_array().unwrap();
    let told: Vec<(&str, &str)> =
        facts.iter().map(|f| (f["op"].as_str().unwrap(), f["actor"]["user"].as_str().unwrap())).collect();
    assert_eq!(told, [("+", "alice"), ("~", "alice"), ("-", "alice")]);

    let why = client.get(&format!("/apis/rutter.dev/v1/why?{query}")).await.json();
    assert_eq!(why["facts"]["facts"][0]["op"], "-");

    let from = facts[0]["prior"].as_u64().unwrap();
    let log = client.get(&format!("/apis/rutter.dev/v1/log?from={from}")).await.text();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let revisions: Vec<u64> = lines.iter().map(|fact| fact["revision"].as_u64().unwrap()).collect();
    assert!(revisions.windows(2).all(|pair| pair[1] == pair[0] + 1), "{revisions:?}");
    let now = client.get("/apis/rutter.dev/v1/revision").await.json();
    assert_eq!(now["revision"].as_u64(), revisions.last().copied());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_say_who_asks() {
    let cluster = Cluster::start().await;
    let who = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let nobody = cluster.nobody();
    assert_eq!(nobody.get("/api/v1/pods").await.code, 403);
    assert_eq!(nobody.get("/livez").await.code, 200);
    let told = nobody.get("/api/v1/namespaces/a/pods").await.json();
    assert_eq!(
        told["message"],
        "pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"\" in the namespace \"a\""
    );
    assert_eq!(nobody.clone().with_token("nonsense").get("/livez").await.code, 401);

    let admin = cluster.admin();
    let review = admin
        .post(who, &json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}))
        .await;
    assert_eq!(review.code, 201, "{}", review.text());
    assert_eq!(review.json()["status"]["userInfo"]["username"], "admin");
    let token = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let minted = admin.post(token, &json!({"spec": {}})).await.json();
    let robot = nobody.with_token(minted["status"]["token"].as_str().unwrap());
    assert_eq!(robot.get("/api/v1/pods").await.code, 200);
    admin.delete("/api/v1/namespaces/default/serviceaccounts/default").await;
    assert_eq!(robot.get("/api/v1/pods").await.code, 401);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_above_three_mebibytes_is_refused() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let body = json!({"metadata": {"name": "big"}, "data": {"k": "x".repeat(3 << 20)}});
    let answer = client.post("/api/v1/namespaces/default/configmaps", &body).await;
    assert_eq!(answer.code, 413);
    assert_eq!(answer.json()["message"], "Request entity is too large: limit is 3145728");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_resource_that_lists_is_listed_under_its_own_kind() {
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let registry = cluster.gateway.registry();
    let mut wrong = Vec::new();
    for resource in registry.resources().iter().filter(|resource| resource.allows("list")) {
        let root =
            if resource.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", resource.group) };
        let path = format!("{root}/{}/{}", resource.version, resource.plural);
        for accept in ["application/json", protobuf_type(), "application/json;as=Table;v=v1;g=meta.k8s.io"] {
            let answer = client.ask(Method::GET, &path, &[("accept", accept)], Bytes::new()).await;
            let kind = match accept == protobuf_type() {
                true => protobuf::decode(&answer.bytes, None).unwrap_or_default()["kind"].clone(),
                false => answer.json()["kind"].clone(),
            };
            let expected = if accept.contains("Table") { "Table" } else { &resource.list_kind };
            if answer.code != 200 || kind != expected {
                wrong.push(format!("{path} as {accept}: {} {kind} {}", answer.code, answer.text()));
            }
        }
    }
    assert!(registry.resources().len() > 10);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_gets_410_and_one_that_goes_on_with_what_is_now() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let cluster = Cluster::start().await;
    let client = cluster.admin();
    let path = "/api/v1/namespaces/default/configmaps";
    for name in ["a", "b"] {
        client.post(path, &json!({"metadata": {"name": name}})).await;
    }
    let page = client.get(&format!("{path}?limit=1")).await.json();
    let token = URL_SAFE_NO_PAD.decode(page["metadata"]["continue"].as_str().unwrap()).unwrap();
    let mut token: Value = serde_json::from_slice(&token).unwrap();
    token["t"] = json!(token["t"].as_i64().unwrap() - 301);
    let expired = URL_SAFE_NO_PAD.encode(token.to_string());
    client.post(path, &json!({"metadata": {"name": "aa"}})).await;

    let refused = client.get(&format!("{path}?limit=2&continue={expired}")).await;
    assert_eq!((refused.code, refused.json()["reason"].as_str()), (410, Some("Expired")));
    let onward = refused.json()["metadata"]["continue"].as_str().unwrap().to_owned();
    let rest = client.get(&format!("{path}?limit=2&continue={onward}")).await.json();
    let names: Vec<&str> = rest["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["aa", "b"]);
    cluster.stop().await;
}
