//! What a commit is counted against: the counters of the quotas of its namespaces.
//!
//! Keeps true: nothing is born, and nothing grows, that a quota counts and its counter misses. The quotas are those of the
//! view that the commit is decided on; should one come, go or ask for something else before the commit is recorded, the
//! guard on `ns:<name>:quota` refuses it. Whether there is room the view says in words; the ledger, which adds, says it
//! for good.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rutter_schemas::{Count, Scope};
use serde_json::Value;

use super::{Amounts, Meter, Quota, Verdict, is_metered, meter, names, raised};
use crate::json::text;
use crate::registry::Resource;
use crate::status::Status;
use crate::write::resource_subject;

/// Where quotas and counters are looked up: one view of the log.
pub trait Books {
    type Failure: From<Status>;

    /// The quotas of a namespace.
    ///
    /// # Errors
    /// When the view can't be read.
    fn quotas(&self, namespace: &str) -> Result<Vec<Arc<Quota>>, Self::Failure>;

    /// What a counter stands at.
    ///
    /// # Errors
    /// When the view can't be read.
    fn counter(&self, name: &str) -> Result<i64, Self::Failure>;
}

/// What one commit adds to counters, and the premises of that.
#[derive(Debug, Default)]
pub struct Charges {
    counts: BTreeMap<String, Count>,
    guards: BTreeSet<Scope>,
    /// By namespace, read once for all births of the commit.
    quotas: BTreeMap<String, Vec<Arc<Quota>>>,
}

impl Charges {
    /// Counts a new object.
    ///
    /// # Errors
    /// 403 in upstream's words where a quota is full, or demands what the object doesn't say.
    pub fn birth<B: Books>(
        &mut self,
        books: &B,
        resource: &Resource,
        namespace: &str,
        object: &Value,
    ) -> Result<(), B::Failure> {
        if !resource.namespaced || names::is_ignored(&resource.group, &resource.plural) {
            return Ok(());
        }
        if self.quotas_of(books, namespace)?.is_empty() {
            return Ok(());
        }
        let meter = meter(&resource.group, &resource.plural, object);
        let addition = |_: &Quota| Some(meter.usage.clone());
        self.charge(books, &Asked { resource, namespace, object, meter: &meter }, addition)
    }

    /// Counts what an object will use more after a change: of a Service, a claim, a pod that is resized, or one that
    /// comes into the scope of a quota.
    ///
    /// # Errors
    /// As for a birth.
    pub fn change<B: Books>(
        &mut self,
        books: &B,
        (resource, subresource): (&Resource, &str),
        namespace: &str,
        (before, after): (&Value, &Value),
    ) -> Result<(), B::Failure> {
        if !grows(resource, subresource) {
            return Ok(());
        }
        // Only the status says what stands of it, and that is not this request's to change.
        let mut after = after.clone();
        after["status"] = before["status"].clone();
        let meter_of = |object: &Value| meter(&resource.group, &resource.plural, object);
        let (was, meter) = (meter_of(before), meter_of(&after));
        if was == meter {
            return Ok(());
        }
        let addition = |quota: &Quota| {
            let more = match quota.covers(&was.traits) {
                true => raised(&meter.usage, &was.usage),
                false => meter.usage.clone(),
            };
            Some(more).filter(|more| !more.is_empty())
        };
        self.charge(books, &Asked { resource, namespace, object: &after, meter: &meter }, addition)
    }

    /// What to add, and what to guard.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Count>, BTreeSet<Scope>) {
        (self.counts.into_values().collect(), self.guards)
    }

    /// Adds to every quota that covers the object; `addition` says what.
    fn charge<B: Books>(
        &mut self,
        books: &B,
        asked: &Asked<'_>,
        addition: impl Fn(&Quota) -> Option<Amounts>,
    ) -> Result<(), B::Failure> {
        self.quotas_of(books, asked.namespace)?;
        let quotas = self.quotas.get(asked.namespace).into_iter().flatten();
        let mut added = Vec::new();
        for quota in quotas.filter(|quota| quota.covers(&asked.meter.traits)) {
            let Some(addition) = addition(quota) else { continue };
            if is_pod(asked.resource) {
                quota.demand(asked.object).map_err(|why| asked.forbidden(&why))?;
            }
            let verdict = quota.judge(&addition, |counter| {
                let pending = self.counts.get(counter).map_or(0, |count| count.delta);
                Ok::<_, B::Failure>(books.counter(counter)?.saturating_add(pending))
            })?;
            match verdict {
                Verdict::Within(counts) => added.extend(counts),
                Verdict::Exceeded(why) => return Err(asked.forbidden(&why).into()),
            }
        }
        added.into_iter().for_each(|count| self.add(count));
        Ok(())
    }

    fn add(&mut self, count: Count) {
        match self.counts.entry(count.name.clone()) {
            Entry::Occupied(mut known) => known.get_mut().delta += count.delta,
            Entry::Vacant(place) => drop(place.insert(count)),
        }
    }

    /// What they are is a premise from here on, be there some or none.
    fn quotas_of<B: Books>(&mut self, books: &B, namespace: &str) -> Result<&[Arc<Quota>], B::Failure> {
        if !self.quotas.contains_key(namespace) {
            self.quotas.insert(namespace.to_owned(), books.quotas(namespace)?);
            self.guards.insert(Scope::ns_quota(namespace));
        }
        Ok(self.quotas.get(namespace).map(Vec::as_slice).unwrap_or_default())
    }
}

/// What is to be counted.
struct Asked<'a> {
    resource: &'a Resource,
    namespace: &'a str,
    object: &'a Value,
    meter: &'a Meter,
}

impl Asked<'_> {
    fn forbidden(&self, why: &str) -> Status {
        Status::forbidden(resource_subject(self.resource), text(&self.object["metadata"], "name"), why)
    }
}

/// Whether a change of this kind may use more than what stood (the evaluators' `Handles`).
fn grows(resource: &Resource, subresource: &str) -> bool {
    match subresource {
        "" => is_metered(&resource.group, &resource.plural),
        "resize" => is_pod(resource),
        _ => false,
    }
}

fn is_pod(resource: &Resource) -> bool {
    resource.group.is_empty() && &*resource.plural == "pods"
}
