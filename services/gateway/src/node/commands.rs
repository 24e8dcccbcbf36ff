//! What nodes ask to be written (`rutter_schemas::protocol::node`). Each command is checked: a node speaks of itself and
//! of the pods that are bound to it. All are safe to repeat.

use std::sync::Arc;

use futures::StreamExt;
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::{Status, Subject};
use rutter_apimachinery::write::{self, DeleteOptions, Deletion, Draft, Preconditions, WriteCx};
use rutter_projection::Snapshot;
use rutter_schemas::protocol::node::{NodeCommand, NodeReply};
use rutter_schemas::{Key, Revision, Uuid, subjects};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{QUEUE, addresses, merge, user};
use crate::Gateway;
use crate::admission::namespace;
use crate::authn::token::{Named, Wish};
use crate::store::{Intent, Plan, failed};
use crate::subresource::token;

/// Commands under way at once; more wait, so that a crowd of nodes doesn't push people aside.
const AT_ONCE: usize = 256;

/// Answers commands until `stop`.
///
/// # Errors
/// When the broker refuses the subscription.
pub async fn run(gateway: Gateway, stop: CancellationToken) -> Result<(), async_nats::SubscribeError> {
    let subject = subjects::node::all("command");
    let mut commands = gateway.nats.queue_subscribe(subject, QUEUE.to_owned()).await?;
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let message = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            message = commands.next() => message,
        };
        let Some(message) = message else { return Ok(()) };
        let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
        let gateway = gateway.clone();
        tokio::spawn(async move {
            answer(&gateway, message).await;
            drop(place);
        });
    }
}

async fn answer(gateway: &Gateway, message: async_nats::Message) {
    let Some(reply_to) = message.reply else { return };
    let reply = match subjects::node::name_in(&message.subject) {
        Some(node) => match serde_json::from_slice(&message.payload) {
            Ok(command) => Asked { gateway, node: &node }.carry_out(command).await,
            Err(error) => Err(Status::bad_request(format!("this is no command: {error}"))),
        },
        None => Err(Status::bad_request("the subject names no node")),
    };
    let reply = reply.unwrap_or_else(|status| NodeReply::Refused { status: json!(status) });
    let text = serde_json::to_vec(&reply).expect("plain data");
    if let Err(error) = gateway.nats.publish(reply_to, text.into()).await {
        tracing::debug!(%error, "a node's answer was not sent");
    }
}

/// A pod that a node speaks of.
struct Pod {
    namespace: String,
    name: String,
    uid: String,
}

impl Pod {
    fn key(&self) -> Key {
        Key::new("", "pods", &self.namespace, &self.name)
    }
}

/// A node that asks.
struct Asked<'a> {
    gateway: &'a Gateway,
    node: &'a str,
}

/// What a decision came to, for the answer.
enum Became {
    /// As it was, at this revision.
    Same(Revision),
    Written,
    Gone,
}

const PODS: Subject<'static> = Subject::new("", "pods");
const NODES: Subject<'static> = Subject::new("", "nodes");
const EVENTS: Subject<'static> = Subject::new("", "events");

impl Asked<'_> {
    async fn carry_out(&self, command: NodeCommand) -> Result<NodeReply, Status> {
        match command {
            NodeCommand::Register { node } => self.register(node).await,
            NodeCommand::NodeStatus { status, why } => self.node_status(status, why).await,
            NodeCommand::PodStatus { namespace, name, uid, status, fact, why, cause } => {
                self.pod_status(Pod { namespace, name, uid }, status, fact, why, cause).await
            }
            NodeCommand::PodDelete { namespace, name, uid, status, why } => {
                self.pod_delete(Pod { namespace, name, uid }, status, why).await
            }
            NodeCommand::RecordEvent { event } => self.record(event).await,
            NodeCommand::Token {
                namespace,
                service_account,
                audiences,
                expiration_seconds,
                pod_name,
                pod_uid,
            } => {
                let pod = Pod { namespace, name: pod_name, uid: pod_uid };
                self.token(pod, service_account, audiences, expiration_seconds).await
            }
        }
    }

    async fn register(&self, said: Value) -> Result<NodeReply, Status> {
        if said.pointer("/metadata/name").and_then(Value::as_str) != Some(self.node) {
            return Err(Status::forbidden(NODES, self.node, "a node registers itself"));
        }
        let resource = self.resource("nodes")?;
        let who = user(self.node);
        self.write(NODES, self.node, None, |snapshot| {
            let cx = cx("", self.node, &who.name);
            let why = "the node came up";
            let Some((before, revision)) = object_of(snapshot, &self.key())? else {
                let mut node = said.clone();
                addresses::forget(&mut node);
                let range = addresses::give(self.gateway, snapshot, &mut node)?;
                let draft = write::create(&resource, "", node, &WriteCx { name: "", ..cx })?;
                return Ok(Plan::many(std::iter::once(draft).chain(range).collect(), why, Became::Written));
            };
            let mut after = taken_over(&before, &said);
            let range = addresses::give(self.gateway, snapshot, &mut after)?;
            match write::update(&resource, "", &before, after, &cx)? {
                Some(draft) => {
                    Ok(Plan::many(std::iter::once(draft).chain(range).collect(), why, Became::Written))
                }
                None => Ok(Plan::nothing(Became::Same(revision))),
            }
        })
        .await
    }

    async fn node_status(&self, status: Value, why: String) -> Result<NodeReply, Status> {
        let resource = self.resource("nodes")?;
        let who = user(self.node);
        self.write(NODES, self.node, None, |snapshot| {
            let found = object_of(snapshot, &self.key())?;
            let (before, revision) = found.ok_or_else(|| Status::not_found(NODES, self.node))?;
            let mut after = before.clone();
            after["status"] = merge::status(&before["status"], &status);
            let routed = addresses::routed(snapshot, &after)?;
            let draft = write::update(&resource, "status", &before, after, &cx("", self.node, &who.name))?;
            let drafts: Vec<Draft> = draft.into_iter().chain(routed).collect();
            if drafts.is_empty() {
                return Ok(Plan::nothing(Became::Same(revision)));
            }
            Ok(Plan::many(drafts, &*why, Became::Written))
        })
        .await
    }

    async fn pod_status(
        &self,
        pod: Pod,
        status: Value,
        fact: String,
        why: String,
        cause: Option<Revision>,
    ) -> Result<NodeReply, Status> {
        let resource = self.resource("pods")?;
        let who = user(self.node);
        self.write(PODS, &pod.name, cause, |snapshot| {
            let found = self.own_pod(snapshot, &pod)?;
            let (before, revision) = found.ok_or_else(|| Status::not_found(PODS, &pod.name))?;
            let mut after = before.clone();
            after["status"] = merge::status(&before["status"], &status);
            let cx = cx(&pod.namespace, &pod.name, &who.name);
            let draft = write::update(&resource, "status", &before, after, &cx)?;
            Ok(written(draft.map(|draft| called(draft, &fact)), &why, revision))
        })
        .await
    }

    async fn pod_delete(&self, pod: Pod, status: Option<Value>, why: String) -> Result<NodeReply, Status> {
        let resource = self.resource("pods")?;
        let who = user(self.node);
        let options = DeleteOptions {
            grace_period_seconds: Some(0),
            preconditions: Preconditions { uid: Some(pod.uid.clone()), resource_version: None },
            ..DeleteOptions::default()
        };
        // It goes because of what was done to it last: its deletion was asked for, or its containers ended.
        let cause = self.gateway.store.record(&pod.key()).map(|record| record.revision);
        self.write(PODS, &pod.name, cause, |snapshot| {
            let Some((before, revision)) = self.own_pod(snapshot, &pod)? else {
                return Ok(Plan::nothing(Became::Gone));
            };
            let mut last = before.clone();
            if let Some(status) = &status {
                last["status"] = merge::status(&before["status"], status);
            }
            let cx = cx(&pod.namespace, &pod.name, &who.name);
            match write::delete(&resource, &last, &options, &cx)? {
                Deletion::Removed(draft) => Ok(Plan::one(draft, why.clone(), Became::Gone)),
                Deletion::Marked(draft) => Ok(Plan::one(draft, why.clone(), Became::Written)),
                // Finalizers hold it: how it ended is told all the same.
                Deletion::Pending(_) => {
                    let draft = write::update(&resource, "status", &before, last, &cx)?;
                    Ok(written(draft, &why, revision))
                }
            }
        })
        .await
    }

    async fn record(&self, said: Value) -> Result<NodeReply, Status> {
        let text = |path: &str| said.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (space, name, host) = (text("/metadata/namespace"), text("/metadata/name"), text("/source/host"));
        if !host.is_empty() && host != self.node {
            return Err(Status::forbidden(EVENTS, name, "a node records what it saw itself"));
        }
        let resource = self.resource("events")?;
        let who = user(self.node);
        let why = format!("the node saw {}", text("/reason"));
        self.write(EVENTS, name, None, |snapshot| {
            let Some((before, revision)) = object_of(snapshot, &Key::new("", "events", space, name))? else {
                if said["involvedObject"].is_null() {
                    return Err(Status::not_found(EVENTS, name));
                }
                let guard = namespace::admit_create(snapshot, space, EVENTS, name)?;
                let draft = write::create(&resource, "", said.clone(), &cx(space, "", &who.name))?;
                return Ok(Plan::one(draft, why.clone(), Became::Written).guarding([guard]));
            };
            let mut after = before.clone();
            for field in ["count", "lastTimestamp", "message", "series"] {
                if let Some(value) = said.get(field) {
                    after[field] = value.clone();
                }
            }
            let draft = write::update(&resource, "", &before, after, &cx(space, name, &who.name))?;
            Ok(written(draft, &why, revision))
        })
        .await
    }

    async fn token(
        &self,
        pod: Pod,
        account: String,
        audiences: Vec<String>,
        seconds: u64,
    ) -> Result<NodeReply, Status> {
        let snapshot = self.gateway.store.current().await?;
        let (object, _) = self.own_pod(&snapshot, &pod)?.ok_or_else(|| Status::not_found(PODS, &pod.name))?;
        if object.pointer("/spec/serviceAccountName").and_then(Value::as_str).unwrap_or("default") != account
        {
            return Err(Status::forbidden(PODS, &pod.name, "it runs as another service account"));
        }
        let node = self.gateway.store.record(&self.key());
        let wish = Wish {
            namespace: pod.namespace,
            account: Named { name: account, uid: String::new() },
            audiences,
            seconds: i64::try_from(seconds).unwrap_or(3600).clamp(600, 1 << 32),
            pod: Some(Named { name: pod.name, uid: pod.uid }),
            secret: None,
            node: node.map(|record| Named { name: self.node.to_owned(), uid: record.uid.to_string() }),
        };
        let minted = token::mint(self.gateway, wish)?;
        Ok(NodeReply::Token { token: minted.token, expires_at: write::time(minted.expires) })
    }

    async fn write(
        &self,
        subject: Subject<'_>,
        name: &str,
        cause: Option<Revision>,
        decide: impl FnMut(&Snapshot) -> Result<Plan<Became>, Status>,
    ) -> Result<NodeReply, Status> {
        let intent = Intent { cause, ..Intent::of(&user(self.node)) };
        let written = self.gateway.store.write(&intent, subject, name, decide).await?;
        let revision = match written.answer {
            Became::Gone => Revision::NONE,
            Became::Same(revision) => revision,
            Became::Written => written.first.unwrap_or_default(),
        };
        Ok(NodeReply::Done { revision })
    }

    fn key(&self) -> Key {
        Key::new("", "nodes", "", self.node)
    }

    fn resource(&self, plural: &str) -> Result<Arc<Resource>, Status> {
        let resource = self.gateway.registry().resource("", "v1", plural);
        resource.ok_or_else(|| Status::internal(&format!("the registry has no {plural}")))
    }

    /// The pod, if it is still the same; none if it is gone.
    ///
    /// # Errors
    /// 403 for a pod of another node.
    fn own_pod(&self, snapshot: &Snapshot, pod: &Pod) -> Result<Option<(Value, Revision)>, Status> {
        let Some((object, revision)) = object_of(snapshot, &pod.key())? else { return Ok(None) };
        if object.pointer("/metadata/uid").and_then(Value::as_str) != Some(&pod.uid) {
            return Ok(None);
        }
        match object.pointer("/spec/nodeName").and_then(Value::as_str) {
            Some(bound) if bound == self.node => Ok(Some((object, revision))),
            _ => Err(Status::forbidden(PODS, &pod.name, "it is not bound to this node")),
        }
    }
}

fn cx<'a>(namespace: &'a str, name: &'a str, user: &'a str) -> WriteCx<'a> {
    WriteCx {
        now: jiff::Timestamp::now(),
        uid: Uuid::new_v4(),
        namespace,
        name,
        user,
        field_manager: "nodeagent",
    }
}

fn written(draft: Option<Draft>, why: &str, stood: Revision) -> Plan<Became> {
    match draft {
        Some(draft) => Plan::one(draft, why, Became::Written),
        None => Plan::nothing(Became::Same(stood)),
    }
}

fn object_of(snapshot: &Snapshot, key: &Key) -> Result<Option<(Value, Revision)>, Status> {
    let Some(record) = snapshot.get(key).map_err(|error| failed(&error))? else { return Ok(None) };
    let object = serde_json::from_slice(&record.object).map_err(|error| failed(&error))?;
    Ok(Some((object, record.revision)))
}

/// The node that stands, with the labels and annotations that its agent says; what people put there stays.
fn taken_over(before: &Value, said: &Value) -> Value {
    let mut after = before.clone();
    for field in ["labels", "annotations"] {
        for (name, value) in said["metadata"][field].as_object().into_iter().flatten() {
            after["metadata"][field][name] = value.clone();
        }
    }
    if let Some(provider) = said.pointer("/spec/providerID") {
        after["spec"]["providerID"] = provider.clone();
    }
    after
}

/// The draft as the fact that the node names, if it names one: letters and digits, past tense by custom.
fn called(mut draft: Draft, fact: &str) -> Draft {
    let plain =
        !fact.is_empty() && fact.len() <= 64 && fact.chars().all(|letter| letter.is_ascii_alphanumeric());
    if plain {
        draft.event.event_type = fact.to_owned();
    }
    draft
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_comes_back_keeps_what_people_gave_it() {
        let before = json!({
            "metadata": {"name": "n", "labels": {"team": "a", "kubernetes.io/os": "old"}},
            "spec": {"unschedulable": true},
        });
        let said = json!({"metadata": {"name": "n", "labels": {"kubernetes.io/os": "linux"}}, "spec": {}});
        let after = taken_over(&before, &said);
        assert_eq!(after["metadata"]["labels"], json!({"team": "a", "kubernetes.io/os": "linux"}));
        assert_eq!(after["spec"]["unschedulable"], true);
    }
}
