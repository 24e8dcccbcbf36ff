//! The pods that wait for a node, in the order of their turns: by priority, then by age.

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::Timestamp;
use rutter_controller::Fact;
use rutter_controller::read::{created, list, number, text};
use rutter_schemas::{Key, Revision};
use serde_json::Value;

use crate::shape::Shape;
use crate::view::owner;

/// A pod's place in the queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    priority: Reverse<i64>,
    created: Timestamp,
    key: Key,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Waiting {
    pub key: Key,
    pub uid: String,
    pub revision: Revision,
    pub owner: Option<String>,
    pub shape: Arc<Shape>,
    /// Whether it would rather wait than have others sent away.
    pub never_preempts: bool,
    pub conditions: Vec<Value>,
}

/// Ours are pods without a node that ask for the default scheduler, that nothing holds back, and that will live.
pub(crate) fn read_waiting(fact: &Fact, object: &Value) -> Option<(Rank, Waiting)> {
    let is_ours = matches!(text(object, "/spec/schedulerName"), "" | "default-scheduler");
    let is_held = !list(object, "/spec/schedulingGates").is_empty() || fact.meta.deletion.is_some();
    let has_ended = matches!(text(object, "/status/phase"), "Succeeded" | "Failed");
    if !is_ours || is_held || has_ended || !text(object, "/spec/nodeName").is_empty() {
        return None;
    }
    let rank = Rank {
        priority: Reverse(number(object, "/spec/priority")),
        created: created(object),
        key: fact.key.clone(),
    };
    let waiting = Waiting {
        key: fact.key.clone(),
        uid: fact.uid.clone(),
        revision: fact.revision,
        owner: owner(fact),
        shape: Arc::new(Shape::read(object)),
        never_preempts: text(object, "/spec/preemptionPolicy") == "Never",
        conditions: list(object, "/status/conditions").to_vec(),
    };
    Some((rank, waiting))
}
