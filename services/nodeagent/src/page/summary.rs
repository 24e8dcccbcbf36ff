//! `/stats/summary`: processors, memory and disk of the node, processors and memory of what runs on it, in the form of
//! `k8s.io/kubelet/pkg/apis/stats/v1alpha1`. What is not measured is not there.

use hyper::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::measured::{self, ContainerUse, Measured, PodUse, Use};
use super::{Body, Pages, ending, json as json_page};
use crate::node::facts;
use crate::stream::Streams;

pub(super) async fn page(pages: &Pages, streams: &Streams) -> Response<Body> {
    let Some(measured) = measured::now(pages, streams).await else { return ending() };
    json_page(&summary(pages, &measured))
}

fn summary(pages: &Pages, measured: &Measured) -> Value {
    let at = second(measured.at);
    let mut node = usage(&at, &measured.node);
    node["nodeName"] = json!(pages.cfg.node_name);
    node["startTime"] = json!(booted_at().map(second));
    let available = facts::meminfo("MemAvailable:").and_then(|bytes| u64::try_from(bytes).ok());
    node["memory"]["availableBytes"] = json!(available);
    node["network"] = network(&at);
    node["fs"] = disk(&at, pages);
    let pods: Vec<Value> = measured.pods.iter().map(|pod| of_pod(&at, pod)).collect();
    json!({"node": node, "pods": pods})
}

fn of_pod(at: &str, pod: &PodUse) -> Value {
    let mut told = usage(at, &pod.whole);
    told["podRef"] = json!({"name": pod.name, "namespace": pod.namespace, "uid": pod.uid});
    told["startTime"] = json!(pod.started_at.map(second));
    told["containers"] = pod.containers.iter().map(|container| of_container(at, container)).collect();
    told
}

fn of_container(at: &str, container: &ContainerUse) -> Value {
    let mut told = usage(at, &container.used);
    told["name"] = json!(container.name);
    told["startTime"] = json!(container.started_at.map(second));
    told
}

fn usage(at: &str, used: &Use) -> Value {
    json!({
        "cpu": {
            "time": at,
            "usageNanoCores": used.cpu_nanocores,
            "usageCoreNanoSeconds": used.cpu_nanoseconds,
        },
        "memory": {
            "time": at,
            "usageBytes": used.memory.usage,
            "workingSetBytes": used.memory.working_set,
            "rssBytes": used.memory.rss,
        },
    })
}

/// The file system of the node's data: images, logs, volumes.
fn disk(at: &str, pages: &Pages) -> Value {
    let Ok(disk) = rustix::fs::statvfs(&pages.cfg.data_dir) else { return Value::Null };
    let bytes = |blocks: u64| blocks * disk.f_frsize;
    json!({
        "time": at,
        "capacityBytes": bytes(disk.f_blocks),
        "availableBytes": bytes(disk.f_bavail),
        "usedBytes": bytes(disk.f_blocks - disk.f_bfree),
        "inodes": disk.f_files,
        "inodesFree": disk.f_ffree,
        "inodesUsed": disk.f_files - disk.f_ffree,
    })
}

fn network(at: &str) -> Value {
    let text = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let interfaces: Vec<Value> = interfaces(&text).collect();
    let first = interfaces.iter().find(|one| one["name"] == "eth0").or(interfaces.first()).cloned();
    let mut told = first.unwrap_or_else(|| json!({}));
    told["time"] = json!(at);
    told["interfaces"] = json!(interfaces);
    told
}

/// What `/proc/net/dev` tells of each interface but the loopback.
fn interfaces(text: &str) -> impl Iterator<Item = Value> {
    text.lines().filter_map(|line| {
        let (name, counters) = line.split_once(':')?;
        let name = name.trim();
        let counters: Vec<u64> = counters.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [rx_bytes, _, rx_errors, _, _, _, _, _, tx_bytes, _, tx_errors, ..] = counters[..] else {
            return None;
        };
        (name != "lo").then(|| {
            json!({
                "name": name,
                "rxBytes": rx_bytes, "rxErrors": rx_errors,
                "txBytes": tx_bytes, "txErrors": tx_errors,
            })
        })
    })
}

fn booted_at() -> Option<Timestamp> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    Timestamp::from_second(line.trim().parse().ok()?).ok()
}

fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interfaces_counters_are_read() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  \
                    eth0: 10 1 2 0 0 0 0 0 30 1 4 0 0 0 0 0\n";
        let read: Vec<Value> = interfaces(text).collect();
        assert_eq!(
            read,
            [json!({"name": "eth0", "rxBytes": 10, "rxErrors": 2, "txBytes": 30, "txErrors": 4})]
        );
    }
}
