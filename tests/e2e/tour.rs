//! The steps of the tour.

use serde_json::Value;

use rutter_tests::Cluster;
use rutter_tests::Step;

/// A value that may stand in no file of a stopped cluster.
pub(crate) const CANARY: &str = "canary-4f1d0c2b9a";

pub(crate) const STEPS: &[Step] = &[
    ("the_node_is_ready", the_node_is_ready),
    ("a_second_start_is_harmless_and_of_another_cluster_is_refused", starts_beside_it),
    ("a_deployment_rolls_out", a_deployment_rolls_out),
    ("the_service_answers_on_its_cluster_ip_and_node_port", the_service_answers),
    ("a_pod_reaches_the_service_by_its_name", a_pod_reaches_the_service_by_name),
    ("a_pod_reaches_the_api_with_its_token", a_pod_reaches_the_api),
    ("scaling_changes_the_number_of_pods", scaling),
    ("logs_are_read_through_the_api", logs),
    ("commands_run_in_containers", commands_run_in_containers),
    ("a_rollout_is_done_and_undone", a_rollout_is_done_and_undone),
    ("a_killed_container_is_started_again", a_killed_container_is_started_again),
    ("config_maps_and_secrets_reach_containers", config_maps_and_secrets),
    ("history_tells_every_change", history_tells_every_change),
    ("why_leads_back_to_the_request", why_leads_back_to_the_request),
    ("the_past_can_be_read", the_past_can_be_read),
    ("what_was_is_put_back", what_was_is_put_back),
    ("the_log_is_complete_and_in_order", the_log_is_complete),
    ("what_is_unknown_is_refused_in_upstreams_words", refused),
    ("deletion_cleans_up", deletion_cleans_up),
    ("what_is_deleted_has_a_history", what_is_deleted_has_a_history),
    ("the_readmes_tour_runs_as_it_is_written", super::readme::tour),
];

fn the_node_is_ready(cluster: &Cluster) {
    let nodes = cluster.run("kubectl get nodes --no-headers");
    assert!(nodes.contains("e2e") && nodes.contains(" Ready "), "{nodes}");
}

/// What `make up` looks at first.
fn starts_beside_it(cluster: &Cluster) {
    let server = cluster.run("kubectl config view -o 'jsonpath={.clusters[0].cluster.server}'");
    let (_, port) = server.trim().rsplit_once(':').expect("a server has a port");
    let preflight = |data: &str| format!("RUTTER_PORT={port} DATA={data} scripts/preflight 2>&1");
    assert_eq!(cluster.run(&preflight(&cluster.data().display().to_string())), "");
    let other = cluster.refused(&preflight("/nowhere"));
    assert!(other.contains(&format!("port {port} is in use")), "{other}");
}

fn a_deployment_rolls_out(cluster: &Cluster) {
    cluster.run("kubectl apply -f examples/web.yaml");
    let said = cluster.run("kubectl rollout status deployment/web --timeout=90s");
    assert!(said.contains("successfully rolled out"), "{said}");
    let again = cluster.run("kubectl apply -f examples/web.yaml");
    assert_eq!(again, "deployment.apps/web unchanged\nservice/web unchanged\n");
}

fn the_service_answers(cluster: &Cluster) {
    cluster.until("curl -sS -m 2 http://127.0.0.1:30080/", |out| out.contains("web-"));
    cluster.until("curl -sS -m 2 http://$(kubectl get service web -o jsonpath={.spec.clusterIP})/", |out| {
        out.contains("web-")
    });
}

fn a_pod_reaches_the_service_by_name(cluster: &Cluster) {
    for name in ["web", "web.default", "web.default.svc.cluster.local"] {
        cluster.until(&format!("kubectl exec deployment/web -- /demo get http://{name}/"), |out| {
            out.contains("web-")
        });
    }
}

fn a_pod_reaches_the_api(cluster: &Cluster) {
    let version = cluster.run("kubectl exec deployment/web -- /demo api /version");
    assert!(version.contains("\"gitVersion\""), "{version}");
    // The certificate is good for every name, and the token is that of the pod's account.
    for host in ["kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"] {
        let pods = cluster
            .run(&format!("kubectl exec deployment/web -- /demo api /api/v1/namespaces/default/pods {host}"));
        assert!(pods.contains("\"PodList\"") && pods.contains("web-"), "{host}: {pods}");
    }
    let env = cluster.run("kubectl exec deployment/web -- /demo env KUBERNETES_SERVICE_HOST");
    assert_eq!(env, "10.96.0.1\n");
    let listed = "kubectl get endpoints kubernetes -o jsonpath='{.subsets[*].addresses[*].ip}'";
    let sliced = "kubectl get endpointslice kubernetes -o jsonpath='{.endpoints[*].addresses[*]}'";
    assert_eq!(cluster.run(listed), cluster.run(sliced));
    assert!(!cluster.run(listed).starts_with("127."));
}

fn scaling(cluster: &Cluster) {
    cluster.run("kubectl scale deployment/web --replicas=5");
    cluster.run("kubectl rollout status deployment/web --timeout=90s");
    assert_eq!(pods(cluster).len(), 5);
    cluster.run("kubectl scale deployment/web --replicas=3");
    cluster.until("kubectl get pods -l app=web --no-headers | wc -l", |out| out.trim() == "3");
}

fn logs(cluster: &Cluster) {
    let pod = pods(cluster).remove(0);
    cluster.until(&format!("kubectl logs {pod}"), |out| !out.trim().is_empty());
    let one = cluster.run(&format!("kubectl logs {pod} --tail=1"));
    assert_eq!(one.lines().count(), 1, "{one}");
}

fn commands_run_in_containers(cluster: &Cluster) {
    let pod = pods(cluster).remove(0);
    let out = cluster.run(&format!("kubectl exec {pod} -- /demo hostname"));
    assert_eq!(out.trim(), pod);
    let echoed = cluster.run(&format!("printf ahoy | kubectl exec -i {pod} -- /demo cat"));
    assert_eq!(echoed, "ahoy");
    let failed =
        cluster.attempt(&format!("kubectl exec {pod} -- /demo exit 7")).expect_err("it exits with 7");
    assert!(failed.contains("exit code 7"), "{failed}");
}

fn a_rollout_is_done_and_undone(cluster: &Cluster) {
    let hash = |cluster: &Cluster| {
        cluster.run("kubectl get pods -l app=web -o jsonpath={.items[0].metadata.labels.pod-template-hash}")
    };
    let before = hash(cluster);
    cluster.run("kubectl set env deployment/web GREETING=ahoy");
    cluster.run("kubectl rollout status deployment/web --timeout=90s");
    cluster.until("kubectl get pods -l app=web --no-headers | wc -l", |out| out.trim() == "3");
    assert_ne!(hash(cluster), before);
    cluster.run("kubectl rollout undo deployment/web");
    cluster.run("kubectl rollout status deployment/web --timeout=90s");
    cluster.until("kubectl get pods -l app=web --no-headers | wc -l", |out| out.trim() == "3");
    assert_eq!(hash(cluster), before);
}

fn a_killed_container_is_started_again(cluster: &Cluster) {
    let pod = pods(cluster).remove(0);
    // The server ends itself when it is asked to: its first process is gone, as after a crash.
    let _ = cluster.attempt(&format!("kubectl exec {pod} -- /demo get http://127.0.0.1:8080/quit"));
    let restarts = format!("kubectl get pod {pod} -o jsonpath={{.status.containerStatuses[0].restartCount}}");
    cluster.until(&restarts, |out| out == "1");
    cluster.run(&format!("kubectl wait --for=condition=Ready --timeout=60s pod/{pod}"));
}

fn config_maps_and_secrets(cluster: &Cluster) {
    cluster.run("kubectl create configmap settings --from-literal=colour=blue");
    cluster.run(&format!(
        "kubectl create secret generic password --from-literal=word={CANARY} --from-literal=greeting=ahoy"
    ));
    cluster.run(
        r#"kubectl apply -f - <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: configured}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: demo
      image: rutter/demo:latest
      imagePullPolicy: IfNotPresent
      env:
        - {name: COLOUR, valueFrom: {configMapKeyRef: {name: settings, key: colour}}}
        - {name: WORD, valueFrom: {secretKeyRef: {name: password, key: word}}}
        - {name: URL, value: "db://me:$(WORD)@db"}
      envFrom:
        - {prefix: SECRET_, secretRef: {name: password}}
      volumeMounts:
        - {name: settings, mountPath: /settings}
        - {name: password, mountPath: /password}
        - {name: scratch, mountPath: /scratch}
  volumes:
    - {name: settings, configMap: {name: settings}}
    - {name: password, secret: {secretName: password}}
    - {name: scratch, emptyDir: {}}
YAML"#,
    );
    cluster.run("kubectl wait --for=condition=Ready --timeout=60s pod/configured");
    let read = |what: &str| cluster.run(&format!("kubectl exec configured -- /demo {what}"));
    assert_eq!(read("env COLOUR").trim(), "blue");
    // Values of Secrets reach the first process, what is run beside it, and what was made of them …
    assert_eq!(read("env WORD").trim(), CANARY);
    assert_eq!(read("env SECRET_greeting").trim(), "ahoy");
    assert_eq!(read("env URL").trim(), format!("db://me:{CANARY}@db"));
    let first = cluster.run("kubectl exec configured -- /demo get http://127.0.0.1:8080/env");
    assert!(first.contains(&format!("WORD={CANARY}\n")), "{first}");
    // … but no file of the cluster, also while it runs.
    super::left::no_secret(cluster.data());
    assert_eq!(read("env WEB_SERVICE_PORT").trim(), "80");
    assert_eq!(read("cat /settings/colour"), "blue");
    assert_eq!(read("cat /password/word"), CANARY);
    cluster.run("kubectl delete pod configured --timeout=60s");
}

fn history_tells_every_change(cluster: &Cluster) {
    let history = cluster.run("rutter history deploy/web");
    for event in ["DeploymentCreated", "DeploymentScaled", "DeploymentTemplateChanged"] {
        assert!(history.contains(event), "no {event} in\n{history}");
    }
}

fn why_leads_back_to_the_request(cluster: &Cluster) {
    let pod = pods(cluster).remove(0);
    let why = cluster.run(&format!("rutter why pod/{pod}"));
    let facts = ["PodCreated", "ReplicaSet", "Deployment"];
    assert!(facts.iter().all(|fact| why.contains(fact)), "{why}");
    let facts: Value =
        serde_json::from_str(&cluster.run(&format!("rutter why pod/{pod} -o json"))).expect("JSON");
    let last = facts.as_array().and_then(|facts| facts.last()).expect("a first cause").clone();
    assert_eq!(last["actor"]["via"], "gateway", "the first cause is a request: {last}");
}

fn the_past_can_be_read(cluster: &Cluster) {
    let history: Value =
        serde_json::from_str(&cluster.run("rutter history deploy/web -o json")).expect("JSON");
    let created = history[0]["revision"].as_u64().expect("a revision");
    let then = cluster.run(&format!("rutter get deploy/web --at {created} -o json"));
    let then: Value = serde_json::from_str(&then).expect("JSON");
    assert_eq!(then["metadata"]["resourceVersion"], created.to_string());
    assert_eq!(then["spec"]["replicas"], 3);
    let raw = cluster.run(&format!(
        "kubectl get --raw '/apis/apps/v1/namespaces/default/deployments/web?resourceVersion={created}&resourceVersionMatch=Exact'"
    ));
    assert_eq!(serde_json::from_str::<Value>(&raw).expect("JSON"), then);
}

fn what_was_is_put_back(cluster: &Cluster) {
    cluster.run("kubectl create configmap colours --from-literal=sky=blue");
    let then = cluster.run("kubectl get configmap colours -o jsonpath={.metadata.resourceVersion}");
    let sky = |wanted: &str| {
        let sky = cluster.run("kubectl get configmap colours -o jsonpath={.data.sky}");
        assert_eq!(sky, wanted);
    };
    cluster.run(r#"kubectl patch configmap colours -p '{"data":{"sky":"grey"}}'"#);
    let rehearsed = cluster.run(&format!("rutter undo configmap/colours --to {then} --dry-run"));
    assert!(rehearsed.contains("configmap/colours") && rehearsed.contains("data.sky"), "{rehearsed}");
    sky("grey");
    cluster.run(&format!("rutter undo configmap/colours --to {then}"));
    sky("blue");
    cluster.run("kubectl delete configmap colours");
    cluster.run(&format!("rutter undo configmap/colours --to {then}"));
    sky("blue");
    let pod = pods(cluster).remove(0);
    let refused = cluster.attempt(&format!("rutter undo pod/{pod} --to 1")).expect_err("it has an owner");
    assert!(refused.contains("it belongs to replicaset/"), "{refused}");

    cluster.run("kubectl create namespace shop");
    cluster.run("kubectl -n shop create configmap kept --from-literal=a=1");
    cluster.run("kubectl -n shop create secret generic word --from-literal=b=2");
    let then = cluster.run("kubectl -n shop get secret word -o jsonpath={.metadata.resourceVersion}");
    cluster.run(r#"kubectl -n shop patch configmap kept -p '{"data":{"a":"9"}}'"#);
    cluster.run("kubectl -n shop delete secret word");
    cluster.run("kubectl -n shop create configmap new --from-literal=c=3");
    cluster.run(&format!("rutter undo namespace/shop --to {then}"));
    assert_eq!(cluster.run("kubectl -n shop get configmap kept -o jsonpath={.data.a}"), "1");
    assert_eq!(cluster.run("kubectl -n shop get secret word -o jsonpath={.data.b}"), "Mg==");
    cluster.attempt("kubectl -n shop get configmap new").expect_err("it came later");
    cluster.run("kubectl delete namespace shop --timeout=60s");
}

fn the_log_is_complete(cluster: &Cluster) {
    let log = cluster.run("rutter watch --from 0 --no-follow -o json");
    let revisions: Vec<u64> = log
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).expect("a line is JSON")["revision"]
                .as_u64()
                .expect("a revision")
        })
        .collect();
    let expected: Vec<u64> = (1..=revisions.len() as u64).collect();
    assert!(revisions.len() > 50);
    assert_eq!(revisions, expected);
}

fn refused(cluster: &Cluster) {
    let absent = cluster.attempt("kubectl get pod absent").expect_err("it is absent");
    assert_eq!(absent.trim(), "Error from server (NotFound): pods \"absent\" not found");
    let unknown = cluster
        .attempt(
            "kubectl create --validate=false -f - <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: BAD_name}
spec: {containers: []}
YAML",
        )
        .expect_err("it is invalid");
    assert!(unknown.contains("The Pod \"BAD_name\" is invalid"), "{unknown}");
    assert!(unknown.contains("spec.containers: Required value"), "{unknown}");
}

fn deletion_cleans_up(cluster: &Cluster) {
    cluster.run("kubectl delete -f examples/web.yaml --timeout=90s");
    cluster.until(
        "kubectl get pods,replicasets,endpointslices -l 'app=web' --no-headers 2>/dev/null | wc -l",
        |out| out.trim() == "0",
    );
    cluster.run("kubectl create namespace brief");
    cluster.run("kubectl -n brief create configmap inside --from-literal=a=b");
    cluster.run("kubectl delete namespace brief --timeout=60s");
    let gone = cluster.attempt("kubectl -n brief get configmap inside").expect_err("it is gone");
    assert!(gone.contains("not found"), "{gone}");
}

fn what_is_deleted_has_a_history(cluster: &Cluster) {
    let history: Value =
        serde_json::from_str(&cluster.run("rutter history deploy/web -o json")).expect("JSON");
    let facts = history.as_array().expect("facts");
    assert_eq!(facts.last().expect("a last fact")["type"], "DeploymentDeleted");
    let scaled = facts[facts.len() / 2]["revision"].as_u64().expect("a revision");
    let raw = cluster.run(&format!(
        "kubectl get --raw '/apis/apps/v1/namespaces/default/deployments/web?resourceVersion={scaled}&resourceVersionMatch=Exact'"
    ));
    assert!(raw.contains(&format!("\"resourceVersion\":\"{scaled}\"")), "{raw}");
    assert!(cluster.data().exists());
}

fn pods(cluster: &Cluster) -> Vec<String> {
    let names = cluster.run("kubectl get pods -l app=web --field-selector=status.phase=Running -o jsonpath='{.items[*].metadata.name}'");
    names.split_whitespace().map(str::to_owned).collect()
}
