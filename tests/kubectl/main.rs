//! Every verb of kubectl against a running cluster. Its nodes are simulated, so nothing of this needs root or
//! containers; what needs them (logs, exec, attach, cp, port-forward) is in the end-to-end tests.

mod deletes;
mod dry_run;
mod operators;
mod reads;
mod room;
mod skew;
mod workloads;
mod writes;

use std::process::ExitCode;

use rutter_tests::cluster::{self, Cluster};
use rutter_tests::steps::{Called, Step, skipped};

fn main() -> ExitCode {
    let rooms = [
        writes::STEPS,
        workloads::STEPS,
        reads::STEPS,
        operators::STEPS,
        deletes::STEPS,
        skew::STEPS,
        dry_run::STEPS,
    ];
    let steps: Vec<Step> = rooms.concat();
    let Some(called) = Called::to_play(&steps) else { return ExitCode::SUCCESS };
    if let Some(missing) = cluster::missing(&["kubectl", "nats-server", "curl"]) {
        return skipped("the verbs of kubectl", &missing, &steps);
    }
    let cluster = Cluster::simulated("kubectl", 2);
    let verdicts = called.play(&steps, &cluster);
    let data = cluster.stop();
    verdicts.tell(&data)
}
