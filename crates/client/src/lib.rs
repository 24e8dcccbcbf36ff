//! Talking to a cluster's API as any other client does: kubeconfig, TLS, HTTP, Status.

mod kubeconfig;
mod resource;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use kubeconfig::{Credentials, Kubeconfig};
pub use resource::{ResourceType, Target, percent};

const JSON: &str = "application/json";

/// A connection to the API of one cluster.
pub struct Client {
    http: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    server: String,
    token: Option<HeaderValue>,
    /// The namespace that the kubeconfig's context names.
    pub namespace: String,
}

impl Client {
    /// Connects by a kubeconfig: the one named, else `$KUBECONFIG`, `.rutter/kubeconfig`, `~/.kube/config`.
    pub fn open(kubeconfig: Option<&Path>) -> Result<Client> {
        Client::from_kubeconfig(Kubeconfig::load(kubeconfig)?)
    }

    pub fn from_kubeconfig(config: Kubeconfig) -> Result<Client> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        for certificate in config.authority {
            roots.add(certificate).context("the kubeconfig's certificate authority is not a certificate")?;
        }
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let (tls, token) = match config.credentials {
            Credentials::Certificate { chain, key } => (builder.with_client_auth_cert(chain, key)?, None),
            Credentials::Token(token) => {
                let mut value = HeaderValue::try_from(format!("Bearer {token}"))?;
                value.set_sensitive(true);
                (builder.with_no_client_auth(), Some(value))
            }
            Credentials::Anonymous => (builder.with_no_client_auth(), None),
        };
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().build();
        let http = HyperClient::builder(TokioExecutor::new()).build(connector);
        Ok(Client { http, server: config.server, token, namespace: config.namespace })
    }

    /// GETs one JSON document.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.json(Method::GET, path, None).await
    }

    /// Sends a request with an optional JSON body and reads one JSON document.
    pub async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T> {
        let body = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        document(path, self.send(method, path, JSON, body.into()).await?).await
    }

    /// PATCHes: `form` is the media type that says how, such as `application/merge-patch+json`.
    pub async fn patch<T: DeserializeOwned>(&self, path: &str, form: &str, patch: &Value) -> Result<T> {
        let body = serde_json::to_vec(patch)?;
        document(path, self.send(Method::PATCH, path, form, body.into()).await?).await
    }

    /// GETs a stream of JSON documents, one a line, as they come.
    pub async fn lines(&self, path: &str) -> Result<impl Stream<Item = Result<Bytes>> + use<>> {
        let body = self.send(Method::GET, path, JSON, Bytes::new()).await?.into_body();
        let chunks = body
            .into_data_stream()
            .map_err(|error| anyhow::Error::new(error).context("the stream broke off"));
        Ok(split_lines(chunks))
    }

    async fn send(&self, method: Method, path: &str, form: &str, body: Bytes) -> Result<Response<Incoming>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.server));
        request = request.header(ACCEPT, JSON);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, form);
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        let response = self.http.request(request.body(Full::new(body))?).await.map_err(|error| {
            anyhow::Error::new(error)
                .context(format!("{} does not answer: is the cluster up? (make up)", self.server))
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let code = response.status();
        let bytes = response.into_body().collect().await.context("the answer broke off")?.to_bytes();
        let message = serde_json::from_slice::<Value>(&bytes)
            .ok()
            .and_then(|status| status["message"].as_str().map(str::to_owned));
        match message {
            Some(message) => bail!("Error from server: {message}"),
            None => bail!("Error from server ({code}): {}", String::from_utf8_lossy(&bytes)),
        }
    }
}

async fn document<T: DeserializeOwned>(path: &str, response: Response<Incoming>) -> Result<T> {
    let bytes = response.into_body().collect().await.context("the answer broke off")?.to_bytes();
    serde_json::from_slice(&bytes).with_context(|| format!("{path} did not answer in the expected form"))
}

/// Cuts a stream of chunks into lines without their ends; blank lines are dropped.
fn split_lines(chunks: impl Stream<Item = Result<Bytes>>) -> impl Stream<Item = Result<Bytes>> {
    let cut = |rest: &mut Vec<u8>, chunk: Result<Bytes>| {
        let lines: Vec<Result<Bytes>> = match chunk {
            Err(error) => vec![Err(error)],
            Ok(chunk) => {
                rest.extend_from_slice(&chunk);
                let end = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                let whole: Vec<u8> = rest.drain(..end).collect();
                let lines = whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                lines.map(|line| Ok(Bytes::copy_from_slice(line))).collect()
            }
        };
        futures::future::ready(Some(futures::stream::iter(lines)))
    };
    chunks.scan(Vec::new(), move |rest, chunk| cut(rest, chunk)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_survive_any_cutting_into_chunks() {
        let text = b"{\"a\":1}\n\n{\"b\":2}\n";
        for size in 1..text.len() {
            let chunks: Vec<Result<Bytes>> =
                text.chunks(size).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
            let lines: Vec<Bytes> = split_lines(futures::stream::iter(chunks)).try_collect().await.unwrap();
            assert_eq!(lines, [&b"{\"a\":1}"[..], b"{\"b\":2}"], "chunks of {size}");
        }
    }
}
