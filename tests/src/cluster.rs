//! The cluster under test and the tools that ask it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::port;

/// A one-machine cluster in a directory of its own, on a port of its own.
pub struct Cluster {
    data: PathBuf,
    up: Vec<String>,
}

/// How long the cluster may take to do what it is asked.
const PATIENCE: Duration = Duration::from_secs(90);

/// The first of these tools that this machine lacks; `root` is one of them.
pub fn missing(tools: &[&str]) -> Option<String> {
    let there = |tool: &&str| match *tool {
        "root" => nix::unistd::geteuid().is_root(),
        "nats-server" => nats_server().exists() || std::env::var_os("RUTTER_NATS_SERVER").is_some(),
        tool => {
            let look = format!("command -v {tool}");
            let found = Command::new("sh").args(["-c", &look]).env("PATH", path()).output();
            found.is_ok_and(|output| output.status.success())
        }
    };
    tools.iter().find(|tool| !there(tool)).map(|tool| (*tool).to_owned())
}

/// The workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

impl Cluster {
    /// One node of this machine, with real containers and the demo image.
    pub fn with_containers(name: &str) -> Cluster {
        let demo = root().join("target/static/release/demo");
        assert!(demo.exists(), "{} is not there: make test builds it", demo.display());
        let demo = demo.display().to_string();
        Cluster::start(name, &["--node-name", name, "--demo-image", &demo])
    }

    /// Nodes that start nothing and answer as if they did.
    pub fn simulated(name: &str, nodes: u32) -> Cluster {
        Cluster::start(name, &["--runtime", "sim", "--nodes", &nodes.to_string()])
    }

    fn start(name: &str, options: &[&str]) -> Cluster {
        let data = std::env::temp_dir().join(format!("rutter-{name}-{}", std::process::id()));
        let mut up: Vec<String> = ["up", "--background", "--port"].map(str::to_owned).to_vec();
        up.push(port::held().expect("loopback has a port left").to_string());
        up.extend(options.iter().map(|option| (*option).to_owned()));
        let cluster = Cluster { data, up };
        cluster.up();
        cluster
    }

    /// Starts it, again after it was killed.
    pub fn up(&self) {
        let line = self.up_line();
        let status = self.command(&line[0]).args(&line[1..]).status();
        assert!(
            status.expect("rutter can be run").success(),
            "rutter up failed; its log:\n{}",
            std::fs::read_to_string(self.data.join("rutter.log")).unwrap_or_default()
        );
    }

    /// The command that starts it.
    pub fn up_line(&self) -> Vec<String> {
        let mut line = vec![binary("rutter").display().to_string()];
        line.extend(self.up.iter().cloned());
        line.extend(["--data".to_owned(), self.data.display().to_string()]);
        line
    }

    /// Stops it; gives back its data directory.
    pub fn stop(self) -> PathBuf {
        let mut command = self.command("rutter");
        let down = command.args(["down", "--data"]).arg(&self.data).status().expect("rutter can be run");
        assert!(down.success(), "rutter down failed");
        self.data
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.data.join("kubeconfig")
    }

    /// What a command prints; its failure is the test's.
    pub fn run(&self, line: &str) -> String {
        match self.attempt(line) {
            Ok(out) => out,
            Err(error) => panic!("$ {line}\n{error}"),
        }
    }

    /// What a command says that has to fail.
    pub fn refused(&self, line: &str) -> String {
        match self.attempt(line) {
            Ok(out) => panic!("$ {line}\nsucceeded:\n{out}"),
            Err(error) => error.trim_end().to_owned(),
        }
    }

    /// What a command prints, or says when it fails. The command is a line of bash.
    pub fn attempt(&self, line: &str) -> Result<String, String> {
        self.script(line, root())
    }

    /// What a script prints that is run in `dir`, or says when it fails.
    pub fn script(&self, script: &str, dir: &Path) -> Result<String, String> {
        let output =
            self.command("bash").args(["-c", script]).current_dir(dir).output().expect("bash can be run");
        said(&output)
    }

    /// Repeats a command until what it prints is as wanted.
    pub fn until(&self, line: &str, wanted: impl Fn(&str) -> bool) -> String {
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

    /// A command that knows where the cluster and the tools are.
    pub fn command(&self, program: &str) -> Command {
        let program = if program == "rutter" { binary("rutter") } else { PathBuf::from(program) };
        let mut command = Command::new(program);
        command.env("PATH", path());
        if nats_server().exists() {
            command.env("RUTTER_NATS_SERVER", nats_server());
        }
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }
}

/// Other kubectls than the one on the path: those that `$RUTTER_KUBECTLS` names, with spaces between, and those of the
/// name `kubectl.1.<minor>` beside the machine's own and among the tools of this checkout.
pub fn other_kubectls() -> Vec<PathBuf> {
    let named = std::env::var("RUTTER_KUBECTLS").unwrap_or_default();
    let own =
        Command::new("sh").args(["-c", "readlink -f $(command -v kubectl)"]).env("PATH", path()).output();
    let own =
        own.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())).unwrap_or_default();
    let rooms = [own.parent().map(Path::to_owned).unwrap_or_default(), root().join(".cache/bin")];
    let beside = rooms.iter().flat_map(std::fs::read_dir).flatten().flatten();
    let beside = beside
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("kubectl.1.")));
    let mut all: Vec<PathBuf> = named.split_whitespace().map(PathBuf::from).chain(beside).collect();
    all.sort();
    all.dedup();
    all
}

fn nats_server() -> PathBuf {
    root().join(".cache/bin/nats-server")
}

/// Our own programs first, then the tools of this checkout, then the machine's.
fn path() -> String {
    let own = binary("rutter").parent().map(Path::to_owned).unwrap_or_default();
    let tools = root().join(".cache/bin");
    format!("{}:{}:{}", own.display(), tools.display(), std::env::var("PATH").unwrap_or_default())
}

/// Where the programs of this workspace are, of the profile that the tests are of.
pub fn programs() -> PathBuf {
    let tests = std::env::current_exe().expect("a running program has a path");
    tests.parent().and_then(Path::parent).expect("tests are built into target/<profile>/deps").to_owned()
}

fn binary(name: &str) -> PathBuf {
    programs().join(name)
}

fn said(output: &Output) -> Result<String, String> {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(out)
    } else {
        Err(format!("{out}{}", String::from_utf8_lossy(&output.stderr)))
    }
}
