//! What Services use (`pkg/quota/v1/evaluator/core/services.go`).

use serde_json::Value;

use super::amount::{Amounts, DECIMAL};
use crate::json::{items, text};
use crate::quantity::Quantity;

/// The node ports that it has or will be given, and whether it wants a load balancer.
pub(super) fn usage(service: &Value) -> Amounts {
    let spec = &service["spec"];
    let ports = items(&spec["ports"]);
    let asked_for = ports.iter().filter(|port| port["nodePort"].as_i64().unwrap_or_default() != 0);
    let (node_ports, balancers) = match text(spec, "type") {
        "NodePort" => (ports.len(), 0),
        "LoadBalancer" if spec["allocateLoadBalancerNodePorts"] == false => (asked_for.count(), 1),
        "LoadBalancer" => (ports.len(), 1),
        _ => (0, 0),
    };
    let used = [("services", 1), ("services.nodeports", node_ports), ("services.loadbalancers", balancers)];
    used.map(|(name, number)| (name.to_owned(), pieces(number))).into()
}

pub(super) fn pieces(number: usize) -> Quantity {
    Quantity::from_units(i64::try_from(number).unwrap_or(i64::MAX), DECIMAL)
}
