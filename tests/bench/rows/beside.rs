//! The same loads on Rutter and on another server of the Kubernetes API, one after the other.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use rutter_client::Client;
use serde_json::json;

use super::{api, lists, watch};
use crate::cluster::Bench;
use crate::load::{self, Call, Connection, Target, percentile};
use crate::report::{Bound, Report};

/// Objects in the lists: as many as upstream's performance tests list at once, about.
const LISTED: u64 = 4_500;
const CREATORS: [u32; 3] = [1, 16, 64];
const WATCHERS: [usize; 3] = [1, 100, 500];
/// How long a server may take to delete what was made there.
const ENDING: Duration = Duration::from_secs(600);
const PERCENTS: [u32; 2] = [50, 99];

/// One of the two.
struct Server {
    target: Target,
    client: Client,
}

/// What the loads make of one server, in the order of [`rows`].
type Figures = Vec<f64>;

/// Name, unit and what Rutter's figure is to be beside the other's.
fn rows() -> Vec<(String, &'static str, Bound)> {
    let mut rows = Vec::new();
    let mut row = |name: String, unit, bound| rows.push((name, unit, bound));
    row("GET by name, 1 connection, p50".to_owned(), "ms", Bound::Times(0.25));
    for connections in CREATORS {
        let what = format!("creates, {connections} connections");
        row(format!("{what}, durable"), "1/s", Bound::Share(3.0));
        row(format!("{what}, p99"), "ms", Bound::Free);
    }
    for (encoding, _) in lists::ENCODINGS {
        let bound = if encoding == "JSON" { Bound::Share(5.0) } else { Bound::Free };
        row(format!("LIST {LISTED} objects, {encoding}"), "MB/s", bound);
    }
    row(format!("LIST 1 % of {LISTED} by label, p50"), "ms", Bound::Free);
    for watchers in WATCHERS {
        for percent in PERCENTS {
            let bound = if percent == 99 { Bound::Times(0.5) } else { Bound::Free };
            row(format!("write to watch event, {watchers} watchers, p{percent}"), "ms", bound);
        }
    }
    rows
}

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let kubeconfig = bench.beside.as_deref().context("needs another server: --beside KUBECONFIG")?;
    let other =
        Server { target: crate::cluster::target(kubeconfig)?, client: Client::open(Some(kubeconfig))? };
    // Rutter first, and stopped before the other is loaded, which may be long in deleting what was made there.
    let ours = {
        let cluster = bench.cluster("beside", &["--runtime", "none"])?;
        let server = Server { target: cluster.target.clone(), client: cluster.client()? };
        figures(&server, bench.length).await?
    };
    let theirs = figures(&other, bench.length).await.context("the other server")?;
    for (((name, unit, bound), ours), theirs) in rows().into_iter().zip(ours).zip(theirs) {
        report.add(name, unit, ours, Some(theirs), bound);
    }
    Ok(())
}

/// Loads a server in a namespace made for it.
async fn figures(server: &Server, length: Duration) -> Result<Figures> {
    let name = format!("rutter-bench-{}", std::process::id());
    let mut connection = Connection::open(&server.target).await?;
    let namespace = json!({"metadata": {"name": name}}).to_string();
    connection.send("POST", "/api/v1/namespaces", namespace.into()).await?;
    let figures = figures_in(server, &format!("/api/v1/namespaces/{name}/configmaps"), length).await;
    let path = format!("/api/v1/namespaces/{name}");
    connection.send("DELETE", &path, Bytes::new()).await?;
    // Its end would be in the way of what is measured next; asked for once a second, so as not to be in the way itself.
    let ended = tokio::time::timeout(ENDING, async {
        while connection.send("GET", &path, Bytes::new()).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    ended.await.with_context(|| format!("namespace {name} does not end"))?;
    figures
}

async fn figures_in(server: &Server, collection: &str, length: Duration) -> Result<Figures> {
    let mut figures = Vec::new();
    let target = &server.target;
    lists::fill(target, collection, 0..LISTED).await?;
    let one = format!("{collection}/listed-000042");
    let got = load::run(target, 1, length, move |_| ("GET", one.clone(), Bytes::new())).await?;
    figures.push(got.percentile(50.0));
    let list = |path: String, accept| load::run(target, 1, length, move |_| Call::get(&path, accept));
    let mut listed = Vec::new();
    for (_, accept) in lists::ENCODINGS {
        listed.push(list(collection.to_owned(), accept).await?.bytes_per_second / 1e6);
    }
    listed.push(list(lists::selected(collection), lists::ENCODINGS[0].1).await?.percentile(50.0));
    for connections in CREATORS {
        let path = collection.to_owned();
        let create = move |n| ("POST", path.clone(), api::object(&format!("made-{connections}-{n}")));
        let made = load::run(target, connections, length, create).await?;
        figures.extend([made.per_second, made.percentile(99.0)]);
    }
    figures.extend(listed);
    for watchers in WATCHERS {
        let events = watch::round(&server.client, target, collection, watchers).await?;
        figures.extend(PERCENTS.map(|percent| percentile(&events, f64::from(percent))));
    }
    Ok(figures)
}
