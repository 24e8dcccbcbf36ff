//! Kubeconfig files, as far as reading the current context's cluster and user goes.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;

/// What a client needs of a kubeconfig.
pub struct Kubeconfig {
    pub server: String,
    pub authority: Vec<CertificateDer<'static>>,
    pub credentials: Credentials,
    pub namespace: String,
}

pub enum Credentials {
    Certificate { chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static> },
    Token(String),
    Anonymous,
}

impl Kubeconfig {
    pub fn load(named: Option<&Path>) -> Result<Kubeconfig> {
        let path = find(named)?;
        let text = fs::read_to_string(&path).with_context(|| format!("{} can't be read", path.display()))?;
        let file: File = serde_saphyr::from_str(&text)
            .with_context(|| format!("{} is not a kubeconfig", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        file.current(folder).with_context(|| format!("in {}", path.display()))
    }
}

/// `$KUBECONFIG` may name several files; the first that exists counts.
fn find(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let listed = env::var_os("KUBECONFIG").unwrap_or_default();
    let home = env::home_dir().map(|home| home.join(".kube/config"));
    let candidates = env::split_paths(&listed).chain([PathBuf::from(".rutter/kubeconfig")]).chain(home);
    let found = candidates.filter(|path| !path.as_os_str().is_empty()).find(|path| path.exists());
    found.context("there is no kubeconfig: start a cluster (make up), or name one with --kubeconfig")
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    clusters: Vec<Named<Cluster>>,
    #[serde(default)]
    users: Vec<Named<User>>,
    #[serde(default)]
    contexts: Vec<Named<Context_>>,
    #[serde(default)]
    current_context: String,
}

/// In a kubeconfig each entry is `{name: …, cluster|user|context: {…}}`.
#[derive(Deserialize)]
struct Named<T> {
    name: String,
    #[serde(alias = "cluster", alias = "user", alias = "context")]
    entry: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<String>,
    token: Option<String>,
}

#[derive(Deserialize)]
struct Context_ {
    cluster: String,
    user: String,
    namespace: Option<String>,
}

impl File {
    fn current(self, folder: &Path) -> Result<Kubeconfig> {
        let context = entry(self.contexts, &self.current_context, "context")?;
        let cluster = entry(self.clusters, &context.cluster, "cluster")?;
        let user = entry(self.users, &context.user, "user")?;
        let authority = match inline_or_file(
            cluster.certificate_authority_data,
            cluster.certificate_authority,
            folder,
        )? {
            Some(pem) => certificates(&pem)?,
            None => Vec::new(),
        };
        let chain = inline_or_file(user.client_certificate_data, user.client_certificate, folder)?;
        let key = inline_or_file(user.client_key_data, user.client_key, folder)?;
        let credentials = match (chain, key, user.token) {
            (Some(chain), Some(key), _) => Credentials::Certificate {
                chain: certificates(&chain)?,
                key: PrivateKeyDer::from_pem_slice(&key).context("the client key is not a PEM key")?,
            },
            (_, _, Some(token)) => Credentials::Token(token),
            _ => Credentials::Anonymous,
        };
        let server = cluster.server.trim_end_matches('/').to_owned();
        if !server.starts_with("https://") {
            bail!("the server {server} is not an https address");
        }
        Ok(Kubeconfig {
            server,
            authority,
            credentials,
            namespace: context.namespace.unwrap_or_else(|| "default".into()),
        })
    }
}

fn entry<T>(entries: Vec<Named<T>>, name: &str, what: &str) -> Result<T> {
    let found = entries.into_iter().find(|entry| entry.name == name);
    Ok(found.with_context(|| format!("the kubeconfig has no {what} named {name:?}"))?.entry)
}

fn inline_or_file(data: Option<String>, file: Option<String>, folder: &Path) -> Result<Option<Vec<u8>>> {
    match (data, file) {
        (Some(data), _) => {
            Ok(Some(STANDARD.decode(data.trim()).context("the kubeconfig's data is not base64")?))
        }
        (None, Some(file)) => {
            let path = folder.join(file);
            Ok(Some(fs::read(&path).with_context(|| format!("{} can't be read", path.display()))?))
        }
        (None, None) => Ok(None),
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    chain.context("the kubeconfig's certificate is not PEM")
}
