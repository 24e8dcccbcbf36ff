//! Objects are looked at: get in every output, describe, explain, events, wait, and what the API says of itself.

use rutter_tests::{Cluster, Step};

use super::room::Room;

pub(crate) const STEPS: &[Step] = &[
    ("get_prints_in_every_output", get),
    ("get_selects_sorts_and_pages", get_selects),
    ("get_watches", get_watches),
    ("describe_tells_what_belongs_together", describe),
    ("explain_knows_every_field", explain),
    ("events_are_told", events),
    ("wait_waits_for_what_is_said", wait),
    ("the_api_tells_of_itself", api),
    ("proxy_passes_on_what_it_may", proxy),
];

fn get(cluster: &Cluster) {
    let room = Room::new(cluster, "get");
    room.run("kubectl apply -f $DIR/web.yaml && kubectl rollout status deployment/web --timeout=90s");
    room.tells(
        "kubectl get deployment web",
        &["NAME   READY   UP-TO-DATE   AVAILABLE   AGE\nweb    2/2     2            2 "],
    );
    room.tells("kubectl get deployment web -o wide", &["CONTAINERS   IMAGES   SELECTOR", "demo:1   app=web"]);
    room.tells("kubectl get pods -o wide", &["NOMINATED NODE   READINESS GATES", "10.128."]);
    room.tells("kubectl get deployment/web service/web", &["deployment.apps/web", "service/web"]);
    room.tells(
        "kubectl get all",
        &["pod/web-", "service/web", "deployment.apps/web", "replicaset.apps/web-"],
    );
    room.tells("kubectl get deployment web -o yaml", &["apiVersion: apps/v1\n", "\n  replicas: 2\n"]);
    room.says(
        "kubectl get deployment web -o json | jq -r '.kind + \" \" + .apiVersion'",
        "Deployment apps/v1",
    );
    room.says("kubectl get deployments -o json | jq -r '.kind + \" \" + .items[0].kind'", "List Deployment");
    room.says("kubectl get deployment,service web -o name", "deployment.apps/web\nservice/web");
    room.says("kubectl get deployment web -o jsonpath='{.spec.replicas}{\"\\n\"}{.metadata.name}'", "2\nweb");
    room.says(
        "kubectl get deployments -o jsonpath-as-json='{.items[*].metadata.name}' | jq -c .",
        r#"["web"]"#,
    );
    room.says(
        "kubectl get deployments -o custom-columns=N:.metadata.name,R:.spec.replicas,X:.spec.absent",
        "N     R     X\nweb   2     <none>",
    );
    room.write("columns", "WHO           COUNT\nmetadata.name spec.replicas\n");
    room.says("kubectl get deployments -o custom-columns-file=$DIR/columns", "WHO   COUNT\nweb   2");
    room.says("kubectl get deployments -o go-template='{{range .items}}{{.metadata.name}}:{{.spec.replicas}}{{end}}'", "web:2");
    room.write("template", "{{.metadata.name}} has {{len .spec.template.spec.containers}}");
    room.says("kubectl get deployment web -o go-template-file=$DIR/template", "web has 1");
    room.write("path", "{.metadata.name}");
    room.says("kubectl get deployment web -o jsonpath-file=$DIR/path", "web");
    room.tells("kubectl get deployments --show-labels", &["LABELS", "app=web"]);
    room.says("kubectl get deployments -L app --no-headers | awk '{print $NF}'", "web");
    room.tells("kubectl get deployments --show-kind", &["deployment.apps/web"]);
    room.tells(
        "kubectl get deployment web -o yaml --show-managed-fields",
        &["managedFields:", "manager: kubectl"],
    );
    room.tells(
        "kubectl get deployment web --subresource=scale -o yaml",
        &["kind: Scale", "selector: app=web"],
    );
    room.tells(
        "kubectl get --raw /apis/apps/v1/namespaces/get/deployments/web",
        &["\"kind\":\"Deployment\""],
    );
    room.tells("kubectl get -f $DIR/web.yaml", &["deployment.apps/web", "service/web"]);
    room.tells("kubectl get pods -n absent 2>&1", &["No resources found in absent namespace."]);
    room.refused("kubectl get pod absent", "Error from server (NotFound): pods \"absent\" not found");
    room.says("kubectl get pod absent --ignore-not-found", "");
    room.refused("kubectl get absent", "error: the server doesn't have a resource type \"absent\"");
    // Everything there is, in every output.
    for output in ["", "-o wide", "-o yaml", "-o json", "-o name", "--show-labels"] {
        room.run(&format!(
            "kubectl get $(kubectl api-resources --verbs=list -o name | paste -sd,) -A {output} >/dev/null"
        ));
    }
}

fn get_selects(cluster: &Cluster) {
    let room = Room::new(cluster, "select");
    room.run("for n in 3 1 2; do kubectl create configmap m$n --from-literal=n=$n; kubectl label configmap m$n n=$n odd=$((n%2)); done");
    room.says("kubectl get configmaps -l odd=1 -o name", "configmap/m1\nconfigmap/m3");
    room.says("kubectl get configmaps -l 'n in (1,2),n!=1' -o name", "configmap/m2");
    room.says("kubectl get configmaps -l '!n' -o name", "configmap/kube-root-ca.crt");
    room.says(
        "kubectl get configmaps --selector=n --sort-by='{.data.n}' -o name",
        "configmap/m1\nconfigmap/m2\nconfigmap/m3",
    );
    room.says(
        "kubectl get configmaps -l n --sort-by=.metadata.name --no-headers -o custom-columns=:.metadata.name",
        "m1\nm2\nm3",
    );
    room.says("kubectl get configmaps --field-selector=metadata.name=m1 -o name", "configmap/m1");
    room.says(
        "kubectl get configmaps --field-selector=metadata.name!=m1 -l n -o name",
        "configmap/m2\nconfigmap/m3",
    );
    room.refused(
        "kubectl get configmaps --field-selector=data.n=1",
        "\"data.n\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
    );
    room.refused("kubectl get configmaps -l 'n in'", "unable to parse requirement");
    room.says(
        "kubectl get configmaps -l n --chunk-size=1 -o name",
        "configmap/m1\nconfigmap/m2\nconfigmap/m3",
    );
    room.says(
        "kubectl get configmaps -l n --chunk-size=2 --no-headers | awk '{print $1, $2}'",
        "m1 1\nm2 1\nm3 1",
    );
    room.tells("kubectl get configmaps -A -l n", &["NAMESPACE   NAME   DATA   AGE\nselect      m1     1"]);
    room.says("kubectl get configmaps m1 m3 -o name", "configmap/m1\nconfigmap/m3");
}

fn get_watches(cluster: &Cluster) {
    let room = Room::new(cluster, "watches");
    room.run("kubectl create configmap first");
    // Each line waits for what the line before it brought about.
    room.write(
        "watch",
        "seen() { for n in $(seq 600); do [ $(grep -c '\"type\":' $DIR/seen) -ge $1 ] && return; sleep 0.1; done; exit 1; }
         kubectl get configmaps -w --output-watch-events -o json --field-selector=metadata.name=first >$DIR/seen &
         seen 1; kubectl label configmap first x=y >/dev/null
         seen 2; kubectl delete configmap first >/dev/null
         seen 3; kill %1; jq -r '.type + \" \" + .object.metadata.name' $DIR/seen",
    );
    room.says("set -m; source $DIR/watch", "ADDED first\nMODIFIED first\nDELETED first");
    room.run("kubectl create configmap second");
    room.write(
        "only",
        "kubectl get configmaps --watch-only --field-selector=metadata.name=second -o name >$DIR/only-seen &
         for n in $(seq 300); do
             kubectl annotate configmap second n=$n --overwrite >/dev/null; [ -s $DIR/only-seen ] && break; sleep 0.1
         done; kill %1; sort -u $DIR/only-seen",
    );
    room.says("set -m; source $DIR/only", "configmap/second");
}

fn describe(cluster: &Cluster) {
    let room = Room::new(cluster, "describe");
    room.run("kubectl apply -f $DIR/web.yaml && kubectl rollout status deployment/web --timeout=90s");
    room.tells(
        "kubectl describe deployment web",
        &[
            "Replicas:               2 desired | 2 updated | 2 total | 2 available",
            "NewReplicaSet:   web-",
            "StrategyType:           RollingUpdate",
            "Available      True",
        ],
    );
    room.tells(
        "kubectl describe service web",
        &[
            "Type:                     ClusterIP",
            "Port:                     <unset>  80/TCP",
            "Endpoints:                10.128.",
        ],
    );
    room.tells(
        "kubectl describe pods -l app=web",
        &["Controlled By:  ReplicaSet/web-", "Image:          demo:1", "QoS Class: ", "Node-Selectors:"],
    );
    room.tells(
        "kubectl describe replicaset -l app=web",
        &["Pods Status:    2 Running / 0 Waiting / 0 Succeeded / 0 Failed"],
    );
    room.tells("kubectl describe namespace describe", &["Status:       Active"]);
    room.tells(
        "kubectl describe nodes",
        &["Allocatable:", "Non-terminated Pods:", "Allocated resources:", "Kubelet Version:"],
    );
    room.run("kubectl create secret generic s --from-literal=word=hidden && kubectl create configmap cm --from-literal=k=v");
    room.tells("kubectl describe secret s", &["word:  6 bytes"]);
    room.tells("kubectl describe configmap cm", &["k:\n----\nv\n"]);
    room.refused("kubectl describe pod absent", "Error from server (NotFound): pods \"absent\" not found");
    // kubectl 1.32 asks for addresses in a version that a server of today has no more.
    room.run(
        "kubectl describe $(kubectl api-resources --verbs=list -o name | grep -v 'ipaddresses\\|servicecidrs' | paste -sd,) -A >/dev/null",
    );
}

fn explain(cluster: &Cluster) {
    let room = Room::new(cluster, "explain");
    room.tells("kubectl explain pods", &["KIND:       Pod\nVERSION:    v1", "spec\t<PodSpec>"]);
    room.tells(
        "kubectl explain deployment.spec.strategy",
        &[
            "FIELD: strategy <DeploymentStrategy>",
            "rollingUpdate\t<RollingUpdateDeployment>",
            "Type of deployment",
        ],
    );
    room.tells(
        "kubectl explain pod.spec.containers.resources.limits",
        &["FIELD: limits <map[string]Quantity>"],
    );
    room.tells(
        "kubectl explain cronjobs --recursive",
        &["jobTemplate\t<JobTemplateSpec> -required-", "ttlSecondsAfterFinished\t<integer>"],
    );
    room.tells("kubectl explain pod --output=plaintext-openapiv2", &["KIND:     Pod"]);
    room.refused("kubectl explain pod.spec.absent", "field \"absent\" does not exist");
    for kind in ["configmaps", "jobs", "ingresses", "clusterroles", "storageclasses", "leases", "csr", "pdb"]
    {
        room.tells(
            &format!("kubectl explain {kind} --recursive"),
            &["DESCRIPTION:\n    ", "metadata\t<ObjectMeta>"],
        );
    }
}

fn events(cluster: &Cluster) {
    let room = Room::new(cluster, "events");
    room.run("kubectl run p --image=demo:1");
    room.write(
        "event.yaml",
        "apiVersion: v1\nkind: Event\nmetadata: {name: p.1}\ntype: Normal\nreason: Noticed\nmessage: it was seen\n\
         count: 3\nfirstTimestamp: '2026-01-01T00:00:00Z'\nlastTimestamp: '2026-01-01T00:01:00Z'\n\
         source: {component: test}\ninvolvedObject: {apiVersion: v1, kind: Pod, namespace: events, name: p}\n",
    );
    room.run("kubectl create -f $DIR/event.yaml");
    room.tells("kubectl events", &["LAST SEEN", "Pod/p", "it was seen"]);
    room.tells("kubectl events --for=pod/p --types=Normal", &["Noticed"]);
    room.tells("kubectl events -A", &["NAMESPACE"]);
    room.says(
        "kubectl get events --field-selector=involvedObject.name=p,reason=Noticed -o name",
        "event/p.1",
    );
    room.says("kubectl get events --field-selector=involvedObject.name=p,reason=Other -o name", "");
    // The same object in both of the groups that have it.
    room.says(
        "kubectl get events.v1.events.k8s.io p.1 -o jsonpath='{.note} {.regarding.name} {.deprecatedCount}'",
        "it was seen p 3",
    );
}

fn wait(cluster: &Cluster) {
    let room = Room::new(cluster, "wait");
    room.run("kubectl apply -f $DIR/web.yaml");
    room.says(
        "kubectl wait --for=condition=Available deployment/web --timeout=60s",
        "deployment.apps/web condition met",
    );
    room.says(
        "kubectl wait --for=jsonpath='{.status.readyReplicas}'=2 deployment/web --timeout=60s",
        "deployment.apps/web condition met",
    );
    room.tells("kubectl wait --for=condition=Ready pods -l app=web --timeout=60s", &["condition met"]);
    room.refused(
        "kubectl wait --for=condition=Absent deployment/web --timeout=1s",
        "error: timed out waiting for the condition on deployments/web",
    );
    room.refused("kubectl wait --for=condition=Ready pod/absent --timeout=1s", "pods \"absent\" not found");
    // It may be gone before it is waited for, which is as good.
    room.run("kubectl create configmap later; (sleep 0.5; kubectl delete configmap later) & kubectl wait --for=delete configmap/later --timeout=60s && wait");
    room.tells("(sleep 0.5; kubectl create configmap born >/dev/null) & kubectl wait --for=create configmap/born --timeout=60s && wait", &["configmap/born condition met"]);
}

fn api(cluster: &Cluster) {
    let room = Room::new(cluster, "api");
    room.tells("kubectl version", &["Server Version: v1.36"]);
    room.tells("kubectl api-resources", &["configmaps ", " cm ", "deployments ", " deploy ", "apps/v1"]);
    room.tells(
        "kubectl api-resources -o wide --api-group=apps",
        &["create,delete,deletecollection,get,list,patch,update,watch", "all"],
    );
    room.tells("kubectl api-resources --namespaced=false -o name", &["nodes", "namespaces"]);
    room.tells("kubectl api-versions", &["apps/v1", "\nv1"]);
    room.tells("kubectl cluster-info", &["control plane", "is running at"]);
    room.tells("kubectl cluster-info dump --namespaces=api", &["\"kind\": \"NodeList\""]);
    room.tells("kubectl get --raw '/readyz?verbose'", &["readyz check passed"]);
    room.says("kubectl get --raw /openapi/v2 | jq -r .swagger", "2.0");
    room.tells("kubectl get componentstatuses 2>&1", &[""]);
}

fn proxy(cluster: &Cluster) {
    let room = Room::new(cluster, "proxy");
    room.run("kubectl create configmap cm --from-literal=k=v");
    room.write(
        "proxy",
        "kubectl proxy --port=0 --api-prefix=/k8s >$DIR/out & \
         until grep -q 'Starting to serve' $DIR/out; do sleep 0.05; done; \
         at=$(sed -n 's/.*serve on //p' $DIR/out); \
         curl -sS http://$at/k8s/api/v1/namespaces/proxy/configmaps/cm | jq -r .data.k; \
         curl -sS -o /dev/null -w '%{http_code}\\n' http://$at/api/; \
         curl -sS -o /dev/null -w '%{http_code}\\n' http://$at/k8s/api/v1/namespaces/proxy/pods/p/exec; \
         curl -sSN 'http://'$at'/k8s/api/v1/namespaces/proxy/configmaps?watch=1&timeoutSeconds=1&fieldSelector=metadata.name=cm' | jq -r .type; kill %1",
    );
    room.says("set -m; source $DIR/proxy", "v\n404\n403\nADDED");
}
