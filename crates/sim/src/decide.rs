//! From intents to a commit: through the same rules of the API that a person's request passes, on the view of the
//! process that writes.

use std::sync::{Arc, OnceLock};

use rutter_apimachinery::admission::quota::{Books, Charges, Quota};
use rutter_apimachinery::registry::{Registry, Resource};
use rutter_apimachinery::status::Status;
use rutter_controller::draft::{self, Page};
use rutter_controller::{Intent, read};
use rutter_schemas::{Actor, Commit, CommitHeader, Count, Event, Expect, Key, Revision, Scope, Uuid};
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
    pub counters: Vec<Count>,
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
            counters: plan.counters.clone(),
            base: plan.base,
            cause: plan.cause,
            why: plan.why.clone(),
            user: (*controller).to_owned(),
            via: "controllers",
        },
    };
    let mut page = Page::new(&draft.user, cx.now.stamp());
    let charges = Some(Charges::default()).filter(|_| cx.mutant != Some(Mutant::UncountedBirth));
    let mut desk = Desk { model: cx.model, guards: &mut draft.guards, charges, uid: Uuid::nil() };
    for intent in &draft.intents {
        desk.uid = rng.uuid();
        page.carry_out(&mut desk, intent)?;
    }
    let (counts, premises) = desk.charges.take().unwrap_or_default().into_parts();
    draft.guards.extend(premises);
    draft.counters.extend(counts);
    let mut events: Vec<Event> = page.finish().into_iter().map(|drafted| drafted.draft.event).collect();
    if cx.mutant == Some(Mutant::MissingTouch) {
        events.iter_mut().for_each(|event| event.touches.clear());
    }
    Ok((!events.is_empty()).then(|| commit(cx, draft, events, rng)))
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
        counters: draft.counters,
    };
    Commit { header, events }
}

/// Where intents are drafted: on the view of the process that writes.
struct Desk<'a> {
    model: &'a Model,
    /// Of the commit; births add theirs.
    guards: &'a mut Vec<Scope>,
    /// What births are counted against, if anything counts them.
    charges: Option<Charges>,
    /// For what the next intent makes.
    uid: Uuid,
}

impl draft::Desk for Desk<'_> {
    type Refusal = Refusal;

    fn resource_of(&self, object: &Value) -> Result<Arc<Resource>, Refusal> {
        let (api_version, kind) = (read::text(object, "/apiVersion"), read::text(object, "/kind"));
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let found = registry().by_kind(group, version, kind);
        found.ok_or_else(|| Refusal::Denied(format!("{api_version} {kind} is not served")))
    }

    fn standing(&mut self, key: &Key, expect: Revision) -> Result<Value, Refusal> {
        let Some(fact) = self.model.get(key) else { return Err(Refusal::Stale(self.model.revision)) };
        if fact.revision != expect {
            return Err(Refusal::Stale(fact.revision));
        }
        let mut object = fact.object().clone();
        object["metadata"]["resourceVersion"] = json!(fact.revision.to_string());
        Ok(object)
    }

    fn admit(&mut self, resource: &Resource, object: &mut Value) -> Result<(), Refusal> {
        let (namespace, name) =
            (read::text(object, "/metadata/namespace"), read::text(object, "/metadata/name"));
        if !namespace.is_empty() {
            self.guards.push(Scope::ns_life(namespace));
        }
        if let Some(there) = self.model.get(&Key::new(&resource.group, &resource.plural, namespace, name)) {
            return Err(Refusal::Stale(there.revision));
        }
        let namespace = namespace.to_owned();
        let counted = |charges: &mut Charges| charges.birth(&Shelf(self.model), resource, &namespace, object);
        self.charges.as_mut().map_or(Ok(()), counted)
    }

    fn uid(&mut self) -> Uuid {
        self.uid
    }
}

/// A view, where quotas and counters are looked up.
struct Shelf<'a>(&'a Model);

impl Books for Shelf<'_> {
    type Failure = Refusal;

    fn quotas(&self, namespace: &str) -> Result<Vec<Arc<Quota>>, Refusal> {
        let quotas = self.0.list("", "resourcequotas").filter(|quota| quota.key.namespace == namespace);
        Ok(quotas.map(|quota| Arc::new(Quota::read(quota.object()))).collect())
    }

    fn counter(&self, name: &str) -> Result<i64, Refusal> {
        Ok(self.0.counter(name))
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Refusal {
        Refusal::Denied(status.message)
    }
}

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::builtin)
}
