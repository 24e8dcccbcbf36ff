//! Starting and idling: what an operator feels first.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use serde_json::json;

use crate::cluster::Bench;
use crate::load;
use crate::report::{Bound, Report};

const OBJECTS: u64 = 10_000;
/// Starts, of which the median counts.
const ROUNDS: usize = 3;
/// What the start itself took is given back by then.
const IDLE: Duration = Duration::from_secs(10);

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let arguments = bench.real();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut cluster = bench.cluster("start", &arguments)?;
    tokio::time::sleep(IDLE).await;
    report.add(
        "memory of an idle cluster, nats-server included",
        "MB",
        cluster.resident_mb()?,
        None,
        Bound::AtMost(150.0),
    );
    fill(&cluster.target, OBJECTS).await?;
    let (mut api, mut node) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (api_ready, node_ready) = cluster.restart(&arguments).await?;
        api.push(api_ready);
        node.push(node_ready);
    }
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64()
    };
    report.add("binary to API ready, 10,000 objects", "s", median(api), None, Bound::AtMost(0.5));
    report.add("binary to node Ready, 10,000 objects", "s", median(node), None, Bound::AtMost(2.0));
    Ok(())
}

/// Makes so many ConfigMaps of about 1 KiB.
pub(crate) async fn fill(target: &load::Target, objects: u64) -> Result<()> {
    for batch in 0..objects / 1_000 {
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
