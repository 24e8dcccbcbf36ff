//! A containerd of the node's own: started when there is none, adopted when there is one, kept alive, and left running
//! when the agent ends, since pods outlive their agent.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rutter_cri::Containerd;
use rutter_cri::runtime::VersionRequest;

use crate::Config;
use crate::disk::Paths;

/// containerd listens within a second on an idle machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no containerd.
#[derive(Debug, thiserror::Error)]
pub enum ContainerdError {
    #[error("{program:?} could not be started; install containerd 1.6 or later")]
    Start { program: String, source: io::Error },
    #[error("containerd does not answer; its log is {log}")]
    Silent { log: String },
    #[error("{path} could not be written")]
    Write { path: String, source: io::Error },
}

/// The process that serves this node's socket.
pub(crate) struct Process {
    pid: Pid,
    child: Option<std::process::Child>,
}

impl Process {
    /// Whether it still runs; reaps it if it was ours. One that nobody reaps has ended too.
    pub(crate) fn is_alive(&mut self) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => kill(self.pid, None).is_ok() && !is_zombie(self.pid),
        }
    }
}

/// Adopts the containerd of this node, or starts one, and waits until it answers.
///
/// # Errors
/// When it can't be started or doesn't answer in time.
pub(crate) async fn ensure(cfg: &Config, paths: &Paths) -> Result<Process, ContainerdError> {
    let link = paths.veiled_runc();
    crate::veil::install(&cfg.veil_program, &link)
        .map_err(|source| ContainerdError::Write { path: link.display().to_string(), source })?;
    let process = match running(paths) {
        Some(pid) if is_configured(cfg, paths) => Process { pid, child: None },
        Some(_) => {
            // Pods outlive it, so it may begin anew with what an agent of now wants of it.
            tracing::info!("containerd was started with another configuration; it is started again");
            stop(paths).await;
            start(cfg, paths)?
        }
        None => start(cfg, paths)?,
    };
    wait_until_it_answers(paths).await?;
    Ok(process)
}

/// Whether the file that it was started with says what one of now would.
fn is_configured(cfg: &Config, paths: &Paths) -> bool {
    fs::read_to_string(paths.containerd_config()).is_ok_and(|text| text == configuration(cfg, paths))
}

/// The pid of this node's containerd, if it runs: the pid file's, if that process has our configuration.
pub(crate) fn running(paths: &Paths) -> Option<Pid> {
    let pid: i32 = fs::read_to_string(paths.containerd_pid()).ok()?.trim().parse().ok()?;
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let config = paths.containerd_config();
    let ours = command.split(|byte| *byte == 0).any(|word| word == config.as_os_str().as_encoded_bytes());
    ours.then(|| Pid::from_raw(pid))
}

fn start(cfg: &Config, paths: &Paths) -> Result<Process, ContainerdError> {
    let write =
        |path: &Path, source: io::Error| ContainerdError::Write { path: path.display().to_string(), source };
    let config = paths.containerd_config();
    let _ = fs::remove_file(paths.containerd_socket());
    fs::write(&config, configuration(cfg, paths)).map_err(|source| write(&config, source))?;
    let log_path = paths.containerd_log();
    let log = fs::OpenOptions::new().create(true).append(true).open(&log_path);
    let log = log.map_err(|source| write(&log_path, source))?;
    let errors = log.try_clone().map_err(|source| write(&log_path, source))?;
    let child = Command::new(&cfg.containerd)
        .arg("--config")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        // A group of its own: a signal to the agent's terminal is not for it.
        .process_group(0)
        .spawn()
        .map_err(|source| ContainerdError::Start { program: cfg.containerd.clone(), source })?;
    let pid_path = paths.containerd_pid();
    fs::write(&pid_path, child.id().to_string()).map_err(|source| write(&pid_path, source))?;
    tracing::info!(pid = child.id(), "containerd was started");
    Ok(Process { pid: Pid::from_raw(child.id().cast_signed()), child: Some(child) })
}

async fn wait_until_it_answers(paths: &Paths) -> Result<(), ContainerdError> {
    let mut client = Containerd::at(&paths.containerd_socket()).runtime;
    let answers = async {
        let mut pause = Duration::from_millis(5);
        while client.version(VersionRequest { version: "v1".to_owned() }).await.is_err() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    };
    let silent = || ContainerdError::Silent { log: paths.containerd_log().display().to_string() };
    tokio::time::timeout(START_TIMEOUT, answers).await.map_err(|_| silent())
}

/// Ends this node's containerd, if it runs.
pub(crate) async fn stop(paths: &Paths) {
    let Some(pid) = running(paths) else { return };
    let _ = kill(pid, Signal::SIGTERM);
    let gone = async {
        while running(paths).is_some_and(|pid| !is_zombie(pid)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(STOP_TIMEOUT, gone).await.is_err() {
        let _ = kill(pid, Signal::SIGKILL);
    }
    let _ = nix::sys::wait::waitpid(pid, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
    let _ = fs::remove_file(paths.containerd_pid());
}

/// Ends the shims whose pods were cut off in the middle of their making: they name our socket.
pub(crate) fn kill_shims(paths: &Paths) {
    let socket = paths.containerd_socket();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = command.split(|byte| *byte == 0);
        let is_shim = words.next().is_some_and(|program| program.ends_with(b"containerd-shim-runc-v2"));
        if is_shim && words.any(|word| word == socket.as_os_str().as_encoded_bytes()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

fn is_zombie(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

/// Its configuration. `restrict_oom_score_adj` and `disable_apparmor`: containers of containers may lack the rights.
fn configuration(cfg: &Config, paths: &Paths) -> String {
    format!(
        r#"version = 2
root = {root:?}
state = {state:?}
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = {socket:?}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {pause:?}
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = {snapshotter:?}
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = {runc_state:?}
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{veiled}]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{veiled}.options]
        SystemdCgroup = false
        Root = {runc_state:?}
        BinaryName = {veiled_runc:?}
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = {bin:?}
    conf_dir = {conf:?}
    max_conf_num = 1
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = {registries:?}
"#,
        root = paths.containerd_root(),
        state = paths.containerd_state(),
        runc_state = paths.runc_state(),
        veiled = crate::veil::HANDLER,
        veiled_runc = paths.veiled_runc(),
        socket = paths.containerd_socket(),
        pause = cfg.pause_image,
        snapshotter = snapshotter(paths),
        bin = cfg.cni_bin_dir,
        conf = paths.cni_conf(),
        registries = paths.registries(),
    )
}

/// overlayfs can't lie on another overlayfs: then layers are copied.
fn snapshotter(paths: &Paths) -> &'static str {
    const OVERLAYFS_MAGIC: i64 = 0x794c_7630;
    let on_overlay = rustix::fs::statfs(paths.data()).is_ok_and(|at| at.f_type == OVERLAYFS_MAGIC);
    if on_overlay { "native" } else { "overlayfs" }
}
