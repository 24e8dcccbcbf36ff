//! The downward API: fields of a pod and resources of its containers, as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use rutter_quantity::{Format, Quantity};

use crate::plan::NodeFacts;
use crate::resources::amount;
use crate::view::{Container, Pod, ResourceFieldRef};

/// What a `resourceFieldRef` divides by unless it says.
const ONE: Quantity = Quantity::from_units(1, Format::Decimal);

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
    let given = amount(amounts, name).filter(|amount| !amount.is_zero());
    let fallback = || if side == "limits" { cx.node.allocatable(name) } else { Quantity::ZERO };
    let divisor = wanted.divisor.as_deref().and_then(|text| text.parse::<Quantity>().ok());
    let divisor = divisor.filter(|divisor| *divisor > Quantity::ZERO).unwrap_or(ONE);
    // CPU is counted in thousandths, all else in whole units (`pkg/api/v1/resource/helpers.go`).
    let count = |amount: Quantity| if name == "cpu" { amount.millis() } else { amount.units() };
    let (many, by) = (count(given.unwrap_or_else(fallback)), count(divisor));
    Ok((many / by + i64::from(many % by > 0)).to_string())
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::machine::fixtures::{node, pod};

    #[test]
    fn resources_are_counted_in_their_divisor_and_a_limit_that_is_not_set_is_what_the_node_has() {
        let resources = json!({"limits": {"cpu": "1500m"}, "requests": {"memory": "65Mi"}});
        let (pod, node) = (pod(json!({"containers": [{"name": "c", "resources": resources}]})), node());
        let cx = Downward { pod: &pod, node: &node, pod_ips: &[] };
        let cases = [
            ("limits.cpu", "0", "2"),
            ("limits.cpu", "1m", "1500"),
            ("requests.cpu", "1m", "0"),
            ("requests.memory", "1Mi", "65"),
            ("requests.memory", "1M", "69"),
            ("limits.memory", "1Mi", "1024"),
        ];
        for (name, divisor, expected) in cases {
            let wanted = serde_json::from_value(json!({"resource": name, "divisor": divisor})).unwrap();
            let told = resource(cx, &pod.spec.containers[0], &wanted).unwrap();
            assert_eq!(told, expected, "{name} in {divisor}");
        }
    }
}
