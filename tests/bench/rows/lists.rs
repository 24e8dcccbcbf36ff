//! Lists of many objects in each encoding, beside a server that has the same bytes in memory.

use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::json;

use crate::cluster::{Bench, Cluster};
use crate::floor::{self, Floor};
use crate::load::{self, Call, Connection, Target};
use crate::report::{Bound, Report};

const COLLECTION: &str = "/api/v1/namespaces/default/configmaps";
pub(super) const ENCODINGS: [(&str, &str); 3] = [
    ("JSON", "application/json"),
    ("protobuf", "application/vnd.kubernetes.protobuf"),
    ("Table", "application/json;as=Table;v=v1;g=meta.k8s.io"),
];
/// Five times the rate of upstream's API server, which listed 4,500 such objects in 58 ms on a machine of this size.
const JSON_MB: f64 = 640.0;
/// Connections that fill the cluster.
const FILLERS: u64 = 16;
/// One object among so many bears the label that is selected.
const SELECTED: u64 = 100;

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let cluster = bench.cluster("lists", &["--runtime", "none"])?;
    let mut filled = 0;
    for objects in [5_000, 100_000] {
        fill(&cluster.target, COLLECTION, filled..objects).await?;
        filled = objects;
        for (encoding, accept) in ENCODINGS {
            let bound = if encoding == "JSON" { Bound::AtLeast(JSON_MB) } else { Bound::Free };
            let what = format!("LIST {objects} objects, {encoding}");
            listed(bench, &cluster, report, &what, COLLECTION, accept, bound).await?;
        }
        let (what, path) = (format!("LIST 1 % of {objects} by label"), selected(COLLECTION));
        listed(bench, &cluster, report, &what, &path, ENCODINGS[0].1, Bound::Free).await?;
    }
    Ok(())
}

async fn listed(
    bench: &Bench,
    cluster: &Cluster<'_>,
    report: &mut Report,
    what: &str,
    path: &str,
    accept: &'static str,
    bound: Bound,
) -> Result<()> {
    let mut connection = Connection::open(&cluster.target).await?;
    let many = connection.call(Call::get(path, accept)).await.context("a list")?;
    let floor = Floor::start(&Bytes::new(), &many, &bench.file("floor")).await?;
    drop(many);
    let owned = path.to_owned();
    cluster.forget_peak()?;
    let ours = load::run(&cluster.target, 1, bench.length, move |_| Call::get(&owned, accept)).await?;
    let peak = cluster.peak_mb()?;
    let same = |_| ("GET", floor::MANY.to_owned(), Bytes::new());
    let least = load::run(&floor.target, 1, bench.length, same).await?;
    let megabytes = |measured: &load::Measured| measured.bytes_per_second / 1e6;
    report.add(what, "MB/s", megabytes(&ours), Some(megabytes(&least)), bound);
    report.add(
        format!("{what}, p50"),
        "ms",
        ours.percentile(50.0),
        Some(least.percentile(50.0)),
        Bound::Free,
    );
    report.add(format!("{what}, peak of memory"), "MB", peak, None, Bound::Free);
    Ok(())
}

/// One in a hundred of the objects that [`fill`] made.
pub(super) fn selected(collection: &str) -> String {
    format!("{collection}?labelSelector=bench%3Dyes")
}

/// ConfigMaps of about 1.5 KiB with these numbers.
pub(super) async fn fill(target: &Target, collection: &str, numbers: std::ops::Range<u64>) -> Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for filler in 0..FILLERS {
        let (target, collection, numbers) = (target.clone(), collection.to_owned(), numbers.clone());
        tasks.spawn(async move {
            let mut connection = Connection::open(&target).await?;
            for n in numbers.filter(|n| n % FILLERS == filler) {
                let label = if n.is_multiple_of(SELECTED) { "yes" } else { "no" };
                let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": format!("listed-{n:06}"), "labels": {"bench": label}},
                    "data": {"value": "x".repeat(1_250)}});
                connection.send("POST", &collection, object.to_string().into()).await?;
            }
            anyhow::Ok(())
        });
    }
    tasks.join_all().await.into_iter().collect()
}
