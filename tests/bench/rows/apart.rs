//! GET by name from a gateway in a process of its own, which has to ask the ledger by NATS.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use rutter_runtime::jwt::Authority;
use rutter_runtime::roles::Role;

use super::start::fill;
use crate::cluster::{Bench, target};
use crate::floor::{self, Floor};
use crate::load::{self, Connection, Target};
use crate::report::{Bound, Report};

const READ: &str = "/api/v1/namespaces/default/configmaps/filled-0-0-0";
const START: Duration = Duration::from_secs(30);

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let cluster = bench.cluster("apart", &["--runtime", "none"])?;
    fill(&cluster.target, 1_000).await?;
    let gateway = Gateway::start(bench, cluster.data()).await?;
    let one = Connection::open(&gateway.target).await?.fetch("GET", READ, Bytes::new()).await?;
    let floor = Floor::start(&one, &one, &bench.file("floor")).await?;
    let ours =
        load::run(&gateway.target, 1, bench.length, |_| ("GET", READ.to_owned(), Bytes::new())).await?;
    let least =
        load::run(&floor.target, 1, bench.length, |_| ("GET", floor::ONE.to_owned(), Bytes::new())).await?;
    report.add(
        "GET by name from a second process, p50",
        "ms",
        ours.percentile(50.0),
        Some(least.percentile(50.0)),
        Bound::TimesAndAbove(2.0, 0.3),
    );
    Ok(())
}

/// A gateway apart; ended when dropped.
struct Gateway {
    process: Child,
    target: Target,
}

impl Gateway {
    /// Starts one for the cluster in `data`.
    async fn start(bench: &Bench, data: &Path) -> Result<Gateway> {
        let conf = fs::read_to_string(data.join("nats/nats-server.conf"))?;
        let listen = conf.lines().find_map(|line| line.strip_prefix("listen: "));
        let listen = listen.context("nats-server listens somewhere")?.trim_matches('"');
        let now = jiff::Timestamp::now().as_second();
        let credentials = Authority::open(&data.join("keys"))?.credentials(&Role::Gateway, now);
        let (creds, kubeconfig) = (data.join("gateway.creds"), data.join("gateway.kubeconfig"));
        rutter_runtime::files::create_private(&creds, credentials.text().as_bytes())?;
        let mut key = data.file_name().unwrap_or_default().to_owned();
        key.push(".key");
        let process = bench
            .command("gateway")
            .args([
                "--nats",
                &format!("tls://{listen}"),
                "--listen",
                &format!("127.0.0.1:{}", bench.next_port()),
            ])
            .arg("--nats-creds")
            .arg(&creds)
            .arg("--nats-ca")
            .arg(data.join("nats/ca.crt"))
            .arg("--data")
            .arg(data.join("gateway"))
            .arg("--key-file")
            .arg(data.with_file_name(key))
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .spawn()?;
        let mut gateway = Gateway { process, target: target(&data.join("kubeconfig"))? };
        let began = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if let Some(ready) = ready(&kubeconfig).await {
                gateway.target = ready;
                return Ok(gateway);
            }
            if let Some(status) = gateway.process.try_wait()? {
                bail!("the gateway apart ended at its start: {status}");
            }
            ensure!(began.elapsed() < START, "the gateway apart does not answer");
        }
    }
}

/// Where it serves, once it does.
async fn ready(kubeconfig: &Path) -> Option<Target> {
    let target = target(kubeconfig).ok()?;
    let mut connection = Connection::open(&target).await.ok()?;
    connection.send("GET", READ, Bytes::new()).await.ok()?;
    Some(target)
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
