//! From intents to a commit: through the same rules of the API that a person's request passes, on the view of the
//! process that writes.

use std::sync::OnceLock;

use rutter_apimachinery::registry::{Registry, Resource};
use rutter_apimachinery::write::{self, DeleteOptions, Deletion, Preconditions, WriteCx};
use rutter_controller::{Intent, Propagation, read};
use rutter_schemas::{Actor, Commit, CommitHeader, Event, Expect, Key, Revision, Scope};
use serde_json::{Value, json};

use crate::model::Model;
use crate::mutant::Mutant;
use crate::rng::Rng;
use crate::time::Time;
use crate::write::Purpose;

/// What a decision is made on.
pub struct Cx<'a> {
    pub model: &'a Model,
    pub now: Time,
    pub mutant: Option<Mutant>,
}

/// Why nothing is proposed.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// It was decided on what the view no longer shows, as it stands at this revision.
    Stale(Revision),
    /// The rules say no.
    Denied(String),
}

/// A commit in the making.
pub struct Draft {
    pub intents: Vec<Intent>,
    pub guards: Vec<Scope>,
    pub base: Revision,
    pub cause: Option<Revision>,
    pub why: String,
    pub user: String,
    pub via: &'static str,
}

/// Decides on the view. None: there is nothing to change.
pub fn decide(cx: &Cx<'_>, purpose: &Purpose, rng: &mut Rng) -> Result<Option<Commit>, Refusal> {
    let mut draft = match purpose {
        Purpose::User(wish) => wish.draft(cx.model)?,
        Purpose::Node(duty) => duty.draft(cx.model, cx.now)?,
        Purpose::Plan { controller, plan, .. } => Draft {
            intents: plan.intents.clone(),
            guards: plan.guards.clone(),
            base: plan.base,
            cause: plan.cause,
            why: plan.why.clone(),
            user: (*controller).to_owned(),
            via: "controllers",
        },
    };
    let mut events: Vec<Event> = Vec::with_capacity(draft.intents.len());
    for intent in std::mem::take(&mut draft.intents) {
        let Some(event) = event(cx, &mut draft, &intent, &events, rng)? else { continue };
        record(&mut events, event);
    }
    if cx.mutant == Some(Mutant::MissingTouch) {
        events.iter_mut().for_each(|event| event.touches.clear());
    }
    Ok((!events.is_empty()).then(|| commit(cx, draft, events, rng)))
}

/// Several intents on one object become one event: what the last made of it, touching what any did.
fn record(events: &mut Vec<Event>, mut event: Event) {
    let Some(earlier) = events.iter().position(|earlier| earlier.object.key() == event.object.key()) else {
        return events.push(event);
    };
    let earlier = &mut events[earlier];
    let more: Vec<Scope> =
        earlier.touches.iter().filter(|scope| !event.touches.contains(scope)).cloned().collect();
    event.touches.extend(more);
    event.prior = earlier.prior;
    *earlier = event;
}

fn commit(cx: &Cx<'_>, draft: Draft, events: Vec<Event>, rng: &mut Rng) -> Commit {
    let header = CommitHeader {
        id: rng.uuid(),
        base: draft.base,
        incarnation: cx.model.incarnation,
        actor: Actor { user: draft.user, groups: Vec::new(), via: draft.via.to_owned() },
        cause: draft.cause,
        why: draft.why,
        traceparent: None,
        writer: format!("{}/sim", draft.via),
        expects: events.iter().map(|event| Expect::from(event.prior.0)).collect(),
        guards: draft.guards,
        counters: Vec::new(),
    };
    Commit { header, events }
}

fn event(
    cx: &Cx<'_>,
    draft: &mut Draft,
    intent: &Intent,
    earlier: &[Event],
    rng: &mut Rng,
) -> Result<Option<Event>, Refusal> {
    let uid = rng.uuid();
    let by = |namespace, name, user| WriteCx {
        now: cx.now.stamp(),
        uid,
        namespace,
        name,
        user,
        field_manager: user,
    };
    let user = draft.user.clone();
    let standing = |key: &Key, expect| standing(cx.model, earlier, key, expect);
    match intent {
        Intent::Create { object } => {
            let namespace = read::text(object, "/metadata/namespace").to_owned();
            if !namespace.is_empty() {
                draft.guards.push(Scope::ns_life(&namespace));
            }
            let resource = resource_of(object)?;
            let made =
                write::create(resource, "", object.clone(), &by(&namespace, "", &user)).map_err(denied)?;
            match cx.model.get(&made.event.object.key()) {
                Some(there) => Err(Refusal::Stale(there.revision)),
                None => Ok(Some(made.event)),
            }
        }
        Intent::Merge { key, expect, patch, subresource } => {
            let before = standing(key, *expect)?;
            let mut after = before.clone();
            merge(&mut after, patch);
            change(&before, after, subresource.unwrap_or(""), &by(&key.namespace, &key.name, &user))
        }
        Intent::Replace { key, expect, object, subresource } => {
            let before = standing(key, *expect)?;
            change(&before, object.clone(), subresource.unwrap_or(""), &by(&key.namespace, &key.name, &user))
        }
        Intent::Delete { key, expect, uid: wanted, grace_seconds, propagation } => {
            let before = standing(key, *expect)?;
            let options = options(wanted.clone(), *grace_seconds, *propagation);
            let by = by(&key.namespace, &key.name, &user);
            match write::delete(resource_of(&before)?, &before, &options, &by).map_err(denied)? {
                Deletion::Removed(draft) | Deletion::Marked(draft) => Ok(Some(draft.event)),
                Deletion::Pending(_) => Ok(None),
            }
        }
    }
}

fn change(
    before: &Value,
    after: Value,
    subresource: &str,
    cx: &WriteCx<'_>,
) -> Result<Option<Event>, Refusal> {
    let changed = write::update(resource_of(before)?, subresource, before, after, cx).map_err(denied)?;
    Ok(changed.map(|draft| draft.event))
}

/// The object as the API serves it, if it is still as expected, and as this commit has changed it so far.
fn standing(model: &Model, earlier: &[Event], key: &Key, expect: Revision) -> Result<Value, Refusal> {
    let Some(fact) = model.get(key) else { return Err(Refusal::Stale(model.revision)) };
    if fact.revision != expect {
        return Err(Refusal::Stale(fact.revision));
    }
    let changed = earlier.iter().find(|event| event.object.key() == *key);
    let changed = changed.and_then(|event| serde_json::from_str(event.state.get()).ok());
    let mut object: Value = changed.unwrap_or_else(|| fact.object().clone());
    object["metadata"]["resourceVersion"] = json!(fact.revision.to_string());
    Ok(object)
}

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::builtin)
}

fn resource_of(object: &Value) -> Result<&'static Resource, Refusal> {
    let (api_version, kind) = (read::text(object, "/apiVersion"), read::text(object, "/kind"));
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let found =
        registry().resources().iter().find(|r| (&*r.group, &*r.version, &*r.kind) == (group, version, kind));
    found
        .map(|resource| &**resource)
        .ok_or_else(|| Refusal::Denied(format!("{api_version} {kind} is not served")))
}

fn denied(status: rutter_apimachinery::status::Status) -> Refusal {
    Refusal::Denied(status.message)
}

fn options(uid: Option<String>, grace: Option<i64>, propagation: Option<Propagation>) -> DeleteOptions {
    DeleteOptions {
        grace_period_seconds: grace,
        preconditions: Preconditions { uid, resource_version: None },
        propagation_policy: propagation.map(|propagation| match propagation {
            Propagation::Background => write::Propagation::Background,
            Propagation::Foreground => write::Propagation::Foreground,
            Propagation::Orphan => write::Propagation::Orphan,
        }),
        ..DeleteOptions::default()
    }
}

/// RFC 7396.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        match (value.is_null(), target.as_object_mut()) {
            (true, Some(map)) => drop(map.remove(name)),
            _ => merge(&mut target[name.as_str()], value),
        }
    }
}
