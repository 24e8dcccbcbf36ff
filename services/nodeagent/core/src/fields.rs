//! The downward API: fields of a pod and resources of its containers, as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use crate::plan::NodeFacts;
use crate::quantity;
use crate::view::{Container, Pod, ResourceFieldRef};

/// A pod with what only its node knows.
#[derive(Clone, Copy, Debug)]
pub struct Downward<'a> {
    pub pod: &'a Pod,
    pub node: &'a NodeFacts,
    pub pod_ips: &'a [IpAddr],
}

/// The text of `fieldPath`.
///
/// # Errors
/// Upstream's words for a path that the downward API doesn't serve.
pub fn field(cx: Downward<'_>, path: &str) -> Result<String, String> {
    let meta = &cx.pod.metadata;
    if let Some((map, key)) = subscript(path) {
        let entries = match map {
            "metadata.labels" => &meta.labels,
            "metadata.annotations" => &meta.annotations,
            _ => return Err(format!("fieldPath {path:?} does not support subscript")),
        };
        return Ok(entries.get(key).cloned().unwrap_or_default());
    }
    Ok(match path {
        "metadata.name" => meta.name.clone(),
        "metadata.namespace" => meta.namespace.clone(),
        "metadata.uid" => meta.uid.clone(),
        "metadata.labels" => lines(&meta.labels),
        "metadata.annotations" => lines(&meta.annotations),
        "spec.nodeName" => cx.node.name.clone(),
        "spec.serviceAccountName" => cx.pod.spec.service_account_name.clone(),
        "status.hostIP" => cx.node.host_ips.first().map(IpAddr::to_string).unwrap_or_default(),
        "status.hostIPs" => join(&cx.node.host_ips),
        "status.podIP" => cx.pod_ips.first().map(IpAddr::to_string).unwrap_or_default(),
        "status.podIPs" => join(cx.pod_ips),
        _ => return Err(format!("unsupported fieldPath: {path}")),
    })
}

/// The value of a `resourceFieldRef`; a limit that isn't set is what the node has.
///
/// # Errors
/// When the container or the resource isn't known.
pub fn resource(cx: Downward<'_>, own: &Container, wanted: &ResourceFieldRef) -> Result<String, String> {
    let container = match wanted.container_name.as_str() {
        "" => own,
        name => cx.pod.container(name).ok_or_else(|| format!("container {name} not found"))?,
    };
    let unsupported = || format!("unsupported container resource : {}", wanted.resource);
    let (side, name) = wanted.resource.split_once('.').ok_or_else(unsupported)?;
    let amounts = match side {
        "limits" => &container.resources.limits,
        "requests" => &container.resources.requests,
        _ => return Err(unsupported()),
    };
    let given = amounts.get(name).and_then(|text| quantity::milli(text));
    let fallback = if side == "limits" { cx.node.allocatable_milli(name) } else { 0 };
    let milli = given.unwrap_or(fallback);
    let divisor =
        wanted.divisor.as_deref().and_then(quantity::milli).filter(|milli| *milli > 0).unwrap_or(1000);
    Ok(((milli + divisor - 1) / divisor).to_string())
}

fn subscript(path: &str) -> Option<(&str, &str)> {
    let (map, rest) = path.split_once("['")?;
    Some((map, rest.strip_suffix("']")?))
}

/// `key="value"` by key, values escaped as Go's `%q` does.
fn lines(entries: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (key, value) in entries {
        if !text.is_empty() {
            text.push('\n');
        }
        let quoted = serde_json::to_string(value).expect("a string is JSON");
        write!(text, "{key}={quoted}").expect("writing to a string");
    }
    text
}

fn join(addresses: &[IpAddr]) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(",")
}
