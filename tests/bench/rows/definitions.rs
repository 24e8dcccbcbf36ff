//! Many CustomResourceDefinitions with a few objects each: what they weigh, and how discovery bears them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::cluster::Bench;
use crate::load::{self, Call, Connection};
use crate::report::{Bound, Report};

const DEFINITIONS: usize = 500;
const OBJECTS: usize = 20;
/// Kinds in one group.
const KINDS: usize = 10;
const DEFINITIONS_PATH: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
/// How long discovery may take to show the last definition.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let cluster = bench.cluster("definitions", &["--runtime", "none"])?;
    let before = cluster.resident_mb()?;
    let mut connection = Connection::open(&cluster.target).await?;
    let began = Instant::now();
    for n in 0..DEFINITIONS {
        connection.send("POST", DEFINITIONS_PATH, definition(n).to_string().into()).await?;
    }
    let made = Instant::now();
    report.add(
        "500 definitions made one after the other",
        "s",
        (made - began).as_secs_f64(),
        None,
        Bound::Free,
    );
    let last = DEFINITIONS - 1;
    while connection.send("GET", &collection(last), Bytes::new()).await.is_err() {
        ensure!(made.elapsed() < PATIENCE, "the last definition is not served");
        tokio::time::sleep(Duration::from_millis(5)).await;
        connection = Connection::open(&cluster.target).await?;
    }
    let served = made.elapsed().as_secs_f64();
    report.add("from the last of them to its objects served", "s", served, None, Bound::AtMost(1.0));
    for definition in 0..DEFINITIONS {
        for n in 0..OBJECTS {
            let object = object(definition, n).to_string().into();
            connection.send("POST", &collection(definition), object).await?;
        }
    }
    let grown = cluster.resident_mb()? - before;
    report.add("memory of 500 definitions of 20 objects each", "MB", grown, None, Bound::Free);
    let discovery = |_| Call::get("/apis", AGGREGATED);
    let asked = load::run(&cluster.target, 1, bench.length, discovery).await?;
    report.add("discovery with 500 definitions, p50", "ms", asked.percentile(50.0), None, Bound::Free);
    let listed = move |_| ("GET", collection(last), Bytes::new());
    let asked = load::run(&cluster.target, 1, bench.length, listed).await?;
    report.add("LIST of 20 custom objects, p50", "ms", asked.percentile(50.0), None, Bound::Free);
    Ok(())
}

fn group(n: usize) -> String {
    format!("group{}.bench.rutter.dev", n / KINDS)
}

fn collection(n: usize) -> String {
    format!("/apis/{}/v1/namespaces/default/kind{n}s", group(n))
}

fn definition(n: usize) -> Value {
    let (group, plural) = (group(n), format!("kind{n}s"));
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 0, "maximum": 1_000},
            "name": {"type": "string", "maxLength": 100},
            "parts": {"type": "array", "maxItems": 20, "items": {"type": "object", "properties": {
                "key": {"type": "string"}, "value": {"type": "string", "default": "none"}}}}},
            "x-kubernetes-validations": [{"rule": "self.size < 1000", "message": "too large"}]},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {"group": group, "scope": "Namespaced",
                 "names": {"plural": plural, "singular": format!("kind{n}"), "kind": format!("Kind{n}")},
                 "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                               "schema": {"openAPIV3Schema": schema}}]}})
}

fn object(definition: usize, n: usize) -> Value {
    json!({"apiVersion": format!("{}/v1", group(definition)), "kind": format!("Kind{definition}"),
        "metadata": {"name": format!("object-{n}")},
        "spec": {"size": n, "name": "bench", "parts": [{"key": "a"}, {"key": "b", "value": "c"}]}})
}
