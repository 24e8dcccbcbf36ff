//! `rutter nats-setup`: the files by which servers of NATS, and services that reach them, run apart.
//!
//! ```text
//! DIR/keys/                    what signs: keep it safe, only this command (and a gateway that lets nodes join) reads it
//! DIR/cluster.key              what seals secrets: for gateways, replicators and all who write
//! DIR/ca.crt                   whom clients of NATS trust
//! DIR/<server>/nats-server.conf, with server.crt, server.key, ca.crt beside it
//! DIR/creds/<role>.creds       one for each service
//! DIR/creds/node-<name>.creds  one for each node
//! ```
//! A second run keeps keys and credentials, and writes the servers' files anew.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use rutter_runtime::files::{self, PUBLIC};
use rutter_runtime::jwt::Authority;
use rutter_runtime::pki::LocalCa;
use rutter_runtime::roles::Role;
use rutter_runtime::seal::SealKey;
use rutter_runtime::server::{self, Member};

use crate::print;

#[derive(Args)]
pub(crate) struct BrokerArgs {
    /// Where the files go; servers and services find them by this path
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// A server, by the name that the others and its clients reach it by; once for each
    #[arg(long = "name", required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Further names or addresses that clients reach the servers by
    #[arg(long, value_name = "NAME")]
    pub(crate) also: Vec<String>,
    /// A node to make credentials for; once for each
    #[arg(long = "node", value_name = "NAME")]
    pub(crate) nodes: Vec<String>,
    /// A process that plays many nodes, by the name they begin with; for trying out and for tests
    #[arg(long = "simulation", hide = true, value_name = "NAME")]
    pub(crate) simulations: Vec<String>,
    /// Where each server keeps its part of the log [default: DIR/<server>/store]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// The most bytes that the log may take on each server, in GiB
    #[arg(long, default_value_t = 16, value_name = "GIB")]
    pub(crate) max_store_gib: u64,
    /// The port for clients
    #[arg(long, default_value_t = 4222)]
    pub(crate) port: u16,
    /// The port for the other servers
    #[arg(long, default_value_t = 6222)]
    pub(crate) route_port: u16,
}

pub(crate) fn setup(args: &BrokerArgs) -> Result<()> {
    args.names.iter().chain(&args.nodes).chain(&args.simulations).try_for_each(|name| check(name))?;
    let dir = std::path::absolute(&args.dir)?;
    let keys = dir.join("keys");
    let (authority, ca) = (Authority::open(&keys)?, LocalCa::open(&keys)?);
    SealKey::open(&dir.join("cluster.key"))?;
    let trusted = dir.join("ca.crt");
    files::write_atomically(&trusted, ca.certificate_pem().as_bytes(), PUBLIC)
        .with_context(|| format!("{} can't be written", trusted.display()))?;
    for name in &args.names {
        print::line(&servers_files(args, &dir, name)?.display().to_string())?;
    }
    let services = Role::SERVICES.into_iter().map(|role| (role.to_string(), role));
    let nodes = args.nodes.iter().map(|name| (format!("node-{name}"), Role::Node(name.clone())));
    let played = args.simulations.iter();
    let played = played.map(|name| (format!("simulation-{name}"), Role::Simulation(name.clone())));
    for (name, role) in services.chain(nodes).chain(played) {
        print::line(&credentials(&authority, &dir.join("creds"), &name, &role)?.display().to_string())?;
    }
    Ok(())
}

/// A name is part of paths, and stands in certificates and in the servers' configuration.
fn check(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let fine = name.chars().all(fits) && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    ensure!(fine, "{name:?} is no name: use lower-case letters, digits, '-' and '.'");
    Ok(())
}

fn servers_files(args: &BrokerArgs, dir: &Path, name: &str) -> Result<PathBuf> {
    let any = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let route = |other: &String| format!("{other}:{}", args.route_port);
    let routes = if args.names.len() > 1 { args.names.iter().map(route).collect() } else { Vec::new() };
    let member = Member {
        name: name.to_owned(),
        listen: any(args.route_port),
        routes,
        reached_as: [&[name.to_owned()], &args.also[..]].concat(),
        keys: dir.join("keys"),
    };
    let home = dir.join(name);
    let store = args.store.clone().unwrap_or_else(|| home.join("store"));
    Ok(server::write_files(&home, &store, any(args.port), args.max_store_gib << 30, &member)?)
}

/// The role's credentials, made once: what a running service was given stays in its file.
fn credentials(authority: &Authority, dir: &Path, name: &str, role: &Role) -> Result<PathBuf> {
    let path = dir.join(format!("{name}.creds"));
    let text = authority.credentials(role, jiff::Timestamp::now().as_second());
    files::create_private_dir(dir)
        .and_then(|()| files::create_private(&path, text.text().as_bytes()))
        .with_context(|| format!("{} can't be written", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn args(dir: &Path, names: &[&str]) -> BrokerArgs {
        BrokerArgs {
            dir: dir.to_owned(),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            also: Vec::new(),
            nodes: vec!["worker".to_owned()],
            simulations: Vec::new(),
            store: None,
            max_store_gib: 1,
            port: 4222,
            route_port: 6222,
        }
    }

    #[test]
    fn servers_know_each_other_and_every_role_has_a_private_file() {
        let dir = tempfile::tempdir().unwrap();
        setup(&args(dir.path(), &["nats-1", "nats-2"])).unwrap();
        let config = std::fs::read_to_string(dir.path().join("nats-2/nats-server.conf")).unwrap();
        assert!(config.contains(r#"routes: ["nats://nats-1:6222", "nats://nats-2:6222"]"#), "{config}");
        for role in ["ledger", "gateway", "placement", "replicator", "autoscaler", "node-worker"] {
            let file = std::fs::metadata(dir.path().join(format!("creds/{role}.creds"))).unwrap();
            assert_eq!(file.permissions().mode() & 0o777, 0o600, "{role}");
        }
    }

    #[test]
    fn a_second_run_keeps_what_services_were_given() {
        let dir = tempfile::tempdir().unwrap();
        let read = || std::fs::read_to_string(dir.path().join("creds/ledger.creds")).unwrap();
        setup(&args(dir.path(), &["nats-1"])).unwrap();
        let first = read();
        setup(&args(dir.path(), &["nats-1", "nats-2"])).unwrap();
        assert_eq!(read(), first);
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(setup(&args(dir.path(), &["../keys"])).is_err());
    }
}
