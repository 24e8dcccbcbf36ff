//! Joining: a token lets one machine in, once, under a name that is free; what it gets works for that node.

use rutter_runtime::jwt::Credentials;
use rutter_runtime::nats::{self, NatsConfig};
use rutter_runtime::roles::Role;
use serde_json::{Value, json};

use crate::client::Client;
use crate::cluster::Cluster;

const TOKENS: &str = "/apis/rutter.dev/v1/tokens";
const JOIN: &str = "/apis/rutter.dev/v1/join";

/// What is sent of a new token: the part before the hash of the CA.
async fn token(admin: &Client) -> String {
    let made = admin.post(TOKENS, &json!({})).await;
    assert_eq!(made.code, 200, "{}", made.text());
    let text = made.json()["token"].as_str().unwrap().to_owned();
    text.rsplit_once('.').unwrap().0.to_owned()
}

fn wish(token: &str, node: &str) -> Value {
    json!({ "token": token, "node": node })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_one_machine_in_however_often_it_is_shown() {
    let cluster = Cluster::start().await;
    let (admin, nobody) = (cluster.admin(), cluster.nobody());
    let token = token(&admin).await;
    let (one, other) = (wish(&token, "one"), wish(&token, "other"));

    let (first, second) = tokio::join!(nobody.post(JOIN, &one), nobody.post(JOIN, &other));
    let mut codes = [first.code, second.code];
    codes.sort_unstable();
    assert_eq!(codes, [200, 403], "{} {}", first.text(), second.text());
    assert_eq!(nobody.post(JOIN, &wish(&token, "third")).await.code, 403);

    let answer = if first.code == 200 { first.json() } else { second.json() };
    let config = NatsConfig {
        servers: vec![answer["nats"].as_str().unwrap().parse().unwrap()],
        credentials: Some(Credentials::from_text(answer["credentials"].as_str().unwrap().to_owned())),
        ca: Some(nats::roots(answer["natsCA"].as_str().unwrap().as_bytes()).unwrap()),
    };
    let node = Role::Node(answer["node"].as_str().unwrap().to_owned());
    nats::connect(&config, &node).await.unwrap();
    let kept = admin.get("/api/v1/namespaces/kube-system/secrets").await.text();
    assert!(!kept.contains("rutter-join-"), "{kept}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_not_hold_for_less_than_it_is() {
    let cluster = Cluster::start().await;
    let (admin, nobody) = (cluster.admin(), cluster.nobody());
    assert_eq!(cluster.client("jane", &["people"]).post(TOKENS, &json!({})).await.code, 403);
    assert_eq!(nobody.post(TOKENS, &json!({})).await.code, 403);

    let token = token(&admin).await;
    let (id, _) = token.split_once('.').unwrap();
    for guess in [format!("{id}.{}", "0".repeat(64)), id.to_owned(), String::new(), "a.b.c".to_owned()] {
        assert_eq!(nobody.post(JOIN, &wish(&guess, "one")).await.code, 403, "{guess}");
    }
    assert_eq!(nobody.post(JOIN, &wish(&token, "No Name")).await.code, 422);
    // The name of a node that is there is not to be had, and asking doesn't spend the token.
    let node = json!({ "metadata": { "name": "old" } });
    assert_eq!(admin.post("/api/v1/nodes", &node).await.code, 201);
    assert_eq!(nobody.post(JOIN, &wish(&token, "old")).await.code, 409);
    assert_eq!(nobody.post(JOIN, &wish(&token, "new")).await.code, 200);

    let kept = admin.get("/apis/rutter.dev/v1/log").await.text();
    assert!(
        !kept.contains(&token) && !kept.contains(token.split_once('.').unwrap().1),
        "the log has the secret"
    );
    cluster.stop().await;
}
