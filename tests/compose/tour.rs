//! The README's tour: Kubernetes as everywhere, then what only a log gives; and across nodes.

use anyhow::{Result, ensure};

use super::Cluster;

const NODES: usize = 3;
const SERVICE: &str = "http://web.default.svc.cluster.local/";

pub(crate) async fn walk(cluster: &Cluster) -> Result<()> {
    let kubectl = &cluster.kubectl;
    kubectl.run("kubectl apply -f examples/web.yaml")?;
    roll_out(cluster)?;
    kubectl.until("curl -sS -m 2 http://127.0.0.1:30080/", |out| out.contains("web-"))?;
    kubectl.run("kubectl scale deployment/web --replicas=6")?;
    roll_out(cluster)?;
    println!("  a Deployment runs, its Service answers on its node port");

    let pods = pods(cluster)?;
    let nodes: std::collections::BTreeSet<&str> = pods.iter().map(|(_, node)| &**node).collect();
    ensure!(nodes.len() == NODES, "six pods should be spread over three nodes: {pods:?}");
    let one_of_each: std::collections::BTreeMap<&str, &str> =
        pods.iter().map(|(pod, node)| (&**node, &**pod)).collect();
    for (node, pod) in one_of_each {
        for _ in 0..NODES {
            let line = format!("kubectl exec {pod} -- /demo get {SERVICE}");
            kubectl.until(&line, |out| out.contains("web-"))?;
        }
        kubectl.until(&format!("kubectl logs {pod} --tail=1"), |out| !out.trim().is_empty())?;
        let said = kubectl.run(&format!("kubectl exec {pod} -- /demo hostname"))?;
        ensure!(said.trim() == pod, "{pod} on {node} says {said}");
    }
    println!("  pods of every node reach the Service, whose pods are on every node; logs and exec work");

    kubectl.run("kubectl set env deployment/web GREETING=ahoy")?;
    roll_out(cluster)?;
    kubectl.run("kubectl rollout undo deployment/web")?;
    roll_out(cluster)?;
    past(cluster)
}

/// Waits for the end of the rollout.
pub(crate) fn roll_out(cluster: &Cluster) -> Result<()> {
    cluster.kubectl.run("kubectl rollout status deployment/web --timeout=180s").map(drop)
}

/// Each pod of the Deployment that runs, with its node.
pub(crate) fn pods(cluster: &Cluster) -> Result<Vec<(String, String)>> {
    let line = "kubectl get pods -l app=web --field-selector=status.phase=Running --no-headers \
                -o custom-columns=:.metadata.name,:.spec.nodeName,:.metadata.deletionTimestamp";
    let listed = cluster.kubectl.run(line)?;
    let mut pods = Vec::new();
    for line in listed.lines() {
        if let [name, node, "<none>"] = line.split_whitespace().collect::<Vec<_>>()[..] {
            pods.push((name.to_owned(), node.to_owned()));
        }
    }
    Ok(pods)
}

/// What a log gives.
fn past(cluster: &Cluster) -> Result<()> {
    let kubectl = &cluster.kubectl;
    let history = kubectl.run("rutter history deploy/web")?;
    ensure!(history.contains("DeploymentCreated") || history.contains("Created"), "{history}");
    let first = history.lines().nth(1).and_then(|line| line.split_whitespace().next()).unwrap_or_default();
    let revision = first.trim_start_matches('r');
    let (pod, _) = pods(cluster)?.remove(0);
    let why = kubectl.run(&format!("rutter why pod/{pod}"))?;
    ensure!(why.contains("rutter-admin"), "it does not lead back to the request:\n{why}");
    let then = kubectl.run(&format!("rutter get deploy/web --at {revision} -o json"))?;
    ensure!(then.contains("\"replicas\": 3"), "{then}");
    let exact = format!(
        "kubectl get --raw '/apis/apps/v1/namespaces/default/deployments/web?resourceVersion={revision}\
         &resourceVersionMatch=Exact'"
    );
    ensure!(kubectl.run(&exact)?.contains(&format!("\"resourceVersion\":\"{revision}\"")), "{exact}");
    let events = kubectl.run("rutter watch --from 0 --no-follow | grep -c ^r")?;
    println!("  history, why, the past at revision {revision}, and all {} events in order", events.trim());
    Ok(())
}
