//! `/pods`: the node's pods as the API has them. `/runningpods/`: those whose containers run, and nothing but what the
//! runtime knows of them.

use std::sync::Arc;

use hyper::{Response, StatusCode};
use rutter_nodeagent_core::objects::Objects;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Body, ending, json as json_page, of};
use crate::node::stats;
use crate::stream::Streams;

pub(super) async fn wanted(streams: &Streams) -> Response<Body> {
    let Ok(pods) = streams.know(|_, objects| of_node(objects)).await else { return ending() };
    let items: Vec<&str> = pods.iter().map(|pod| pod.get()).collect();
    let list =
        format!(r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{}},"items":[{}]}}"#, items.join(","));
    of(StatusCode::OK, "application/json", list)
}

/// The pods that the node's feed holds: its own.
pub(super) fn of_node(objects: &Objects) -> Vec<Arc<RawValue>> {
    let pods = objects.iter().filter(|(key, _)| key.group.is_empty() && key.resource == "pods");
    pods.map(|(_, pod)| pod.clone()).collect()
}

pub(super) async fn running(streams: &Streams) -> Response<Body> {
    let Ok(samples) = streams.look(stats::running).await else { return ending() };
    let running = samples.into_iter().filter(|pod| !pod.containers.is_empty());
    let items: Vec<Value> = running
        .map(|pod| {
            let names = pod.containers.keys();
            let containers: Vec<Value> = names.map(|name| json!({"name": name, "resources": {}})).collect();
            json!({
                "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
                "spec": {"containers": containers},
                "status": {},
            })
        })
        .collect();
    json_page(&json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}))
}
