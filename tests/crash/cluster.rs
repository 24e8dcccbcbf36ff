//! The cluster under test: started, killed, awaited, rolled.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use http::Method;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::victim::Victim;
use super::{Api, eventually};

/// A one-machine cluster that `rutter up` keeps.
pub(super) struct Cluster {
    rutter: PathBuf,
    demo: PathBuf,
    data: PathBuf,
    port: u16,
    runtime: String,
}

/// Container ids by pod uid and container name.
pub(super) type Containers = BTreeMap<String, String>;

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

impl Cluster {
    pub(super) async fn start(
        rutter: &Path,
        demo: &Path,
        data: &Path,
        port: u16,
        runtime: &str,
    ) -> Result<Cluster> {
        let data = data.canonicalize()?.join("cluster");
        let cluster = Cluster {
            rutter: rutter.canonicalize()?,
            demo: demo.canonicalize()?,
            data,
            port,
            runtime: runtime.to_owned(),
        };
        cluster.up()?;
        Ok(cluster)
    }

    pub(super) fn stop(rutter: &Path, data: &Path) -> Result<()> {
        let status = Command::new(rutter).args(["down", "--data"]).arg(data.join("cluster")).status()?;
        ensure!(status.success(), "rutter down failed");
        Ok(())
    }

    fn up(&self) -> Result<()> {
        let mut command = Command::new(&self.rutter);
        command.args([
            "up",
            "--background",
            "--runtime",
            &self.runtime,
            "--port",
            &self.port.to_string(),
            "--data",
        ]);
        command.arg(&self.data);
        command.arg("--demo-image").arg(&self.demo);
        ensure!(command.status()?.success(), "rutter up failed");
        Ok(())
    }

    pub(super) fn client(&self) -> Result<Api> {
        Api::open(Some(&self.data.join("kubeconfig")))
    }

    /// Kills the victim without warning (but for the graceful one).
    pub(super) async fn kill(&mut self, victim: Victim) -> Result<()> {
        let rutter = self.pid()?;
        let nats = child_named(rutter, "nats-server")
            .context("there is no nats-server below the cluster's process")?;
        match victim {
            Victim::NatsServer => kill(nats, Signal::SIGKILL)?,
            Victim::Rutter => kill(rutter, Signal::SIGKILL)?,
            Victim::Both => {
                kill(rutter, Signal::SIGKILL)?;
                kill(nats, Signal::SIGKILL)?;
            }
            Victim::Graceful => kill(rutter, Signal::SIGTERM)?,
        }
        if victim != Victim::NatsServer {
            eventually("the end of the cluster's process", async || match kill(rutter, None) {
                Err(_) => Ok(()),
                Ok(()) => bail!("pid {rutter} is still there"),
            })
            .await?;
            self.up()?;
        }
        Ok(())
    }

    /// Waits until the API takes writes again.
    pub(super) async fn back(&self) -> Result<()> {
        let client = self.client()?;
        let probe = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "probe-"}});
        let path = "/api/v1/namespaces/default/configmaps";
        eventually("the API takes writes again", async || {
            client.json::<Value>(Method::POST, path, Some(&probe)).await
        })
        .await?;
        Ok(())
    }

    /// Sets a rollout going: the deployment's template is changed.
    pub(super) async fn roll(&self, client: &Api, run: u32) -> Result<()> {
        let template = json!({"metadata": {"labels": {"app": "roll"}}, "spec": {"terminationGracePeriodSeconds": 1,
            "containers": [{"name": "c", "image": "rutter/demo:latest", "imagePullPolicy": "IfNotPresent",
                            "env": [{"name": "RUN", "value": run.to_string()}]}]}});
        let steady = deployment(
            "steady",
            2,
            json!({"metadata": {"labels": {"app": "steady"}}, "spec": {"containers":
            [{"name": "c", "image": "rutter/demo:latest", "imagePullPolicy": "IfNotPresent"}]}}),
        );
        let rolling = deployment("roll", 3, template);
        for wanted in [steady, rolling] {
            let path = format!("{DEPLOYMENTS}/{}", wanted["metadata"]["name"].as_str().unwrap_or_default());
            eventually("a deployment is written", async || match client.get::<Value>(&path).await {
                Err(error) if format!("{error:#}").contains("not found") => {
                    client.json::<Value>(Method::POST, DEPLOYMENTS, Some(&wanted)).await
                }
                Err(error) => Err(error),
                Ok(mut stands) => {
                    stands["spec"]["template"] = wanted["spec"]["template"].clone();
                    client.json::<Value>(Method::PUT, &path, Some(&stands)).await
                }
            })
            .await?;
        }
        eventually("the steady deployment is available", async || {
            let steady: Value = client.get(&format!("{DEPLOYMENTS}/steady")).await?;
            ensure!(steady["status"]["availableReplicas"] == 2, "{}", steady["status"]);
            Ok(())
        })
        .await
    }

    /// The containers of the steady deployment, whose ids have to survive everything.
    pub(super) fn containers(&self) -> Result<Containers> {
        let client_json = Command::new("kubectl")
            .env("KUBECONFIG", self.data.join("kubeconfig"))
            .args(["get", "pods", "-l", "app=steady", "-o", "json"])
            .output()?;
        ensure!(client_json.status.success(), "{}", String::from_utf8_lossy(&client_json.stderr));
        let pods: Value = serde_json::from_slice(&client_json.stdout)?;
        let mut containers = Containers::new();
        for pod in pods["items"].as_array().into_iter().flatten() {
            for status in pod["status"]["containerStatuses"].as_array().into_iter().flatten() {
                let key = format!("{}/{}", pod["metadata"]["uid"], status["name"]);
                containers.insert(key, status["containerID"].to_string());
            }
        }
        Ok(containers)
    }

    pub(super) fn changed(&self, before: &Containers) -> Result<u64> {
        let after = self.containers()?;
        Ok(before.iter().filter(|(key, id)| after.get(*key) != Some(id)).count() as u64)
    }

    fn pid(&self) -> Result<Pid> {
        let text = fs::read_to_string(self.data.join("run/rutter.pid")).context("the cluster's pid file")?;
        Ok(Pid::from_raw(text.trim().parse()?))
    }
}

fn deployment(name: &str, replicas: u32, template: Value) -> Value {
    let labels = template["metadata"]["labels"].clone();
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
           "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}})
}

/// A child of a process, by the name of its program.
fn child_named(parent: Pid, name: &str) -> Option<Pid> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.find(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some((head, tail)) = stat.rsplit_once(')') else { return false };
        head.ends_with(&format!("({name}")) && tail.split_whitespace().nth(1) == Some(&parent.to_string())
    })
    .map(Pid::from_raw)
}
