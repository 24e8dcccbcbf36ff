//! What nodes and pods use, as their nodes last told; the ground that scaling decides on.
//!
//! Samples are not in the log: whoever runs this tells them to the view, with the time at which they were heard.
//! Keeps true: what is too old is not shown, and nothing is shown of a pod or a node that is gone.

mod samples;
mod top;
mod view;

use jiff::Timestamp;
use rutter_controller::{Controller, Fact, Plan, Reads};
use rutter_schemas::Key;

pub use samples::{Sample, Samples};
pub use top::{NodeUse, PodUse, Top};
pub use view::View;

/// The autoscaler. It makes no plans yet: what it knows is asked for.
#[derive(Debug)]
pub struct Autoscaler;

impl Controller for Autoscaler {
    type View = View;
    type Key = Key;
    const NAME: &'static str = "autoscaler";

    fn follows(group: &str, resource: &str) -> bool {
        group.is_empty() && matches!(resource, "nodes" | "pods")
    }

    fn apply(view: &mut View, fact: &Fact) {
        view.apply(fact);
    }

    fn wakes(_view: &View, _fact: &Fact) -> Vec<Key> {
        Vec::new()
    }

    fn reconcile(_view: &View, _key: &Key, _now: Timestamp) -> Vec<Plan> {
        vec![Plan::idle("nothing is scaled by use yet")]
    }

    fn reads(view: &View) -> &Reads {
        view.reads()
    }
}
