//! Webhooks: servers of the cluster's operators that are asked over HTTPS, by URL or by Service
//! (upstream: `k8s.io/apiserver/pkg/util/webhook`).
//!
//! A client is made once for a `clientConfig` and kept, with its connections. What fails is said as upstream's client
//! says it, since people look these words up.

mod hook;
mod trust;
mod way;
mod words;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rutter_runtime::view::View;

use crate::node::dial::Dialler;
pub(crate) use hook::Hook;
use way::Way;

/// Clients that are kept (upstream: `defaultCacheSize`).
const CLIENTS: usize = 200;
/// How long a connection waits for its next request (Go's `IdleConnTimeout`).
const IDLE: Duration = Duration::from_secs(90);
/// Connections that wait so (client-go's `idleConnsPerHost`).
const IDLE_CONNECTIONS: usize = 25;
/// The largest answer that is read: some times what is ever sent.
const LARGEST_ANSWER: usize = 64 << 20;

const JSON: &str = "application/json";

type Client = legacy::Client<HttpsConnector<Way>, Full<Bytes>>;

/// Everybody who may be asked. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    reach: way::Reach,
    /// The absolute time of one question, answer included.
    patience: Duration,
    clients: Mutex<HashMap<Hook, Client>>,
}

impl Webhooks {
    pub fn new(view: View, dialler: Dialler, patience: Duration) -> Webhooks {
        let reach = way::Reach { view, dialler };
        Webhooks(Arc::new(Inner { reach, patience, clients: Mutex::default() }))
    }

    /// Sends JSON; gives the body of a good answer.
    ///
    /// # Errors
    /// Why there is none: `Post "https://…": connection refused`, or what the server answered instead.
    pub(crate) async fn post(&self, hook: &Hook, body: Vec<u8>) -> Result<Bytes, String> {
        let url = hook.url(self.0.patience);
        let posted = |why: &str| format!("Post \"{url}\": {why}");
        let client = self.client(hook).await?;
        let request = Request::post(&url).header(ACCEPT, JSON).header(CONTENT_TYPE, JSON);
        let request = request.body(Full::from(body)).map_err(|error| posted(&error.to_string()))?;
        let asked = async {
            let answer = client.request(request).await.map_err(|error| posted(&words::of(&error)))?;
            read(answer).await
        };
        let in_time = tokio::time::timeout(self.0.patience, asked).await;
        in_time.unwrap_or_else(|_| Err(posted("context deadline exceeded")))
    }

    async fn client(&self, hook: &Hook) -> Result<Client, String> {
        if let Some(known) = self.clients().get(hook) {
            return Ok(known.clone());
        }
        let tls = trust::config(hook.ca.clone()).await?;
        let way = Way { at: hook.at.clone(), reach: self.0.reach.clone() };
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(HttpsConnector::from((way, Arc::new(tls))));
        let mut clients = self.clients();
        if clients.len() >= CLIENTS {
            // Whose it was makes itself another one.
            let some = clients.keys().next().cloned();
            some.map(|hook| clients.remove(&hook));
        }
        clients.insert(hook.clone(), client.clone());
        Ok(client)
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, HashMap<Hook, Client>> {
        self.0.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Webhooks")
    }
}

async fn read(answer: Response<Incoming>) -> Result<Bytes, String> {
    let (parts, body) = answer.into_parts();
    let header = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or(JSON);
    let whole = Limited::new(body, LARGEST_ANSWER).collect().await;
    let body = whole
        .map_err(|error| {
            format!("unexpected error when reading response body. Please retry. Original error: {error}")
        })?
        .to_bytes();
    if !parts.status.is_success() {
        return Err(words::refused(parts.status, header, &body));
    }
    if body.is_empty() {
        let code = parts.status.as_u16();
        return Err(format!("0-length response with status code: {code} and content type: {header}"));
    }
    Ok(body)
}
