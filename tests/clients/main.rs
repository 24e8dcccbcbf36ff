//! Real clients from their registries do the same with a real cluster, each in its own way: create, patch, apply,
//! pages, exec, a watch through a restart of the gateway, delete. Each is a directory beside this file, with a lock
//! file that says its versions; `scripts/clients` installs it.
//!
//! A scenario is given by its environment: `KUBECONFIG`; `NAMESPACE`, which it makes; `IMAGE`, which the node has;
//! `RESTART`, a command that kills the cluster's process and starts it again. It prints `ok <step>` and ends with 0.
//!
//! Needs root and what the end-to-end tests need. A client that can't be had is skipped, and said.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, ExitCode};

use rutter_tests::cluster::{self, Cluster};
use rutter_tests::steps::{Called, Step, skipped};

const STEPS: &[Step] = &[
    ("the_python_client_does_what_it_does_elsewhere", |cluster| plays(cluster, "python")),
    ("kr8s_does_what_it_does_elsewhere", |cluster| plays(cluster, "kr8s")),
    ("the_node_client_does_what_it_does_elsewhere", |cluster| plays(cluster, "node")),
    ("kube_rs_does_what_it_does_elsewhere", |cluster| plays(cluster, "kube-rs")),
    ("helm_does_what_it_does_elsewhere", |cluster| plays(cluster, "helm")),
];

fn main() -> ExitCode {
    let Some(called) = Called::to_play(STEPS) else { return ExitCode::SUCCESS };
    if let Some(missing) = cluster::missing(&["root", "kubectl", "containerd", "nft"]) {
        return skipped("clients", &missing, STEPS);
    }
    let cluster = Cluster::with_containers("clients");
    let verdicts = called.play(STEPS, &cluster);
    let data = cluster.stop();
    verdicts.tell(&data)
}

fn plays(cluster: &Cluster, client: &str) {
    let install = Command::new(cluster::root().join("scripts/clients")).arg(client).output();
    let install = install.expect("scripts/clients can be run");
    let line = match install.status.code() {
        Some(0) => String::from_utf8_lossy(&install.stdout).trim().to_owned(),
        Some(3) => {
            let why = String::from_utf8_lossy(&install.stderr);
            return println!("SKIPPED, NOTHING WAS TESTED: {client}: {}", why.trim());
        }
        _ => panic!("scripts/clients {client}: {}", String::from_utf8_lossy(&install.stderr)),
    };
    let restart = restart(cluster);
    let said = cluster.run(&format!(
        "export NAMESPACE=client-{client} IMAGE=rutter/demo:latest RESTART={restart}; cd {}; {line}",
        cluster.data().display()
    ));
    let steps: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("ok ")).collect();
    assert!(steps.len() >= 4 && steps.last() == Some(&"delete"), "{client} did {steps:?}");
}

/// A program that kills the cluster's process, as an accident would, and starts it again.
fn restart(cluster: &Cluster) -> String {
    let path = cluster.data().join("restart");
    let up: Vec<String> = cluster.up_line().iter().map(|word| format!("'{word}'")).collect();
    let text = format!(
        "#!/bin/sh\npid=$(cat {}/run/rutter.pid)\nkill -9 $pid\nwhile kill -0 $pid 2>/dev/null; do sleep 0.05; done\nexec {}\n",
        cluster.data().display(),
        up.join(" ")
    );
    std::fs::write(&path, text).expect("a file can be written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
        .expect("it can be made a program");
    path.display().to_string()
}
