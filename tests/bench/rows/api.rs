//! The API over HTTPS: creates, GET by name, LIST.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::cluster::Bench;
use crate::floor::{self, Floor};
use crate::load::{self, Connection, Target};
use crate::report::{Bound, Report};

const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";
const LISTED: usize = 5_000;

/// A ConfigMap of about 1.5 KiB.
pub(super) fn object(name: &str) -> Bytes {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"bench": "api"}},
                        "data": {"value": "x".repeat(1_250)}});
    object.to_string().into()
}

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let cluster = bench.cluster("api", &["--runtime", "none"])?;
    let mut connection = Connection::open(&cluster.target).await?;
    for n in 0..LISTED {
        let name = format!("listed-{n:05}");
        connection.send("POST", COLLECTION, object(&name)).await?;
    }
    let one_path = format!("{COLLECTION}/listed-00042");
    let one = connection.fetch("GET", &one_path, Bytes::new()).await?;
    let many = connection.fetch("GET", COLLECTION, Bytes::new()).await?;
    let listed: Value = serde_json::from_slice(&many)?;
    let items = listed["items"].as_array().context("a list has items")?.len();
    anyhow::ensure!(items >= LISTED, "{items} of {LISTED} are listed");
    let floor = Floor::start(&one, &many, &bench.file("floor")).await?;

    let get = move |_| ("GET", one_path.clone(), Bytes::new());
    let ours = load::run(&cluster.target, 1, bench.length, get).await?;
    let least =
        load::run(&floor.target, 1, bench.length, |_| ("GET", floor::ONE.to_owned(), Bytes::new())).await?;
    report.add(
        "GET by name, 1 connection, p50",
        "ms",
        ours.percentile(50.0),
        Some(least.percentile(50.0)),
        Bound::Times(2.0),
    );

    let path = "/api/v1/namespaces/default/configmaps/listed-00042?resourceVersion=0".to_owned();
    let ours =
        load::run(&cluster.target, 1, bench.length, move |_| ("GET", path.clone(), Bytes::new())).await?;
    report.add(
        "GET by name at any revision, p50",
        "ms",
        ours.percentile(50.0),
        Some(least.percentile(50.0)),
        Bound::Free,
    );

    let ours =
        load::run(&cluster.target, 1, bench.length, |_| ("GET", COLLECTION.to_owned(), Bytes::new())).await?;
    let least =
        load::run(&floor.target, 1, bench.length, |_| ("GET", floor::MANY.to_owned(), Bytes::new())).await?;
    let megabytes = |measured: &load::Measured| measured.bytes_per_second / 1e6;
    report.add("LIST 5,000 objects", "MB/s", megabytes(&ours), Some(megabytes(&least)), Bound::Share(0.5));

    for connections in [1, 16, 64] {
        let create = move |n| ("POST", COLLECTION.to_owned(), object(&format!("made-{connections}-{n}")));
        let ours = load::run(&cluster.target, connections, bench.length, create).await?;
        let append = |path: &'static str| {
            move |n| ("POST", path.to_owned(), object(&format!("made-{connections}-{n}")))
        };
        let least = load::run(&floor.target, connections, bench.length, append(floor::LOG)).await?;
        let file = load::run(&floor.target, connections, bench.length, append(floor::FILE)).await?;
        let name = |what| format!("creates, {connections} connections, {what}");
        report.add(name("durable"), "1/s", ours.per_second, Some(least.per_second), Bound::Share(0.5));
        let (p50, least_p50) = (ours.percentile(50.0), least.percentile(50.0));
        report.add(name("p50"), "ms", p50, Some(least_p50), Bound::Free);
        let name = name("beside frames in a bare file");
        report.add(name, "1/s", ours.per_second, Some(file.per_second), Bound::Free);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    under_quota(&cluster.target, bench, report).await?;
    report.add("resident memory after that load", "MB", cluster.resident_mb()?, None, Bound::Free);
    Ok(())
}

/// Creates in a namespace whose quota counts each of them, beside the same in one without.
async fn under_quota(target: &Target, bench: &Bench, report: &mut Report) -> Result<()> {
    const CONNECTIONS: u32 = 64;
    let mut connection = Connection::open(target).await?;
    for namespace in ["free", "counted"] {
        let object = json!({"metadata": {"name": namespace}}).to_string();
        connection.send("POST", "/api/v1/namespaces", object.into()).await?;
    }
    let quotas = "/api/v1/namespaces/counted/resourcequotas";
    let quota =
        json!({"metadata": {"name": "q"}, "spec": {"hard": {"count/configmaps": "100M"}}}).to_string();
    connection.send("POST", quotas, quota.into()).await?;
    loop {
        let quota = connection.fetch("GET", &format!("{quotas}/q"), Bytes::new()).await?;
        if serde_json::from_slice::<Value>(&quota)?["status"]["used"].is_object() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let create = |namespace: &'static str| {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        move |n| ("POST", path.clone(), object(&format!("made-{n}")))
    };
    let free = load::run(target, CONNECTIONS, bench.length, create("free")).await?;
    let counted = load::run(target, CONNECTIONS, bench.length, create("counted")).await?;
    let name = "creates under a quota, 64 connections, beside none";
    report.add(name, "1/s", counted.per_second, Some(free.per_second), Bound::Share(0.9));
    Ok(())
}
