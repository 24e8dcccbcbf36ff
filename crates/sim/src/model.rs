//! A projection in memory, with the same meaning as the one on disk: whole frames, an index by label, a cursor that is
//! written together with the rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rutter_controller::Fact;
use rutter_schemas::{Count, Key, Op, Revision};

/// What one process knows of the log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    rows: BTreeMap<Key, Row>,
    labels: BTreeMap<(String, String), BTreeSet<Key>>,
    counters: BTreeMap<String, i64>,
    pub revision: Revision,
    pub incarnation: u32,
}

/// An object as an event left it. Rows are equal when their revisions are: the log has one event for each.
#[derive(Clone, Debug)]
struct Row(Arc<Fact>);

impl PartialEq for Row {
    fn eq(&self, other: &Row) -> bool {
        self.0.revision == other.0.revision && self.0.key == other.0.key
    }
}

impl Model {
    /// Adds what a frame counts, before its events are shown.
    pub fn count(&mut self, counted: &[Arc<Fact>]) {
        for (name, delta) in counted.iter().filter_map(|fact| fact.count()) {
            *self.counters.entry(name.to_owned()).or_default() += delta;
        }
        self.counters.retain(|_, value| *value != 0);
    }

    pub fn counter(&self, name: &str) -> i64 {
        self.counters.get(name).copied().unwrap_or_default()
    }

    /// What is counted, as who begins with this model learns it.
    pub fn counted(&self) -> impl Iterator<Item = Fact> {
        let at = self.revision;
        let counts = self.counters.iter();
        let counts = counts.map(|(name, delta)| Count { name: name.clone(), delta: *delta, max: None });
        counts.map(move |count| Fact::of_count(at, &count))
    }

    /// Shows a frame's events: to be called with all of them, and the revision at the frame's end.
    pub fn apply(&mut self, facts: &[Arc<Fact>], end: Revision, keeps_old_labels: bool) {
        for fact in facts {
            let old = self.rows.remove(&fact.key);
            if let Some(Row(old)) = old.filter(|_| !keeps_old_labels) {
                self.unlabel(&old);
            }
            if fact.op != Op::Delete {
                self.label(fact);
                self.rows.insert(fact.key.clone(), Row(Arc::clone(fact)));
            } else {
                let own = Count::name_of(&fact.uid, "");
                self.counters.retain(|name, _| !name.starts_with(&own));
            }
        }
        self.revision = end;
        self.incarnation = end.incarnation();
    }

    fn label(&mut self, fact: &Fact) {
        for (name, value) in &fact.meta.labels {
            self.labels.entry((name.clone(), value.clone())).or_default().insert(fact.key.clone());
        }
    }

    fn unlabel(&mut self, fact: &Fact) {
        for (name, value) in &fact.meta.labels {
            let label = (name.clone(), value.clone());
            if let Some(keys) = self.labels.get_mut(&label) {
                keys.remove(&fact.key);
                if keys.is_empty() {
                    self.labels.remove(&label);
                }
            }
        }
    }

    pub fn get(&self, key: &Key) -> Option<&Arc<Fact>> {
        self.rows.get(key).map(|Row(fact)| fact)
    }

    /// All objects of a resource, in key order.
    pub fn list<'a>(&'a self, group: &'a str, resource: &'a str) -> impl Iterator<Item = &'a Arc<Fact>> {
        let from = Key::new(group, resource, "", "");
        let rows = self.rows.range(from..).map(|(_, Row(fact))| fact);
        rows.take_while(move |fact| fact.is(group, resource))
    }

    /// By index.
    pub fn labelled(&self, name: &str, value: &str) -> Vec<Key> {
        let keys = self.labels.get(&(name.to_owned(), value.to_owned()));
        keys.map(|keys| keys.iter().cloned().collect()).unwrap_or_default()
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Fact>> {
        self.rows.values().map(|Row(fact)| fact)
    }

    /// The keys by which two models differ, and whether their indexes do.
    pub fn difference(&self, other: &Model) -> Option<String> {
        let keys = self.rows.keys().chain(other.rows.keys());
        if let Some(key) = keys.into_iter().find(|key| self.rows.get(*key) != other.rows.get(*key)) {
            let at = |model: &Model| {
                model.get(key).map_or("absent".to_owned(), |fact| format!("r{}", fact.revision))
            };
            return Some(format!("{key} is {} and should be {}", at(self), at(other)));
        }
        if self.counters != other.counters {
            return Some(format!("the counters are {:?} and should be {:?}", self.counters, other.counters));
        }
        let labels = self.labels.keys().chain(other.labels.keys());
        labels
            .into_iter()
            .find(|label| self.labels.get(*label) != other.labels.get(*label))
            .map(|(name, value)| format!("the index of {name}={value} differs"))
    }
}
