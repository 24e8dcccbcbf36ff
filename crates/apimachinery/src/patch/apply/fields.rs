//! Sets of fields, as `FieldsV1` writes them: a tree whose steps are `f:<name>`, `k:<keys>` and `v:<value>`.
//!
//! A node may be in the set itself (`.`), and have others in the set below it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// Whether this very place is in the set.
    member: bool,
    below: BTreeMap<String, Fields>,
}

impl Fields {
    /// The set of one place: this.
    pub(super) fn here() -> Fields {
        Fields { member: true, below: BTreeMap::new() }
    }

    /// Puts a subtree one step below; an empty one leaves no trace.
    pub(super) fn put(&mut self, step: String, below: Fields) {
        if !below.is_empty() {
            self.below.insert(step, below);
        }
    }

    pub(super) fn and_here(mut self) -> Fields {
        self.member = true;
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }

    pub(super) fn is_here(&self) -> bool {
        self.member
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = (&String, &Fields)> {
        self.below.iter()
    }

    pub(super) fn read(value: &Value) -> Fields {
        let mut fields = Fields::of(value);
        fields.member = false;
        fields
    }

    fn of(value: &Value) -> Fields {
        let Some(map) = value.as_object() else { return Fields::here() };
        let below = map.iter().filter(|(step, _)| *step != ".");
        Fields {
            member: map.is_empty() || map.contains_key("."),
            below: below.map(|(step, value)| (step.clone(), Fields::of(value))).collect(),
        }
    }

    pub(super) fn write(&self) -> Value {
        let mut map: Map<String, Value> =
            self.below.iter().map(|(step, below)| (step.clone(), below.write())).collect();
        if self.member && !map.is_empty() {
            map.insert(".".into(), Value::Object(Map::new()));
        }
        Value::Object(map)
    }

    pub(super) fn with(mut self, other: &Fields) -> Fields {
        self.member |= other.member;
        for (step, below) in &other.below {
            let own = self.below.remove(step).unwrap_or_default();
            self.below.insert(step.clone(), own.with(below));
        }
        self
    }

    pub(super) fn without(&self, other: &Fields) -> Fields {
        let mut rest = Fields { member: self.member && !other.member, below: BTreeMap::new() };
        for (step, below) in &self.below {
            let below = other.below.get(step).map_or_else(|| below.clone(), |other| below.without(other));
            rest.put(step.clone(), below);
        }
        rest
    }

    pub(super) fn and(&self, other: &Fields) -> Fields {
        let mut both = Fields { member: self.member && other.member, below: BTreeMap::new() };
        for (step, below) in &self.below {
            if let Some(other) = other.below.get(step) {
                both.put(step.clone(), below.and(other));
            }
        }
        both
    }

    /// What was owned and is owned by nobody any more, at or below its place.
    pub(super) fn abandoned(&self, mine: &Fields, others: &Fields) -> Fields {
        let nothing = Fields::default();
        let mut left =
            Fields { member: self.member && mine.is_empty() && others.is_empty(), below: BTreeMap::new() };
        for (step, below) in &self.below {
            let at = |fields: &Fields| fields.below.get(step).cloned();
            let (mine, others) = (at(mine), at(others));
            let below =
                below.abandoned(mine.as_ref().unwrap_or(&nothing), others.as_ref().unwrap_or(&nothing));
            left.put(step.clone(), below);
        }
        left
    }

    /// Takes a subtree away, and what becomes empty above it.
    pub(super) fn remove(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else { return };
        if rest.is_empty() {
            self.below.remove(*first);
        } else if let Some(below) = self.below.get_mut(*first) {
            below.remove(rest);
            if below.is_empty() {
                self.below.remove(*first);
            }
        }
    }

    pub(super) fn keep_only(&mut self, steps: &[&str]) {
        self.below.retain(|step, _| steps.contains(&step.as_str()));
    }

    /// Takes a place out of the set, and leaves what is below it.
    pub(super) fn forget_member(&mut self, path: &[&str]) {
        match path.split_first() {
            None => self.member = false,
            Some((first, rest)) => {
                if let Some(below) = self.below.get_mut(*first) {
                    below.forget_member(rest);
                    if below.is_empty() {
                        self.below.remove(*first);
                    }
                }
            }
        }
    }

    /// Every place in the set: `.spec.containers[name="c"].image`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    fn collect(&self, at: &str, paths: &mut Vec<String>) {
        if self.member {
            paths.push(at.to_owned());
        }
        for (step, below) in &self.below {
            below.collect(&format!("{at}{}", told(step)), paths);
        }
    }
}

fn told(step: &str) -> String {
    match step.split_at(2) {
        ("f:", name) => format!(".{name}"),
        ("v:", value) => format!("[={value}]"),
        (_, keys) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let pairs: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", pairs.join(","))
        }
    }
}
