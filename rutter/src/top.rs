//! What nodes and pods use, as the autoscaler last heard.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::cli::{TopArgs, TopOf};
use crate::print;
use rutter_client::{Client, percent};

#[derive(Deserialize)]
struct Top<T> {
    items: Vec<T>,
}

/// CPU in thousandths of a core, memory in bytes.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeUse {
    name: String,
    cpu_millicores: u64,
    cpu_percent: Option<f64>,
    memory_bytes: u64,
    memory_percent: Option<f64>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct PodUse {
    namespace: String,
    name: String,
    cpu_millicores: u64,
    memory_bytes: u64,
}

pub(crate) async fn top(client: &Client, args: TopArgs) -> Result<()> {
    match args.what {
        TopOf::Nodes => nodes(client, &args).await,
        TopOf::Pods => pods(client, &args).await,
    }
}

async fn nodes(client: &Client, args: &TopArgs) -> Result<()> {
    let top: Top<NodeUse> = client.get("/apis/rutter.dev/v1/top/nodes").await?;
    print::rows(
        args.output.output,
        &top.items,
        &["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"],
        |node| {
            vec![
                node.name.clone(),
                cores(node.cpu_millicores),
                share(node.cpu_percent),
                mebibytes(node.memory_bytes),
                share(node.memory_percent),
            ]
        },
    )
}

async fn pods(client: &Client, args: &TopArgs) -> Result<()> {
    let namespace = args.namespace.as_deref().unwrap_or(&client.namespace);
    let query =
        if args.all_namespaces { String::new() } else { format!("?namespace={}", percent(namespace)) };
    let top: Top<PodUse> = client.get(&format!("/apis/rutter.dev/v1/top/pods{query}")).await?;
    print::rows(
        args.output.output,
        &top.items,
        &["NAMESPACE", "NAME", "CPU(cores)", "MEMORY(bytes)"],
        |pod| {
            vec![
                pod.namespace.clone(),
                pod.name.clone(),
                cores(pod.cpu_millicores),
                mebibytes(pod.memory_bytes),
            ]
        },
    )
}

fn cores(millicores: u64) -> String {
    format!("{millicores}m")
}

fn mebibytes(bytes: u64) -> String {
    format!("{}Mi", bytes >> 20)
}

fn share(percent: Option<f64>) -> String {
    percent.map_or_else(|| "<unknown>".to_owned(), |percent| format!("{percent:.0}%"))
}
