//! The cluster under test: started, killed, awaited.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use http::Method;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rutter_tests::{Client, eventually};
use serde_json::{Value, json};

use super::process::Process;
use super::victim::{End, Form, SERVICES, Victim};

/// A one-machine cluster that `rutter up` keeps.
pub(super) struct Cluster {
    rutter: PathBuf,
    demo: PathBuf,
    data: PathBuf,
    port: u16,
    runtime: String,
}

const NATS_SERVER: [&str; 1] = ["nats-server"];

impl Cluster {
    /// Brings it up in this form, whatever an earlier series left.
    pub(super) fn start(
        rutter: &Path,
        demo: &Path,
        data: &Path,
        port: u16,
        runtime: &str,
        form: Form,
    ) -> Result<Cluster> {
        let data = data.canonicalize()?.join("cluster");
        let cluster = Cluster {
            rutter: rutter.canonicalize()?,
            demo: demo.canonicalize()?,
            data,
            port,
            runtime: runtime.to_owned(),
        };
        let mut down = Command::new(&cluster.rutter);
        down.args(["down", "--keep-pods", "--data"]).arg(&cluster.data);
        ensure!(down.status()?.success(), "rutter down failed");
        cluster.up(form)?;
        Ok(cluster)
    }

    pub(super) fn stop(rutter: &Path, data: &Path) -> Result<()> {
        let status = Command::new(rutter).args(["down", "--data"]).arg(data.join("cluster")).status()?;
        ensure!(status.success(), "rutter down failed");
        Ok(())
    }

    fn up(&self, form: Form) -> Result<()> {
        let mut command = Command::new(&self.rutter);
        command.args(["up", "--background", "--runtime", &self.runtime]);
        command.args(["--port", &self.port.to_string(), "--data"]).arg(&self.data);
        command.arg("--demo-image").arg(&self.demo);
        if form == Form::Spread {
            command.arg("--spread");
        }
        let output = command.output()?;
        ensure!(output.status.success(), "rutter up failed:\n{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    pub(super) fn client(&self) -> Result<Client> {
        Client::open(Some(&self.data.join("kubeconfig")))
    }

    /// Ends the victim, and has it started again: by its supervisor, or in the form that the next run is for.
    pub(super) async fn kill(&mut self, victim: Victim, next: Form) -> Result<()> {
        let up = self.process()?;
        match victim.end {
            End::NatsServer => self.kill_child(up, &NATS_SERVER).await,
            End::Service(name) => self.kill_child(up, &["rutter", name]).await,
            End::Up => self.kill_all(up, &[], Signal::SIGKILL, next).await,
            End::Power => self.kill_all(up, &up.children(), Signal::SIGKILL, next).await,
            End::Graceful => self.kill_all(up, &[], Signal::SIGTERM, next).await,
        }
    }

    async fn kill_child(&self, up: Process, words: &[&str]) -> Result<()> {
        let child = up.child(words).with_context(|| format!("there is no {words:?} below rutter up"))?;
        child.kill(Signal::SIGKILL)?;
        up.successor(words, child).await?;
        Ok(())
    }

    async fn kill_all(&self, up: Process, below: &[Process], signal: Signal, next: Form) -> Result<()> {
        up.kill(signal)?;
        for process in below {
            // It may hang on its parent, and be gone by now.
            let _ = process.kill(signal);
        }
        up.gone().await?;
        self.up(next)
    }

    /// Every service that this form has runs, in a process of its own or in the one.
    pub(super) fn is_whole(&self, form: Form) -> Result<()> {
        let up = self.process()?;
        up.child(&NATS_SERVER).context("nats-server does not run")?;
        let services = SERVICES.map(|name| (name, up.child(&["rutter", name])));
        for (name, process) in services {
            match form {
                Form::Spread => ensure!(process.is_some(), "{name} does not run"),
                Form::Together => ensure!(process.is_none(), "{name} runs apart"),
            }
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

    fn process(&self) -> Result<Process> {
        let text = fs::read_to_string(self.data.join("run/rutter.pid")).context("the cluster's pid file")?;
        Process::find(Pid::from_raw(text.trim().parse()?)).context("rutter up does not run")
    }
}
