//! The plugin PodResizeValidator (`plugin/pkg/admission/podresize/admission.go`): a pod on a node is not resized beyond
//! what the node has at all. What the node has left is the node's to say.

use serde_json::Value;

use super::pod_sum;
use crate::json::text;
use crate::quantity::Quantity;
use crate::status::Cause;

/// Why a pod on this node can't be made so large; none if it can.
pub fn fault(pod: &Value, node: &Value) -> Option<(String, Cause)> {
    let os = &node["metadata"]["labels"]["kubernetes.io/os"];
    if let Some(os) = os.as_str().filter(|os| *os != "linux") {
        let name = text(&node["metadata"], "name");
        let words = format!("pod resize is only supported on linux nodes, node {name:?} is {os:?}");
        return Some((words, because("UnsupportedPlatform")));
    }
    let allocatable = |resource: &str| quantity(&node["status"]["allocatable"][resource]);
    let [cpu, memory] =
        ["cpu", "memory"].map(|resource| (requests(&pod["spec"], resource), allocatable(resource)));
    let mut short = Vec::new();
    if cpu.0 > cpu.1 {
        short.push(format!("cpu, requested: {}, allocatable: {}", cpu.0.millis(), cpu.1.millis()));
    }
    if memory.0 > memory.1 {
        short.push(format!("memory, requested: {}, allocatable: {}", memory.0.units(), memory.1.units()));
    }
    if short.is_empty() {
        return None;
    }
    let words = format!("node didn't have enough allocatable resources: {}", short.join("; "));
    Some((words, because("NodeCapacity")))
}

fn because(reason: &str) -> Cause {
    Cause { reason: reason.to_owned(), ..Cause::default() }
}

/// What a pod asks for in all: what it says of itself, or the sum of its containers, and the overhead of its class
/// (`k8s.io/component-helpers/resource`, PodRequests).
fn requests(spec: &Value, resource: &str) -> Quantity {
    let of_containers =
        pod_sum::of_containers(spec, |container| pod_sum::amounts(&container["resources"]["requests"]));
    let own = pod_sum::amounts(&spec["resources"]["requests"]);
    let containers = own.get(resource).or(of_containers.get(resource));
    containers.copied().unwrap_or(Quantity::ZERO) + quantity(&spec["overhead"][resource])
}

fn quantity(value: &Value) -> Quantity {
    Quantity::from_value(value).unwrap_or(Quantity::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_may_not_ask_for_more_than_its_node_has_at_all() {
        let node = json!({"metadata": {"name": "n", "labels": {"kubernetes.io/os": "linux"}},
            "status": {"allocatable": {"cpu": "2", "memory": "1Gi"}}});
        let pod = |cpu: &str, memory: &str| {
            let resources = json!({"requests": {"cpu": cpu, "memory": memory}});
            json!({"spec": {"containers": [{"resources": resources}, {"resources": {"requests": {"cpu": "500m"}}}]}})
        };
        assert_eq!(fault(&pod("1500m", "1Gi"), &node), None);
        let (words, cause) = fault(&pod("1501m", "2Gi"), &node).expect("it is too much");
        assert_eq!(
            words,
            "node didn't have enough allocatable resources: cpu, requested: 2001, allocatable: 2000; \
             memory, requested: 2147483648, allocatable: 1073741824"
        );
        assert_eq!(cause.reason, "NodeCapacity");
        let windows = json!({"metadata": {"name": "n", "labels": {"kubernetes.io/os": "windows"}}});
        let (words, _) = fault(&pod("1", "1"), &windows).expect("it can't be done there");
        assert_eq!(words, "pod resize is only supported on linux nodes, node \"n\" is \"windows\"");
    }
}
