//! Streams into containers, as people use them: logs, exec, attach, run -i, cp, port-forward, debug.

use rutter_tests::{Cluster, Step};

pub(crate) const STEPS: &[Step] = &[
    ("a_pod_with_a_shell_runs", a_pod_with_a_shell_runs),
    ("logs_come_as_they_are_asked_for", logs),
    ("commands_have_input_output_a_terminal_and_an_end", exec),
    ("who_attaches_hears_and_is_heard", attach),
    ("ports_are_forwarded_to_pods_and_services", port_forward),
    ("a_pod_is_copied_to_debug_it", debug),
    ("nodes_tell_of_themselves", node_pages),
    ("files_are_copied_while_another_reader_stalls", copy),
    ("older_kubectls_stream_too", older),
    ("a_pod_is_resized_in_place", resize),
    ("what_was_reached_is_gone", gone),
];

fn a_pod_with_a_shell_runs(cluster: &Cluster) {
    let image = cluster.data().join("busybox.tar").display().to_string();
    cluster.run(&format!(
        "tests/e2e/busybox {image} && rutter image load {image} --data {}",
        cluster.data().display()
    ));
    cluster.run(
        r#"kubectl apply -f - <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: shell, labels: {app: shell}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: first
      image: busybox:test
      imagePullPolicy: Never
      command: [sh, -c, 'for n in 1 2 3; do echo first $n; done; echo oops >&2; exec sleep 100000']
    - name: second
      image: busybox:test
      imagePullPolicy: Never
      command: [sh, -c, 'echo second; mkdir -p /www; echo hello >/www/index.html; exec httpd -f -p 8000 -h /www']
      ports: [{name: web, containerPort: 8000}]
---
apiVersion: v1
kind: Service
metadata: {name: shell}
spec: {selector: {app: shell}, ports: [{port: 80, targetPort: web}]}
YAML"#,
    );
    cluster.run("kubectl wait --for=condition=Ready --timeout=60s pod/shell");
}

fn logs(cluster: &Cluster) {
    let says = |line: &str, said: &str| assert_eq!(cluster.run(line), said, "$ {line}");
    // What it writes to its two streams comes in any order between them.
    says("kubectl logs shell -c first 2>/dev/null | sort", "first 1\nfirst 2\nfirst 3\noops\n");
    says("kubectl logs shell second", "second\n");
    says(
        "kubectl logs shell --all-containers --prefix | sort | head -2",
        "[pod/shell/first] first 1\n[pod/shell/first] first 2\n",
    );
    says("kubectl logs -l app=shell -c first --tail=1 | wc -l", "1\n");
    says("kubectl logs shell -c second --limit-bytes=3", "sec");
    says("kubectl logs shell -c first --since=1h | wc -l", "4\n");
    says("kubectl logs shell -c first --since-time=2100-01-01T00:00:00Z", "");
    says("kubectl logs shell -c second --timestamps | cut -d' ' -f2-", "second\n");
    says("timeout 5 kubectl logs -f shell -c second | head -1", "second\n");
    let previous = cluster.refused("kubectl logs shell -c first --previous");
    assert!(
        previous.contains("previous terminated container \"first\" in pod \"shell\" not found"),
        "{previous}"
    );
    let unnamed = cluster.refused("kubectl logs shell -c absent");
    assert!(unnamed.contains("container absent is not valid for pod shell"), "{unnamed}");
}

fn exec(cluster: &Cluster) {
    let says = |line: &str, said: &str| assert_eq!(cluster.run(line), said, "$ {line}");
    says("kubectl exec shell -c first -- sh -c 'echo out; echo err >&2' 2>&1 | sort", "err\nout\n");
    says("echo typed | kubectl exec -i shell -c first -- cat", "typed\n");
    says("kubectl exec shell -c first -- sh -c 'exit 42'; echo $?", "42\n");
    says(
        "head -c 8000000 /dev/urandom >/tmp/rutter-e2e-bytes; kubectl exec -i shell -c first -- sha256sum </tmp/rutter-e2e-bytes | cut -d' ' -f1 >/tmp/rutter-e2e-sum; sha256sum </tmp/rutter-e2e-bytes | cut -d' ' -f1 | diff - /tmp/rutter-e2e-sum && rm /tmp/rutter-e2e-bytes /tmp/rutter-e2e-sum",
        "",
    );
    says("kubectl exec svc/shell -c second -- cat /www/index.html", "hello\n");
    // A terminal, which has a size and echoes.
    says(
        "script -qec 'stty rows 33 cols 77; kubectl exec -it shell -c first -- sh -c \"for n in \\$(seq 600); do stty size | grep -q 33.77 && break; sleep 0.1; done; stty size\"' /dev/null </dev/null | grep -o '33 77'",
        "33 77\n",
    );
    let refused = cluster.refused("kubectl exec shell -c first -- /absent");
    assert!(refused.contains("no such file or directory"), "{refused}");
}

/// A program that reads to the end of what it is given, that it may end; one that doesn't, and goes on.
fn attach(cluster: &Cluster) {
    let run = |name: &str, command: &str| {
        format!(
            "echo ahoy | timeout 60 kubectl run {name} -i --rm --quiet --restart=Never --image=busybox:test \
             --image-pull-policy=Never -- {command}"
        )
    };
    for line in [run("soon", "sed s/ahoy/heard/"), run("late", "sh -c 'cat >/dev/null; sleep 1; echo heard'")]
    {
        let said = cluster.run(&format!("{line} 2>/dev/null"));
        assert!(said.starts_with("heard\n"), "$ {line}\n{said}");
    }
    let said = cluster.attempt(&format!("{}; echo ended $?", run("seven", "sh -c 'cat; exit 7'")));
    assert!(said.as_ref().is_ok_and(|said| said.contains("ended 7")), "{said:?}");
    cluster.run(
        r#"kubectl apply -f - <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: echo}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: c
      image: busybox:test
      imagePullPolicy: Never
      stdin: true
      command: [sh, -c, 'while read line; do echo "<$line>"; done']
YAML"#,
    );
    cluster.run("kubectl wait --for=condition=Ready pod/echo --timeout=60s");
    // Its input stays open for who comes next; who has said all is let go.
    for word in ["one", "two"] {
        cluster.run(&format!("echo {word} | timeout 60 kubectl attach -i echo"));
        cluster.until(&format!("kubectl logs echo | grep -c '<{word}>'"), |count| count == "1\n");
    }
    let said = cluster.run(
        "set -m; (echo three; exec sleep 100000) | kubectl attach -i echo >/tmp/rutter-e2e-attach 2>/dev/null & \
         for n in $(seq 600); do grep -q '<three>' /tmp/rutter-e2e-attach && break; sleep 0.1; done; \
         kill %1; cat /tmp/rutter-e2e-attach; rm /tmp/rutter-e2e-attach",
    );
    assert!(said.contains("<three>"), "{said}");
    cluster.run("kubectl delete pod echo --now");
}

fn port_forward(cluster: &Cluster) {
    for (what, port) in [("pod/shell", 8000), ("service/shell", 80)] {
        let said = cluster.run(&format!(
            "set -m; kubectl port-forward {what} :{port} >/tmp/rutter-e2e-forward & \
             until grep -q Forwarding /tmp/rutter-e2e-forward; do sleep 0.05; done; \
             at=$(sed -n 's/.*\\(127.0.0.1:[0-9]*\\).*/\\1/p' /tmp/rutter-e2e-forward | head -1); \
             for n in 1 2 3; do curl -sS -m 20 http://$at/; done; kill %1; rm /tmp/rutter-e2e-forward"
        ));
        assert_eq!(said, "hello\nhello\nhello\n", "{what}");
    }
    cluster.until("kubectl get --raw /api/v1/namespaces/default/services/shell:80/proxy/", |out| {
        out == "hello\n"
    });
    cluster.until("kubectl get --raw /api/v1/namespaces/default/pods/shell:8000/proxy/index.html", |out| {
        out == "hello\n"
    });
}

/// What tools that look at nodes ask for, through the API.
fn node_pages(cluster: &Cluster) {
    let node = "/api/v1/nodes/$(kubectl get node -o jsonpath='{.items[0].metadata.name}')";
    let says = |path: &str| cluster.run(&format!("kubectl get --raw \"{node}{path}\""));
    assert_eq!(says("/proxy/healthz"), "ok");
    assert_eq!(says(":10250/proxy/healthz/ping"), "ok");
    let shell =
        format!("kubectl get --raw \"{node}/proxy/pods\" | jq -r '.items[].metadata.name' | grep -x shell");
    assert_eq!(cluster.run(&shell), "shell\n");
    assert!(
        says("/proxy/metrics/resource").contains("container_cpu_usage_seconds_total{container=\"first\"")
    );
    assert!(says("/proxy/metrics/cadvisor").contains("machine_cpu_cores"));
    let used = format!(
        "kubectl get --raw \"{node}/proxy/stats/summary\" | jq '[.pods[] | select(.podRef.name == \"shell\") | .containers[].memory.workingSetBytes > 0] | all'"
    );
    assert_eq!(cluster.run(&used), "true\n");
    assert_eq!(says("/proxy/containerLogs/default/shell/second"), "second\n");
    assert!(says("/proxy/logs/").contains("<pre>"));
    assert!(says("/proxy/configz").contains("kubeletconfig"));
}

fn debug(cluster: &Cluster) {
    cluster.run("kubectl debug shell -q --copy-to=copy --set-image='*=busybox:test' --share-processes && kubectl wait --for=condition=Ready --timeout=60s pod/copy && kubectl delete pod copy --now");
}

/// `RUTTER_CP_MB` (20) sets how much is copied, `RUTTER_STALL_SECS` (3) how long the reader stalls at least.
fn copy(cluster: &Cluster) {
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (megabytes, stall) = (number("RUTTER_CP_MB", 20), number("RUTTER_STALL_SECS", 3));
    let files = cluster.data().join("cp").display().to_string();
    let said = cluster.run(&format!(
        "set -e; mkdir -p {files}/dir; cd {files}; head -c {megabytes}M /dev/urandom >out; echo small >dir/small; \
         kubectl exec shell -c second -- sh -c 'cat /dev/zero | head -c 64000000' | (sleep {stall}; wc -c) >stalled & stalled=$!; \
         kubectl cp out shell:/tmp/out -c first; kubectl cp shell:/tmp/out back -c first >/dev/null 2>&1 & copied=$!; \
         for n in 1 2 3 4 5; do timeout 30 kubectl exec shell -c second -- echo others go on; done; \
         wait $copied; cmp out back && echo equal; kubectl exec shell -c first -- sha256sum /tmp/out | cut -d' ' -f1 | grep -q $(sha256sum <out | cut -d' ' -f1); \
         kubectl cp dir shell:/tmp/ -c first; kubectl cp shell:/tmp/dir away -c first >/dev/null 2>&1; cat away/small; \
         wait $stalled; cat stalled; kubectl exec shell -c first -- rm -r /tmp/out /tmp/dir; rm -r {files}"
    ));
    assert_eq!(said, "others go on\n".repeat(5) + "equal\nsmall\n64000000\n");
}

/// They ask for SPDY where newer ones ask for WebSockets.
fn older(cluster: &Cluster) {
    let mut streamed = 0;
    for kubectl in rutter_tests::cluster::other_kubectls() {
        let kubectl = kubectl.display();
        let version =
            cluster.run(&format!("{kubectl} version --client -o json | jq -r .clientVersion.gitVersion"));
        assert_eq!(
            cluster.run(&format!("echo typed | {kubectl} exec -i shell -c first -- cat")),
            "typed\n",
            "{version}"
        );
        assert_eq!(
            cluster.run(&format!("{kubectl} exec shell -c first -- sh -c 'exit 3' 2>/dev/null; echo $?")),
            "3\n",
            "{version}"
        );
        assert_eq!(cluster.run(&format!("{kubectl} logs shell -c second")), "second\n", "{version}");
        let forwarded = cluster.run(&format!(
            "set -m; {kubectl} port-forward pod/shell :8000 >/tmp/rutter-e2e-forward & \
             until grep -q Forwarding /tmp/rutter-e2e-forward; do sleep 0.05; done; \
             at=$(sed -n 's/.*\\(127.0.0.1:[0-9]*\\).*/\\1/p' /tmp/rutter-e2e-forward | head -1); \
             curl -sS -m 20 http://$at/; kill %1; rm /tmp/rutter-e2e-forward"
        ));
        assert_eq!(forwarded, "hello\n", "{version}");
        streamed += 1;
    }
    println!("  {streamed} other kubectls streamed");
}

fn resize(cluster: &Cluster) {
    cluster.run(
        r#"kubectl apply -f - <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: sized}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: c
      image: busybox:test
      imagePullPolicy: Never
      command: [sleep, '100000']
      resources: {requests: {cpu: 50m, memory: 32Mi}, limits: {cpu: 50m, memory: 32Mi}}
YAML
kubectl wait --for=condition=Ready pod/sized --timeout=60s"#,
    );
    let patch = |cpu: &str| {
        let amounts = format!(r#"{{"cpu":"{cpu}","memory":"32Mi"}}"#);
        format!(
            r#"kubectl patch pod sized --subresource resize -p '{{"spec":{{"containers":[{{"name":"c","resources":{{"requests":{amounts},"limits":{amounts}}}}}]}}}}'"#
        )
    };
    cluster.run(&patch("100m"));
    let told = "kubectl get pod sized -o json | jq -c '.status | [.observedGeneration, .containerStatuses[0].resources.limits.cpu, .containerStatuses[0].restartCount, ([.conditions[].type] | contains([\"PodResize\"]))]'";
    cluster.until(told, |said| said == "[2,\"100m\",0,false]\n");
    let quota = "kubectl exec sized -- sh -c 'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null' | cut -d' ' -f1";
    assert_eq!(cluster.run(quota), "10000\n");
    cluster.until("kubectl get events --field-selector involvedObject.name=sized,reason=ResizeCompleted -o name | wc -l", |count| {
        count.trim() != "0"
    });
    let refused = cluster.refused(&patch("5000"));
    assert!(refused.contains("node didn't have enough allocatable resources: cpu"), "{refused}");
    cluster.run("kubectl delete pod sized --now");
}

fn gone(cluster: &Cluster) {
    cluster.run("kubectl delete pod,service shell --now");
}
