//! What a container may use: the quality of service of its pod, and the numbers for its cgroup.
//!
//! Rules: `pkg/kubelet/qos`, `pkg/kubelet/cm` upstream.

use crate::quantity;
use crate::view::{Container, Pod};

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
    let amount =
        |text: Option<&String>| text.and_then(|text| quantity::milli(text)).filter(|milli| *milli > 0);
    let mut any = false;
    let mut guaranteed = true;
    for container in pod.declared() {
        for resource in ["cpu", "memory"] {
            let limit = amount(container.resources.limits.get(resource));
            let request = amount(container.resources.requests.get(resource));
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

pub fn limits(pod: &Pod, container: &Container, node_memory_bytes: i128) -> Limits {
    let resources = &container.resources;
    let milli = |name: &str, side: &std::collections::BTreeMap<String, String>| {
        side.get(name).and_then(|text| quantity::milli(text)).unwrap_or(0)
    };
    let cpu_limit = milli("cpu", &resources.limits);
    let cpu_request = match milli("cpu", &resources.requests) {
        0 => cpu_limit,
        request => request,
    };
    let quota = if cpu_limit == 0 { 0 } else { (cpu_limit * i128::from(PERIOD_US) / 1000).max(1000) };
    Limits {
        cpu_shares: clamp((cpu_request * 1024 / 1000).clamp(2, 262_144)),
        cpu_quota_us: clamp(quota),
        cpu_period_us: PERIOD_US,
        memory_bytes: clamp(milli("memory", &resources.limits) / 1000),
        oom_score_adj: oom_score_adj(pod, container, node_memory_bytes),
    }
}

fn oom_score_adj(pod: &Pod, container: &Container, node_memory_bytes: i128) -> i64 {
    match qos(pod) {
        Qos::Guaranteed => -997,
        Qos::BestEffort => 1000,
        Qos::Burstable => {
            let request = container.resources.requests.get("memory").and_then(|text| quantity::units(text));
            let share = 1000 * request.unwrap_or(0) / node_memory_bytes.max(1);
            clamp((1000 - share).clamp(3, 999))
        }
    }
}

fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
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
