//! The files that the embedded server reads: its configuration and its certificate.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use rutter_schemas::limits;

use super::{Member, ServerError};
use crate::files::{PRIVATE, PUBLIC, write_atomically};
use crate::jwt::Authority;
use crate::pki::LocalCa;

/// Writes configuration and certificates below `home`; returns the configuration's path.
pub(super) fn write(
    home: &Path,
    server: &Settings<'_>,
    authority: &Authority,
    ca: &LocalCa,
) -> Result<PathBuf, ServerError> {
    let mut reached_as = vec![server.listen.ip().to_string()];
    reached_as.extend(server.member.iter().flat_map(|member| member.reached_as.clone()));
    let leaf = ca.server_certificate(server.name(), &reached_as)?;
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
    pub(super) listen: SocketAddr,
    pub(super) max_store_bytes: u64,
    pub(super) member: Option<&'a Member>,
}

impl Settings<'_> {
    fn name(&self) -> &str {
        self.member.map_or("rutter", |member| &member.name)
    }
}

/// The address with a real port in place of 0.
pub(super) fn free_port(listen: SocketAddr) -> std::io::Result<SocketAddr> {
    if listen.port() != 0 {
        return Ok(listen);
    }
    TcpListener::bind(listen)?.local_addr()
}

/// `sync_interval: always` is what makes an acknowledgement mean "on disk", alone and in a cluster.
fn text(home: &Path, server: &Settings<'_>, access: &str) -> String {
    let (name, listen, max_store_bytes) = (server.name(), server.listen, server.max_store_bytes);
    let cluster = server.member.map(|member| cluster(home, member)).unwrap_or_default();
    let home = home.display();
    let payload = limits::SERVER_PAYLOAD;
    format!(
        "# Written at every start: changes are lost.\n\
         server_name: \"{name}\"\n\
         listen: \"{listen}\"\n\
         max_payload: {payload}\n\
         write_deadline: \"10s\"\n\
         max_pending: 268435456\n\
         jetstream {{\n  store_dir: \"{home}/store\"\n  sync_interval: always\n  \
         max_memory_store: 67108864\n  max_file_store: {max_store_bytes}\n}}\n\
         tls {{\n  cert_file: \"{home}/server.crt\"\n  key_file: \"{home}/server.key\"\n  timeout: 5\n}}\n\
         {cluster}{access}"
    )
}

/// Routes to the other servers, each side shown to the other by certificates of the same CA.
fn cluster(home: &Path, member: &Member) -> String {
    let home = home.display();
    let routes: Vec<String> = member.routes.iter().map(|route| format!("\"nats://{route}\"")).collect();
    format!(
        "cluster {{\n  name: rutter\n  listen: \"{}\"\n  routes: [{}]\n  tls {{\n    \
         cert_file: \"{home}/server.crt\"\n    key_file: \"{home}/server.key\"\n    \
         ca_file: \"{home}/ca.crt\"\n    verify: true\n    timeout: 5\n  }}\n}}\n",
        member.listen,
        routes.join(", "),
    )
}
