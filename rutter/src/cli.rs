//! The command line: what may be typed. What it means is each command's own room.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// A container orchestrator that speaks the Kubernetes API and remembers everything.
#[derive(Parser)]
#[command(name = "rutter", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// The kubeconfig to use [default: $KUBECONFIG, .rutter/kubeconfig, ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Cluster")]
    pub(crate) kubeconfig: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start a one-machine cluster: every service and nats-server
    Up(crate::up::UpArgs),
    /// Stop the cluster of this directory: its pods, processes, networks and tables; data is kept
    Down(crate::up::DownArgs),
    /// Add this machine to a cluster as a node
    Join(crate::service::JoinArgs),
    /// Run the API server alone
    Gateway(crate::service::GatewayArgs),
    /// Run the ledger alone (or, with `verify`, check its log)
    Ledger(crate::service::LedgerArgs),
    /// Run the scheduler alone
    Placement(crate::service::ControllerArgs),
    /// Run the controllers alone
    Replicator(crate::service::ControllerArgs),
    /// Run the autoscaler alone
    Autoscaler(crate::service::ControllerArgs),
    /// Run a node's agent alone (or a thousand simulated nodes)
    Nodeagent(crate::service::NodeagentArgs),
    /// Show every change of an object, who made it and why
    History(HistoryArgs),
    /// Show what caused the last change of an object, back to the request that began it
    Why(WhyArgs),
    /// Show objects, now or as they were
    Get(GetArgs),
    /// Put an object, or all of a namespace, back to how it was
    Undo(UndoArgs),
    /// Show events as they happen, or from any revision on
    Watch(WatchArgs),
    /// Show what nodes and pods use
    Top(TopArgs),
    /// Handle container images on this node
    Image {
        #[command(subcommand)]
        command: ImageCommand,
    },
    /// Write the keys, certificates, credentials and configurations of servers of NATS that run apart
    #[command(alias = "broker")]
    NatsSetup(crate::service::BrokerArgs),
    /// Print a one-time token for `rutter join`
    Token,
    /// Print the completions of a shell
    Completions { shell: Shell },
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    #[default]
    Table,
    Wide,
    Json,
    Yaml,
}

#[derive(Args)]
pub(crate) struct OutputArgs {
    /// The form of the output
    #[arg(short, long, value_enum, default_value_t, hide_default_value = true)]
    pub(crate) output: Output,
}

#[derive(Args)]
pub(crate) struct ObjectArgs {
    /// The object, such as deploy/web or `pod web-7xk2p`
    #[arg(required = true, num_args = 1..=2, value_name = "TYPE/NAME")]
    pub(crate) object: Vec<String>,
    /// The namespace [default: the kubeconfig's]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
}

#[derive(Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    pub(crate) object: ObjectArgs,
    /// Only changes after this revision
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "REVISION")]
    pub(crate) after: u64,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Args)]
pub(crate) struct WhyArgs {
    /// The object, such as pod/web-7xk2p; or a revision
    #[arg(required = true, num_args = 1..=2, value_name = "TYPE/NAME | REVISION")]
    pub(crate) object: Vec<String>,
    /// The namespace [default: the kubeconfig's]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Args)]
pub(crate) struct GetArgs {
    /// What to show: TYPE, TYPE/NAME or TYPE NAME
    #[arg(required = true, num_args = 1..=2, value_name = "TYPE[/NAME]")]
    pub(crate) object: Vec<String>,
    /// The namespace [default: the kubeconfig's]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// As it was then: a revision, a time (2026-01-02T03:04:05Z) or an age (10m, 2h)
    #[arg(long, value_name = "WHEN")]
    pub(crate) at: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Args)]
pub(crate) struct UndoArgs {
    /// The object, such as deploy/web; or namespace/shop for everything in it
    #[arg(required = true, num_args = 1..=2, value_name = "TYPE/NAME")]
    pub(crate) object: Vec<String>,
    /// The namespace [default: the kubeconfig's]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// As it was then: a revision, a time (2026-01-02T03:04:05Z) or an age (10m, 2h)
    #[arg(long, value_name = "WHEN")]
    pub(crate) to: String,
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Args)]
pub(crate) struct WatchArgs {
    /// Begin after this revision; 0 is the beginning [default: now]
    #[arg(long, value_name = "REVISION")]
    pub(crate) from: Option<u64>,
    /// Stop at the last event instead of waiting for more
    #[arg(long)]
    pub(crate) no_follow: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Args)]
pub(crate) struct TopArgs {
    #[arg(value_enum)]
    pub(crate) what: TopOf,
    /// The namespace of the pods [default: the kubeconfig's]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// Pods of all namespaces
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TopOf {
    #[value(alias = "node")]
    Nodes,
    #[value(alias = "pod")]
    Pods,
}

#[derive(Subcommand)]
pub(crate) enum ImageCommand {
    /// Load the images of a tar file (docker save, or OCI layout) into this machine's node
    Load {
        /// The tar file
        file: PathBuf,
        /// The data directory of the cluster on this machine
        #[arg(long, default_value = ".rutter", value_name = "DIR")]
        data: PathBuf,
    },
}
