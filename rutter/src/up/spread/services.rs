//! Which services a spread cluster has, and what each is told.
//!
//! The ledger keeps its projection where the ledger of an undivided cluster does, and the agent its node: the same
//! data directory may be started either way.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use rutter_runtime::roles::Role;

use super::child::Service;
use crate::service::node;
use crate::up::args::{Runtime, UpArgs};
use crate::up::broker::{self, Broker, Reach};
use crate::up::paths::Home;

/// In the order of their start.
pub(super) fn of(args: &UpArgs, home: &Home, broker: &Broker) -> Result<Vec<Vec<Service>>> {
    let reach = |role: &Role| broker.reach(args, home, role);
    let rooms = home.services();
    let controller = |name: &'static str, role: Role| -> Result<Service> {
        let line = Line::new(args, &reach(&role)?, &rooms.join(name)).key(home);
        Ok(line.service(name))
    };
    let controllers = vec![
        controller("replicator", Role::Replicator)?,
        controller("placement", Role::Placement)?,
        controller("autoscaler", Role::Autoscaler)?,
    ];
    let mut groups = vec![
        vec![ledger(args, home, broker, &reach(&Role::Ledger)?)?],
        vec![gateway(args, home, broker, &reach(&Role::Gateway)?)],
        controllers,
    ];
    if let Some(config) = node::config(args.runtime, args.nodes, args.node_name.clone(), home)? {
        let reach = reach(&node::role(&config))?;
        groups.push(vec![agent(args, home, &reach)]);
    }
    Ok(groups)
}

fn ledger(args: &UpArgs, home: &Home, broker: &Broker, reach: &Reach) -> Result<Service> {
    let max_bytes = broker::settings(args, home)?.max_bytes;
    let mut line = Line::new(args, reach, home.root()).option("--name", "ledger");
    line = line.option("--max-log-bytes", max_bytes.to_string());
    if let Some(store) = broker.store(home) {
        line = line.option("--store", store);
    }
    Ok(line.service("ledger"))
}

fn gateway(args: &UpArgs, home: &Home, broker: &Broker, reach: &Reach) -> Service {
    let mut line = Line::new(args, reach, &home.services().join("gateway")).key(home);
    line = line.option("--listen", std::net::SocketAddr::new(args.listen, args.port).to_string());
    line = line.option("--kubeconfig", home.kubeconfig());
    if broker.store(home).is_some() {
        line = line.option("--nats-keys", home.root().join("keys"));
    }
    line.service("gateway")
}

fn agent(args: &UpArgs, home: &Home, reach: &Reach) -> Service {
    let mut line = Line::new(args, reach, home.root());
    if let Some(runtime) = args.runtime.to_possible_value() {
        line = line.option("--runtime", runtime.get_name());
    }
    if args.runtime == Runtime::Sim {
        line = line.option("--nodes", args.nodes.to_string());
    }
    if let Some(name) = &args.node_name {
        line = line.option("--node-name", name);
    }
    line.service("nodeagent")
}

/// A command line in the making.
struct Line(Vec<OsString>);

impl Line {
    /// What every service is told.
    fn new(args: &UpArgs, reach: &Reach, data: &Path) -> Line {
        let mut line = Line(vec!["--with-parent".into()]);
        line = line.option("--nats", &reach.url).option("--data", data).option("--log", &args.log);
        if let Some(creds) = &reach.creds {
            line = line.option("--nats-creds", creds);
        }
        if let Some(ca) = &reach.ca {
            line = line.option("--nats-ca", ca);
        }
        line
    }

    fn key(self, home: &Home) -> Line {
        self.option("--key-file", home.cluster_key())
    }

    fn option(mut self, name: &str, value: impl Into<OsString>) -> Line {
        self.0.extend([name.into(), value.into()]);
        self
    }

    fn service(self, name: &'static str) -> Service {
        Service { name, arguments: self.0 }
    }
}
