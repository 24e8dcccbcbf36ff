//! When the silence of a node counts.
//!
//! Heartbeats are not in the log: whoever runs the controller listens to them, tells the view, and asks directly the
//! nodes that [`to_ask`] names. Time is an argument throughout.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rutter_schemas::Key;

use super::Ready;
use super::view::{Node, View};

/// How long a node may say nothing (upstream's `--node-monitor-grace-period`).
pub const GRACE: SignedDuration = SignedDuration::from_secs(50);

/// How long a direct question's failure counts before it must be asked again.
pub const ANSWER_COUNTS: SignedDuration = SignedDuration::from_secs(20);

/// What was heard, outside the log.
#[derive(Clone, Debug, Default)]
pub struct Hearing {
    /// Since when we listen without a break; none while we don't.
    listening: Option<Timestamp>,
    heard: BTreeMap<String, Timestamp>,
    unanswered: BTreeMap<String, Timestamp>,
}

/// What follows from what was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It speaks.
    Heard,
    /// Nothing can be said before then.
    Wait(Timestamp),
    /// It is silent and does not answer.
    Lost,
    /// It would be lost, but most nodes would: the fault is likely ours.
    HeldBack,
}

impl Hearing {
    /// Our connection stands since `at`. What was silent before is not held against anybody.
    pub fn listens(&mut self, at: Timestamp) {
        self.listening = Some(at);
        self.unanswered.clear();
    }

    pub fn is_listening(&self) -> bool {
        self.listening.is_some()
    }

    /// Our connection is broken.
    pub fn deaf(&mut self) {
        self.listening = None;
    }

    /// A heartbeat, or an answer.
    pub fn heard(&mut self, node: &str, at: Timestamp) {
        self.heard.insert(node.to_owned(), at);
        self.unanswered.remove(node);
    }

    /// A direct question had no answer.
    pub fn unanswered(&mut self, node: &str, at: Timestamp) {
        self.unanswered.insert(node.to_owned(), at);
    }

    pub(super) fn forget(&mut self, node: &str) {
        self.heard.remove(node);
        self.unanswered.remove(node);
    }

    /// When the node's silence will have lasted for the grace period; none while we don't listen.
    fn patience_ends(&self, node: &str) -> Option<Timestamp> {
        let listening = self.listening?;
        let last = self.heard.get(node).map_or(listening, |heard| (*heard).max(listening));
        last.checked_add(GRACE).ok()
    }

    fn is_silent(&self, node: &str, now: Timestamp) -> bool {
        self.patience_ends(node).is_some_and(|ends| ends <= now)
    }

    fn did_not_answer(&self, node: &str, now: Timestamp) -> bool {
        self.unanswered.get(node).is_some_and(|asked| now.duration_since(*asked) <= ANSWER_COUNTS)
    }
}

/// The nodes to ask directly whether they are there: silent, and not yet asked lately.
pub fn to_ask(view: &View, now: Timestamp) -> Vec<String> {
    let hearing = view.hearing();
    let silent = view.nodes().filter(|node| node.ready != Ready::Unknown);
    let names = silent.map(|node| node.key.name.as_str());
    names
        .filter(|name| hearing.is_silent(name, now) && !hearing.did_not_answer(name, now))
        .map(str::to_owned)
        .collect()
}

/// The keys to wake when what was heard has changed.
pub fn to_wake(view: &View) -> Vec<Key> {
    view.nodes().map(|node| node.key.clone()).collect()
}

pub(super) fn judge(view: &View, node: &Node, now: Timestamp) -> Verdict {
    let hearing = view.hearing();
    let name = &node.key.name;
    match hearing.patience_ends(name) {
        None => return Verdict::Heard,
        Some(ends) if ends > now => return Verdict::Wait(ends),
        Some(_) => {}
    }
    if node.ready == Ready::Unknown {
        return Verdict::Lost;
    }
    if !hearing.did_not_answer(name, now) {
        return Verdict::Wait(now + SignedDuration::from_secs(5));
    }
    if most_are_lost(view, now) { Verdict::HeldBack } else { Verdict::Lost }
}

/// How many silent nodes are not given up because most nodes are silent; none while all is well. Worth saying.
pub fn held_back(view: &View, now: Timestamp) -> usize {
    let silent = view.nodes().filter(|node| node.ready != Ready::Unknown);
    let silent = silent.filter(|node| view.hearing().is_silent(&node.key.name, now)).count();
    if silent > 0 && most_are_lost(view, now) { silent } else { 0 }
}

/// Whether more than half of the nodes would be lost: those that are, and those that would follow. A single node may
/// be lost.
fn most_are_lost(view: &View, now: Timestamp) -> bool {
    let (mut lost, mut all) = (0, 0);
    for node in view.nodes() {
        all += 1;
        let is_lost = node.ready == Ready::Unknown || view.hearing().is_silent(&node.key.name, now);
        lost += usize::from(is_lost);
    }
    all > 1 && lost * 2 > all
}
