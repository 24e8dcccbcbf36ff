//! The cluster under test and the tools that ask it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A one-machine cluster in a directory of its own, on a port of its own.
pub(crate) struct Cluster {
    data: PathBuf,
}

const PORT: &str = "26443";
/// How long the cluster may take to do what it is asked.
const PATIENCE: Duration = Duration::from_secs(90);

/// What this machine lacks for these tests.
pub(crate) fn missing() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("root".to_owned());
    }
    let tools = ["kubectl", "containerd", "nft", "curl"];
    let lacks = |tool: &&&str| {
        Command::new("sh")
            .args(["-c", &format!("command -v {tool}")])
            .output()
            .is_ok_and(|o| !o.status.success())
    };
    tools.iter().find(lacks).map(|tool| (*tool).to_owned())
}

/// The workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

impl Cluster {
    pub(crate) fn start() -> Cluster {
        let data = std::env::temp_dir().join(format!("rutter-e2e-{}", std::process::id()));
        let cluster = Cluster { data };
        let up = ["up", "--background", "--port", PORT, "--node-name", "e2e", "--demo-image"];
        let demo = root().join("target/static/release/demo");
        assert!(demo.exists(), "{} is not there: make test builds it", demo.display());
        let mut command = cluster.command("rutter");
        command.args(up).arg(demo).arg("--data").arg(&cluster.data);
        let status = command.status().expect("rutter can be run");
        assert!(
            status.success(),
            "rutter up failed; its log:\n{}",
            std::fs::read_to_string(cluster.log()).unwrap_or_default()
        );
        cluster
    }

    /// Stops it; gives back its data directory.
    pub(crate) fn stop(self) -> PathBuf {
        let down = self
            .command("rutter")
            .args(["down", "--data"])
            .arg(&self.data)
            .status()
            .expect("rutter can be run");
        assert!(down.success(), "rutter down failed");
        self.data
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.data.join("rutter.log")
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// What a command prints; its failure is the test's.
    pub(crate) fn run(&self, line: &str) -> String {
        match self.attempt(line) {
            Ok(out) => out,
            Err(error) => panic!("$ {line}\n{error}"),
        }
    }

    /// What a command prints, or says when it fails. Words may be quoted with '.
    pub(crate) fn attempt(&self, line: &str) -> Result<String, String> {
        let output =
            self.command("bash").args(["-c", line]).current_dir(root()).output().expect("bash can be run");
        said(&output)
    }

    /// Repeats a command until what it prints is as wanted.
    pub(crate) fn until(&self, line: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.attempt(line);
            match said {
                Ok(out) if wanted(&out) => return out,
                said if Instant::now() > deadline => {
                    panic!("$ {line}\nstill says after {PATIENCE:?}:\n{said:?}")
                }
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    fn command(&self, program: &str) -> Command {
        let program = if program == "rutter" { binary("rutter") } else { PathBuf::from(program) };
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_default();
        let tools = root().join(".cache/bin");
        let own = binary("rutter").parent().map(Path::to_owned).unwrap_or_default();
        command.env("PATH", format!("{}:{}:{path}", own.display(), tools.display()));
        command.env("RUTTER_NATS_SERVER", tools.join("nats-server"));
        command.env("KUBECONFIG", self.data.join("kubeconfig"));
        command
    }
}

/// A program of this workspace, of the profile that the tests are of.
fn binary(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("a running program has a path");
    tests.parent().and_then(Path::parent).expect("tests are built into target/<profile>/deps").join(name)
}

fn said(output: &Output) -> Result<String, String> {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(out)
    } else {
        Err(format!("{out}{}", String::from_utf8_lossy(&output.stderr)))
    }
}
