//! Laws of reading, over random traffic: pages are a snapshot; a watch folded over a list is a later list.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Value, json};

use crate::client::Client;
use crate::cluster::Cluster;

/// One write: of which of a few objects, and what.
#[derive(Clone, Debug)]
enum Write {
    Create(u8, u8),
    Change(u8, u8),
    Delete(u8),
    Sweep(u8),
}

fn traffic() -> impl Strategy<Value = Vec<Write>> {
    let write = prop_oneof![
        4 => (0..12_u8, 0..3_u8).prop_map(|(name, label)| Write::Create(name, label)),
        4 => (0..12_u8, 0..3_u8).prop_map(|(name, label)| Write::Change(name, label)),
        2 => (0..12_u8).prop_map(Write::Delete),
        1 => (0..3_u8).prop_map(Write::Sweep),
    ];
    prop::collection::vec(write, 10..40)
}

fn path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

async fn written(client: &Client, namespace: &str, write: &Write) {
    let path = path(namespace);
    match write {
        Write::Create(name, label) => {
            let object =
                json!({"metadata": {"name": format!("o{name}"), "labels": {"l": label.to_string()}}});
            client.post(&path, &object).await;
        }
        Write::Change(name, label) => {
            let patch = json!({"metadata": {"labels": {"l": label.to_string()}}});
            client.merge(&format!("{path}/o{name}"), &patch).await;
        }
        Write::Delete(name) => drop(client.delete(&format!("{path}/o{name}")).await),
        Write::Sweep(label) => drop(client.delete(&format!("{path}?labelSelector=l%3D{label}")).await),
    }
}

/// Name → revision of the items of a list.
fn items(list: &Value) -> BTreeMap<String, String> {
    let all = list["items"].as_array().unwrap_or_else(|| panic!("{list}"));
    all.iter()
        .map(|item| (text(&item["metadata"]["name"]), text(&item["metadata"]["resourceVersion"])))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// One cluster for all cases, each in a namespace of its own.
fn cases(count: u32, law: impl AsyncFn(&Client, &str, Vec<Write>)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let cluster = Cluster::start().await;
        let client = cluster.admin();
        let mut runner = proptest::test_runner::TestRunner::default();
        for case in 0..count {
            let namespace = format!("case-{case}");
            client.post("/api/v1/namespaces", &json!({"metadata": {"name": namespace}})).await;
            let traffic = traffic().new_tree(&mut runner).unwrap().current();
            println!("{namespace}: {traffic:?}");
            law(&client, &namespace, traffic).await;
        }
        cluster.stop().await;
    });
}

#[test]
fn a_watch_from_any_revision_folded_over_the_list_there_is_the_list_at_the_end() {
    cases(6, async |client, namespace, traffic| {
        let path = path(namespace);
        let mut revisions = Vec::new();
        for write in &traffic {
            revisions.push(text(&client.get(&path).await.json()["metadata"]["resourceVersion"]));
            written(client, namespace, write).await;
        }
        // Only what has the label is ours: a namespace gets a ConfigMap by itself.
        for selector in ["&labelSelector=l", "&labelSelector=l%3D1", "&labelSelector=l%2Cl%21%3D2"] {
            let end = client.get(&format!("{path}?limit=0{selector}")).await.json();
            let last = text(&end["metadata"]["resourceVersion"]);
            for from in revisions.iter().step_by(3) {
                let exact = format!("{path}?resourceVersion={from}&resourceVersionMatch=Exact{selector}");
                let mut state = items(&client.get(&exact).await.json());
                let query = format!("{path}?watch=true&timeoutSeconds=1&resourceVersion={from}{selector}");
                let told = client.get(&query).await.text();
                let mut seen = from.parse::<u64>().unwrap();
                for line in told.lines() {
                    let event: Value = serde_json::from_str(line).unwrap();
                    let object = &event["object"]["metadata"];
                    let (name, revision) = (text(&object["name"]), text(&object["resourceVersion"]));
                    let number: u64 = revision.parse().unwrap();
                    assert!(number > seen, "in order: {seen} then {number}");
                    seen = number;
                    let fits = match event["type"].as_str().unwrap() {
                        "ADDED" => state.insert(name, revision).is_none(),
                        "MODIFIED" => state.insert(name, revision).is_some(),
                        "DELETED" => state.remove(&name).is_some(),
                        other => panic!("{other}"),
                    };
                    assert!(fits, "from {from}{selector}: {event} does not fit what was told before");
                }
                assert_eq!(state, items(&end), "from {from} to {last}{selector}");
            }
        }
    });
}

#[test]
fn pages_are_the_snapshot_at_their_token_whatever_is_written_meanwhile() {
    cases(6, async |client, namespace, traffic| {
        let path = path(namespace);
        for name in 0..12 {
            written(client, namespace, &Write::Create(name, name % 3)).await;
        }
        let mut writes = traffic.iter();
        for (limit, selector) in [(1, ""), (5, ""), (2, "&labelSelector=l%3D1")] {
            let first = format!("{path}?limit={limit}{selector}");
            let mut page = client.get(&first).await.json();
            let revision = text(&page["metadata"]["resourceVersion"]);
            let mut got = items(&page);
            loop {
                assert_eq!(page["metadata"]["resourceVersion"], *revision);
                assert!(items(&page).len() <= limit);
                let token = text(&page["metadata"]["continue"]);
                if token.is_empty() {
                    break;
                }
                for write in writes.by_ref().take(2) {
                    written(client, namespace, write).await;
                }
                page = client.get(&format!("{first}&continue={token}")).await.json();
                got.extend(items(&page));
            }
            let exact = format!("{path}?resourceVersion={revision}&resourceVersionMatch=Exact{selector}");
            assert_eq!(got, items(&client.get(&exact).await.json()), "limit {limit}{selector}");
        }
    });
}
