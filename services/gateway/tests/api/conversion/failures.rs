//! Webhooks that are not there, are somebody else, or answer what no answer is.

use std::time::Duration;

use rutter_gateway::Config;
use serde_json::{Value, json};

use super::*;
use crate::webhook::{answer, converted};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_can_not_be_one_fails_the_request_in_upstreams_words() {
    let (cluster, client, webhook) = began().await;
    made(&client, "v1", "a", json!({"hostPort": "h:1"})).await;
    made(&client, "v1", "b", json!({"hostPort": "h:2"})).await;
    type Answering = fn(&Value) -> Option<(u16, Value)>;
    let cases: [(Answering, &str); 7] = [
        (|review| Some((200, answer(review, json!([])))), "returned 0 objects, expected 1"),
        (
            |review| {
                let (code, mut answer) = converted(review)?;
                answer["response"]["convertedObjects"][0]["metadata"]["name"] = json!("other");
                Some((code, answer))
            },
            "returned invalid object: must have the same name: a != other",
        ),
        (
            |review| {
                let mut answer = answer(review, json!([]));
                answer["response"]["result"] = json!({"status": "Failure", "message": "no such host"});
                Some((200, answer))
            },
            "failed: no such host",
        ),
        (
            |review| {
                let (code, mut answer) = converted(review)?;
                answer["response"]["convertedObjects"][0]["apiVersion"] = json!("example.com/v3");
                Some((code, answer))
            },
            "returned invalid object at index 0: invalid groupVersion (expected example.com/v2, received example.com/v3)",
        ),
        (
            |review| {
                let (code, mut answer) = converted(review)?;
                answer["kind"] = json!("AdmissionReview");
                Some((code, answer))
            },
            "failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got apiextensions.k8s.io/v1, Kind=AdmissionReview",
        ),
        (
            |_| {
                Some((
                    503,
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "starting"}),
                ))
            },
            "failed: starting",
        ),
        (
            |_| Some((200, json!(""))),
            "failed: 0-length response with status code: 200 and content type: application/json",
        ),
    ];
    let a = format!("{}/a", sites("v2"));
    for (answering, words) in cases {
        webhook.answers(answering);
        let expected = (500, format!("conversion webhook for example.com/v1, Kind=Site {words}"));
        assert_eq!(message(&client.get(&a).await), expected);
        let merged = client.merge(&a, &json!({"spec": {"host": "x"}})).await;
        assert_eq!((message(&merged), &merged.json()["reason"]), (expected.clone(), &Value::Null));
        assert_eq!(message(&client.delete(&a).await), expected);
    }
    let stands = client.get(&format!("{}/a", sites("v1"))).await.json();
    assert_eq!((&stands["spec"]["hostPort"], &stands["metadata"]["generation"]), (&json!("h:1"), &json!(1)));

    // In a list, the object that is wrong is named; one fails all.
    webhook.answers(|review| {
        let (code, mut answer) = converted(review)?;
        answer["response"]["convertedObjects"][1]["metadata"]["uid"] = json!("other");
        Some((code, answer))
    });
    let (code, why) = message(&client.get(&sites("v2")).await);
    let expected = "conversion webhook for example.com/v1, Kind=Site returned invalid converted object at index 1: must have the same UID: ";
    assert!(code == 500 && why.starts_with(expected), "{why}");

    // Whatever else it says of metadata is not believed.
    webhook.answers(|review| {
        let (code, mut answer) = converted(review)?;
        let metadata = &mut answer["response"]["convertedObjects"][0]["metadata"];
        metadata["generation"] = json!(99);
        metadata["finalizers"] = json!(["example.com/x"]);
        metadata["annotations"] = json!({"kept": "yes"});
        Some((code, answer))
    });
    let read = client.get(&a).await.json();
    assert_eq!((&read["metadata"]["generation"], read["metadata"].get("finalizers")), (&json!(1), None));
    assert_eq!(read["metadata"]["annotations"], json!({"kept": "yes"}));

    // What can't be stored is not created.
    webhook.answers(|_| Some((200, json!("no JSON"))));
    let refused = client.post(&sites("v2"), &site("v2", "n", json!({"host": "h", "port": "1"}))).await;
    let (code, why) = message(&refused);
    assert!(
        code == 500 && why.starts_with("conversion webhook for example.com/v2, Kind=Site failed: "),
        "{why}"
    );
    assert_eq!(client.get(&format!("{}/n", sites("v1"))).await.code, 404);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_not_there_or_not_who_it_says_is_told_apart() {
    let (cluster, client, webhook) = began().await;
    made(&client, "v1", "a", json!({"hostPort": "h:1"})).await;
    let path = format!("{DEFINITIONS}/sites.example.com");
    let port = webhook.address.port();
    let other = Webhook::start(&["localhost"]).await;
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = |host: &str, port: u16| json!({"url": format!("https://{host}:{port}/convert")});
    let cases = [
        // Signed by somebody else than the bundle says.
        (
            other.conversion_at(url("localhost", port)),
            format!(
                "Post \"https://localhost:{port}/convert?timeout=30s\": tls: failed to verify certificate: x509: certificate signed by unknown authority"
            ),
        ),
        // By another name.
        (
            webhook.conversion_at(url("127.0.0.1", port)),
            format!(
                "Post \"https://127.0.0.1:{port}/convert?timeout=30s\": tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"
            ),
        ),
        (
            webhook.conversion_at(url("127.0.0.1", nobody)),
            format!(
                "Post \"https://127.0.0.1:{nobody}/convert?timeout=30s\": dial tcp 127.0.0.1:{nobody}: connect: connection refused"
            ),
        ),
        (
            webhook.conversion_at(
                json!({"service": {"namespace": "default", "name": "nobody", "path": "/convert"}}),
            ),
            "Post \"https://nobody.default.svc:443/convert?timeout=30s\": service \"nobody\" not found"
                .to_owned(),
        ),
    ];
    for (conversion, why) in cases {
        let changed = client.merge(&path, &json!({"spec": {"conversion": null}})).await;
        assert_eq!(changed.code, 200, "{}", changed.text());
        let changed = client.merge(&path, &json!({"spec": {"conversion": conversion}})).await;
        assert_eq!(changed.code, 200, "{}", changed.text());
        let expected = (500, format!("conversion webhook for example.com/v1, Kind=Site failed: {why}"));
        assert_eq!(message(&client.get(&format!("{}/a", sites("v2"))).await), expected);
        assert_eq!(message(&client.get(&sites("v2")).await), expected);
        assert_eq!(client.get(&sites("v1")).await.code, 200, "what rests in v1 is served without it");
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_never_answers_is_waited_for_so_long_and_no_longer() {
    let config = Config { conversion_timeout: Duration::from_millis(200), ..Config::default() };
    let cluster = Cluster::with_controllers_and(config).await;
    let client = cluster.admin();
    let webhook = Webhook::start(&["localhost"]).await;
    establish(&client, &definition(webhook.conversion())).await;
    made(&client, "v1", "a", json!({"hostPort": "h:1"})).await;
    webhook.answers(|_| None);
    let url = format!("https://localhost:{}/convert?timeout=200ms", webhook.address.port());
    let why = format!("failed: Post \"{url}\": context deadline exceeded");
    let of = |version| (500, format!("conversion webhook for example.com/{version}, Kind=Site {why}"));
    assert_eq!(message(&client.get(&format!("{}/a", sites("v2"))).await), of("v1"));
    assert_eq!(message(&client.get(&sites("v2")).await), of("v1"));
    assert_eq!(
        message(&client.merge(&format!("{}/a", sites("v2")), &json!({"spec": {"host": "x"}})).await),
        of("v1")
    );
    let refused = client.post(&sites("v2"), &site("v2", "n", json!({"host": "h", "port": "1"}))).await;
    assert_eq!(message(&refused), of("v2"));
    let mut watch = client.watch(&format!("{}?watch=1", sites("v2"))).await;
    assert_eq!(watch.next().await.unwrap()["object"]["message"], of("v1").1);
    // Meanwhile and afterwards everything else goes on.
    assert_eq!(client.get(&sites("v1")).await.code, 200);
    webhook.answers(converted);
    cluster.stop().await;
}
