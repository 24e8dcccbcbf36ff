//! `--dry-run=server` goes the whole way of a write and records nothing.

use rutter_tests::{Cluster, Step};

use super::room::Room;

pub(crate) const STEPS: &[Step] = &[("dry_runs_leave_the_log_as_it_is", dry_run)];

/// The newest events of the room's own objects: what the cluster writes for itself goes on meanwhile.
const LAST: &str = "rutter watch --from 0 --no-follow -o json | grep '\"namespace\":\"dry\"' | grep -v '\"resource\":\"events\"' | tail -1 | jq .revision";

fn dry_run(cluster: &Cluster) {
    let room = Room::new(cluster, "dry");
    room.run("kubectl apply -f $DIR/web.yaml && kubectl rollout status deployment/web --timeout=90s && kubectl create configmap cm --from-literal=k=v && kubectl set image deployment/web c=demo:2 && kubectl rollout status deployment/web --timeout=90s");
    room.until("kubectl get pods -l app=web -o name | wc -l", "2");
    room.run(r#"echo '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cm"},"data":{"k":"w"}}' >$DIR/cm.json"#);
    let before = room.run(LAST);
    let dry = [
        ("create configmap new", "configmap/new created (server dry run)"),
        ("create -f $DIR/cm.json", ""),
        ("apply -f $DIR/cm.json", "configmap/cm configured (server dry run)"),
        (
            "apply --server-side --force-conflicts -f $DIR/cm.json",
            "configmap/cm serverside-applied (server dry run)",
        ),
        ("replace -f $DIR/cm.json", "configmap/cm replaced (server dry run)"),
        ("patch configmap cm -p '{\"data\":{\"k\":\"x\"}}'", "configmap/cm patched"),
        ("label configmap cm x=y", "configmap/cm labeled (server dry run)"),
        ("annotate configmap cm x=y", "configmap/cm annotated (server dry run)"),
        ("set image deployment/web c=demo:3", "deployment.apps/web image updated (server dry run)"),
        ("set env deployment/web A=b", "deployment.apps/web env updated (server dry run)"),
        (
            "set resources deployment/web --limits=cpu=1",
            "deployment.apps/web resource requirements updated (server dry run)",
        ),
        (
            "set serviceaccount deployment/web robot",
            "deployment.apps/web serviceaccount updated (server dry run)",
        ),
        ("set selector service/web a=b", "service/web selector updated (server dry run)"),
        ("scale deployment/web --replicas=9", "deployment.apps/web scaled (server dry run)"),
        (
            "autoscale deployment web --max=3",
            "horizontalpodautoscaler.autoscaling/web autoscaled (server dry run)",
        ),
        ("rollout undo deployment/web", "deployment.apps/web rolled back (server dry run)"),
        ("expose deployment web --name=other --port=80", "service/other exposed (server dry run)"),
        ("run p --image=demo:1", "pod/p created (server dry run)"),
        ("cordon --selector=absent=yes", ""),
        ("taint nodes --all a=b:NoSchedule", ""),
        ("drain --selector=kubernetes.io/os=linux --force --ignore-daemonsets", ""),
        ("delete configmap cm", "configmap \"cm\" deleted (server dry run)"),
        ("delete deployment --all", "deployment.apps \"web\" deleted (server dry run)"),
        ("delete deployment web --cascade=foreground", "deployment.apps \"web\" deleted (server dry run)"),
        ("delete pods -l app=web --grace-period=0 --force", ""),
    ];
    for (words, said) in dry {
        let line = format!("kubectl {words} --dry-run=server 2>&1");
        match said {
            "" => drop(room.run(&format!("{line}; true"))),
            said => drop(room.tells(&line, &[said])),
        }
    }
    assert_eq!(room.run(LAST), before, "the log has something new");
    room.says("kubectl get configmap cm -o jsonpath={.data.k}", "v");
    room.says("kubectl get nodes -o jsonpath='{.items[*].spec.unschedulable}{.items[*].spec.taints}'", "");
}
