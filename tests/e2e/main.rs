//! The tour of the README on a real cluster, and streams into its containers: real kubectl, containerd, nft and
//! nats-server. One cluster serves all steps, in order; then it is stopped, and nothing of it may be left.
//!
//! Needs root; says aloud what it skips without.

mod left;
mod reach;
mod readme;
mod tour;

use std::process::ExitCode;

use rutter_tests::cluster::{self, Cluster};
use rutter_tests::steps::{Called, Step, skipped};

fn main() -> ExitCode {
    let steps: Vec<Step> = [tour::STEPS, reach::STEPS].concat();
    let Some(called) = Called::to_play(&steps) else { return ExitCode::SUCCESS };
    if let Some(missing) =
        cluster::missing(&["root", "kubectl", "containerd", "nft", "curl", "busybox", "jq", "script"])
    {
        return skipped("end-to-end tests", &missing, &steps);
    }
    let cluster = Cluster::with_containers("e2e");
    let mut verdicts = called.play(&steps, &cluster);
    let data = cluster.stop();
    verdicts.judge("a_stopped_cluster_leaves_nothing", || left::nothing(&data));
    verdicts.tell(&data)
}
