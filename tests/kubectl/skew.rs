//! Older and newer kubectls: they ask for discovery, schemas and bodies in other ways.

use rutter_tests::cluster::other_kubectls;
use rutter_tests::{Cluster, Step};

use super::room::Room;

pub(crate) const STEPS: &[Step] = &[("older_and_newer_kubectls_work", others)];

fn others(cluster: &Cluster) {
    let others = other_kubectls();
    if others.is_empty() {
        println!("SKIPPED, NOTHING WAS TESTED: no other kubectl is on this machine");
    }
    for (number, kubectl) in others.iter().enumerate() {
        let version = cluster.run(&format!(
            "{} version --client -o json | jq -r .clientVersion.gitVersion",
            kubectl.display()
        ));
        println!("  kubectl {}", version.trim());
        speaks(&Room::new(cluster, &format!("skew-{number}")), &kubectl.display().to_string());
    }
}

fn speaks(room: &Room<'_>, kubectl: &str) {
    let k = |words: &str| format!("{kubectl} {words}");
    room.tells(&k("api-resources"), &["configmaps", "deployments", "cronjobs"]);
    room.tells(&k("api-versions"), &["apps/v1"]);
    room.says(&k("apply -f $DIR/web.yaml"), "deployment.apps/web created\nservice/web created");
    room.says(&k("apply -f $DIR/web.yaml"), "deployment.apps/web unchanged\nservice/web unchanged");
    room.tells(&k("rollout status deployment/web --timeout=90s"), &["successfully rolled out"]);
    room.tells(&k("get deployments,services,pods -o wide"), &["deployment.apps/web", "2/2"]);
    room.tells(&k("describe deployment web"), &["2 available"]);
    room.tells(&k("explain deployment.spec.replicas"), &["<integer>", "Number of desired pods"]);
    room.says(&k("create configmap cm --from-literal=a=b"), "configmap/cm created");
    room.says(&k("scale deployment/web --replicas=3"), "deployment.apps/web scaled");
    room.says(&k("set image deployment/web c=demo:2"), "deployment.apps/web image updated");
    room.tells(&k("rollout status deployment/web --timeout=90s"), &["successfully rolled out"]);
    room.says(&k("rollout undo deployment/web"), "deployment.apps/web rolled back");
    room.says(
        &k("apply --server-side --force-conflicts -f $DIR/web.yaml"),
        "deployment.apps/web serverside-applied\nservice/web serverside-applied",
    );
    room.refused(
        &format!("sed 's/replicas: 2/replica: 2/' $DIR/web.yaml | {}", k("create -n default -f -")),
        "unknown field \"",
    );
    room.says(&k("get deployment web -o jsonpath={.spec.replicas}"), "2");
    room.says(
        &k("delete -f $DIR/web.yaml --cascade=foreground --timeout=90s"),
        "deployment.apps \"web\" deleted\nservice \"web\" deleted",
    );
}
