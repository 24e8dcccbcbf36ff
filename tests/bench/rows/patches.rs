//! Changes of one annotation of a large object, each way that a client may ask for it.

use anyhow::Result;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::cluster::Bench;
use crate::load::{self, Call, Connection};
use crate::report::{Bound, Report};

const COLLECTION: &str = "/apis/apps/v1/namespaces/default/deployments";
const CONTAINERS: usize = 10;
const VARIABLES: usize = 30;

/// A Deployment of about 30 KB, in the lists that patches merge by their keys.
fn object(change: u64) -> Value {
    let variables = |container: usize| -> Vec<Value> {
        let variable =
            |n| json!({"name": format!("VARIABLE_{n}"), "value": format!("{container}-{}", "x".repeat(50))});
        (0..VARIABLES).map(variable).collect()
    };
    let container = |n| json!({"name": format!("c{n}"), "image": "rutter/demo:latest", "env": variables(n)});
    let containers: Vec<Value> = (0..CONTAINERS).map(container).collect();
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "large", "annotations": {"change": change.to_string()}},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "large"}},
                 "template": {"metadata": {"labels": {"app": "large"}}, "spec": {"containers": containers}}}})
}

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let cluster = bench.cluster("patches", &["--runtime", "none"])?;
    let path = format!("{COLLECTION}/large");
    let apply = format!("{path}?fieldManager=bench&force=true");
    let mut connection = Connection::open(&cluster.target).await?;
    let body = |change| -> Bytes { object(change).to_string().into() };
    connection.call(Call::patch(&apply, "application/apply-patch+yaml", body(0))).await?;

    let (target, length) = (&cluster.target, bench.length);
    let updated = path.clone();
    let update = load::run(target, 1, length, move |n| ("PUT", updated.clone(), body(n))).await?;
    let floor = update.percentile(50.0);
    report.add("update of 30 KB, p50", "ms", floor, None, Bound::Free);

    let applied =
        load::run(target, 1, length, move |n| Call::patch(&apply, "application/apply-patch+yaml", body(n)))
            .await?;
    report.add("apply of 30 KB beside that, p50", "ms", applied.percentile(50.0), Some(floor), Bound::Free);

    for (what, content_type) in [
        ("strategic merge patch", "application/strategic-merge-patch+json"),
        ("merge patch", "application/merge-patch+json"),
    ] {
        let path = path.clone();
        let small = move |n: u64| {
            let change = json!({"metadata": {"annotations": {"change": format!("{content_type}-{n}")}}});
            Call::patch(&path, content_type, change.to_string().into())
        };
        let patched = load::run(target, 1, length, small).await?;
        let name = format!("{what} of 30 KB beside that, p50");
        report.add(name, "ms", patched.percentile(50.0), Some(floor), Bound::Free);
    }
    Ok(())
}
