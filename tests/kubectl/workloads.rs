//! Workloads are run and rolled: run, expose, scale, rollout.

use rutter_tests::{Cluster, Step};

use super::room::Room;

pub(crate) const STEPS: &[Step] = &[
    ("run_makes_a_pod", run),
    ("expose_makes_a_service_of_anything_with_pods", expose),
    ("scale_takes_what_is_expected_into_account", scale),
    ("rollout_is_followed_told_undone_paused_and_resumed", rollout),
];

fn run(cluster: &Cluster) {
    let room = Room::new(cluster, "run");
    room.says("kubectl run p --image=demo:1 --labels=app=p --env=A=b --port=80", "pod/p created");
    room.says("kubectl wait --for=condition=Ready pod/p --timeout=60s", "pod/p condition met");
    room.says("kubectl run q --image=demo:1 --expose --port=80", "service/q created\npod/q created");
    room.says(
        "kubectl run once --image=demo:1 --restart=Never --command -- true >/dev/null; kubectl get pod once -o jsonpath='{.spec.restartPolicy} {.spec.containers[0].command[0]}'",
        "Never true",
    );
    room.says(
        r#"kubectl run r --image=demo:1 --overrides='{"spec":{"nodeSelector":{"absent":"yes"}}}'"#,
        "pod/r created",
    );
    room.until("kubectl get pod r -o jsonpath='{.status.conditions[0].reason}'", "Unschedulable");
    room.refused(
        "kubectl run p --image=demo:1",
        "Error from server (AlreadyExists): pods \"p\" already exists",
    );
}

fn expose(cluster: &Cluster) {
    let room = Room::new(cluster, "expose");
    room.run(
        "kubectl create deployment web --image=demo:1 --port=80 && kubectl run p --image=demo:1 --port=81",
    );
    room.says("kubectl expose deployment web", "service/web exposed");
    room.says("kubectl expose pod p --port=8080 --target-port=81 --name=p2", "service/p2 exposed");
    room.says(
        "kubectl expose service web --port=443 --name=web-https --type=NodePort",
        "service/web-https exposed",
    );
    room.says(
        "kubectl get service web p2 web-https -o jsonpath='{range .items[*]}{.spec.ports[0].port}>{.spec.ports[0].targetPort} {end}'",
        "80>80 8080>81 443>443",
    );
    room.until("kubectl get endpointslices -l kubernetes.io/service-name=web -o jsonpath='{.items[0].ports[0].port}'", "80");
}

fn scale(cluster: &Cluster) {
    let room = Room::new(cluster, "scale");
    room.run("kubectl apply -f $DIR/web.yaml");
    room.says("kubectl scale deployment/web --replicas=4", "deployment.apps/web scaled");
    room.refused(
        "kubectl scale deployment/web --replicas=5 --current-replicas=3",
        "error: Expected replicas to be 3, was 4",
    );
    room.says(
        "sed '/^---/,$d' $DIR/web.yaml | kubectl scale --current-replicas=4 --replicas=1 -f - --timeout=60s",
        "deployment.apps/web scaled",
    );
    room.run("kubectl create deployment two --image=demo:1");
    room.says(
        "kubectl scale deployment --all --replicas=2",
        "deployment.apps/two scaled\ndeployment.apps/web scaled",
    );
    room.says("kubectl scale deployment/web --replicas=0 --timeout=60s", "deployment.apps/web scaled");
    room.until("kubectl get pods -l app=web -o name", "");
    room.says(
        "kubectl autoscale deployment web --min=1 --max=3 --cpu-percent=80",
        "horizontalpodautoscaler.autoscaling/web autoscaled",
    );
    room.says(
        "kubectl get hpa web -o jsonpath='{.spec.metrics[0].resource.target.averageUtilization}'",
        "80",
    );
    room.refused("kubectl scale deployment/absent --replicas=1", "deployments.apps \"absent\" not found");
}

fn rollout(cluster: &Cluster) {
    let room = Room::new(cluster, "rollout");
    room.run("kubectl apply -f $DIR/web.yaml");
    let done = "deployment \"web\" successfully rolled out";
    let status = "kubectl rollout status deployment/web --timeout=90s";
    room.tells(status, &[done]);
    room.run("kubectl set image deployment/web c=demo:2 && kubectl annotate deployment/web kubernetes.io/change-cause='to two'");
    room.tells(status, &[done]);
    room.tells(
        "kubectl rollout history deployment/web",
        &["REVISION  CHANGE-CAUSE", "1         <none>", "2         to two"],
    );
    room.tells(
        "kubectl rollout history deployment/web --revision=1",
        &["deployment.apps/web with revision #1", "demo:1"],
    );
    room.says("kubectl rollout undo deployment/web --to-revision=1", "deployment.apps/web rolled back");
    room.tells(status, &[done]);
    room.says("kubectl get deployment web -o jsonpath={..image}", "demo:1");
    room.says("kubectl rollout undo deployment/web", "deployment.apps/web rolled back");
    room.tells(status, &[done]);
    room.says("kubectl get deployment web -o jsonpath={..image}", "demo:2");
    room.says("kubectl rollout restart deployment/web", "deployment.apps/web restarted");
    room.tells(status, &[done]);
    room.tells(
        "kubectl get deployment web -o jsonpath='{.spec.template.metadata.annotations}'",
        &["restartedAt"],
    );
    room.says("kubectl rollout pause deployment/web", "deployment.apps/web paused");
    room.refused("kubectl rollout pause deployment/web", "deployments.apps \"web\" is already paused");
    room.run("kubectl set image deployment/web c=demo:3");
    room.tells("kubectl rollout status deployment/web --watch=false", &["Waiting for deployment"]);
    room.refused("kubectl rollout undo deployment/web", "you cannot rollback a paused deployment");
    room.refused("kubectl rollout restart deployment/web", "can't restart paused deployment");
    room.says("kubectl rollout resume deployment/web", "deployment.apps/web resumed");
    room.tells(status, &[done]);
    room.until("kubectl get pods -l app=web -o jsonpath='{..containers[0].image}'", "demo:3 demo:3");
}
