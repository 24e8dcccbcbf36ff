//! The embedded nats-server: one child process that keeps the log of a one-machine Rutter.
//!
//! What is kept true: at most one server works on a data directory, however its parent ended. Our own lock on
//! the directory is an open file that the child inherits (as its stdin), so it is held for as long as either
//! of us lives; a start that finds it held by an orphan ends that orphan by its pid first. A server that dies
//! is started again, with a bounded pause; one that can't start says why in its own words.

mod child;
mod config;
mod lock;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::jwt::{Authority, AuthorityError};
use crate::nats::NatsConfig;
use crate::pki::{LocalCa, PkiError};
use crate::port::Port;
use crate::roles::Role;
pub use lock::LockError;

/// Names the nats-server to run, before the `PATH` is searched.
pub const BINARY_ENV: &str = "RUTTER_NATS_SERVER";
/// How long a server may take to listen: after a crash it scans its store, about 3 s per GB.
const START_TIMEOUT: Duration = Duration::from_secs(600);

/// What the embedded server needs to know.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Holds keys, certificates, the store and the lock.
    pub data_dir: PathBuf,
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The nats-server to run; found by [`find_binary`] when not given.
    pub binary: Option<PathBuf>,
    /// Bytes the store may take on disk.
    pub max_store_bytes: u64,
}

/// What makes a server one of several that hold the log together.
#[derive(Debug, Clone)]
pub struct Member {
    /// Unique among them.
    pub name: String,
    /// Where the others reach it.
    pub listen: SocketAddr,
    /// Where it reaches the others: `host:port`, each its `listen`. Its own does no harm.
    pub routes: Vec<String>,
    /// Names and addresses under which clients and the others reach it.
    pub reached_as: Vec<String>,
    /// The keys and the CA of all members: the same files on each.
    pub keys: PathBuf,
}

/// Why the embedded server doesn't run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(
        "no nats-server found: put version 2.12 or later on the PATH, or its path in {BINARY_ENV} \
         (`make tools` installs it)"
    )]
    NoBinary,
    #[error("{binary} is version {found}: nats-server 2.12 or later is needed (`make tools` installs it)")]
    TooOld { binary: PathBuf, found: String },
    #[error("cannot run {binary}")]
    Run { binary: PathBuf, source: std::io::Error },
    #[error("cannot write {path}")]
    Files { path: PathBuf, source: std::io::Error },
    #[error("nats-server cannot listen on {address}: end what does, or name another address")]
    Port { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    Pki(#[from] PkiError),
    #[error("nats-server ended at its start: {said}")]
    Ended { said: String },
    #[error("nats-server does not listen on {listen} after {START_TIMEOUT:?}")]
    Silent { listen: SocketAddr },
}

/// Whether the child runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    Running {
        pid: u32,
    },
    /// It died and is being started again.
    Restarting,
    Stopped,
}

/// A running, supervised nats-server.
#[derive(Debug)]
pub struct EmbeddedServer {
    authority: Authority,
    ca: LocalCa,
    listen: SocketAddr,
    state: watch::Receiver<ServerState>,
    stop: CancellationToken,
    supervisor: JoinHandle<()>,
}

impl EmbeddedServer {
    /// Takes the data directory, ends an orphan that holds it, and starts the server. Returns when it listens.
    ///
    /// # Errors
    /// [`ServerError`], each with what to do.
    pub async fn start(config: ServerConfig) -> Result<EmbeddedServer, ServerError> {
        let keys = config.data_dir.join("keys");
        start(config, &keys, None).await
    }

    /// The same as one of several. JetStream answers once a majority of them is there.
    ///
    /// # Errors
    /// As [`EmbeddedServer::start`].
    pub async fn start_member(config: ServerConfig, member: &Member) -> Result<EmbeddedServer, ServerError> {
        start(config, &member.keys, Some(member)).await
    }

    /// How to connect to it as `role`, with credentials minted now.
    #[must_use]
    pub fn connection(&self, role: &Role) -> NatsConfig {
        let now = jiff::Timestamp::now().as_second();
        NatsConfig {
            servers: vec![self.url().parse().expect("an address makes a valid url")],
            credentials: Some(self.authority.credentials(role, now)),
            ca: Some(self.ca.roots()),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("tls://{}", self.listen)
    }

    /// The keys that mint credentials for it.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The CA that its certificate is from; what nodes have to trust.
    #[must_use]
    pub fn ca(&self) -> &LocalCa {
        &self.ca
    }

    /// Whether it runs, followed live.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<ServerState> {
        self.state.clone()
    }

    /// Stops the server in good order (SIGTERM, then SIGKILL) and waits for its end.
    pub async fn stop(self) {
        self.stop.cancel();
        // The supervisor only panics on a bug, which it has printed.
        let _ = self.supervisor.await;
    }
}

async fn start(
    config: ServerConfig,
    keys: &Path,
    member: Option<&Member>,
) -> Result<EmbeddedServer, ServerError> {
    let binary = find_binary(config.binary.as_deref())?;
    let home = config.data_dir.join("nats");
    let files = |source| ServerError::Files { path: home.clone(), source };
    crate::files::create_private_dir(&home).map_err(files)?;
    let (version, lock) = tokio::join!(check_version(&binary), lock::take(&home));
    let lock = version.and(Ok(lock?))?;
    let (authority, ca) = (Authority::open(keys)?, LocalCa::open(keys)?);
    let port = hold(config.listen)?;
    let route = member.map(|member| hold(member.listen)).transpose()?;
    let listen = port.address();
    let store = home.join("store");
    let settings = config::Settings::of(listen, &store, config.max_store_bytes, member);
    let file = config::write(&home, &settings, &authority, &ca)?;
    let child = child::Launch { binary, file, home, lock, port, _route: route };
    let (state, supervisor, stop) = child.supervise().await?;
    Ok(EmbeddedServer { authority, ca, listen, state, stop, supervisor })
}

fn hold(address: SocketAddr) -> Result<Port, ServerError> {
    Port::hold(address).map_err(|source| ServerError::Port { address, source })
}

/// Writes what a server reads that somebody else runs: `nats-server.conf` in `home` and the certificates beside it,
/// named there by their paths. Returns the configuration's path. A member without routes is alone.
///
/// # Errors
/// When files can't be written, or the keys of the member can't be used.
pub fn write_files(
    home: &Path,
    store: &Path,
    listen: SocketAddr,
    max_store_bytes: u64,
    member: &Member,
) -> Result<PathBuf, ServerError> {
    let files = |source| ServerError::Files { path: home.into(), source };
    crate::files::create_private_dir(home).map_err(files)?;
    let (authority, ca) = (Authority::open(&member.keys)?, LocalCa::open(&member.keys)?);
    let settings = config::Settings::of(listen, store, max_store_bytes, Some(member));
    config::write(home, &settings, &authority, &ca)
}

/// The nats-server to run: `given`, else [`BINARY_ENV`], else the first on the `PATH`.
///
/// # Errors
/// [`ServerError::NoBinary`].
pub fn find_binary(given: Option<&Path>) -> Result<PathBuf, ServerError> {
    if let Some(given) = given {
        return Ok(given.to_path_buf());
    }
    if let Some(named) = std::env::var_os(BINARY_ENV) {
        return Ok(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = std::env::split_paths(&path).map(|dir| dir.join("nats-server"));
    candidates.into_iter().find(|candidate| candidate.is_file()).ok_or(ServerError::NoBinary)
}

async fn check_version(binary: &Path) -> Result<(), ServerError> {
    let output = tokio::process::Command::new(binary).arg("--version").output().await;
    let output = output.map_err(|source| ServerError::Run { binary: binary.into(), source })?;
    let said = String::from_utf8_lossy(&output.stdout);
    match version_in(&said) {
        Some(version) if version >= (2, 12) => Ok(()),
        _ => Err(ServerError::TooOld { binary: binary.into(), found: said.trim().to_owned() }),
    }
}

/// `nats-server: v2.15.1` → (2, 15)
fn version_in(said: &str) -> Option<(u32, u32)> {
    let (_, version) = said.trim().rsplit_once('v')?;
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version_in("nats-server: v2.15.1\n"), Some((2, 15)));
        assert!(version_in("nats-server: v2.9.10").unwrap() < (2, 12));
        assert_eq!(version_in("something else"), None);
    }
}
