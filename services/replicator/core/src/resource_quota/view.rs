//! What the controller of ResourceQuotas looks at: how many objects of each kind there are, what pods, Services and claims
//! ask for, what commits counted; and, kept as these change, what is used of each quota. A namespace without quotas costs
//! what its objects are known by, and no sum.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use rutter_apimachinery::admission::quota::{
    Amounts, Counted, Meter, Quota, counted_by, expires, is_countable, is_metered, meter, units_of,
};
use rutter_apimachinery::quantity::Quantity;
use rutter_controller::read::text;
use rutter_controller::{Fact, Reads};
use rutter_schemas::{Count, Key, Op, Revision};
use serde_json::Value;

/// Whole units by name.
pub(super) type Units = BTreeMap<String, i64>;

/// The kinds of which more is counted than how many there are.
const METERED: [(&str, &str); 4] =
    [("", "pods"), ("", "services"), ("", "persistentvolumeclaims"), ("resource.k8s.io", "resourceclaims")];

#[derive(Debug, Default, PartialEq)]
pub struct View {
    quotas: BTreeMap<Key, Kept>,
    /// By uid.
    keys: BTreeMap<String, Key>,
    /// How many objects of each kind (group, plural) a namespace has.
    objects: BTreeMap<String, BTreeMap<(String, String), i64>>,
    metered: BTreeMap<Key, Arc<Meter>>,
    /// What pods of one template share.
    meters: BTreeSet<Arc<Meter>>,
    /// When pods that are being deleted are given up, and by namespace which.
    expiries: BTreeMap<Key, Timestamp>,
    expiring: BTreeSet<(String, Timestamp, Key)>,
    /// What commits counted, by the uid of the quota.
    counters: BTreeMap<String, BTreeMap<String, i64>>,
    reads: Reads,
}

/// A ResourceQuota.
#[derive(Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) revision: Revision,
    pub(super) rules: Quota,
    /// `status.used`.
    pub(super) used: Amounts,
    pub(super) has_status: bool,
    /// What pods, Services and claims within its scopes use; no zeros.
    sums: Units,
}

impl View {
    pub(super) fn quota(&self, key: &Key) -> Option<&Kept> {
        self.reads.count(1);
        self.quotas.get(key)
    }

    pub(super) fn counters_of(&self, uid: &str) -> &BTreeMap<String, i64> {
        static NONE: BTreeMap<String, i64> = BTreeMap::new();
        self.counters.get(uid).unwrap_or(&NONE)
    }

    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// What is used of all that the quota asks for and anybody counts.
    pub(super) fn used(&self, key: &Key, kept: &Kept, now: Timestamp) -> Units {
        let given_up = self.given_up(&key.namespace, kept, now);
        let objects = self.objects.get(&key.namespace);
        let names = kept.rules.asked.keys().filter(|name| is_countable(name));
        let used = names.map(|name| {
            let number = match counted_by(name) {
                Some(Counted::Objects { group, plural }) if kept.rules.is_unscoped() => {
                    objects.and_then(|kinds| kinds.get(&(group, plural))).copied().unwrap_or_default()
                }
                Some(Counted::Objects { .. }) => 0,
                _ => of(&kept.sums, name) - of(&given_up, name),
            };
            (name.clone(), number)
        });
        used.collect()
    }

    /// What pods use whose time to end has passed; that they are there still counts.
    fn given_up(&self, namespace: &str, kept: &Kept, now: Timestamp) -> Units {
        let mut sums = Units::new();
        let first = (namespace.to_owned(), Timestamp::MIN, Key::default());
        let due = self.expiring.range(first..).take_while(|(of, when, _)| of == namespace && *when < now);
        for (_, _, key) in due {
            self.reads.count(1);
            if let Some(meter) = self.metered.get(key).filter(|meter| kept.rules.covers(&meter.traits)) {
                add(&mut sums, &meter.usage, 1);
            }
        }
        sums.remove("count/pods");
        sums
    }

    /// When the next of them is given up.
    pub(super) fn next_expiry(&self, namespace: &str, now: Timestamp) -> Option<Timestamp> {
        let next = self.expiring.range((namespace.to_owned(), now, Key::default())..).next();
        let (_, when, _) = next.filter(|(of, ..)| of == namespace)?;
        when.checked_add(jiff::SignedDuration::from_millis(1)).ok()
    }

    /// The quotas that have to look again because of what a fact changes.
    pub(super) fn woken_by(&self, fact: &Fact) -> Vec<Key> {
        if let Some((name, _)) = fact.count() {
            let owner = Count::parts_of(name).and_then(|(uid, _)| self.keys.get(uid));
            return owner.cloned().into_iter().collect();
        }
        let mut woken = match is_quota(&fact.key) {
            true => vec![fact.key.clone()],
            false => Vec::new(),
        };
        if self.quotas_in(&fact.key.namespace).next().is_some() && self.changes_use(fact) {
            woken.extend(self.quotas_in(&fact.key.namespace).map(|(key, _)| key.clone()));
        }
        woken
    }

    fn changes_use(&self, fact: &Fact) -> bool {
        if fact.op != Op::Update || !is_metered(&fact.key.group, &fact.key.resource) {
            return fact.op != Op::Update;
        }
        let (known, read) = (self.metered.get(&fact.key), read_meter(fact));
        known.map(|meter| &**meter) != read.as_ref()
            || self.expiries.get(&fact.key).copied() != read_expiry(fact)
    }

    fn quotas_in(&self, namespace: &str) -> impl Iterator<Item = (&Key, &Kept)> {
        let first = Key::new("", "resourcequotas", namespace, "");
        let within = first.namespace.clone();
        self.quotas.range(first..).take_while(move |(key, _)| key.namespace == within)
    }

    pub(super) fn apply(&mut self, fact: &Fact) {
        if let Some((name, delta)) = fact.count() {
            return self.add_to_counter(name, delta);
        }
        if !fact.key.namespace.is_empty() {
            self.apply_object(fact);
        }
        if is_quota(&fact.key) {
            self.apply_quota(fact);
        }
        if fact.op == Op::Delete {
            self.counters.remove(&fact.uid);
        }
    }

    fn add_to_counter(&mut self, name: &str, delta: i64) {
        let Some((uid, name)) = Count::parts_of(name) else { return };
        let counters = self.counters.entry(uid.to_owned()).or_default();
        add_units(counters, name, delta);
        if counters.is_empty() {
            self.counters.remove(uid);
        }
    }

    fn apply_object(&mut self, fact: &Fact) {
        let number = match fact.op {
            Op::Create => 1,
            Op::Update => 0,
            Op::Delete => -1,
        };
        if number != 0 {
            self.count_object(&fact.key, number);
        }
        if is_metered(&fact.key.group, &fact.key.resource) {
            self.apply_metered(fact);
        }
    }

    fn count_object(&mut self, key: &Key, number: i64) {
        let kinds = self.objects.entry(key.namespace.clone()).or_default();
        let count = kinds.entry((key.group.clone(), key.resource.clone())).or_default();
        *count += number;
        if *count == 0 {
            kinds.remove(&(key.group.clone(), key.resource.clone()));
        }
        if kinds.is_empty() {
            self.objects.remove(&key.namespace);
        }
    }

    fn apply_metered(&mut self, fact: &Fact) {
        let new = read_meter(fact).map(|meter| self.shared(meter));
        let old = match &new {
            Some(meter) => self.metered.insert(fact.key.clone(), meter.clone()),
            None => self.metered.remove(&fact.key),
        };
        for (meter, sign) in [(&old, -1), (&new, 1)] {
            if let Some(meter) = meter {
                self.sum_up(&fact.key.namespace, meter, sign);
            }
        }
        if let Some(old) = old {
            self.forget(&old);
        }
        self.expect_end(&fact.key, read_expiry(fact));
    }

    /// Adds what an object uses to the quotas that it is within, or takes it off.
    fn sum_up(&mut self, namespace: &str, meter: &Meter, sign: i64) {
        let first = Key::new("", "resourcequotas", namespace, "");
        let quotas = self.quotas.range_mut(first..).take_while(|(key, _)| key.namespace == namespace);
        for (_, kept) in quotas.filter(|(_, kept)| kept.rules.covers(&meter.traits)) {
            add(&mut kept.sums, &meter.usage, sign);
        }
    }

    fn shared(&mut self, meter: Meter) -> Arc<Meter> {
        if let Some(known) = self.meters.get(&meter) {
            return known.clone();
        }
        let meter = Arc::new(meter);
        self.meters.insert(meter.clone());
        meter
    }

    /// Lets go of what nobody shares any more.
    fn forget(&mut self, meter: &Arc<Meter>) {
        const KEPT_AND_ASKED_FOR: usize = 2;
        if Arc::strong_count(meter) == KEPT_AND_ASKED_FOR {
            self.meters.remove(meter);
        }
    }

    fn expect_end(&mut self, key: &Key, when: Option<Timestamp>) {
        let old = match when {
            Some(when) => self.expiries.insert(key.clone(), when),
            None => self.expiries.remove(key),
        };
        if let Some(old) = old {
            self.expiring.remove(&(key.namespace.clone(), old, key.clone()));
        }
        if let Some(when) = when {
            self.expiring.insert((key.namespace.clone(), when, key.clone()));
        }
    }

    fn apply_quota(&mut self, fact: &Fact) {
        let Some(object) = fact.after() else {
            self.keys.remove(&fact.uid);
            self.quotas.remove(&fact.key);
            return;
        };
        let rules = Quota::read(object);
        let sums = match self.quotas.remove(&fact.key) {
            Some(known) if known.rules.counts_alike(&rules) => known.sums,
            _ => self.sums_of(&fact.key.namespace, &rules),
        };
        let status = &object["status"];
        let kept = Kept {
            revision: fact.revision,
            rules,
            used: amounts(&status["used"]),
            has_status: status["hard"].is_object() && status["used"].is_object(),
            sums,
        };
        self.keys.insert(fact.uid.clone(), fact.key.clone());
        self.quotas.insert(fact.key.clone(), kept);
    }

    /// Counts a namespace from the beginning.
    fn sums_of(&self, namespace: &str, rules: &Quota) -> Units {
        let mut sums = Units::new();
        for (group, plural) in METERED {
            let first = Key::new(group, plural, namespace, "");
            let of_kind = |key: &Key| (key.group.as_str(), key.resource.as_str()) == (group, plural);
            let here = self.metered.range(first..);
            let here = here.take_while(|(key, _)| of_kind(key) && key.namespace == namespace);
            for (_, meter) in here.filter(|(_, meter)| rules.covers(&meter.traits)) {
                add(&mut sums, &meter.usage, 1);
            }
        }
        sums
    }
}

fn is_quota(key: &Key) -> bool {
    key.resource == "resourcequotas" && key.group.is_empty()
}

fn read_meter(fact: &Fact) -> Option<Meter> {
    fact.after().map(|object| meter(&fact.key.group, &fact.key.resource, object))
}

/// When a pod that is being deleted is given up; one that has ended uses nothing anyway.
fn read_expiry(fact: &Fact) -> Option<Timestamp> {
    let pod = fact.after_of("", "pods")?;
    let has_ended = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
    expires(pod).filter(|_| !has_ended)
}

fn amounts(list: &Value) -> Amounts {
    let entries = list.as_object().into_iter().flatten();
    entries.filter_map(|(name, amount)| Some((name.clone(), Quantity::from_value(amount).ok()?))).collect()
}

fn of(units: &Units, name: &str) -> i64 {
    units.get(name).copied().unwrap_or_default()
}

fn add(sums: &mut Units, usage: &Amounts, sign: i64) {
    for (name, amount) in usage {
        add_units(sums, name, sign.saturating_mul(units_of(name, *amount)));
    }
}

/// What comes to zero is not kept.
fn add_units(sums: &mut Units, name: &str, units: i64) {
    let sum = sums.entry(name.to_owned()).or_default();
    *sum = sum.saturating_add(units);
    if *sum == 0 {
        sums.remove(name);
    }
}
