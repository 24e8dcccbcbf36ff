//! Parts are killed during rollouts, while writers write.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http::Method;
use rutter_tests::writer::{self, Progress, Written};
use rutter_tests::{Client, check, eventually};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Cluster;
use super::moving::{self, Watch};
use super::tour::{pods, roll_out};

/// Servers elect a leader within this, most of the time and always.
const LEADER_MOSTLY: Duration = Duration::from_secs(10);
const LEADER_ALWAYS: Duration = Duration::from_secs(20);
/// A standby takes over within this.
const LEDGER: Duration = Duration::from_secs(2);
const GATEWAYS: [(&str, &str); 2] = [("gateway-1", "172.29.96.21"), ("gateway-2", "172.29.96.22")];
const NODE: &str = "node-3";
/// How long pods stay on a node that is not ready, once that is known.
const TOLERATION_S: u32 = 5;

pub(crate) async fn play(cluster: &Cluster) -> Result<()> {
    let kubectl = &cluster.kubectl;
    kubectl.run("kubectl apply -f examples/web.yaml && kubectl scale deployment/web --replicas=6")?;
    kubectl.run(&format!("kubectl patch deployment web -p '{}'", tolerations()))?;
    roll_out(cluster)?;
    let writers = Writers::start(cluster)?;
    let mut late = Late::default();
    leaders(cluster, &mut late).await?;
    active_ledger(cluster, &mut late).await?;
    one_gateway(cluster).await?;
    one_node(cluster).await?;
    writers.end(cluster).await?;
    ensure!(late.0.is_empty(), "{}", late.0.join("; "));
    Ok(())
}

/// What took longer than it may: said at the end, since everything else is worth seeing.
#[derive(Default)]
struct Late(Vec<String>);

impl Late {
    fn note(&mut self, is_late: bool, what: impl Into<String>) {
        if is_late {
            self.0.push(what.into());
        }
    }
}

fn tolerations() -> Value {
    let one = |key: &str| {
        json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": "NoExecute",
               "tolerationSeconds": TOLERATION_S})
    };
    json!({"spec": {"template": {"spec": {"tolerations": [one("not-ready"), one("unreachable")]}}}})
}

/// Sets a rollout going.
fn begin_rollout(cluster: &Cluster, mark: &str) -> Result<()> {
    cluster.kubectl.until(&format!("kubectl set env deployment/web ROUND={mark}"), |_| true).map(drop)
}

/// Kills what leads the stream, again and again.
async fn leaders(cluster: &Cluster, late: &mut Late) -> Result<()> {
    let mut times = Vec::new();
    for round in 0..cluster.args.leaders {
        cluster.log.in_step().await?;
        begin_rollout(cluster, &format!("leader-{round}"))?;
        let leader = cluster.log.stream_leader().await?;
        let back = until_written(cluster, || cluster.containers.kill(&leader)).await?;
        println!("  {leader}, which led the stream, was killed: writes were back after {}", seconds(back));
        cluster.containers.start(&leader)?;
        roll_out(cluster)?;
        times.push(back);
    }
    let quick = times.iter().filter(|time| **time <= LEADER_MOSTLY).count();
    late.note(
        quick * 10 < times.len() * 8,
        format!("without the stream's leader, writes were back within {LEADER_MOSTLY:?} only {quick} times"),
    );
    late.note(
        times.iter().any(|time| *time > LEADER_ALWAYS),
        format!("and once not within {LEADER_ALWAYS:?}"),
    );
    cluster.log.in_step().await
}

async fn active_ledger(cluster: &Cluster, late: &mut Late) -> Result<()> {
    begin_rollout(cluster, "ledger")?;
    let active = cluster.log.active_ledger().await?;
    let back = until_written(cluster, || cluster.containers.kill(&active)).await?;
    println!("  {active}, which was active, was killed: writes were back after {}", seconds(back));
    late.note(back > LEDGER, format!("without the active ledger, writes took {} to be back", seconds(back)));
    cluster.containers.start(&active)?;
    roll_out(cluster)
}

/// A watch is at the gateway that is killed.
async fn one_gateway(cluster: &Cluster) -> Result<()> {
    begin_rollout(cluster, "gateway")?;
    let kubeconfig = cluster.args.data.join("kubeconfig");
    let gateways = GATEWAYS.map(|(_, address)| moving::gateway(&kubeconfig, address, cluster.args.port));
    let watch = Watch::start(gateways.into_iter().collect::<Result<_>>()?).await?;
    let from = watch.from;
    // Something is seen before and after.
    let client = cluster.client()?;
    write_once(&client).await?;
    let back = until_written(cluster, || cluster.containers.kill(GATEWAYS[0].0)).await?;
    let last = write_once(&client).await?;
    let seen = watch.until(last).await?;
    moving::check(&client, from, last, &seen).await?;
    ensure!(seen.moves > 0, "the watch did not move");
    println!(
        "  {} was killed: writes were back after {}, its watch moved and saw each of {} events once, in order",
        GATEWAYS[0].0,
        seconds(back),
        seen.events.len()
    );
    cluster.containers.start(GATEWAYS[0].0)?;
    roll_out(cluster)
}

async fn one_node(cluster: &Cluster) -> Result<()> {
    let lost = |cluster: &Cluster| -> Result<usize> {
        Ok(pods(cluster)?.iter().filter(|(_, node)| node == NODE).count())
    };
    let had = lost(cluster)?;
    ensure!(had > 0, "no pod is on {NODE}");
    begin_rollout(cluster, "node")?;
    let began = Instant::now();
    cluster.containers.kill(NODE)?;
    let not_ready =
        format!("kubectl get node {NODE} -o 'jsonpath={{.status.conditions[?(@.type==\"Ready\")].status}}'");
    cluster.kubectl.until(&not_ready, |status| status == "Unknown")?;
    let known = began.elapsed();
    roll_out(cluster)?;
    let replaced = || async {
        let standing = pods(cluster)?;
        ensure!(standing.len() == 6 && standing.iter().all(|(_, node)| node != NODE), "{standing:?}");
        Ok(())
    };
    eventually("the dead node's pods are replaced", async || replaced().await).await?;
    println!(
        "  {NODE} was killed: NotReady after {}, its pods replaced and the rollout ended after {}",
        seconds(known),
        seconds(began.elapsed())
    );
    cluster.containers.start(NODE)?;
    cluster.kubectl.until(&not_ready, |status| status == "True")?;
    let leftover = "kubectl get pods -l app=web --no-headers | grep -c Terminating || true";
    cluster.kubectl.until(leftover, |count| count.trim() == "0")?;
    println!("  {NODE} came back, and its old pods are gone");
    Ok(())
}

/// Does something, and tells how long after it the first write that was begun later is acknowledged.
async fn until_written(cluster: &Cluster, act: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let client = Arc::new(cluster.client()?);
    write_once(&client).await?;
    act()?;
    let began = Instant::now();
    // An attempt may hang for as long as a request may take: others are made beside it.
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    let attempts = tokio::spawn(async move {
        loop {
            let (client, tell) = (client.clone(), tell.clone());
            tokio::spawn(async move {
                if write(&client).await.is_ok() {
                    let _ = tell.try_send(());
                }
            });
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let back = tokio::time::timeout(Duration::from_secs(90), told.recv()).await;
    attempts.abort();
    back.context("writes do not come back")?.context("nobody writes")?;
    Ok(began.elapsed())
}

/// Its revision.
async fn write_once(client: &Client) -> Result<u64> {
    eventually("a write is acknowledged", async || write(client).await).await
}

async fn write(client: &Client) -> Result<u64> {
    let probe = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "probe-"}});
    let path = "/api/v1/namespaces/default/configmaps";
    let stored: Value = client.json(Method::POST, path, Some(&probe)).await?;
    Ok(stored["metadata"]["resourceVersion"].as_str().unwrap_or_default().parse()?)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Writers through the balancer.
struct Writers {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<Vec<Written>>>,
}

impl Writers {
    fn start(cluster: &Cluster) -> Result<Writers> {
        let (stop, count) = (CancellationToken::new(), cluster.args.writers);
        let client = Arc::new(cluster.client()?);
        let progress = Arc::new(Progress::of(count));
        // Names of an earlier tour are not taken again.
        let run = std::process::id();
        let begin =
            |writer| tokio::spawn(writer::write(client.clone(), run, writer, progress.clone(), stop.clone()));
        Ok(Writers { tasks: (0..count).map(begin).collect(), stop })
    }

    /// Stops them, and holds what they were told against the history.
    async fn end(self, cluster: &Cluster) -> Result<()> {
        self.stop.cancel();
        let mut written = Vec::new();
        for task in self.tasks {
            written.extend(task.await?);
        }
        let verdict = check::all(&cluster.client()?, &written).await?;
        println!("  {verdict}");
        ensure!(verdict.holds(), "something acknowledged did not hold");
        Ok(())
    }
}
