//! Objects are removed: in every mode of delete.

use rutter_tests::{Cluster, Step};

use super::room::Room;

pub(crate) const STEPS: &[Step] = &[
    ("delete_takes_names_files_selectors_and_all", what),
    ("delete_cascades_in_three_ways", cascades),
    ("delete_waits_and_is_forced", waits),
    ("delete_of_a_namespace_takes_all_with_it", namespace),
];

fn what(cluster: &Cluster) {
    let room = Room::new(cluster, "delete");
    room.run("for n in a b c d; do kubectl create configmap $n; kubectl label configmap $n n=$n; done");
    room.says("kubectl delete configmap a", "configmap \"a\" deleted");
    room.refused("kubectl delete configmap a", "Error from server (NotFound): configmaps \"a\" not found");
    room.says("kubectl delete configmap a --ignore-not-found", "");
    room.says("kubectl delete configmap -l n=b", "configmap \"b\" deleted");
    room.says("kubectl delete configmap/c -o name", "configmap/c");
    room.says("kubectl delete configmap --field-selector=metadata.name=d", "configmap \"d\" deleted");
    room.run("kubectl apply -f $DIR/web.yaml");
    room.says("kubectl delete -f $DIR/web.yaml", "deployment.apps \"web\" deleted\nservice \"web\" deleted");
    room.run("kubectl create configmap x && kubectl create secret generic x");
    room.tells("kubectl delete configmap,secret x", &["configmap \"x\" deleted", "secret \"x\" deleted"]);
    room.run("kubectl create secret generic y && kubectl create secret generic z");
    room.says("kubectl delete secrets --all", "secret \"y\" deleted\nsecret \"z\" deleted");
    room.says("kubectl get secrets -o name", "");
    room.run("kubectl create configmap raw");
    room.tells("kubectl delete --raw /api/v1/namespaces/delete/configmaps/raw", &["\"status\":\"Success\""]);
    room.run("kubectl create configmap asked");
    room.tells("echo n | kubectl delete configmap asked --interactive 2>&1", &["deletion is cancelled"]);
    room.tells(
        "echo y | kubectl delete configmap asked --interactive 2>&1",
        &["configmap \"asked\" deleted"],
    );
}

fn cascades(cluster: &Cluster) {
    let room = Room::new(cluster, "cascade");
    let up = "kubectl apply -f $DIR/web.yaml && kubectl rollout status deployment/web --timeout=90s";
    let rest = "kubectl get replicasets,pods -l app=web -o name";
    room.run(up);
    room.says("kubectl delete deployment web --cascade=background", "deployment.apps \"web\" deleted");
    room.until(rest, "");
    room.run(up);
    room.says(
        "kubectl delete deployment web --cascade=foreground --timeout=90s",
        "deployment.apps \"web\" deleted",
    );
    room.says(rest, "");
    room.run(up);
    room.says("kubectl delete deployment web --cascade=orphan", "deployment.apps \"web\" deleted");
    room.says("kubectl get replicasets -l app=web -o jsonpath='{.items[*].metadata.ownerReferences}'", "");
    room.says("kubectl get pods -l app=web --field-selector=status.phase=Running -o name | wc -l", "2");
    // Who matches is taken in again.
    room.run(up);
    room.until(
        "kubectl get replicasets -l app=web -o jsonpath='{.items[*].metadata.ownerReferences[0].kind}'",
        "Deployment",
    );
    // Its Deployment makes it anew at once, and kubectl waits by name: waiting could take the new one for the old.
    room.says("kubectl delete replicasets -l app=web --cascade=orphan --wait=false | wc -l", "1");
    room.run("kubectl delete deployment web");
    room.until(rest, "");
}

fn waits(cluster: &Cluster) {
    let room = Room::new(cluster, "waits");
    room.run(r#"kubectl create configmap held && kubectl patch configmap held -p '{"metadata":{"finalizers":["example.com/held"]}}'"#);
    room.refused(
        "kubectl delete configmap held --timeout=1s",
        "timed out waiting for the condition on configmaps/held",
    );
    room.says("kubectl delete configmap held --wait=false", "configmap \"held\" deleted");
    room.tells("kubectl get configmap held -o jsonpath={.metadata.deletionTimestamp}", &["T"]);
    room.run(
        r#"kubectl patch configmap held --type=json -p '[{"op":"remove","path":"/metadata/finalizers"}]'"#,
    );
    room.says("kubectl wait --for=delete configmap/held --timeout=60s; kubectl get configmap held --ignore-not-found", "");
    room.run("kubectl run p --image=demo:1 && kubectl wait --for=condition=Ready pod/p --timeout=60s");
    room.says("kubectl delete pod p --grace-period=1 --timeout=60s", "pod \"p\" deleted");
    room.run("kubectl run p --image=demo:1 && kubectl wait --for=condition=Ready pod/p --timeout=60s");
    room.tells(
        "kubectl delete pod p --grace-period=0 --force 2>&1",
        &["Warning: Immediate deletion does not wait", "pod \"p\" force deleted"],
    );
    room.says("kubectl get pod p --ignore-not-found", "");
    room.run("kubectl run p --image=demo:1 && kubectl wait --for=condition=Ready pod/p --timeout=60s");
    room.says("kubectl delete pod p --now", "pod \"p\" deleted");
}

fn namespace(cluster: &Cluster) {
    let room = Room::new(cluster, "gone");
    room.run("kubectl apply -f $DIR/web.yaml && kubectl rollout status deployment/web --timeout=90s && kubectl create configmap cm");
    room.says("kubectl delete namespace gone --timeout=90s", "namespace \"gone\" deleted");
    room.says("kubectl get all,configmaps,secrets -o name 2>/dev/null", "");
    room.refused("kubectl create configmap cm", "namespaces \"gone\" not found");
}
