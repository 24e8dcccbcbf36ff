//! What a service alone in its process takes.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use rutter_runtime::standby::Standby;

use super::faults::FaultArgs;

/// How to reach NATS, and where to keep what can be rebuilt.
#[derive(Args, Clone, Debug)]
pub(crate) struct CommonArgs {
    /// The servers of NATS, separated by commas
    #[arg(
        long,
        global = true,
        env = "RUTTER_NATS",
        default_value = "tls://127.0.0.1:4222",
        value_name = "URL"
    )]
    pub(crate) nats: String,
    /// The credentials of this service's role
    #[arg(long, global = true, env = "RUTTER_NATS_CREDS", value_name = "FILE")]
    pub(crate) nats_creds: Option<PathBuf>,
    /// The certificate authority of NATS
    #[arg(long, global = true, env = "RUTTER_NATS_CA", value_name = "FILE")]
    pub(crate) nats_ca: Option<PathBuf>,
    /// Where the projection is kept; it may be deleted while nothing runs
    #[arg(long, global = true, default_value = "/var/lib/rutter", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The key that seals secrets, for services that write
    #[arg(long, env = "RUTTER_KEY_FILE", default_value = "/etc/rutter/cluster.key", value_name = "FILE")]
    pub(crate) key_file: PathBuf,
    /// Serve /metrics, /livez and /readyz here
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) metrics: Option<SocketAddr>,
    /// Standard input is a pipe: when it closes, the process that started this one has ended, and this one ends too
    #[arg(long, hide = true)]
    pub(crate) with_parent: bool,
    /// What the service says: a filter such as info or debug
    #[arg(
        long,
        env = "RUTTER_LOG",
        default_value = "info,async_nats=warn,hickory_server=warn",
        value_name = "FILTER"
    )]
    pub(crate) log: String,
}

#[derive(Args)]
pub(crate) struct GatewayArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// Where the API listens
    #[arg(long, default_value = "0.0.0.0:6443", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,
    /// The address that others reach this gateway by, pods too [default: the one it listens on, else this machine's own]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) advertise: Option<IpAddr>,
    /// Further names that clients know it by
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// The keys that sign credentials for NATS (DIR/keys of `rutter nats-setup`), so that nodes may join by tokens
    #[arg(long, value_name = "DIR")]
    pub(crate) nats_keys: Option<PathBuf>,
    /// Write an operator's kubeconfig here, for the server https://<first name or address>:<port>
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct LedgerArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// Its name among ledgers [default: the host name]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How many servers hold the log
    #[arg(long, value_parser = ["1", "3"], default_value = "1")]
    pub(crate) replicas: String,
    /// The most bytes that the log may take, in GiB
    #[arg(long, default_value_t = 8, value_name = "GIB")]
    pub(crate) max_log_gib: u64,
    /// The same in bytes
    #[arg(long, hide = true, conflicts_with = "max_log_gib", value_name = "BYTES")]
    pub(crate) max_log_bytes: Option<u64>,
    /// Where a nats-server of this machine keeps the log: when that disk is nearly full, only deletes are taken
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// The log was restored from a backup, or lost its tail, and that is accepted: begin a new incarnation of it
    #[arg(long)]
    pub(crate) new_incarnation: bool,
    #[command(subcommand)]
    pub(crate) command: Option<LedgerCommand>,
}

#[derive(Subcommand)]
pub(crate) enum LedgerCommand {
    /// Check the hash chain, rebuild every projection from the log and compare byte for byte
    Verify {
        /// The data directory of a stopped one-machine cluster [default: the log of --nats]
        #[arg(long, value_name = "DIR")]
        cluster: Option<PathBuf>,
    },
}

/// Whether a second copy works too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum StandbyArg {
    /// A second copy follows, and proposes only while the first is silent
    #[default]
    Silent,
    /// All copies work at once
    Never,
}

impl From<StandbyArg> for Standby {
    fn from(standby: StandbyArg) -> Standby {
        match standby {
            StandbyArg::Silent => Standby::Silent,
            StandbyArg::Never => Standby::Never,
        }
    }
}

#[derive(Args)]
pub(crate) struct ControllerArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// What a second copy does
    #[arg(long, value_enum, default_value_t)]
    pub(crate) standby: StandbyArg,
    #[command(flatten)]
    pub(crate) faults: FaultArgs,
}

#[derive(Args)]
pub(crate) struct NodeagentArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// The name of the node [default: the host name]
    #[arg(long, value_name = "NAME")]
    pub(crate) node_name: Option<String>,
    /// What runs the pods
    #[arg(long, value_enum, default_value_t)]
    pub(crate) runtime: crate::up::Runtime,
    /// How many nodes to play, with --runtime sim
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) nodes: u32,
    /// A program to make the image rutter/demo:latest of
    #[arg(long, value_name = "FILE")]
    pub(crate) demo_image: Option<PathBuf>,
    /// The address other nodes reach this one by
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) node_ip: Option<IpAddr>,
}

#[derive(Args)]
pub(crate) struct JoinArgs {
    /// The API of the cluster, such as https://10.0.0.1:6443
    pub(crate) server: String,
    /// What `rutter token` printed; not needed any more by a machine that has joined
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) node: NodeagentArgs,
}
