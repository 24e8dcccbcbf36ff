//! What operators do: nodes are cordoned, tainted and drained; who may do what is asked.

use rutter_tests::{Cluster, Step};

use super::room::Room;

pub(crate) const STEPS: &[Step] = &[
    ("a_cordoned_node_takes_no_pods", cordon),
    ("a_tainted_node_takes_only_who_bears_it", taint),
    ("drain_moves_pods", drain),
    ("auth_tells_who_asks_and_what_is_allowed", auth),
    ("top_tells_what_is_used", top),
    ("a_certificate_is_asked_for_and_approved", certificate),
];

/// The first of the two nodes.
const FIRST: &str = "NODE=$(kubectl get nodes -o jsonpath='{.items[0].metadata.name}')";

fn cordon(cluster: &Cluster) {
    let room = Room::new(cluster, "cordon");
    room.says(&format!("{FIRST}; kubectl cordon $NODE | sed s/$NODE/n/"), "node/n cordoned");
    room.says(&format!("{FIRST}; kubectl cordon $NODE | sed s/$NODE/n/"), "node/n already cordoned");
    room.tells("kubectl get nodes", &["Ready,SchedulingDisabled"]);
    room.run("kubectl create deployment web --image=demo:1 --replicas=4 && kubectl rollout status deployment/web --timeout=90s");
    room.says(&format!("{FIRST}; kubectl get pods --field-selector=spec.nodeName=$NODE -o name"), "");
    room.says(&format!("{FIRST}; kubectl uncordon $NODE | sed s/$NODE/n/"), "node/n uncordoned");
}

fn taint(cluster: &Cluster) {
    let room = Room::new(cluster, "taint");
    room.says(
        &format!("{FIRST}; kubectl taint nodes $NODE dedicated=x:NoSchedule | sed s/$NODE/n/"),
        "node/n tainted",
    );
    room.refused(
        &format!("{FIRST}; kubectl taint nodes $NODE dedicated=y:NoSchedule"),
        "already has dedicated taint(s) with same effect(s)",
    );
    room.says(
        &format!("{FIRST}; kubectl taint nodes $NODE dedicated=y:NoSchedule --overwrite | sed s/$NODE/n/"),
        "node/n modified",
    );
    room.run("kubectl create deployment web --image=demo:1 --replicas=4 && kubectl rollout status deployment/web --timeout=90s");
    room.says(&format!("{FIRST}; kubectl get pods --field-selector=spec.nodeName=$NODE -o name"), "");
    room.says(&format!("{FIRST}; kubectl taint nodes $NODE dedicated- | sed s/$NODE/n/"), "node/n untainted");
    room.refused(
        &format!("{FIRST}; kubectl taint nodes $NODE a=b:Sometimes"),
        "invalid taint effect: Sometimes",
    );
}

fn drain(cluster: &Cluster) {
    let room = Room::new(cluster, "drain");
    room.run("sed -i 's/replicas: 2/replicas: 4/; s/app: web/app: drained/g' $DIR/web.yaml; kubectl apply -f $DIR/web.yaml && kubectl rollout status deployment/web --timeout=90s");
    room.run(&format!("{FIRST}; kubectl run bare --image=demo:1 --labels=app=drained-alone --overrides='{{\"spec\":{{\"nodeName\":\"'$NODE'\"}}}}'"));
    room.run("kubectl wait --for=condition=Ready pod/bare --timeout=60s");
    room.refused(
        &format!("{FIRST}; kubectl drain $NODE --pod-selector='app in (drained,drained-alone)'"),
        "cannot delete Pods that declare no controller (use --force to override)",
    );
    room.tells(
        &format!("{FIRST}; kubectl drain $NODE --pod-selector='app in (drained,drained-alone)' --force --ignore-daemonsets --delete-emptydir-data --grace-period=0 --timeout=120s 2>&1"),
        &["pod/bare evicted", " drained"],
    );
    room.says(&format!("{FIRST}; kubectl get pods --field-selector=spec.nodeName=$NODE -o name"), "");
    room.run("kubectl rollout status deployment/web --timeout=90s");
    room.tells(&format!("{FIRST}; kubectl uncordon $NODE"), &["uncordoned"]);
}

fn auth(cluster: &Cluster) {
    let room = Room::new(cluster, "auth");
    room.tells("kubectl auth whoami", &["Username", "Groups", "system:masters"]);
    room.tells("kubectl auth whoami -o yaml", &["kind: SelfSubjectReview", "username:"]);
    room.says("kubectl auth can-i create pods", "yes");
    room.says("kubectl auth can-i '*' '*' --all-namespaces", "yes");
    room.says("kubectl auth can-i get /healthz", "yes");
    room.tells("kubectl auth can-i get nodes 2>&1", &["Warning: resource 'nodes' is not namespace scoped"]);
    room.tells("kubectl auth can-i --list", &["Resources", "*.*"]);
    room.run("kubectl create serviceaccount robot");
    room.says(
        "grep -v client- $KUBECONFIG >$DIR/nobody; kubectl --kubeconfig=$DIR/nobody auth whoami --token=$(kubectl create token robot) -o jsonpath={.status.userInfo.username}",
        "system:serviceaccount:auth:robot",
    );
}

fn top(cluster: &Cluster) {
    let room = Room::new(cluster, "top");
    room.run("kubectl run p --image=demo:1 && kubectl wait --for=condition=Ready pod/p --timeout=60s");
    // What is measured is served by the group metrics.k8s.io, which is another program upstream.
    room.refused("kubectl top nodes", "Metrics API not available");
}

fn certificate(cluster: &Cluster) {
    let room = Room::new(cluster, "csr");
    room.run("openssl req -new -newkey rsa:2048 -nodes -keyout $DIR/key -subj /CN=someone/O=people -out $DIR/csr 2>/dev/null");
    room.run(
        "kubectl create -f - <<YAML\n\
         apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {name: someone}\n\
         spec: {signerName: kubernetes.io/kube-apiserver-client, usages: [client auth], request: $(base64 -w0 $DIR/csr)}\nYAML",
    );
    room.tells("kubectl get csr someone", &["Pending"]);
    room.says(
        "kubectl certificate approve someone",
        "certificatesigningrequest.certificates.k8s.io/someone approved",
    );
    room.tells("kubectl get csr someone", &["Approved"]);
    room.refused("kubectl certificate deny someone", "is already Approved");
}
