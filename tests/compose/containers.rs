//! The cluster's containers: killed as by a power failure, started again, entered.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// Those of the project `rutter`.
pub(crate) struct Containers;

impl Containers {
    /// It is gone at once, and stays so.
    pub(crate) fn kill(&self, name: &str) -> Result<()> {
        docker(&["kill", "--signal", "KILL", &container(name)]).map(drop)
    }

    pub(crate) fn start(&self, name: &str) -> Result<()> {
        docker(&["start", &container(name)]).map(drop)
    }

    /// What a command in it prints.
    pub(crate) fn run(&self, name: &str, command: &str) -> Result<String> {
        docker(&["exec", &container(name), "bash", "-c", command])
    }
}

fn container(name: &str) -> String {
    format!("rutter-{name}-1")
}

fn docker(arguments: &[&str]) -> Result<String> {
    let output = Command::new("docker").args(arguments).output().context("docker can't be run")?;
    if !output.status.success() {
        bail!("docker {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
