//! The kubeconfig of a cluster's operator.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rutter_runtime::pki::cluster::ClusterKeys;

/// Writes a kubeconfig with a client certificate of `system:masters`, readable by its owner only.
pub(crate) fn write(path: &Path, keys: &ClusterKeys, api: &str) -> Result<()> {
    let leaf = keys.authority.client_certificate("rutter-admin", &["system:masters"], Timestamp::now())?;
    let encode = |text: &str| STANDARD.encode(text);
    let text = format!(
        "apiVersion: v1
kind: Config
clusters:
- name: rutter
  cluster:
    server: https://{api}
    certificate-authority-data: {}
users:
- name: admin
  user:
    client-certificate-data: {}
    client-key-data: {}
contexts:
- name: rutter
  context:
    cluster: rutter
    user: admin
    namespace: default
current-context: rutter
",
        encode(keys.authority.certificate_pem()),
        encode(&leaf.certificate_pem),
        encode(&leaf.key_pem)
    );
    let part = path.with_extension("part");
    let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&part);
    let written =
        file.and_then(|mut file| file.write_all(text.as_bytes())).and_then(|()| std::fs::rename(&part, path));
    written.with_context(|| format!("{} can't be written", path.display()))
}
