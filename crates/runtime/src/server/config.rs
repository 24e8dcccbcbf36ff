//! The files that the embedded server reads: its configuration and its certificate.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use rutter_schemas::limits;

use super::ServerError;
use crate::files::{PRIVATE, PUBLIC, write_atomically};
use crate::jwt::Authority;
use crate::pki::LocalCa;

/// Writes configuration and certificate below `home`; returns the configuration's path.
pub(super) fn write(
    home: &Path,
    listen: SocketAddr,
    max_store_bytes: u64,
    authority: &Authority,
    ca: &LocalCa,
) -> Result<PathBuf, ServerError> {
    let leaf = ca.server_certificate("nats-server", &[listen.ip()])?;
    let put = |name: &str, bytes: &[u8], mode| {
        let path = home.join(name);
        write_atomically(&path, bytes, mode)
            .map_err(|source| ServerError::Files { path: path.clone(), source })
            .map(|()| path)
    };
    put("server.crt", leaf.certificate_pem.as_bytes(), PUBLIC)?;
    put("server.key", leaf.key_pem.as_bytes(), PRIVATE)?;
    let text = text(home, listen, max_store_bytes, &authority.server_config());
    put("nats-server.conf", text.as_bytes(), PRIVATE)
}

/// The address with a real port in place of 0.
pub(super) fn free_port(listen: SocketAddr) -> std::io::Result<SocketAddr> {
    if listen.port() != 0 {
        return Ok(listen);
    }
    TcpListener::bind(listen)?.local_addr()
}

/// `sync_interval: always` is what makes an acknowledgement mean "on disk" with a single replica.
fn text(home: &Path, listen: SocketAddr, max_store_bytes: u64, access: &str) -> String {
    let home = home.display();
    let payload = limits::SERVER_PAYLOAD;
    format!(
        "# Written at every start: changes are lost.\n\
         server_name: rutter\n\
         listen: \"{listen}\"\n\
         max_payload: {payload}\n\
         write_deadline: \"10s\"\n\
         max_pending: 268435456\n\
         jetstream {{\n  store_dir: \"{home}/store\"\n  sync_interval: always\n  \
         max_memory_store: 67108864\n  max_file_store: {max_store_bytes}\n}}\n\
         tls {{\n  cert_file: \"{home}/server.crt\"\n  key_file: \"{home}/server.key\"\n  timeout: 5\n}}\n\
         {access}"
    )
}
