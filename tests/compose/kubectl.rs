//! Command lines, as somebody would type them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// A shell with the cluster's kubeconfig.
pub(crate) struct Kubectl {
    kubeconfig: PathBuf,
    path: String,
}

/// How long the cluster may take to do what it is asked.
const PATIENCE: Duration = Duration::from_secs(180);

impl Kubectl {
    pub(crate) fn new(kubeconfig: &Path, bin: &Path) -> Kubectl {
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = std::path::absolute(bin).unwrap_or_else(|_| bin.to_owned());
        Kubectl { kubeconfig: kubeconfig.to_owned(), path: format!("{}:.cache/bin:{path}", bin.display()) }
    }

    /// What a command prints.
    ///
    /// # Errors
    /// What it said when it failed.
    pub(crate) fn run(&self, line: &str) -> Result<String> {
        let mut command = Command::new("bash");
        command.args(["-c", line]).env("PATH", &self.path).env("KUBECONFIG", &self.kubeconfig);
        let output = command.output()?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("$ {line}\n{out}{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(out)
    }

    /// Repeats a command until what it prints is as wanted.
    ///
    /// # Errors
    /// What it printed last.
    pub(crate) fn until(&self, line: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.run(line) {
                Ok(out) if wanted(&out) => return Ok(out),
                said if Instant::now() > deadline => bail!("$ {line}\nstill says {said:?}"),
                _ => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    }
}
