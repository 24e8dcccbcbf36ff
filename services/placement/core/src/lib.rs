//! Which node a pod goes to, and why (upstream: `pkg/scheduler`).
//!
//! Keeps true: no node is given more than it has. All pods that go to one node are one commit, which guards
//! `node:<name>:alloc`: if somebody else bound a pod there meanwhile, or the node was cordoned, tainted, shrunk or
//! lost, the commit is refused and the pods are placed anew. So two copies may run.
//!
//! A turn places the pods that wait, the most important first. Node sums are kept as pods come and go; what a pod
//! asks of nodes that does not change during a turn is found out once per shape of pod, not per pod; and of very
//! many nodes only a share is looked at, as upstream does.

mod amounts;
mod filter;
mod queue;
mod reasons;
mod score;
mod selector;
mod shape;
#[cfg(test)]
mod tests;
mod turn;
mod view;

use std::fmt;

use jiff::Timestamp;
use rutter_controller::{Controller, Fact, Plan, Reads};

pub use view::View;

/// The scheduler.
#[derive(Debug)]
pub struct Placement;

/// All pods that wait are looked at together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Queue;

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pods that wait")
    }
}

impl Controller for Placement {
    type View = View;
    type Key = Queue;
    const NAME: &'static str = "default-scheduler";

    fn follows(group: &str, resource: &str) -> bool {
        group.is_empty() && matches!(resource, "nodes" | "pods")
    }

    fn apply(view: &mut View, fact: &Fact) {
        match fact.key.resource.as_str() {
            "nodes" => view.apply_node(fact),
            _ => view.apply_pod(fact),
        }
    }

    fn wakes(view: &View, fact: &Fact) -> Vec<Queue> {
        let wakes = match fact.key.resource.as_str() {
            "nodes" => view.is_moved_by_node(fact),
            _ => view.is_moved_by_pod(fact),
        };
        wakes.then_some(Queue).into_iter().collect()
    }

    fn reconcile(view: &View, _queue: &Queue, now: Timestamp) -> Vec<Plan> {
        turn::plans(view, now)
    }

    fn reads(view: &View) -> &Reads {
        view.reads()
    }
}
