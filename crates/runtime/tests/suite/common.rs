//! A real nats-server for a test, in a directory that goes with it.

use std::path::{Path, PathBuf};

use rutter_runtime::nats;
use rutter_runtime::roles::Role;
use rutter_runtime::server::{BINARY_ENV, EmbeddedServer, ServerConfig};
use rutter_runtime::stream::{LogStream, Replicas, StreamSettings};

/// Stream settings for tests: small.
pub(crate) const SETTINGS: StreamSettings = StreamSettings { replicas: Replicas::One, max_bytes: 256 << 20 };

/// Where `make tools` puts nats-server, unless the environment names another.
pub(crate) fn binary() -> Option<PathBuf> {
    if std::env::var_os(BINARY_ENV).is_some() {
        return None;
    }
    let cached = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/bin/nats-server");
    cached.is_file().then_some(cached)
}

pub(crate) async fn server(data_dir: &Path) -> EmbeddedServer {
    EmbeddedServer::start(ServerConfig {
        data_dir: data_dir.to_path_buf(),
        listen: "127.0.0.1:0".parse().unwrap(),
        binary: binary(),
        max_store_bytes: 1 << 30,
    })
    .await
    .unwrap()
}

pub(crate) async fn connect(server: &EmbeddedServer, role: &Role) -> async_nats::Client {
    nats::connect(&server.connection(role), role).await.unwrap()
}

pub(crate) async fn stream(server: &EmbeddedServer) -> LogStream {
    LogStream::ensure(connect(server, &Role::Ledger).await, &SETTINGS).await.unwrap()
}
