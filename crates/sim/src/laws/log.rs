//! The log, judged frame by frame: that it is one chain, that every commit was right to be recorded where it stands,
//! and what users count in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rutter_controller::Fact;
use rutter_schemas::{Count, Event, Expect, Hash, Key, Op, Recorded, Revision, Scope, Uuid, touches};
use serde_json::Value;

use super::quotas;
use super::workloads::{self, Changed};
use crate::stream::Entry;
use crate::wish::counted;

/// A broken law's number, and how it was broken.
pub(super) type Judgement = Result<(), (usize, String)>;

/// All that the log says, with its past.
#[derive(Debug, Default)]
pub struct Log {
    pub revision: Revision,
    pub incarnation: u32,
    pub epoch: u64,
    pub commits: u64,
    pub events: u64,
    hash: Hash,
    sequence: u64,
    /// The revision at the end of each frame.
    frames: Vec<Revision>,
    /// The revision at the end of each commit.
    ends: Vec<Revision>,
    rows: BTreeMap<Key, Arc<Fact>>,
    /// Every state of every key: absent where it was deleted.
    keys: BTreeMap<Key, Vec<(Revision, bool)>>,
    touched: BTreeMap<Scope, Vec<Revision>>,
    ids: BTreeMap<Uuid, (Revision, Revision)>,
    /// Every value of every counter, at the end of the commit that made it so.
    counters: BTreeMap<String, Vec<(Revision, i64)>>,
}

pub(super) fn broken(law: usize, what: String) -> Judgement {
    Err((law, what))
}

impl Log {
    pub fn take(&mut self, sequence: u64, entry: &Entry) -> Judgement {
        let header = &entry.frame.header;
        if sequence != self.sequence + 1 || header.number != sequence || header.prev != self.hash {
            return broken(
                6,
                format!("frame {sequence} of {} does not stand on the one before", header.ledger),
            );
        }
        if header.epoch < self.epoch || (header.epoch > self.epoch && header.commits > 0) {
            return broken(
                6,
                format!("frame {sequence} of {} writes out of its epoch {}", header.ledger, header.epoch),
            );
        }
        self.begin_incarnation(sequence, entry)?;
        if header.first != self.revision.next() {
            return broken(
                6,
                format!("frame {sequence} begins with r{} after r{}", header.first, self.revision),
            );
        }
        let mut facts = entry.facts.iter();
        for commit in &entry.frame.commits {
            let facts: Vec<Arc<Fact>> = facts.by_ref().take(commit.events.len()).cloned().collect();
            self.judge_commit(commit)?;
            self.record(commit, &facts)?;
        }
        (self.sequence, self.hash, self.epoch) = (sequence, entry.hash, header.epoch);
        self.frames.push(self.revision);
        Ok(())
    }

    fn begin_incarnation(&mut self, sequence: u64, entry: &Entry) -> Judgement {
        let header = &entry.frame.header;
        if header.incarnation == self.incarnation {
            return Ok(());
        }
        let base = Revision::base_of(header.incarnation);
        if header.incarnation < self.incarnation || header.skipped != Some((self.revision.next(), base)) {
            return broken(6, format!("frame {sequence} jumps to incarnation {}", header.incarnation));
        }
        (self.incarnation, self.revision) = (header.incarnation, base);
        Ok(())
    }

    /// Whether the commit was right to be recorded after all that stands before it.
    fn judge_commit(&self, commit: &Recorded) -> Judgement {
        let header = &commit.header;
        let at = commit.first;
        if let Some((first, _)) = self.ids.get(&header.id) {
            return broken(6, format!("the commit of r{first} ({}) is recorded again at r{at}", header.why));
        }
        if header.incarnation != self.incarnation || header.base > self.revision {
            let (base, of) = (header.base, header.incarnation);
            return broken(6, format!("r{at} ({}) was decided on r{base} of incarnation {of}", header.why));
        }
        for (event, expect) in commit.events.iter().zip(&header.expects) {
            self.judge_expectation(at, event, *expect, header.base)?;
        }
        for scope in &header.guards {
            if let Some(touched) =
                self.touched.get(scope).and_then(|touched| touched.last()).filter(|r| **r > header.base)
            {
                let why = &header.why;
                return broken(
                    4,
                    format!(
                        "r{at} ({why}) was decided on r{}, but {scope} was touched at r{touched}",
                        header.base
                    ),
                );
            }
        }
        Ok(())
    }

    fn judge_expectation(&self, at: Revision, event: &Event, expect: Expect, base: Revision) -> Judgement {
        let key = event.object.key();
        let stands = self.rows.get(&key).map(|fact| fact.revision);
        let expected = match expect {
            Expect::Absent => None,
            Expect::At(revision) => Some(revision),
        };
        let gone = || self.keys.get(&key).and_then(|states| states.last()).map(|(revision, _)| *revision);
        if stands != expected || event.prior != expected.unwrap_or_default() {
            return broken(6, format!("r{at} replaces {key} of {expected:?}, but {stands:?} stood there"));
        }
        if expected.is_none() && gone().is_some_and(|gone| gone > base) {
            return broken(6, format!("r{at} makes {key}, decided on r{base}, before it was deleted"));
        }
        Ok(())
    }

    fn record(&mut self, commit: &Recorded, facts: &[Arc<Fact>]) -> Judgement {
        self.count(commit)?;
        let mut olds: Vec<Option<Arc<Fact>>> = Vec::with_capacity(facts.len());
        for (event, fact) in commit.events.iter().zip(facts) {
            let old = self.rows.get(&fact.key).cloned();
            olds.push(old.clone());
            self.revision = fact.revision;
            let touched = touches(old.as_ref().map(|old| old.object()), fact.after(), &event.object);
            if let Some(missing) = touched.iter().find(|scope| !event.touches.contains(scope)) {
                return broken(
                    4,
                    format!(
                        "r{} ({}) does not say that it touches {missing}",
                        fact.revision, event.event_type
                    ),
                );
            }
            for scope in touched {
                self.touched.entry(scope).or_default().push(fact.revision);
            }
            judge_count(old.as_ref().map(|old| old.object()), fact)?;
            self.keys.entry(fact.key.clone()).or_default().push((fact.revision, fact.op != Op::Delete));
            match fact.op {
                Op::Create | Op::Update => drop(self.rows.insert(fact.key.clone(), Arc::clone(fact))),
                Op::Delete => {
                    self.rows.remove(&fact.key);
                    self.end_counters_of(&fact.uid, commit.last());
                }
            }
        }
        self.ids.insert(commit.header.id, (commit.first, self.revision));
        self.ends.push(self.revision);
        self.commits += 1;
        self.events += facts.len() as u64;
        let changes = olds.iter().zip(facts).map(|(old, fact)| Changed { before: old.as_deref(), fact });
        let changes: Vec<Changed<'_>> = changes.collect();
        quotas::judge(self, &commit.header.why, &changes)?;
        workloads::judge(self, &commit.header.actor.user, &commit.header.why, &changes)
    }

    /// Adds what a commit counts, which has to stay within what it says.
    fn count(&mut self, commit: &Recorded) -> Judgement {
        for count in &commit.header.counters {
            let value = self.counter(&count.name) + count.delta;
            if count.delta > 0 && count.max.is_some_and(|max| i128::from(value) > i128::from(max)) {
                let (name, why) = (&count.name, &commit.header.why);
                return broken(4, format!("r{} ({why}) brings {name} to {value}", commit.first));
            }
            self.counters.entry(count.name.clone()).or_default().push((commit.last(), value));
        }
        Ok(())
    }

    fn end_counters_of(&mut self, uid: &str, at: Revision) {
        let own = Count::name_of(uid, "");
        for (_, values) in self.counters.iter_mut().filter(|(name, _)| name.starts_with(&own)) {
            values.push((at, 0));
        }
    }

    /// What a counter stands at.
    pub fn counter(&self, name: &str) -> i64 {
        self.counters.get(name).and_then(|values| values.last()).map_or(0, |(_, value)| *value)
    }

    /// What a counter stood at at a moment.
    pub fn counter_at(&self, name: &str, end: Revision) -> i64 {
        let values = self.counters.get(name).into_iter().flatten();
        values.rev().find(|(revision, _)| *revision <= end).map_or(0, |(_, value)| *value)
    }

    pub fn commit(&self, id: Uuid) -> Option<(Revision, Revision)> {
        self.ids.get(&id).copied()
    }

    /// The revision at the end of a frame; none before the first.
    pub fn revision_at(&self, frame: u64) -> Revision {
        let index = frame.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.frames.get(index)).copied().unwrap_or_default()
    }

    /// All moments from the end of a frame until now: the ends of commits.
    pub fn ends_since(&self, frame: u64) -> impl Iterator<Item = Revision> {
        let first = self.revision_at(frame);
        let later = self.ends.partition_point(|end| *end <= first);
        std::iter::once(first).chain(self.ends[later..].iter().copied())
    }

    /// Which revision of a key stood at a moment.
    pub fn key_at(&self, key: &Key, end: Revision) -> Option<Revision> {
        let states = self.keys.get(key)?;
        states
            .iter()
            .rev()
            .find(|(revision, _)| *revision <= end)
            .filter(|(_, lives)| *lives)
            .map(|(at, _)| *at)
    }

    /// The last event of a key up to a moment, its deletion included.
    pub fn last_event_at(&self, key: &Key, end: Revision) -> Option<Revision> {
        let states = self.keys.get(key)?;
        states.iter().rev().find(|(revision, _)| *revision <= end).map(|(at, _)| *at)
    }

    /// When a scope had last been touched at a moment.
    pub fn touched_at(&self, scope: &Scope, end: Revision) -> Option<Revision> {
        self.touched.get(scope)?.iter().rev().find(|revision| **revision <= end).copied()
    }

    pub fn row(&self, key: &Key) -> Option<&Arc<Fact>> {
        self.rows.get(key)
    }

    /// All objects of a resource.
    pub fn of<'a>(&'a self, group: &'a str, resource: &'a str) -> impl Iterator<Item = &'a Arc<Fact>> {
        let rows = self.rows.range(Key::new(group, resource, "", "")..).map(|(_, fact)| fact);
        rows.take_while(move |fact| fact.is(group, resource))
    }

    pub fn rows(&self) -> impl Iterator<Item = &Arc<Fact>> {
        self.rows.values()
    }
}

/// Each increment adds one to what stood there: none is lost, none counts twice.
fn judge_count(before: Option<&Value>, fact: &Fact) -> Judgement {
    if !(fact.key.resource == "configmaps" && fact.key.name.starts_with("count-")) {
        return Ok(());
    }
    let (was, is) = (before.map_or(0, counted), counted(fact.object()));
    if is != was + 1 {
        return broken(6, format!("r{} counts {is} after {was}", fact.revision));
    }
    Ok(())
}
