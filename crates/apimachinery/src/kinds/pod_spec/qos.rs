//! The quality of service that a pod's requests and limits amount to (`pkg/apis/core/v1/helper/qos/qos.go`).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json::{entries, items};
use crate::quantity::Quantity;

/// `Guaranteed`, `Burstable` or `BestEffort`.
#[must_use]
pub fn qos_class(spec: &Value) -> &'static str {
    let containers = || items(&spec["containers"]).iter().chain(items(&spec["initContainers"]));
    let mut requests = Amounts::new();
    let mut limits = Amounts::new();
    let mut all_limited = true;
    for container in containers() {
        let limited = compute(&container["resources"]["limits"]);
        all_limited &= limited.len() == COMPUTE.len();
        add(&mut requests, compute(&container["resources"]["requests"]));
        add(&mut limits, limited);
    }
    if requests.is_empty() && limits.is_empty() {
        "BestEffort"
    } else if all_limited && requests == limits {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

const COMPUTE: [&str; 2] = ["cpu", "memory"];
type Amounts<'a> = BTreeMap<&'a str, Quantity>;

/// What is asked of CPU and memory; zero is not asking.
fn compute(list: &Value) -> Amounts<'_> {
    let asked = entries(list).filter(|(name, _)| COMPUTE.contains(&name.as_str()));
    asked
        .filter_map(|(name, amount)| Some((name.as_str(), Quantity::from_value(amount).ok()?)))
        .filter(|(_, amount)| !amount.is_zero())
        .collect()
}

fn add<'a>(total: &mut Amounts<'a>, more: Amounts<'a>) {
    for (name, amount) in more {
        let sum = total.entry(name).or_insert(Quantity::ZERO);
        *sum = *sum + amount;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_that_equal_requests_everywhere_are_guaranteed() {
        let both = json!({"cpu": "1", "memory": "1Gi"});
        let full = json!({"resources": {"requests": both, "limits": {"cpu": "1000m", "memory": "1Gi"}}});
        let cases = [
            (json!({"containers": [{}]}), "BestEffort"),
            (json!({"containers": [{"resources": {"requests": {"cpu": "0"}}}]}), "BestEffort"),
            (json!({"containers": [{"resources": {"requests": {"storage": "1"}}}]}), "BestEffort"),
            (json!({"containers": [full]}), "Guaranteed"),
            (json!({"containers": [full, {}]}), "Burstable"),
            (
                json!({"containers": [full], "initContainers": [{"resources": {"requests": {"cpu": "1"}}}]}),
                "Burstable",
            ),
            (
                json!({"containers": [{"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}}]}),
                "Burstable",
            ),
        ];
        for (spec, class) in cases {
            assert_eq!(qos_class(&spec), class, "{spec}");
        }
    }
}
