//! What `rutter up` and `rutter down` take.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// What runs the pods of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runtime {
    /// Real containers, by a containerd of our own.
    #[default]
    Containerd,
    /// Nothing is started; pods answer as if they ran. For trying out and for measuring.
    Sim,
    /// No node in this process.
    None,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct UpArgs {
    /// Where everything is kept
    #[arg(long, default_value = ".rutter", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The port of the API
    #[arg(long, env = "RUTTER_PORT", default_value_t = 6443)]
    pub(crate) port: u16,
    /// The address that the API listens on
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub(crate) listen: IpAddr,
    /// Where our own nats-server listens, for nodes on other machines: an address of this one, such as 10.0.0.1:4222
    #[arg(long, default_value = "127.0.0.1:0", conflicts_with = "nats", value_name = "ADDRESS:PORT")]
    pub(crate) nats_listen: SocketAddr,
    /// Use this NATS instead of a nats-server of our own, such as nats://nats-1:4222
    #[arg(long, value_name = "URL")]
    pub(crate) nats: Option<String>,
    /// The credentials for it
    #[arg(long, requires = "nats", value_name = "FILE")]
    pub(crate) nats_creds: Option<PathBuf>,
    /// The certificate authority of it
    #[arg(long, requires = "nats", value_name = "FILE")]
    pub(crate) nats_ca: Option<PathBuf>,
    /// The name of this machine's node [default: the host name]
    #[arg(long, value_name = "NAME")]
    pub(crate) node_name: Option<String>,
    /// What runs the pods
    #[arg(long, value_enum, default_value_t)]
    pub(crate) runtime: Runtime,
    /// How many nodes to play, with --runtime sim
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) nodes: u32,
    /// Run every service in a process of its own, started again when it dies
    #[arg(long)]
    pub(crate) spread: bool,
    /// Return when the cluster is ready, and leave it running
    #[arg(long)]
    pub(crate) background: bool,
    /// A program to make the image rutter/demo:latest of
    #[arg(long, value_name = "FILE")]
    pub(crate) demo_image: Option<PathBuf>,
    /// The most bytes that the log may take, in GiB [default: a quarter of the free disk]
    #[arg(long, value_name = "GIB")]
    pub(crate) max_log_gib: Option<u64>,
    /// The log was restored from a backup, or lost its tail, and that is accepted: begin a new incarnation of it
    #[arg(long, conflicts_with = "spread")]
    pub(crate) new_incarnation: bool,
    /// What the services say: a filter such as info, debug or rutter_gateway=debug
    #[arg(
        long,
        env = "RUTTER_LOG",
        default_value = "info,async_nats=warn,hickory_server=warn",
        value_name = "FILTER"
    )]
    pub(crate) log: String,
}

impl UpArgs {
    /// The address that others reach the API by.
    pub(super) fn advertise(&self) -> IpAddr {
        if self.listen.is_unspecified() { IpAddr::from([127, 0, 0, 1]) } else { self.listen }
    }

    pub(super) fn wanted_nodes(&self) -> usize {
        match self.runtime {
            Runtime::None => 0,
            Runtime::Containerd => 1,
            Runtime::Sim => self.nodes as usize,
        }
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DownArgs {
    /// Where the cluster is kept
    #[arg(long, default_value = ".rutter", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Stop the control plane only: pods go on, and the next start takes them over
    #[arg(long)]
    pub(crate) keep_pods: bool,
}

/// How long a start may take before `--background` gives up waiting (and leaves it running).
pub(super) const READY: Duration = Duration::from_secs(180);
/// How long a stop may take before the process is killed.
pub(super) const STOP: Duration = Duration::from_secs(40);
