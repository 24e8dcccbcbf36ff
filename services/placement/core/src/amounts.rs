//! What pods ask for and nodes have: CPU in thousandths of a core, everything else in whole units.

use std::collections::BTreeMap;

use rutter_apimachinery::quantity::Quantity;
use rutter_controller::read::list;
use serde_json::Value;

/// What a pod without a request is counted at when nodes are compared (upstream: `GetNonzeroRequests`).
const CPU_UNASKED: i64 = 100;
const MEMORY_UNASKED: i64 = 200 << 20;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Amounts {
    pub cpu_millis: i64,
    pub memory_bytes: i64,
    pub ephemeral_bytes: i64,
    /// Extended resources, by name.
    pub others: BTreeMap<String, i64>,
}

impl Amounts {
    /// Reads a map of quantities, such as `status.allocatable`.
    pub(crate) fn read(map: &Value) -> Amounts {
        let mut amounts = Amounts::default();
        for (name, value) in map.as_object().into_iter().flatten() {
            let Ok(quantity) = Quantity::from_value(value) else { continue };
            match name.as_str() {
                "cpu" => amounts.cpu_millis = quantity.millis(),
                "memory" => amounts.memory_bytes = quantity.units(),
                "ephemeral-storage" => amounts.ephemeral_bytes = quantity.units(),
                "pods" => {}
                _ => {
                    amounts.others.insert(name.clone(), quantity.units());
                }
            }
        }
        amounts
    }

    pub(crate) fn add(&mut self, other: &Amounts) {
        self.combine(other, |a, b| a.saturating_add(b));
    }

    pub(crate) fn subtract(&mut self, other: &Amounts) {
        self.combine(other, |a, b| a.saturating_sub(b));
        self.others.retain(|_, amount| *amount != 0);
    }

    fn at_least(&mut self, other: &Amounts) {
        self.combine(other, i64::max);
    }

    fn combine(&mut self, other: &Amounts, how: impl Fn(i64, i64) -> i64) {
        self.cpu_millis = how(self.cpu_millis, other.cpu_millis);
        self.memory_bytes = how(self.memory_bytes, other.memory_bytes);
        self.ephemeral_bytes = how(self.ephemeral_bytes, other.ephemeral_bytes);
        for (name, amount) in &other.others {
            let mine = self.others.entry(name.clone()).or_default();
            *mine = how(*mine, *amount);
        }
    }
}

/// What a pod asks for: its containers together, or more if an initialisation needs more, and its overhead
/// (upstream: `PodRequests`; a container that runs beside the others from its start counts with them).
pub(crate) fn requests(pod: &Value) -> Amounts {
    let of = |container: &Value| Amounts::read(&container["resources"]["requests"]);
    let mut sum = Amounts::default();
    for container in list(pod, "/spec/containers") {
        sum.add(&of(container));
    }
    let (mut beside, mut peak) = (Amounts::default(), Amounts::default());
    for container in list(pod, "/spec/initContainers") {
        let mut now = of(container);
        if container["restartPolicy"] == "Always" {
            sum.add(&now);
            beside.add(&now);
            now = beside.clone();
        } else {
            now.add(&beside);
        }
        peak.at_least(&now);
    }
    sum.at_least(&peak);
    sum.add(&Amounts::read(&pod["spec"]["overhead"]));
    sum
}

/// CPU and memory of a pod for comparing nodes: who asks for nothing still weighs something.
pub(crate) fn weight(requests: &Amounts) -> (i64, i64) {
    let or = |asked: i64, otherwise: i64| if asked == 0 { otherwise } else { asked };
    (or(requests.cpu_millis, CPU_UNASKED), or(requests.memory_bytes, MEMORY_UNASKED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_asks_for_its_containers_together_or_for_its_hungriest_initialisation() {
        let asking = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let mut sidecar = asking("50m");
        sidecar["restartPolicy"] = json!("Always");
        let pod = json!({"spec": {"containers": [asking("100m"), asking("200m")], "initContainers": [sidecar, asking("400m")]}});
        assert_eq!(requests(&pod).cpu_millis, 450);
        let calm = json!({"spec": {"containers": [asking("1")], "initContainers": [asking("400m")], "overhead": {"cpu": "1m"}}});
        assert_eq!(requests(&calm).cpu_millis, 1001);
    }
}
