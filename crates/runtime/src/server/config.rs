//! The files that the embedded server reads: its configuration and its certificate.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rutter_schemas::limits;

use super::{Member, ServerError};
use crate::files::{PRIVATE, PUBLIC, write_atomically};
use crate::jwt::Authority;
use crate::pki::LocalCa;

/// The name of a server that is alone.
const ALONE: &str = "rutter";

/// Writes configuration and certificates below `home`; returns the configuration's path.
pub(super) fn write(
    home: &Path,
    server: &Settings<'_>,
    authority: &Authority,
    ca: &LocalCa,
) -> Result<PathBuf, ServerError> {
    let mut reached_as = vec![server.listen.ip().to_string()];
    reached_as.extend_from_slice(server.reached_as);
    let leaf = ca.server_certificate(server.name, &reached_as)?;
    let put = |name: &str, bytes: &[u8], mode| {
        let path = home.join(name);
        write_atomically(&path, bytes, mode)
            .map_err(|source| ServerError::Files { path: path.clone(), source })
            .map(|()| path)
    };
    put("server.crt", leaf.certificate_pem.as_bytes(), PUBLIC)?;
    put("server.key", leaf.key_pem.as_bytes(), PRIVATE)?;
    put("ca.crt", ca.certificate_pem().as_bytes(), PUBLIC)?;
    put("nats-server.conf", text(home, server, &authority.server_config()).as_bytes(), PRIVATE)
}

/// What one server's configuration says.
pub(super) struct Settings<'a> {
    pub(super) name: &'a str,
    pub(super) listen: SocketAddr,
    /// Further names of it.
    pub(super) reached_as: &'a [String],
    /// Where it keeps the log.
    pub(super) store: &'a Path,
    pub(super) max_store_bytes: u64,
    pub(super) cluster: Option<Routes<'a>>,
}

/// How a server meets the others.
pub(super) struct Routes<'a> {
    pub(super) listen: SocketAddr,
    pub(super) to: &'a [String],
}

impl<'a> Settings<'a> {
    /// A server alone, or one of several.
    pub(super) fn of(
        listen: SocketAddr,
        store: &'a Path,
        max_store_bytes: u64,
        member: Option<&'a Member>,
    ) -> Settings<'a> {
        let alone = Settings { name: ALONE, listen, reached_as: &[], store, max_store_bytes, cluster: None };
        let Some(member) = member else { return alone };
        let routes = Routes { listen: member.listen, to: &member.routes };
        let cluster = (!member.routes.is_empty()).then_some(routes);
        Settings { name: &member.name, reached_as: &member.reached_as, cluster, ..alone }
    }
}

/// `sync_interval: always` is what makes an acknowledgement mean "on disk", alone and in a cluster.
fn text(home: &Path, server: &Settings<'_>, access: &str) -> String {
    let Settings { name, listen, max_store_bytes, .. } = server;
    let cluster = server.cluster.as_ref().map(|routes| cluster(home, routes)).unwrap_or_default();
    let (home, store) = (home.display(), server.store.display());
    let payload = limits::SERVER_PAYLOAD;
    format!(
        "# Written at every start: changes are lost.\n\
         server_name: \"{name}\"\n\
         listen: \"{listen}\"\n\
         max_payload: {payload}\n\
         write_deadline: \"10s\"\n\
         max_pending: 268435456\n\
         jetstream {{\n  store_dir: \"{store}\"\n  sync_interval: always\n  \
         max_memory_store: 67108864\n  max_file_store: {max_store_bytes}\n}}\n\
         tls {{\n  cert_file: \"{home}/server.crt\"\n  key_file: \"{home}/server.key\"\n  timeout: 5\n}}\n\
         {cluster}{access}"
    )
}

/// Routes to the other servers, each side shown to the other by certificates of the same CA.
fn cluster(home: &Path, routes: &Routes<'_>) -> String {
    let (home, listen) = (home.display(), routes.listen);
    let routes: Vec<String> = routes.to.iter().map(|route| format!("\"nats://{route}\"")).collect();
    format!(
        "cluster {{\n  name: rutter\n  listen: \"{listen}\"\n  routes: [{}]\n  tls {{\n    \
         cert_file: \"{home}/server.crt\"\n    key_file: \"{home}/server.key\"\n    \
         ca_file: \"{home}/ca.crt\"\n    verify: true\n    timeout: 5\n  }}\n}}\n",
        routes.join(", "),
    )
}
