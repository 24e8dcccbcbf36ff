//! The plugin ResourceQuota (`plugin/pkg/admission/resourcequota`, `k8s.io/apiserver/pkg/admission/plugin/resourcequota`):
//! what a namespace's new objects are counted against.
//!
//! What is used is not a field here: each quota has a counter for each name it counts, and whoever bears an object adds to
//! it. So this says, for one quota, what has to be added and up to where, or in which words it refuses.

mod amount;
mod charges;
mod claim;
mod names;
mod pod;
mod scope;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use rutter_schemas::Count;
use serde_json::Value;

use crate::json::{entries, items, text};
use crate::quantity::Quantity;

pub use amount::{Amounts, quantity_of, raised, units_of};
pub use charges::{Books, Charges};
pub use names::{Counted, counted_by, is_countable};
pub use pod::expires;
use scope::Requirement;
pub use scope::Traits;

/// What is counted of an object, and what the scopes of quotas look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Meter {
    pub usage: Amounts,
    pub traits: Traits,
}

/// Whether more is counted of a kind than how many there are.
#[must_use]
pub fn is_metered(group: &str, plural: &str) -> bool {
    matches!(
        (group, plural),
        ("", "pods" | "services" | "persistentvolumeclaims") | ("resource.k8s.io", "resourceclaims")
    )
}

/// What is counted of an object of this kind. There is nothing for kinds that nobody counts.
#[must_use]
pub fn meter(group: &str, plural: &str, object: &Value) -> Meter {
    let Some(names) = names::of_kind(group, plural) else { return Meter::default() };
    let mut usage: Amounts =
        names.into_iter().map(|name| (name, Quantity::from_units(1, amount::DECIMAL))).collect();
    let mut traits = Traits::None;
    match (group, plural) {
        ("", "pods") => {
            usage.extend(pod::usage(object));
            traits = scope::of_pod(object);
        }
        ("", "services") => usage.extend(service::usage(object)),
        ("", "persistentvolumeclaims") => {
            usage.extend(claim::of_volume(object));
            traits = scope::of_claim(object);
        }
        ("resource.k8s.io", "resourceclaims") => usage.extend(claim::of_devices(object)),
        _ => {}
    }
    Meter { usage, traits }
}

/// A ResourceQuota, as far as it judges.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    pub name: String,
    pub uid: String,
    scopes: Vec<Requirement>,
    /// What it asks for.
    pub asked: Amounts,
    /// What it asked for when it was last counted: what holds.
    pub hard: Amounts,
    /// The names whose use is known.
    known: BTreeSet<String>,
}

/// What a quota says to an addition.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It may be, if this is added.
    Within(Vec<Count>),
    /// In upstream's words.
    Exceeded(String),
}

impl Quota {
    /// Reads a ResourceQuota.
    #[must_use]
    pub fn read(object: &Value) -> Quota {
        let (spec, status) = (&object["spec"], &object["status"]);
        Quota {
            name: text(&object["metadata"], "name").to_owned(),
            uid: text(&object["metadata"], "uid").to_owned(),
            scopes: Requirement::all(spec),
            asked: amount::amounts(&spec["hard"]),
            hard: amount::amounts(&status["hard"]),
            known: entries(&status["used"]).map(|(name, _)| name.clone()).collect(),
        }
    }

    /// The counter of what it counts under a name.
    #[must_use]
    pub fn counter(&self, name: &str) -> String {
        Count::name_of(&self.uid, name)
    }

    /// Whether an object with these traits is within all of its scopes.
    #[must_use]
    pub fn covers(&self, traits: &Traits) -> bool {
        self.scopes.iter().all(|scope| scope.matches(traits))
    }

    /// Whether what both count of pods, Services and claims is the same.
    #[must_use]
    pub fn counts_alike(&self, other: &Quota) -> bool {
        self.uid == other.uid && self.scopes == other.scopes
    }

    /// Whether it has no scopes, so that it counts objects of every kind.
    #[must_use]
    pub fn is_unscoped(&self) -> bool {
        self.scopes.is_empty()
    }

    /// What a new pod has to say of itself under this quota (`podEvaluator.Constraints`).
    ///
    /// # Errors
    /// What it leaves out, in upstream's words.
    pub fn demand(&self, pod: &Value) -> Result<(), String> {
        pod::unsaid(pod, &self.hard)
            .map_or(Ok(()), |unsaid| Err(format!("failed quota: {}: {unsaid}", self.name)))
    }

    /// Judges an addition. `counted` says what a counter stands at.
    ///
    /// What the quota asks for and was not counted yet is added without a bound: so the count, when it is made, misses
    /// nothing.
    ///
    /// # Errors
    /// Those of `counted`.
    pub fn judge<E>(
        &self,
        addition: &Amounts,
        mut counted: impl FnMut(&str) -> Result<i64, E>,
    ) -> Result<Verdict, E> {
        let additions = || addition.iter().filter(|(_, amount)| !amount.is_zero());
        let unknown: Vec<&str> = additions()
            .map(|(name, _)| name.as_str())
            .filter(|name| self.hard.contains_key(*name) && !self.known.contains(*name))
            .collect();
        if !unknown.is_empty() {
            let why = format!("status unknown for quota: {}, resources: {}", self.name, unknown.join(","));
            return Ok(Verdict::Exceeded(why));
        }
        let (mut counts, mut exceeded) = (Vec::new(), Vec::new());
        for (name, amount) in additions() {
            let hard = self.hard.get(name);
            if hard.is_none() && !self.asked.contains_key(name) {
                continue;
            }
            let counter = self.counter(name);
            let delta = units_of(name, *amount);
            let max = hard.map(|hard| units_of(name, *hard));
            if let (Some(hard), Some(max)) = (hard, max) {
                let used = counted(&counter)?;
                if used.saturating_add(delta) > max {
                    exceeded.push((name, amount, quantity_of(name, used.max(0)), hard));
                }
            }
            counts.push(Count { name: counter, delta, max: max.map(|max| u64::try_from(max).unwrap_or(0)) });
        }
        Ok(match exceeded.is_empty() {
            true => Verdict::Within(counts),
            false => Verdict::Exceeded(self.told(&exceeded)),
        })
    }

    fn told(&self, exceeded: &[(&String, &Quantity, Quantity, &Quantity)]) -> String {
        let list = |of: fn(&(&String, &Quantity, Quantity, &Quantity)) -> Quantity| {
            let all = exceeded.iter().map(|one| format!("{}={}", one.0, of(one)));
            all.collect::<Vec<_>>().join(",")
        };
        format!(
            "exceeded quota: {}, requested: {}, used: {}, limited: {}",
            self.name,
            list(|one| *one.1),
            list(|one| one.2),
            list(|one| *one.3)
        )
    }
}

/// Texts of a list.
fn texts(list: &Value) -> Vec<String> {
    items(list).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
