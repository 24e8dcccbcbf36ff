//! The answer to `rutter top`: what everything uses, as last heard.

use jiff::Timestamp;
use rutter_controller::Outside;
use serde::{Deserialize, Serialize};

use crate::samples::Sample;
use crate::view::{Capacity, View};

/// What is answered to a question on `subjects::TOP`: JSON, the most recent of each, in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Top {
    pub nodes: Vec<NodeUse>,
    pub pods: Vec<PodUse>,
}

/// CPU in thousandths of a core, memory in bytes; percentages are of what the node can give to pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeUse {
    pub name: String,
    pub cpu_millicores: u64,
    pub cpu_percent: Option<f64>,
    pub memory_bytes: u64,
    pub memory_percent: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodUse {
    pub namespace: String,
    pub name: String,
    pub cpu_millicores: u64,
    pub memory_bytes: u64,
}

impl View {
    /// What everything uses. Nodes that were not heard lately are left out, as are their pods.
    pub fn top(&self, now: Timestamp) -> Top {
        let Outside(used) = &self.used;
        let nodes = used.nodes.iter().filter_map(|(name, samples)| {
            let capacity = self.nodes.get(name)?;
            Some(node_use(name, samples.newest(now)?, capacity))
        });
        let pods = used.pods.iter().filter_map(|(key, samples)| {
            let sample = samples.newest(now)?;
            Some(PodUse {
                namespace: key.namespace.clone(),
                name: key.name.clone(),
                cpu_millicores: millicores(sample),
                memory_bytes: sample.memory_bytes,
            })
        });
        Top { nodes: nodes.collect(), pods: pods.collect() }
    }
}

fn node_use(name: &str, sample: &Sample, capacity: &Capacity) -> NodeUse {
    let cpu_millicores = millicores(sample);
    NodeUse {
        name: name.to_owned(),
        cpu_millicores,
        cpu_percent: percent(cpu_millicores, capacity.cpu_millis),
        memory_bytes: sample.memory_bytes,
        memory_percent: percent(sample.memory_bytes, capacity.memory_bytes),
    }
}

/// Rounded up, so that what runs is never shown as nothing.
fn millicores(sample: &Sample) -> u64 {
    sample.cpu_nanocores.div_ceil(1_000_000)
}

#[expect(clippy::cast_precision_loss, reason = "a percentage needs no more than 52 bits")]
fn percent(used: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| used as f64 * 100.0 / of as f64)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use rutter_controller::given::{Given, NOW, given};
    use rutter_schemas::protocol::node::{NodeStats, PodStats, Usage};

    use crate::Autoscaler;

    fn usage(millicores: u64, mebibytes: u64) -> Usage {
        Usage {
            cpu_nanocores: millicores * 1_000_000,
            cpu_nanoseconds: 0,
            memory_bytes: mebibytes << 20,
            window_ms: 10_000,
        }
    }

    fn stats(pod: &str, uid: &str) -> NodeStats {
        let containers = [("a".to_owned(), usage(100, 10)), ("b".to_owned(), usage(50, 20))].into();
        let pod = PodStats { namespace: "default".into(), name: pod.into(), uid: uid.into(), containers };
        NodeStats { node: "n".into(), at: String::new(), usage: usage(1000, 2048), pods: vec![pod] }
    }

    fn world() -> Given<Autoscaler> {
        given("Node n ready; Pod p on=n")
    }

    #[test]
    fn nodes_show_their_share_and_pods_the_sum_of_their_containers() {
        let given = world().told(|view: &mut super::View| view.heard("n", &stats("p", "p"), NOW));
        let top = given.view().top(NOW);
        assert_eq!((top.nodes[0].cpu_percent, top.nodes[0].memory_percent), (Some(25.0), Some(25.0)));
        assert_eq!((top.pods[0].cpu_millicores, top.pods[0].memory_bytes), (150, 30 << 20));
    }

    #[test]
    fn what_is_old_or_gone_or_another_of_that_name_is_not_shown() {
        let given = world().told(|view: &mut super::View| view.heard("n", &stats("p", "earlier"), NOW));
        assert!(given.view().top(NOW).pods.is_empty());
        let given = given.told(|view| view.heard("n", &stats("p", "p"), NOW + SignedDuration::from_secs(1)));
        assert_eq!(given.view().top(NOW).pods.len(), 1);
        assert!(given.view().top(NOW + SignedDuration::from_secs(120)).nodes.is_empty());
        let given = given.and("gone Pod p");
        assert!(given.view().top(NOW).pods.is_empty());
    }

    #[test]
    fn statistics_of_a_node_that_nobody_knows_are_not_kept() {
        let given = world().told(|view: &mut super::View| view.heard("stranger", &stats("p", "p"), NOW));
        assert!(given.view().top(NOW).nodes.is_empty());
    }
}
