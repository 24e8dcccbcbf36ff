//! Definitions of several versions whose objects a webhook converts: reads, writes, watches and selectors in each version,
//! whatever version rests in the log.

mod failures;
mod objects;
mod selected;
mod service;
mod watches;

use http::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::cluster::Cluster;
use crate::custom::{DEFINITIONS, establish};
use crate::webhook::Webhook;

/// Sites: `hostPort` in v1, which is stored; `host`, `port` and a note in v2.
fn definition(conversion: Value) -> Value {
    let version = |name: &str, spec: Value, required: Value, selectable: Value| {
        json!({
            "name": name, "served": true, "storage": name == "v1", "selectableFields": selectable,
            "subresources": {"status": {}, "scale": {
                "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
            }},
            "additionalPrinterColumns": [{"name": "Where", "type": "string",
                "jsonPath": if name == "v1" { ".spec.hostPort" } else { ".spec.host" }}],
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": spec, "required": required},
                "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
            }}},
        })
    };
    let text = || json!({"type": "string"});
    let v1 = json!({"hostPort": text(), "replicas": {"type": "integer", "default": 1}});
    let v2 = json!({
        "host": text(), "port": {"type": "string", "pattern": "^[0-9]+$"}, "note": text(),
        "replicas": {"type": "integer", "default": 1},
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "sites.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "sites", "kind": "Site"},
            "conversion": conversion,
            "versions": [
                version("v1", v1, json!(["hostPort"]), json!([{"jsonPath": ".spec.hostPort"}])),
                version("v2", v2, json!(["host"]), json!([{"jsonPath": ".spec.host"}, {"jsonPath": ".spec.port"}])),
            ],
        },
    })
}

fn sites(version: &str) -> String {
    format!("/apis/example.com/{version}/namespaces/default/sites")
}

fn site(version: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": format!("example.com/{version}"), "kind": "Site", "metadata": {"name": name}, "spec": spec})
}

/// A cluster with the definition, and who converts.
async fn began() -> (Cluster, Client, Webhook) {
    let cluster = Cluster::with_controllers().await;
    let client = cluster.admin();
    let webhook = Webhook::start(&["localhost"]).await;
    establish(&client, &definition(webhook.conversion())).await;
    (cluster, client, webhook)
}

async fn made(client: &Client, version: &str, name: &str, spec: Value) -> Value {
    let made = client.post(&sites(version), &site(version, name, spec)).await;
    assert_eq!(made.code, 201, "{}", made.text());
    made.json()
}

async fn patched(client: &Client, kind: &str, path: &str, body: &Value) -> Answer {
    client.ask(Method::PATCH, path, &[("content-type", kind)], body.to_string().into()).await
}

/// Which version is stored from now on.
async fn store_as(client: &Client, version: &str) {
    let path = format!("{DEFINITIONS}/sites.example.com");
    let mut found = client.get(&path).await.json();
    for known in found["spec"]["versions"].as_array_mut().unwrap() {
        known["storage"] = json!(known["name"] == version);
    }
    let moved = client.put(&path, &found).await;
    assert_eq!(moved.code, 200, "{}", moved.text());
}

/// `a,b`: the names in a list.
fn names(list: &Value) -> String {
    let items = list["items"].as_array().unwrap_or_else(|| panic!("no list: {list}")).iter();
    items.map(|item| item["metadata"]["name"].as_str().unwrap()).collect::<Vec<_>>().join(",")
}

fn message(answer: &Answer) -> (u16, String) {
    (answer.code, answer.json()["message"].as_str().unwrap_or_default().to_owned())
}
