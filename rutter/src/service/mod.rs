//! Services alone in their processes, and the parts of them that `up` shares.

mod addresses;
mod alone;
mod args;
mod broker;
mod controllers;
mod faults;
mod join;
mod lifeline;
pub(crate) mod node;
mod pin;
mod verify;

use std::path::Path;

use anyhow::Result;
use rutter_runtime::config::Raw;
use rutter_runtime::nats::{NatsConfig, RawNatsConfig};
use rutter_runtime::view::{Health, View};

pub(crate) use addresses::Addresses;
use alone::agent;
pub(crate) use alone::{autoscaler, gateway, ledger, nodeagent, placement, replicator};
pub(crate) use args::{ControllerArgs, GatewayArgs, JoinArgs, LedgerArgs, NodeagentArgs};
pub(crate) use broker::{BrokerArgs, setup as nats_setup};
pub(crate) use controllers::start as start_controllers;
pub(crate) use join::join;

/// How to reach NATS by an address and files.
pub(crate) fn connection(url: &str, creds: Option<&Path>, ca: Option<&Path>) -> Result<NatsConfig> {
    let raw =
        RawNatsConfig { url: url.to_owned(), creds: creds.map(Path::to_owned), ca: ca.map(Path::to_owned) };
    raw.validate().map_err(|mistakes| anyhow::anyhow!(mistakes.join("; ")))
}

/// Fails when the log is not the one that the projection was made from; otherwise the view may still be replaying.
pub(crate) async fn check_log(view: &View) -> Result<()> {
    match &*view.health().borrow() {
        Health::Unfit { why } => anyhow::bail!("{why}"),
        Health::Replaying { .. } | Health::Serving => Ok(()),
    }
}

/// The machine's name.
pub(crate) fn host_name() -> Result<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    anyhow::ensure!(!name.is_empty(), "this machine has no name");
    Ok(name)
}
