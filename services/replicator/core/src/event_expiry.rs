//! Events expire an hour after they were last told (upstream: the API server's `--event-ttl`). Their end is an ordinary
//! deletion, many in one commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rutter_controller::read::{created, time};
use rutter_controller::{Controller, Fact, Plan, Reads};
use rutter_schemas::{Key, Revision};
use serde_json::Value;

const LIFE: SignedDuration = SignedDuration::from_secs(3_600);
/// How many one commit takes away.
const BATCH: usize = 500;
/// So that a commit takes many, the first that is due waits for others that are soon.
const GATHERED: SignedDuration = SignedDuration::from_secs(30);

/// The controller of the end of Events.
#[derive(Debug)]
pub struct EventExpiry;

/// All Events are looked at together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllEvents;

impl fmt::Display for AllEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all Events")
    }
}

#[derive(Debug, Default, PartialEq)]
pub struct View {
    events: BTreeMap<Key, Known>,
    by_end: BTreeSet<(Timestamp, Key)>,
    reads: Reads,
}

#[derive(Clone, Debug, PartialEq)]
struct Known {
    end: Timestamp,
    revision: Revision,
    uid: String,
}

impl Controller for EventExpiry {
    type View = View;
    type Key = AllEvents;
    const NAME: &'static str = "event-expiry-controller";

    fn follows(group: &str, resource: &str) -> bool {
        group.is_empty() && resource == "events"
    }

    fn apply(view: &mut View, fact: &Fact) {
        if let Some(known) = view.events.remove(&fact.key) {
            view.by_end.remove(&(known.end, fact.key.clone()));
        }
        let Some(object) = fact.after().filter(|_| fact.meta.deletion.is_none()) else { return };
        let known = Known { end: end(object), revision: fact.revision, uid: fact.uid.clone() };
        view.by_end.insert((known.end, fact.key.clone()));
        view.events.insert(fact.key.clone(), known);
    }

    /// Who looks at the first end looks again by itself; an Event that comes ends later than those that are there.
    fn wakes(view: &View, _fact: &Fact) -> Vec<AllEvents> {
        if view.events.is_empty() { vec![AllEvents] } else { Vec::new() }
    }

    fn reconcile(view: &View, _all: &AllEvents, now: Timestamp) -> Vec<Plan> {
        vec![plan(view, now)]
    }

    fn reads(view: &View) -> &Reads {
        &view.reads
    }
}

fn plan(view: &View, now: Timestamp) -> Plan {
    let due: Vec<&Key> =
        view.by_end.iter().take_while(|(end, _)| *end <= now).take(BATCH).map(|(_, key)| key).collect();
    view.reads.count(due.len() + 1);
    let mut plan = Plan::because(match due.len() {
        0 => "no Event is old enough".to_owned(),
        many => format!("{many} Events were told more than an hour ago"),
    });
    for key in &due {
        if let Some(known) = view.events.get(*key) {
            plan.delete((*key).clone(), known.revision, &known.uid);
        }
    }
    if let Some((end, _)) = view.by_end.iter().nth(due.len()) {
        let soon = if *end <= now { now } else { *end + GATHERED };
        plan.look_again_at(soon);
    }
    plan
}

/// An hour after it was last told.
fn end(event: &Value) -> Timestamp {
    let told = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime"];
    let last = told.iter().filter_map(|path| time(event, path)).max().unwrap_or_else(|| created(event));
    last.saturating_add(LIFE).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::{AllEvents, EventExpiry};
    use rutter_controller::given::given;

    #[test]
    fn what_was_told_an_hour_ago_ends_and_what_was_told_again_does_not() {
        let given = given::<EventExpiry>(
            "Event old lastTimestamp=2025-12-31T23:00:00Z; Event again lastTimestamp=2025-12-31T23:30:00Z",
        );
        let done = given.reconcile_key(AllEvents);
        assert_eq!(
            done.printed(),
            "because 1 Events were told more than an hour ago\n- events old\nlook again at 2026-01-01T00:30:30Z\n"
        );
        let later = done.carried_out().after(1799).reconcile_key(AllEvents);
        assert!(later.plans[0].is_idle(), "{}", later.printed());
        assert!(!later.carried_out().after(31).reconcile_key(AllEvents).plans[0].is_idle());
    }
}
