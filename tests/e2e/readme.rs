//! The tour of the README, line by line as it stands there: what a newcomer copies has to work.

use std::os::unix::fs::symlink;
use std::path::Path;

use rutter_tests::cluster::{Cluster, programs, root};

/// What the tour has to have shown, in this order.
const SHOWN: [&str; 12] = [
    "deployment.apps/web created",
    "deployment \"web\" successfully rolled out",
    "web-",
    "\"gitVersion\"",
    "condition met",
    "Container started",
    "deployment.apps/web image updated",
    "deployment.apps/web rolled back",
    "DeploymentCreated",
    "\"resourceVersion\":\"",
    "ContainerStarted",
    "DeploymentDeleted",
];

/// Runs it in a directory that looks like the checkout after `make up`.
pub(crate) fn tour(cluster: &Cluster) {
    let checkout = tempfile::tempdir().expect("a directory can be made");
    let link = |from: &Path, to: &str| {
        let to = checkout.path().join(to);
        std::fs::create_dir_all(to.parent().expect("it lies in the checkout"))
            .expect("a directory can be made");
        symlink(from, to).expect("a link can be made");
    };
    link(cluster.data(), ".rutter");
    link(&root().join("examples"), "examples");
    link(&root().join(".cache"), ".cache");
    link(&programs(), "target/release");

    let text = std::fs::read_to_string(root().join("README.md")).expect("there is a README");
    let script = blocks(&text, "## The tour");
    assert!(script.lines().count() > 30, "the tour is gone:\n{script}");
    let said = cluster.script(&format!("set -euo pipefail\n{script}"), checkout.path());
    let said = said.unwrap_or_else(|said| panic!("the tour fails:\n{said}"));
    let mut rest = said.as_str();
    for shown in SHOWN {
        let Some(at) = rest.find(shown) else {
            panic!("the tour doesn't show {shown:?} in its place:\n{said}")
        };
        rest = &rest[at..];
    }
}

/// The shell blocks of a chapter, one after the other.
fn blocks(text: &str, chapter: &str) -> String {
    let lines =
        text.lines().skip_while(|line| *line != chapter).skip(1).take_while(|line| !line.starts_with("## "));
    let mut inside = false;
    let mut script = String::new();
    for line in lines {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => script.extend([line, "\n"]),
            _ => {}
        }
    }
    script
}
