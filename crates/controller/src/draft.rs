//! From intents to drafts: the same defaulting, validation and bookkeeping that a person's request passes.
//!
//! Keeps true: one object, one event. Several intents on one object are carried out one after the other and recorded
//! as one change, from the object as it stood before the plan to what the last intent made of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::sync::Arc;

use jiff::Timestamp;
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::{self, DeleteOptions, Deletion, Draft, Preconditions, WriteCx};
use rutter_schemas::{Key, Op, Revision, Uuid};
use serde_json::Value;

use crate::read::text;
use crate::{Intent, Propagation};

/// What drafting takes from whoever carries plans out: objects, rules about new ones, uids.
pub trait Desk {
    /// Why an intent can't be drafted: the API's own reasons, and the desk's.
    type Refusal: From<Status>;

    /// The resource that an object is of, by its apiVersion and kind.
    ///
    /// # Errors
    /// When it isn't served.
    fn resource_of(&self, object: &Value) -> Result<Arc<Resource>, Self::Refusal>;

    /// The object as it stands, in clear and with its resourceVersion.
    ///
    /// # Errors
    /// When it doesn't stand at `expect`.
    fn standing(&mut self, key: &Key, expect: Revision) -> Result<Value, Self::Refusal>;

    /// Looks at a new object, and may change it, before it is drafted: the life of its namespace, quota, priority.
    ///
    /// # Errors
    /// When it may not be born.
    fn admit(&mut self, resource: &Resource, object: &mut Value) -> Result<(), Self::Refusal>;

    /// A uid that nobody has.
    fn uid(&mut self) -> Uuid;
}

/// An object with what a plan makes of it.
#[derive(Clone, Debug)]
pub struct Drafted {
    pub resource: Arc<Resource>,
    pub draft: Draft,
    /// The object as it stood before the plan; null when the plan makes it.
    before: Value,
}

/// Drafts all intents of a plan in the name of `user`. Those that change nothing leave no draft.
///
/// # Errors
/// The first refusal; the plan is carried out whole or not at all.
pub fn drafts<D: Desk>(
    desk: &mut D,
    intents: &[Intent],
    user: &str,
    now: Timestamp,
) -> Result<Vec<Drafted>, D::Refusal> {
    let mut page = Page::new(user, now);
    for intent in intents {
        page.carry_out(desk, intent)?;
    }
    Ok(page.finish())
}

/// What a plan has come to so far: for those who carry out its intents one by one.
#[derive(Debug)]
pub struct Page<'a> {
    user: &'a str,
    now: Timestamp,
    /// In the order of the intents.
    drafted: Vec<Drafted>,
    places: HashMap<Key, usize>,
}

impl<'a> Page<'a> {
    /// An empty one, in the name of `user`.
    pub fn new(user: &'a str, now: Timestamp) -> Page<'a> {
        Page { user, now, drafted: Vec::new(), places: HashMap::new() }
    }

    /// What the intents came to.
    pub fn finish(self) -> Vec<Drafted> {
        self.drafted
    }

    /// Carries out the next intent.
    ///
    /// # Errors
    /// Why not; the page is of no more use then.
    pub fn carry_out<D: Desk>(&mut self, desk: &mut D, intent: &Intent) -> Result<(), D::Refusal> {
        match intent {
            Intent::Create { object } => self.birth(desk, object.clone()),
            Intent::Merge { key, expect, patch, subresource } => {
                let before = self.standing(desk, key, *expect)?;
                let mut after = before.clone();
                json_patch::merge(&mut after, patch);
                self.change(desk, before, after, *subresource)
            }
            Intent::Replace { key, expect, object, subresource } => {
                let before = self.standing(desk, key, *expect)?;
                self.change(desk, before, object.clone(), *subresource)
            }
            Intent::Restate { key, expect } => {
                let before = self.standing(desk, key, *expect)?;
                let resource = desk.resource_of(&before)?;
                let draft = write::restated(&resource, &before);
                self.enter(resource, before, Some(draft));
                Ok(())
            }
            Intent::Delete { key, expect, uid, grace_seconds, propagation } => {
                let before = self.standing(desk, key, *expect)?;
                self.death(desk, before, &options(uid.clone(), *grace_seconds, *propagation))
            }
        }
    }

    fn birth<D: Desk>(&mut self, desk: &mut D, mut object: Value) -> Result<(), D::Refusal> {
        let resource = desk.resource_of(&object)?;
        desk.admit(&resource, &mut object)?;
        let namespace = text(&object, "/metadata/namespace").to_owned();
        let uid = desk.uid();
        let draft = write::create(&resource, "", object, &self.cx(&namespace, "", uid))?;
        self.enter(resource, Value::Null, Some(draft));
        Ok(())
    }

    fn change<D: Desk>(
        &mut self,
        desk: &D,
        before: Value,
        after: Value,
        subresource: Option<&str>,
    ) -> Result<(), D::Refusal> {
        let resource = desk.resource_of(&before)?;
        let draft =
            write::update(&resource, subresource.unwrap_or(""), &before, after, &self.cx_of(&before))?;
        self.enter(resource, before, draft);
        Ok(())
    }

    fn death<D: Desk>(&mut self, desk: &D, before: Value, options: &DeleteOptions) -> Result<(), D::Refusal> {
        let resource = desk.resource_of(&before)?;
        let draft = match write::delete(&resource, &before, options, &self.cx_of(&before))? {
            Deletion::Removed(draft) | Deletion::Marked(draft) => Some(draft),
            Deletion::Pending(_) => None,
        };
        self.enter(resource, before, draft);
        Ok(())
    }

    /// The object as the desk has it, or as this plan has already written it.
    fn standing<D: Desk>(&self, desk: &mut D, key: &Key, expect: Revision) -> Result<Value, D::Refusal> {
        match self.places.get(key) {
            Some(place) => Ok(self.drafted[*place].standing()),
            None => desk.standing(key, expect),
        }
    }

    fn enter(&mut self, resource: Arc<Resource>, before: Value, draft: Option<Draft>) {
        let Some(draft) = draft else { return };
        match self.places.entry(draft.event.object.key()) {
            Occupied(place) => self.drafted[*place.get()].amend(draft),
            Vacant(place) => {
                place.insert(self.drafted.len());
                self.drafted.push(Drafted { resource, draft, before });
            }
        }
    }

    fn cx_of<'c>(&'c self, object: &'c Value) -> WriteCx<'c> {
        self.cx(text(object, "/metadata/namespace"), text(object, "/metadata/name"), Uuid::nil())
    }

    fn cx<'c>(&'c self, namespace: &'c str, name: &'c str, uid: Uuid) -> WriteCx<'c> {
        WriteCx { now: self.now, uid, namespace, name, user: self.user, field_manager: self.user }
    }
}

impl Drafted {
    /// The object as the plan has it, with the resourceVersion that it was read at.
    fn standing(&self) -> Value {
        let mut object = self.draft.object.clone();
        object["metadata"]["resourceVersion"] = self.before["metadata"]["resourceVersion"].clone();
        object
    }

    /// Records a later draft as one event with the first; a change of status gives its name up to any other.
    fn amend(&mut self, later: Draft) {
        let first = std::mem::replace(&mut self.draft, later);
        let event = &mut self.draft.event;
        let after = Some(&self.draft.object).filter(|_| event.op != Op::Delete);
        event.touches = rutter_schemas::touches(Some(&self.before), after, &event.object);
        if event.event_type.ends_with("StatusChanged") {
            event.event_type = first.event.event_type;
        }
    }
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

#[cfg(test)]
mod tests {
    use rutter_apimachinery::registry::Registry;
    use serde_json::json;

    use super::*;

    struct OnePod(Registry);

    impl Desk for OnePod {
        type Refusal = Status;

        fn resource_of(&self, object: &Value) -> Result<Arc<Resource>, Status> {
            let found = self.0.by_kind("", "v1", text(object, "/kind"));
            found.ok_or_else(|| Status::bad_request("not served"))
        }

        fn standing(&mut self, _: &Key, _: Revision) -> Result<Value, Status> {
            Ok(json!({
                "apiVersion": "v1", "kind": "Pod", "spec": { "nodeName": "n", "containers": [] },
                "metadata": { "name": "p", "namespace": "d", "uid": "u", "resourceVersion": "7" },
                "status": { "phase": "Running" },
            }))
        }

        fn admit(&mut self, _: &Resource, _: &mut Value) -> Result<(), Status> {
            Ok(())
        }

        fn uid(&mut self) -> Uuid {
            Uuid::nil()
        }
    }

    #[test]
    fn several_intents_on_one_object_are_one_event() {
        let key = Key::new("", "pods", "d", "p");
        let (expect, patch) = (Revision(7), json!({ "status": { "phase": "Failed" } }));
        let intents = [
            Intent::Merge { key: key.clone(), expect, patch, subresource: Some("status") },
            Intent::Delete { key, expect, uid: Some("u".into()), grace_seconds: Some(0), propagation: None },
        ];
        let drafted =
            drafts(&mut OnePod(Registry::builtin()), &intents, "test", Timestamp::UNIX_EPOCH).unwrap();
        let [Drafted { draft, .. }] = &drafted[..] else { panic!("one object, one event") };
        let event = &draft.event;
        assert_eq!(
            (event.op, event.prior, event.event_type.as_str()),
            (Op::Delete, Revision(7), "PodDeleted")
        );
        assert_eq!(draft.object["status"]["phase"], "Failed");
        assert_eq!(event.touches, [rutter_schemas::Scope::owner("u")]);
    }
}
