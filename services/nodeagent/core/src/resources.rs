//! What a container may use: the quality of service of its pod, and the numbers for its cgroup.
//!
//! Rules: `pkg/kubelet/qos`, `pkg/kubelet/cm` upstream.

use std::collections::BTreeMap;

use rutter_quantity::Quantity;

use crate::view::{Container, Pod};

/// Quantities by the names of resources, as containers have them in `requests` and `limits`.
type Amounts = BTreeMap<String, String>;

/// `status.qosClass`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qos {
    Guaranteed,
    Burstable,
    BestEffort,
}

impl Qos {
    pub fn as_str(self) -> &'static str {
        match self {
            Qos::Guaranteed => "Guaranteed",
            Qos::Burstable => "Burstable",
            Qos::BestEffort => "BestEffort",
        }
    }
}

/// Guaranteed: all containers have CPU and memory limits, and requests equal to them. BestEffort: none has either.
pub fn qos(pod: &Pod) -> Qos {
    let some = |side: &Amounts, name: &str| amount(side, name).filter(|amount| *amount > Quantity::ZERO);
    let mut any = false;
    let mut guaranteed = true;
    for container in pod.declared() {
        for resource in ["cpu", "memory"] {
            let limit = some(&container.resources.limits, resource);
            let request = some(&container.resources.requests, resource);
            any |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && request.is_none_or(|request| Some(request) == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => Qos::BestEffort,
        (true, true) => Qos::Guaranteed,
        (true, false) => Qos::Burstable,
    }
}

/// What a pod takes of its node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    pub cpu_milli: i64,
    pub memory_bytes: i64,
}

impl std::ops::Add for Claims {
    type Output = Claims;

    fn add(self, other: Claims) -> Claims {
        Claims {
            cpu_milli: self.cpu_milli.saturating_add(other.cpu_milli),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
        }
    }
}

/// What a pod asks for in all (`k8s.io/component-helpers/resource`, PodRequests).
pub fn claims(pod: &Pod) -> Claims {
    Claims { cpu_milli: requests(pod, "cpu").millis(), memory_bytes: requests(pod, "memory").units() }
}

/// Its containers and sidecars together, or one init container with the sidecars before it, whichever is more, and the
/// overhead of its class.
fn requests(pod: &Pod, resource: &str) -> Quantity {
    let of = |container: &Container| container.resources.requested(resource);
    let mains = pod.spec.containers.iter().fold(Quantity::ZERO, |sum, container| sum + of(container));
    let (mut sidecars, mut starting) = (Quantity::ZERO, Quantity::ZERO);
    for container in &pod.spec.init_containers {
        if container.is_sidecar() {
            sidecars = sidecars + of(container);
            starting = starting.max(sidecars);
        } else {
            starting = starting.max(sidecars + of(container));
        }
    }
    (mains + sidecars).max(starting) + amount(&pod.spec.overhead, resource).unwrap_or(Quantity::ZERO)
}

/// A container's limits in the kernel's units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// cgroup v1 `cpu.shares`, at least 2.
    pub cpu_shares: i64,
    /// Microseconds per period; 0 is without limit.
    pub cpu_quota_us: i64,
    pub cpu_period_us: i64,
    /// 0 is without limit.
    pub memory_bytes: i64,
    pub oom_score_adj: i64,
}

const PERIOD_US: i64 = 100_000;

pub fn limits(pod: &Pod, container: &Container, node_memory_bytes: i64) -> Limits {
    let resources = &container.resources;
    let of = |side: &Amounts, name: &str| amount(side, name).unwrap_or(Quantity::ZERO);
    let cpu_limit = of(&resources.limits, "cpu").millis();
    let cpu_request = match of(&resources.requests, "cpu").millis() {
        0 => cpu_limit,
        request => request,
    };
    let quota = if cpu_limit == 0 { 0 } else { (cpu_limit.saturating_mul(PERIOD_US) / 1000).max(1000) };
    Limits {
        cpu_shares: (cpu_request.saturating_mul(1024) / 1000).clamp(2, 262_144),
        cpu_quota_us: quota,
        cpu_period_us: PERIOD_US,
        memory_bytes: of(&resources.limits, "memory").units(),
        oom_score_adj: oom_score_adj(pod, container, node_memory_bytes),
    }
}

fn oom_score_adj(pod: &Pod, container: &Container, node_memory_bytes: i64) -> i64 {
    match qos(pod) {
        Qos::Guaranteed => -997,
        Qos::BestEffort => 1000,
        Qos::Burstable => {
            let request = amount(&container.resources.requests, "memory").map_or(0, Quantity::units);
            let share = request.saturating_mul(1000) / node_memory_bytes.max(1);
            (1000 - share).clamp(3, 999)
        }
    }
}

/// An amount by its name; none where it is not said, or is no quantity.
pub(crate) fn amount(amounts: &Amounts, name: &str) -> Option<Quantity> {
    amounts.get(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fixtures::pod;
    use serde_json::json;

    fn pod_with(resources: serde_json::Value) -> Pod {
        pod(json!({"containers": [{"name": "c", "resources": resources}]}))
    }

    #[test]
    fn the_class_follows_from_requests_and_limits() {
        assert_eq!(qos(&pod_with(json!({}))), Qos::BestEffort);
        assert_eq!(qos(&pod_with(json!({"requests": {"cpu": "1"}}))), Qos::Burstable);
        let limits = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
        assert_eq!(qos(&pod_with(limits)), Qos::Guaranteed);
        let below = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}});
        assert_eq!(qos(&pod_with(below)), Qos::Burstable);
    }

    #[test]
    fn limits_are_in_the_kernels_units() {
        let pod = pod_with(json!({"limits": {"cpu": "250m", "memory": "64Mi"}}));
        let limits = limits(&pod, &pod.spec.containers[0], 1 << 30);
        assert_eq!((limits.cpu_shares, limits.cpu_quota_us), (256, 25_000));
        assert_eq!((limits.memory_bytes, limits.oom_score_adj), (64 << 20, -997));
    }
}
