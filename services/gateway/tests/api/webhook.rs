//! A conversion webhook: a real server over TLS in this process, that can be told to answer otherwise.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use rutter_runtime::pki::CertificateAuthority;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What is answered to a review; nothing is ever answered for none.
pub(crate) type Answering = Arc<dyn Fn(&Value) -> Option<(u16, Value)> + Send + Sync>;

pub(crate) struct Webhook {
    pub(crate) address: SocketAddr,
    authority: CertificateAuthority,
    asked: Arc<Mutex<Vec<Value>>>,
    answering: Arc<Mutex<Answering>>,
    connections: Arc<Mutex<usize>>,
}

impl Webhook {
    /// A webhook by these names that converts host and port.
    pub(crate) async fn start(names: &[&str]) -> Webhook {
        let authority = CertificateAuthority::generate("webhooks", jiff::Timestamp::now()).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let leaf = authority.server_certificate("webhook", &names, jiff::Timestamp::now()).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(leaf.certificate_pem.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answering: Answering = Arc::new(converted);
        let webhook = Webhook {
            address,
            authority,
            asked: Arc::default(),
            answering: Arc::new(Mutex::new(answering)),
            connections: Arc::default(),
        };
        let (asked, answering) = (webhook.asked.clone(), webhook.answering.clone());
        let (acceptor, connections) = (TlsAcceptor::from(Arc::new(tls)), webhook.connections.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (asked, answering) = (asked.clone(), answering.clone());
                *connections.lock().unwrap() += 1;
                tokio::spawn(serve(acceptor.clone(), socket, asked, answering));
            }
        });
        webhook
    }

    /// The `spec.conversion` that has this one asked by its URL.
    pub(crate) fn conversion(&self) -> Value {
        let url = format!("https://localhost:{}/convert", self.address.port());
        self.conversion_at(json!({ "url": url }))
    }

    /// The same at another address.
    pub(crate) fn conversion_at(&self, mut config: Value) -> Value {
        config["caBundle"] = json!(STANDARD.encode(self.authority.certificate_pem()));
        json!({"strategy": "Webhook", "webhook": {"clientConfig": config, "conversionReviewVersions": ["v1"]}})
    }

    pub(crate) fn answers(&self, answering: impl Fn(&Value) -> Option<(u16, Value)> + Send + Sync + 'static) {
        *self.answering.lock().unwrap() = Arc::new(answering);
    }

    /// How many connections were ever made.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// What was asked since it was last asked for: `v1 a,b` for the objects a and b in the version v1.
    pub(crate) fn asked(&self) -> Vec<String> {
        let reviews = std::mem::take(&mut *self.asked.lock().unwrap());
        reviews.iter().map(told).collect()
    }
}

fn told(review: &Value) -> String {
    let request = &review["request"];
    let version = request["desiredAPIVersion"].as_str().unwrap().rsplit('/').next().unwrap();
    let names = request["objects"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|object| object["metadata"]["name"].as_str().unwrap()).collect();
    format!("{version} {}", names.join(","))
}

async fn serve(
    acceptor: TlsAcceptor,
    socket: TcpStream,
    asked: Arc<Mutex<Vec<Value>>>,
    answering: Arc<Mutex<Answering>>,
) {
    let Ok(stream) = acceptor.accept(socket).await else { return };
    let service = service_fn(|request: Request<Incoming>| {
        let (asked, answering) = (asked.clone(), answering.lock().unwrap().clone());
        async move {
            assert_eq!(request.headers()["content-type"], "application/json");
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let review: Value = serde_json::from_slice(&body).unwrap();
            let answer = answering(&review);
            asked.lock().unwrap().push(review);
            let Some((code, answer)) = answer else { return std::future::pending().await };
            let text = match answer {
                Value::String(text) => text,
                object => object.to_string(),
            };
            let response = Response::builder().status(code).header("content-type", "application/json");
            Ok::<_, Infallible>(response.body(Full::new(Bytes::from(text))).unwrap())
        }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// v1 has `hostPort`, v2 has `host` and `port`; v2 says in a label that it is it, and has a `note` that v1 forgets.
pub(crate) fn converted(review: &Value) -> Option<(u16, Value)> {
    let request = &review["request"];
    let desired = request["desiredAPIVersion"].as_str().unwrap();
    let objects: Vec<Value> =
        request["objects"].as_array().unwrap().iter().map(|o| in_version(o, desired)).collect();
    Some((200, answer(review, json!(objects))))
}

pub(crate) fn answer(review: &Value, objects: Value) -> Value {
    json!({"kind": "ConversionReview", "apiVersion": review["apiVersion"], "response": {
        "uid": review["request"]["uid"], "result": {"status": "Success"}, "convertedObjects": objects,
    }})
}

fn in_version(object: &Value, desired: &str) -> Value {
    let mut object = object.clone();
    object["apiVersion"] = json!(desired);
    let spec = object["spec"].as_object_mut().unwrap();
    if desired.ends_with("v2") {
        if let Some(both) = spec.remove("hostPort") {
            let (host, port) = both.as_str().unwrap().split_once(':').unwrap();
            spec.insert("host".to_owned(), json!(host));
            spec.insert("port".to_owned(), json!(port));
        }
        object["metadata"]["labels"]["spoken"] = json!("v2");
    } else {
        let part = |spec: &mut serde_json::Map<String, Value>, name: &str| {
            spec.remove(name).and_then(|part| part.as_str().map(str::to_owned)).unwrap_or_default()
        };
        let both = format!("{}:{}", part(spec, "host"), part(spec, "port"));
        spec.remove("note");
        spec.insert("hostPort".to_owned(), json!(both));
        if let Some(labels) = object["metadata"]["labels"].as_object_mut() {
            labels.remove("spoken");
        }
    }
    object
}
