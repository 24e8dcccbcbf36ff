//! Starting and idling: what an operator feels first.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use serde_json::json;

use crate::cluster::Bench;
use crate::load;
use crate::report::{Bound, Report};

const OBJECTS: u64 = 10_000;

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let arguments = ["--runtime", "sim"];
    let mut cluster = bench.cluster("start", &arguments)?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    report.add(
        "memory of an idle cluster, nats-server included",
        "MB",
        cluster.resident_mb()?,
        None,
        Bound::AtMost(150.0),
    );
    fill(&cluster.target).await?;
    let ready = cluster.restart(&arguments)?;
    report.add("binary to node Ready, 10,000 objects", "s", ready.as_secs_f64(), None, Bound::AtMost(2.0));
    let api = api_ready(&cluster.log())?;
    report.add("binary to API ready, 10,000 objects", "s", api, None, Bound::AtMost(0.5));
    Ok(())
}

async fn fill(target: &load::Target) -> Result<()> {
    for batch in 0..OBJECTS / 1_000 {
        let mut tasks = Vec::new();
        for worker in 0..10 {
            let target = target.clone();
            tasks.push(tokio::spawn(async move {
                let mut connection = load::Connection::open(&target).await?;
                for n in 0..100 {
                    let name = format!("filled-{batch}-{worker}-{n}");
                    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                                        "data": {"value": "x".repeat(1_000)}});
                    connection
                        .send(
                            "POST",
                            "/api/v1/namespaces/default/configmaps",
                            Bytes::from(object.to_string()),
                        )
                        .await?;
                }
                anyhow::Ok(())
            }));
        }
        for task in tasks {
            task.await??;
        }
    }
    Ok(())
}

/// The process notes in its log how long its API took: `API ready after 0.31 s`.
fn api_ready(log: &std::path::Path) -> Result<f64> {
    let text = std::fs::read_to_string(log)?;
    let said = text
        .lines()
        .rev()
        .find_map(|line| line.split_once("API ready after ")?.1.split_whitespace().next()?.parse().ok());
    said.ok_or_else(|| anyhow::anyhow!("the log does not say when the API was ready"))
}
