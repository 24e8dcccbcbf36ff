//! What ResourceQuotas say is used (upstream: `pkg/controller/resourcequota`), and what their counters stand at.
//!
//! A counter goes up in the commit that bears an object; only here it goes down. The view counts what is there, so it
//! knows what each counter should stand at as of the same revision that it knows the counter of: the difference is added
//! in the commit that writes the quota's status. What was born after that revision stays counted, so a counter is never
//! below what is used. Keeps true: since every correction expects the quota as it stood, nothing is corrected twice.

#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use rutter_apimachinery::admission::quota::{Amounts, quantity_of, units_of};
use rutter_controller::{Controller, Fact, Intent, Plan, Reads};
use rutter_schemas::{Count, Key};
use serde_json::{Map, Value, json};

pub use view::View;
use view::{Kept, Units};

/// Between two commits about one quota: however many are born in a second, what is used is told twenty times.
const REST: SignedDuration = SignedDuration::from_millis(50);

/// The controller of ResourceQuotas.
#[derive(Debug)]
pub struct ResourceQuotas;

impl Controller for ResourceQuotas {
    type View = View;
    type Key = Key;
    const NAME: &'static str = "resourcequota-controller";

    /// Everything may be counted but Events.
    fn follows(group: &str, resource: &str) -> bool {
        resource != "events" || !matches!(group, "" | "events.k8s.io")
    }

    fn counts() -> bool {
        true
    }

    fn apply(view: &mut View, fact: &Fact) {
        view.apply(fact);
    }

    fn wakes(view: &View, fact: &Fact) -> Vec<Key> {
        view.woken_by(fact)
    }

    fn reconcile(view: &View, key: &Key, now: Timestamp) -> Vec<Plan> {
        vec![reconcile(view, key, now)]
    }

    fn rest() -> SignedDuration {
        REST
    }

    fn reads(view: &View) -> &Reads {
        view.reads()
    }
}

fn reconcile(view: &View, key: &Key, now: Timestamp) -> Plan {
    let Some(kept) = view.quota(key) else { return Plan::idle("it is gone") };
    let used = view.used(key, kept, now);
    let mut plan = Plan::because(why(&used));
    write_status(&mut plan, key, kept, &used);
    correct(&mut plan, key, kept, &used, view.counters_of(&kept.rules.uid));
    if let Some(when) = view.next_expiry(&key.namespace, now) {
        plan.look_again_at(when);
    }
    plan
}

fn why(used: &Units) -> String {
    let told = used.iter().map(|(name, units)| format!("{name}={}", quantity_of(name, *units)));
    format!("what is used is {}", told.collect::<Vec<_>>().join(","))
}

/// `ResourceQuotaStatus`, if it is not so already.
fn write_status(plan: &mut Plan, key: &Key, kept: &Kept, used: &Units) {
    let is_used = |(name, units): (&String, &i64)| {
        kept.used.get(name).is_some_and(|told| units_of(name, *told) == *units)
    };
    let is_told = kept.used.len() == used.len() && used.iter().all(is_used);
    let has_status = kept.has_status || kept.rules.asked.is_empty();
    if is_told && has_status && kept.rules.hard == kept.rules.asked {
        return;
    }
    let hard = kept.rules.asked.iter().map(|(name, amount)| (name, amount.to_string()));
    let used = used.iter().map(|(name, units)| (name, quantity_of(name, *units).to_string()));
    let status = json!({ "hard": map(hard, &kept.rules.hard), "used": map(used, &kept.used) });
    plan.merge_status(key.clone(), kept.revision, status);
}

/// The entries, and null for what was there and is not among them.
fn map<'a>(entries: impl Iterator<Item = (&'a String, String)>, stood: &Amounts) -> Value {
    let mut map: Map<String, Value> = stood.keys().map(|name| (name.clone(), Value::Null)).collect();
    map.extend(entries.map(|(name, text)| (name.clone(), Value::String(text))));
    Value::Object(map)
}

/// Brings the counters to what is used.
fn correct(plan: &mut Plan, key: &Key, kept: &Kept, used: &Units, counted: &BTreeMap<String, i64>) {
    let names: BTreeSet<&String> = used.keys().chain(counted.keys()).collect();
    for name in names {
        let value = |of: &BTreeMap<String, i64>| of.get(name).copied().unwrap_or_default();
        let delta = value(used) - value(counted);
        if delta != 0 {
            plan.count(Count::name_of(&kept.rules.uid, name), delta);
        }
    }
    if !plan.counters.is_empty() && plan.intents.is_empty() {
        plan.intents.push(Intent::Restate { key: key.clone(), expect: kept.revision });
    }
}
