//! One-time tokens, and joining a node with one.
//!
//! A token is `<id>.<secret>.<SHA-256 of the cluster's CA>`: the last part tells a machine that knows nothing yet whom
//! to believe, as kubeadm's `--discovery-token-ca-cert-hash` does, and is not sent. What is kept is a sealed Secret with
//! the hash of `<id>.<secret>`. Joining deletes it on the condition that it is as it was, so of two gateways that are
//! shown the same token, one is refused.

use http::{HeaderMap, Request, Response, Uri, header};
use hyper::body::Incoming;
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::{Status, Subject};
use rutter_apimachinery::validation::dns_subdomain_faults;
use rutter_apimachinery::write::{self, DeleteOptions, Deletion, Draft, WriteCx};
use rutter_projection::{ListQuery, Snapshot};
use rutter_runtime::jwt::Authority;
use rutter_runtime::roles::Role;
use rutter_schemas::{Key, Uuid, state};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{GROUP, json_answer};
use crate::Gateway;
use crate::admission::namespace;
use crate::authn::User;
use crate::body::Body;
use crate::store::{Intent, Plan, failed};
use crate::verbs::Sent;

/// How long a token may wait to be used.
const LIFE: SignedDuration = SignedDuration::from_hours(24);
const NAMESPACE: &str = "kube-system";
const PREFIX: &str = "rutter-join-";
const TYPE: &str = "rutter.dev/join-token";
/// Who may make tokens (upstream's group of those who may do everything).
const MAKERS: &str = "system:masters";
/// Upstream's names for who comes with a token that is no more than a way in.
const USER_PREFIX: &str = "system:bootstrap:";
const USER_GROUP: &str = "system:bootstrappers";
const REFUSED: &str = "the token is unknown, expired or used: make another with `rutter token`";
const SECRETS: Subject<'static> = Subject { group: "", noun: "secrets" };

/// What a gateway needs to let nodes join.
#[derive(Debug, Clone)]
pub struct Joining {
    /// Signs the credentials of nodes.
    pub authority: Authority,
    /// Where nodes reach NATS, and whom they trust there, PEM.
    pub nats: String,
    pub nats_ca_pem: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// `<id>.<secret>`
    token: String,
    node: String,
}

/// Makes a token.
///
/// # Errors
/// 403 for who may not, 501 where nodes can't join.
pub async fn create(gateway: &Gateway, user: &User) -> Result<Response<Body>, Status> {
    if !user.is_in(MAKERS) {
        let why = format!("User {:?} cannot make tokens: only the group {MAKERS:?} can", user.name);
        return Err(Status::forbidden(Subject::new(GROUP, "tokens"), "", &why));
    }
    joining(gateway)?;
    let id = random()[..8].to_owned();
    let text = format!("{id}.{}{}", random(), random());
    let expires = Timestamp::now() + LIFE;
    let decide = |snapshot: &Snapshot| made(gateway, snapshot, &id, &text, expires);
    gateway.store.write(&Intent::of(user), SECRETS, &name_of(&id), decide).await?;
    let pin = fingerprint(&gateway.ca_pem)?;
    Ok(json_answer(&json!({ "token": format!("{text}.{pin}"), "expires": expires.to_string() })))
}

/// Trades a token for what a node needs to reach NATS.
///
/// # Errors
/// 403 for a token that doesn't hold, 409 for a node that is there, 422 for a name that is none, 501 where nodes can't
/// join.
pub async fn join(gateway: &Gateway, request: Request<Incoming>) -> Result<Response<Body>, Status> {
    let (parts, body) = request.into_parts();
    let joining = joining(gateway)?;
    reaches(joining, &parts.headers, &parts.uri)?;
    let sent = Sent::read(&parts.headers, Some(body)).await?;
    let asked: Asked = serde_json::from_value(sent.value()?)
        .map_err(|error| Status::bad_request(format!("this is no request to join: {error}")))?;
    if let Some(fault) = dns_subdomain_faults(&asked.node).first() {
        return Err(Status::unprocessable(&format!("the node's name {:?}: {fault}", asked.node)));
    }
    let id = asked.token.split('.').next().unwrap_or_default();
    let user = User::authenticated(format!("{USER_PREFIX}{id}"), vec![USER_GROUP.to_owned()]);

    // A token that another gateway made a moment ago is known from here on.
    gateway.store.read(crate::request::options::At::Latest).await?;
    let now = Timestamp::now();
    let decide = |snapshot: &Snapshot| spent(gateway, snapshot, id, &asked, now);
    gateway.store.write(&Intent::of(&user), SECRETS, &name_of(id), decide).await?;

    let credentials = joining.authority.credentials(&Role::Node(asked.node.clone()), now.as_second());
    Ok(json_answer(&json!({
        "node": asked.node,
        "nats": joining.nats,
        "natsCA": joining.nats_ca_pem,
        "credentials": credentials.text(),
    })))
}

fn joining(gateway: &Gateway) -> Result<&Joining, Status> {
    gateway.joining.as_ref().ok_or_else(|| {
        unable(
            "this gateway has not the keys of NATS: start it with --nats-keys, or make credentials by hand",
        )
    })
}

/// A broker on loopback is of no use to another machine; better said before the token is spent.
fn reaches(joining: &Joining, headers: &HeaderMap, uri: &Uri) -> Result<(), Status> {
    let asked = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Uri>().ok());
    let asked = asked.as_ref().and_then(Uri::host).or(uri.host()).unwrap_or_default();
    let nats = joining.nats.parse::<Uri>().ok();
    if is_loopback(nats.as_ref().and_then(Uri::host).unwrap_or_default()) && !is_loopback(asked) {
        return Err(unable(
            "NATS is reached on loopback only here: start the cluster with `rutter up --nats-listen`",
        ));
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// 501: the request is fine, this server was not given what it takes.
fn unable(why: &str) -> Status {
    let mut status = Status::bad_request(why);
    status.code = 501;
    status.reason = "NotImplemented".into();
    status
}

/// The new token, and the end of those that nobody used in time.
fn made(
    gateway: &Gateway,
    snapshot: &Snapshot,
    id: &str,
    text: &str,
    expires: Timestamp,
) -> Result<Plan<()>, Status> {
    let resource = secrets(gateway)?;
    let name = name_of(id);
    let guard = namespace::admit_create(snapshot, NAMESPACE, SECRETS, &name)?;
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": TYPE,
        "metadata": { "name": name, "namespace": NAMESPACE },
        "data": { "hash": STANDARD.encode(hash(text)), "expires": STANDARD.encode(expires.to_string()) },
    });
    let mut drafts = vec![sealed(gateway, write::create(&resource, "", object, &cx(""))?)?];
    for kept in kept(gateway, snapshot, &resource)? {
        if expires_at(&kept).is_none_or(|at| at + LIFE < expires) {
            drafts.push(deleted(gateway, &resource, &kept)?);
        }
    }
    Ok(Plan::many(drafts, "a token was made for a node to join", ()).guarding([guard]))
}

/// All tokens that are kept, in clear.
fn kept(gateway: &Gateway, snapshot: &Snapshot, resource: &Resource) -> Result<Vec<Value>, Status> {
    let query = ListQuery { namespace: Some(NAMESPACE.to_owned()), ..ListQuery::of("", "secrets") };
    let mut tokens = Vec::new();
    for entry in snapshot.list(&query) {
        let (key, record) = entry.map_err(|error| failed(&error))?;
        if key.name.starts_with(PREFIX) {
            tokens.push(gateway.store.parsed(resource, &record.object)?);
        }
    }
    tokens.retain(|token| token["type"] == TYPE);
    Ok(tokens)
}

/// The token's end, if it holds and the node is new.
fn spent(
    gateway: &Gateway,
    snapshot: &Snapshot,
    id: &str,
    asked: &Asked,
    now: Timestamp,
) -> Result<Plan<()>, Status> {
    let refused = || Status::forbidden(Subject::new(GROUP, "join"), "", REFUSED);
    let resource = secrets(gateway)?;
    let key = Key::new("", "secrets", NAMESPACE, &name_of(id));
    let object = snapshot.get_object(&key).map_err(|error| failed(&error))?.ok_or_else(refused)?;
    let token = gateway.store.parsed(&resource, &object)?;
    let holds = field(&token, "hash").is_some_and(|kept| kept == hash(&asked.token));
    if token["type"] != TYPE || !holds || expires_at(&token).is_none_or(|at| at <= now) {
        return Err(refused());
    }
    let node = Key::new("", "nodes", "", &asked.node);
    if snapshot.get(&node).map_err(|error| failed(&error))?.is_some() {
        let why = "a node of this name is there: delete it first, or choose another --node-name";
        return Err(Status::conflict(Subject::new("", "nodes"), &asked.node, why));
    }
    let draft = deleted(gateway, &resource, &token)?;
    Ok(Plan::one(draft, format!("the node {} joined with this token", asked.node), ()))
}

fn deleted(gateway: &Gateway, resource: &Resource, token: &Value) -> Result<Draft, Status> {
    let name = token["metadata"]["name"].as_str().unwrap_or_default();
    match write::delete(resource, token, &DeleteOptions::default(), &cx(name))? {
        Deletion::Removed(draft) | Deletion::Marked(draft) => sealed(gateway, draft),
        Deletion::Pending(_) => Err(Status::forbidden(SECRETS, name, REFUSED)),
    }
}

fn sealed(gateway: &Gateway, mut draft: Draft) -> Result<Draft, Status> {
    draft.event.state = state::encode(&gateway.store.sealed(&draft.object)?);
    Ok(draft)
}

fn secrets(gateway: &Gateway) -> Result<Arc<Resource>, Status> {
    let resource = gateway.registry().resource("", "v1", "secrets");
    resource.ok_or_else(|| Status::internal("the registry has no secrets"))
}

fn cx(name: &str) -> WriteCx<'_> {
    WriteCx {
        now: Timestamp::now(),
        uid: Uuid::new_v4(),
        namespace: NAMESPACE,
        name,
        user: "system:gateway",
        field_manager: "gateway",
    }
}

fn name_of(id: &str) -> String {
    format!("{PREFIX}{id}")
}

fn expires_at(token: &Value) -> Option<Timestamp> {
    field(token, "expires")?.parse().ok()
}

fn field(secret: &Value, name: &str) -> Option<String> {
    let bytes = STANDARD.decode(secret["data"][name].as_str()?).ok()?;
    String::from_utf8(bytes).ok()
}

/// 122 random bits as 32 hexadecimal digits.
fn random() -> String {
    Uuid::new_v4().simple().to_string()
}

fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// SHA-256 of a certificate's DER, in hexadecimal.
fn fingerprint(pem: &str) -> Result<String, Status> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| failed(&error))?;
    Ok(hex(&Sha256::digest(&der)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_many_spellings() {
        for host in ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "10.0.0.1", "nats-1", "localhost.example"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
