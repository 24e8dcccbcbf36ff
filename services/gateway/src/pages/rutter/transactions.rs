//! Transactions: a list of writes, all or none, in one commit.
//!
//! ```json
//! {"writes": [
//!   {"verb": "create", "object": {…}},
//!   {"verb": "update", "object": {…}},
//!   {"verb": "apply",  "object": {…}},
//!   {"verb": "delete", "object": {"apiVersion":…,"kind":…,"metadata":{"name":…,"namespace":…}}, "options": {…}}
//! ]}
//! ```
//! `apply` creates what is not there and merges into what is (a merge patch). The answer has each object as it is after
//! the commit, in the order of the request; a refusal names its member, and nothing was written. An object may stand in
//! a list once: a commit is one step for each object.

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use rutter_apimachinery::status::{Status, Subject};
use rutter_apimachinery::write::{self, DeleteOptions, Deletion, Draft, WriteCx, resource_subject};
use rutter_apimachinery::{patch, registry::Resource};
use rutter_projection::Snapshot;
use rutter_runtime::admission::{self, Charges, Shelf};
use rutter_schemas::{Key, Revision, Scope, Uuid, limits, state};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::json_answer;
use crate::Gateway;
use crate::admission::namespace;
use crate::authn::User;
use crate::body::Body;
use crate::convert::interpreter::Interpreter;
use crate::convert::{self, stored_group};
use crate::request::Query;
use crate::store::{Intent, Plan, failed};
use crate::verbs::{Sent, options};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    writes: Vec<Member>,
    /// One line for `rutter why`.
    #[serde(default)]
    why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    verb: Verb,
    object: Value,
    #[serde(default)]
    options: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Create,
    Update,
    Apply,
    Delete,
}

/// A member with what its words mean.
struct Write {
    verb: Verb,
    resource: Arc<Resource>,
    namespace: String,
    name: String,
    object: Value,
    delete: DeleteOptions,
}

/// What a member came to.
enum Outcome {
    /// The n-th event of the commit, in clear.
    Written(usize, Box<RawValue>),
    Unchanged(Value),
}

/// # Errors
/// 400 and 422 with the member's place in the message, 409, 413 above a commit's bounds.
pub async fn serve(
    gateway: &Gateway,
    user: &User,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Status> {
    let dry_run = options::of(query, "CreateOptions")?.dry_run;
    let (parts, body) = request.into_parts();
    let sent = Sent::read(&parts.headers, Some(body)).await?;
    let asked: Asked = serde_json::from_value(sent.value()?)
        .map_err(|error| Status::bad_request(format!("this is no list of writes: {error}")))?;
    let writes = understood(gateway, asked.writes)?;
    let why = if asked.why.is_empty() {
        format!("{} asked for a transaction of {}", user.name, writes.len())
    } else {
        asked.why
    };

    let interpreter = Interpreter::of(&gateway.webhooks, writes.iter().map(|write| &write.resource));
    let intent = Intent { interpreter, ..Intent::of(user).rehearsed(dry_run) };
    let subject = Subject::new("rutter.dev", "transactions");
    let written = gateway
        .store
        .write(&intent, subject, "", |snapshot| decide(gateway, &intent, snapshot, &writes, &why))
        .await?;
    let shown = |outcome: &Outcome| shown(outcome, written.first, &intent.interpreter);
    let items: Vec<Value> = written.answer.iter().map(shown).collect();
    Ok(json_answer(&json!({
        "kind": "TransactionResult",
        "apiVersion": "rutter.dev/v1",
        "revision": written.first.map(|first| first.plus(written.answer.len() as u64 - 1)),
        "items": items,
    })))
}

fn understood(gateway: &Gateway, members: Vec<Member>) -> Result<Vec<Write>, Status> {
    if members.len() > limits::COMMIT_OBJECTS {
        return Err(Status::too_large(&format!(
            "a transaction has at most {} writes",
            limits::COMMIT_OBJECTS
        )));
    }
    let writes: Vec<Write> = members
        .into_iter()
        .enumerate()
        .map(|(index, member)| meant(gateway, member).map_err(|status| at(index, status)))
        .collect::<Result<_, _>>()?;
    let mut keys = BTreeSet::new();
    for (index, write) in writes.iter().enumerate().filter(|(_, write)| !write.name.is_empty()) {
        if !keys.insert(write.key()) {
            return Err(at(
                index,
                Status::bad_request(format!("{} stands in this transaction twice", write.key())),
            ));
        }
    }
    Ok(writes)
}

fn meant(gateway: &Gateway, member: Member) -> Result<Write, Status> {
    let Member { verb, object, options } = member;
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let resource = gateway.registry().by_kind(group, version, &kind);
    let resource = resource.ok_or_else(|| {
        Status::bad_request(format!("no matches for kind {kind:?} in version {api_version:?}"))
    })?;
    let (mut namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    if !resource.namespaced {
        namespace.clear();
    } else if namespace.is_empty() {
        return Err(Status::bad_request(
            "metadata.namespace is needed: a transaction has no namespace of its own",
        ));
    }
    if name.is_empty() && verb != Verb::Create {
        return Err(Status::bad_request("metadata.name is needed"));
    }
    let delete = DeleteOptions::from_value(options.unwrap_or_else(|| json!({})))?;
    Ok(Write { verb, resource, namespace, name, object, delete })
}

/// All drafts on one snapshot. None may rely on another's outcome: in a commit each stands for itself.
fn decide(
    gateway: &Gateway,
    intent: &Intent,
    snapshot: &Snapshot,
    writes: &[Write],
    why: &str,
) -> Result<Plan<Vec<Outcome>>, Status> {
    let made: BTreeSet<&str> = writes
        .iter()
        .filter(|w| w.verb != Verb::Delete && &*w.resource.plural == "namespaces")
        .map(|w| w.name.as_str())
        .collect();
    if intent.interpreter.is_needed() {
        read_all(intent, snapshot, writes)?;
    }
    let mut plan = Plan::many(Vec::new(), why, Vec::new());
    let mut guards: BTreeSet<Scope> = BTreeSet::new();
    let mut charges = Charges::default();
    for (index, write) in writes.iter().enumerate() {
        let decided =
            write.decide(gateway, intent, snapshot, &mut charges).map_err(|status| at(index, status))?;
        let outcome = match decided {
            Ok(draft) => {
                if draft.event.op == rutter_schemas::Op::Create
                    && write.resource.namespaced
                    && !made.contains(write.namespace.as_str())
                {
                    let guard = namespace::admit_create(
                        snapshot,
                        &write.namespace,
                        resource_subject(&write.resource),
                        &write.name,
                    );
                    guards.insert(guard.map_err(|status| at(index, status))?);
                }
                let place = plan.drafts.len();
                let clear = draft.event.state.clone();
                plan.drafts.push(write.sealed(gateway, draft)?);
                Outcome::Written(place, clear)
            }
            Err(unchanged) => Outcome::Unchanged(unchanged),
        };
        plan.answer.push(outcome);
    }
    Ok(plan.guarding(guards).charged(charges))
}

/// What stands, in the versions of the writes: what has to be asked for that is asked together.
fn read_all(intent: &Intent, snapshot: &Snapshot, writes: &[Write]) -> Result<(), Status> {
    let mut unknown = Ok(());
    for write in writes {
        let stored = snapshot.get_object(&write.key()).map_err(|error| failed(&error))?;
        if let Some(Err(status)) = stored.map(|stored| intent.interpreter.spoken(&write.resource, stored)) {
            unknown = Err(status);
        }
    }
    unknown
}

impl Write {
    fn key(&self) -> Key {
        Key::new(stored_group(&self.resource), &self.resource.plural, &self.namespace, &self.name)
    }

    /// The draft, or the object that stays as it is.
    fn decide(
        &self,
        gateway: &Gateway,
        intent: &Intent,
        snapshot: &Snapshot,
        charges: &mut Charges,
    ) -> Result<Result<Draft, Value>, Status> {
        let cx = WriteCx {
            now: jiff::Timestamp::now(),
            uid: Uuid::new_v4(),
            namespace: &self.namespace,
            name: if self.verb == Verb::Create { "" } else { &self.name },
            user: &intent.actor.user,
            field_manager: "transaction",
        };
        let before = snapshot.get_object(&self.key()).map_err(|error| failed(&error))?;
        let before = before.map(|stored| intent.interpreter.spoken(&self.resource, stored)).transpose()?;
        let before = before.map(|object| gateway.store.parsed(&self.resource, &object)).transpose()?;
        let subject = resource_subject(&self.resource);
        let missing = || Status::not_found(subject, &self.name);
        match (self.verb, before) {
            (Verb::Create, Some(_)) => Err(Status::already_exists(subject, &self.name)),
            (Verb::Create | Verb::Apply, None) => {
                let mut object = self.object.clone();
                admission::birth(&self.resource, &self.namespace, &mut object, snapshot)?;
                charges.birth(&Shelf(snapshot), &self.resource, &self.namespace, &object)?;
                write::create(&self.resource, "", object, &cx).map(Ok)
            }
            (Verb::Update, Some(before)) => {
                let change = (&before, &self.object);
                charges.change(&Shelf(snapshot), (&*self.resource, ""), &self.namespace, change)?;
                let draft = write::update(&self.resource, "", &before, self.object.clone(), &cx)?;
                Ok(draft.ok_or(before))
            }
            (Verb::Apply, Some(before)) => {
                let after = patch::merge(&before, &self.object)?;
                charges.change(
                    &Shelf(snapshot),
                    (&*self.resource, ""),
                    &self.namespace,
                    (&before, &after),
                )?;
                let draft = write::update(&self.resource, "", &before, after, &cx)?;
                Ok(draft.ok_or(before))
            }
            (Verb::Delete, Some(before)) => {
                match write::delete(&self.resource, &before, &self.delete, &cx)? {
                    Deletion::Removed(draft) | Deletion::Marked(draft) => Ok(Ok(draft)),
                    Deletion::Pending(object) => Ok(Err(object)),
                }
            }
            (Verb::Update | Verb::Delete, None) => Err(missing()),
        }
    }

    fn sealed(&self, gateway: &Gateway, draft: Draft) -> Result<Draft, Status> {
        let mut draft = convert::stored(draft, &self.resource, &gateway.registry());
        if self.resource.sealed {
            draft.event.state = state::encode(&gateway.store.sealed(&draft.object)?);
        }
        Ok(draft)
    }
}

fn shown(outcome: &Outcome, first: Option<Revision>, interpreter: &Interpreter) -> Value {
    let (place, clear) = match outcome {
        Outcome::Unchanged(object) => return object.clone(),
        Outcome::Written(place, clear) => (place, clear),
    };
    let read_back = interpreter.read_back(clear);
    let state = read_back.as_ref().unwrap_or(clear);
    let text = match first {
        Some(first) => state::splice(state, first.plus(*place as u64)),
        None => Bytes::copy_from_slice(state.get().as_bytes()),
    };
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Says which member it was.
fn at(index: usize, mut status: Status) -> Status {
    status.message = format!("writes[{index}]: {}", status.message);
    status
}
