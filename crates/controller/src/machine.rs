//! A controller at work: its view, who is to look again, and which of its plans are under way.
//!
//! Keeps true: a key is planned for only when no earlier plan of it is under way and the outcome of the last one is
//! in the view, so that a controller never decides twice on the same premise. A key's life:
//!
//! ```text
//!          woken / due                next()                 settled: committed or refused at N
//! (quiet) ───────────► in the agenda ────────► under way ──────────────────────► waits for N in the view
//!    ▲                    ▲   │ idle plan           │ failed                          │
//!    └────────────────────┼───┘                     ▼                 (may rest first) │
//!                         └───────────── waits for its back-off ◄     the view has N ─┘→ in the agenda
//! ```

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use rutter_schemas::Revision;

use crate::{Controller, Fact, Plan, Refusal};

/// The first wait after a failure; it doubles with each further one in a row, up to [`LONGEST_WAIT`].
const FIRST_WAIT: SignedDuration = SignedDuration::from_millis(20);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(60);

/// Names one turn of one key, until it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The work of one key, to be carried out: each plan is a commit of its own. Never empty, and no plan is idle.
#[derive(Clone, Debug)]
pub struct Turn<K> {
    pub ticket: Ticket,
    pub key: K,
    pub plans: Vec<Plan>,
}

/// What became of one plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is in the log; its last event has this revision.
    Committed(Revision),
    /// It changed nothing, so it was not recorded. Planned again it would come to the same, so that waits too.
    Unchanged,
    /// It was decided on what no longer holds, as a view that has this revision will show.
    Refused(Revision),
    /// It can't be done now (admission said no, a quota is full, the log is away): try again after a while.
    Failed,
}

/// One controller with its view and agenda. Feed it facts and outcomes, carry out its turns.
#[derive(Debug)]
pub struct Machine<C: Controller> {
    view: C::View,
    at: Revision,
    /// Who is to look, and the newest revision that woke it. Never a key that is held.
    agenda: BTreeMap<C::Key, Option<Revision>>,
    /// Who has a plan under way, or waits for its outcome to reach the view, or backs off.
    held: BTreeMap<C::Key, Hold>,
    under_way: BTreeMap<Ticket, C::Key>,
    waiting: BTreeSet<(Revision, C::Key)>,
    timers: BTreeSet<(Timestamp, C::Key)>,
    alarms: BTreeMap<C::Key, Timestamp>,
    failures: BTreeMap<C::Key, u32>,
    last_ticket: u64,
}

#[derive(Debug, Default)]
struct Hold {
    plans: usize,
    plans_open: usize,
    /// Of those settled, how many changed nothing.
    idle_plans: usize,
    view_must_have: Revision,
    failed: bool,
    /// It was carried out, and the key rests.
    rests: bool,
    /// The newest fact that woke the key meanwhile.
    cause: Option<Revision>,
}

impl<C: Controller> Default for Machine<C> {
    fn default() -> Self {
        Machine {
            view: C::View::default(),
            at: Revision::NONE,
            agenda: BTreeMap::new(),
            held: BTreeMap::new(),
            under_way: BTreeMap::new(),
            waiting: BTreeSet::new(),
            timers: BTreeSet::new(),
            alarms: BTreeMap::new(),
            failures: BTreeMap::new(),
            last_ticket: 0,
        }
    }
}

impl<C: Controller> Machine<C> {
    /// Starts from a snapshot taken at `at`; then follow the facts after it.
    pub fn start<'a>(snapshot: impl IntoIterator<Item = &'a Fact>, at: Revision) -> Self {
        let mut machine = Machine::default();
        machine.follow(snapshot, at);
        machine
    }

    /// Applies whole commits, up to the revision `at`: the end of a commit.
    pub fn follow<'a>(&mut self, facts: impl IntoIterator<Item = &'a Fact>, at: Revision) {
        for fact in facts {
            let concerns = match fact.count() {
                Some(_) => C::counts(),
                None => C::follows(&fact.key.group, &fact.key.resource),
            };
            if !concerns {
                continue;
            }
            for key in C::wakes(&self.view, fact) {
                self.wake_for(key, Some(fact.revision));
            }
            C::apply(&mut self.view, fact);
        }
        self.at = self.at.max(at);
        self.release();
    }

    /// Puts a key on the agenda without a fact, as for what comes from outside the log.
    pub fn wake(&mut self, key: C::Key) {
        self.wake_for(key, None);
    }

    /// What comes from outside the log (statistics, silence) is written into the view here.
    pub fn view_mut(&mut self) -> &mut C::View {
        &mut self.view
    }

    pub fn view(&self) -> &C::View {
        &self.view
    }

    /// The revision up to which the view follows the log.
    pub fn at(&self) -> Revision {
        self.at
    }

    /// The next key with something to do. Keys that have nothing to do are looked at and passed over.
    pub fn next(&mut self, now: Timestamp) -> Option<Turn<C::Key>> {
        self.ring(now);
        while let Some((key, cause)) = self.agenda.pop_first() {
            let plans = C::reconcile(&self.view, &key, now);
            self.set_alarm(&key, plans.iter().filter_map(|plan| plan.look_again).min());
            let plans: Vec<Plan> = plans.into_iter().filter(|plan| !plan.is_idle()).collect();
            if plans.is_empty() {
                self.failures.remove(&key);
                continue;
            }
            return Some(self.take_turn(key, cause, plans));
        }
        None
    }

    /// Tells what became of one of a turn's plans. The key looks again when all are settled and in the view.
    pub fn settle(&mut self, ticket: Ticket, settled: Settled, now: Timestamp) {
        let Some(key) = self.under_way.get(&ticket).cloned() else { return };
        let Some(hold) = self.held.get_mut(&key) else { return };
        hold.plans_open = hold.plans_open.saturating_sub(1);
        match settled {
            Settled::Committed(revision) | Settled::Refused(revision) => {
                hold.view_must_have = hold.view_must_have.max(revision);
            }
            Settled::Unchanged => hold.idle_plans += 1,
            Settled::Failed => hold.failed = true,
        }
        if hold.plans_open > 0 {
            return;
        }
        self.under_way.remove(&ticket);
        hold.failed |= hold.idle_plans == hold.plans;
        if hold.failed {
            self.back_off(key, now);
        } else {
            hold.rests = !C::rest().is_zero();
            let (must_have, rests) = (hold.view_must_have, hold.rests);
            self.failures.remove(&key);
            match rests {
                true => self.set_alarm(&key, now.checked_add(C::rest()).ok()),
                false => self.await_outcome(must_have, key),
            }
        }
    }

    /// Tells that the rules refused one of a turn's plans, and why.
    pub fn refuse(&mut self, ticket: Ticket, refusal: &Refusal, now: Timestamp) {
        let Some(key) = self.under_way.get(&ticket).cloned() else { return };
        let settled = match C::refused(&mut self.view, &key, refusal, now) {
            true => Settled::Refused(self.at),
            false => Settled::Failed,
        };
        self.settle(ticket, settled, now);
    }

    /// When [`Machine::next`] should be asked although nothing happens.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.timers.first().map(|(when, _)| *when)
    }

    /// Whether nothing is to be done, under way, or put off after a failure; timers may still be set.
    pub fn is_idle(&self) -> bool {
        self.agenda.is_empty() && self.under_way.is_empty() && self.held.is_empty()
    }

    fn take_turn(&mut self, key: C::Key, cause: Option<Revision>, mut plans: Vec<Plan>) -> Turn<C::Key> {
        for plan in &mut plans {
            plan.base = self.at;
            plan.cause = plan.cause.or(cause);
        }
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.under_way.insert(ticket, key.clone());
        self.held
            .insert(key.clone(), Hold { plans: plans.len(), plans_open: plans.len(), ..Hold::default() });
        Turn { ticket, key, plans }
    }

    /// Puts a key on the agenda, or remembers why it should be there once it is let go.
    fn wake_for(&mut self, key: C::Key, cause: Option<Revision>) {
        match self.held.get_mut(&key) {
            Some(hold) => hold.cause = cause.or(hold.cause),
            None => {
                let known = self.agenda.entry(key).or_insert(None);
                *known = cause.or(*known);
            }
        }
    }

    fn await_outcome(&mut self, revision: Revision, key: C::Key) {
        self.waiting.insert((revision, key));
        self.release();
    }

    /// Lets go of the keys whose outcomes the view now has; they look again, and mostly find nothing to do.
    fn release(&mut self) {
        while self.waiting.first().is_some_and(|(revision, _)| *revision <= self.at) {
            let Some((_, key)) = self.waiting.pop_first() else { return };
            self.let_go(key);
        }
    }

    fn let_go(&mut self, key: C::Key) {
        let cause = self.held.remove(&key).and_then(|hold| hold.cause);
        self.agenda.insert(key, cause);
    }

    fn back_off(&mut self, key: C::Key, now: Timestamp) {
        let failures = self.failures.entry(key.clone()).or_insert(0);
        *failures += 1;
        let wait = FIRST_WAIT.saturating_mul(1 << (*failures - 1).min(16)).min(LONGEST_WAIT);
        self.set_alarm(&key, now.checked_add(wait).ok());
    }

    fn set_alarm(&mut self, key: &C::Key, when: Option<Timestamp>) {
        if let Some(old) = self.alarms.remove(key) {
            self.timers.remove(&(old, key.clone()));
        }
        if let Some(when) = when {
            self.alarms.insert(key.clone(), when);
            self.timers.insert((when, key.clone()));
        }
    }

    /// Puts on the agenda whose time has come.
    fn ring(&mut self, now: Timestamp) {
        while let Some((when, key)) = self.timers.first().cloned() {
            if when > now {
                return;
            }
            self.timers.pop_first();
            self.alarms.remove(&key);
            match self.held.get_mut(&key) {
                Some(hold) if hold.failed && hold.plans_open == 0 => self.let_go(key),
                Some(hold) if hold.rests => {
                    hold.rests = false;
                    let revision = hold.view_must_have;
                    self.await_outcome(revision, key);
                }
                _ => self.wake_for(key, None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use rutter_schemas::{Key, Meta, Op};
    use serde_json::json;

    use super::*;
    use crate::Reads;

    /// Wants every ConfigMap to be deleted.
    struct Broom;

    #[derive(Debug, Default, PartialEq)]
    struct View {
        there: BTreeMap<Key, Revision>,
        reads: Reads,
    }

    impl Controller for Broom {
        type View = View;
        type Key = Key;
        const NAME: &'static str = "broom";

        fn follows(_: &str, resource: &str) -> bool {
            resource == "configmaps"
        }

        fn apply(view: &mut View, fact: &Fact) {
            match fact.after() {
                Some(_) => view.there.insert(fact.key.clone(), fact.revision),
                None => view.there.remove(&fact.key),
            };
        }

        fn wakes(_: &View, fact: &Fact) -> Vec<Key> {
            vec![fact.key.clone()]
        }

        fn reconcile(view: &View, key: &Key, _: Timestamp) -> Vec<Plan> {
            let mut plan = Plan::because("it lies about");
            if let Some(revision) = view.there.get(key) {
                plan.delete(key.clone(), *revision, "uid");
            }
            vec![plan]
        }

        fn reads(view: &View) -> &Reads {
            &view.reads
        }
    }

    fn fact(name: &str, revision: u64, op: Op) -> Fact {
        let text = Bytes::from(json!({}).to_string());
        Fact::new(
            Revision(revision),
            op,
            Key::new("", "configmaps", "d", name),
            "uid".into(),
            Meta::default(),
            text,
        )
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    fn machine(facts: &[Fact]) -> Machine<Broom> {
        Machine::start(facts, facts.last().unwrap().revision)
    }

    #[test]
    fn a_plan_knows_what_it_was_decided_on_and_what_it_answers() {
        let mut machine = machine(&[fact("a", 1, Op::Create), fact("b", 5, Op::Create)]);
        let turn = machine.next(at(0)).unwrap();
        assert_eq!((turn.plans[0].base, turn.plans[0].cause), (Revision(5), Some(Revision(1))));
    }

    #[test]
    fn a_key_waits_until_the_outcome_of_its_plan_is_in_the_view() {
        let mut machine = machine(&[fact("a", 1, Op::Create)]);
        let turn = machine.next(at(0)).unwrap();
        machine.follow(&[fact("a", 2, Op::Update)], Revision(2));
        assert!(machine.next(at(0)).is_none(), "it is under way");
        machine.settle(turn.ticket, Settled::Refused(Revision(3)), at(0));
        assert!(machine.next(at(0)).is_none(), "the view does not show yet why it was refused");
        machine.follow(&[fact("a", 3, Op::Update)], Revision(3));
        assert_eq!(machine.next(at(0)).unwrap().plans[0].cause, Some(Revision(3)));
    }

    #[test]
    fn once_done_nothing_remains() {
        let mut machine = machine(&[fact("a", 1, Op::Create)]);
        let turn = machine.next(at(0)).unwrap();
        machine.settle(turn.ticket, Settled::Committed(Revision(2)), at(0));
        machine.follow(&[fact("a", 2, Op::Delete)], Revision(2));
        assert!(machine.next(at(0)).is_none() && machine.is_idle());
    }

    #[test]
    fn failures_wait_longer_and_longer() {
        let mut machine = machine(&[fact("a", 1, Op::Create)]);
        let mut now = at(0);
        for expected in [20, 40, 80] {
            let turn = machine.next(now).unwrap();
            machine.settle(turn.ticket, Settled::Failed, now);
            assert!(machine.next(now).is_none());
            let due = machine.wake_at().unwrap();
            assert_eq!(due.duration_since(now).as_millis(), expected);
            now = due;
        }
    }

    #[test]
    fn what_changes_nothing_is_not_tried_at_once_again() {
        let mut machine = machine(&[fact("a", 1, Op::Create)]);
        let turn = machine.next(at(0)).unwrap();
        machine.settle(turn.ticket, Settled::Unchanged, at(0));
        assert!(machine.next(at(0)).is_none() && machine.next(at(20)).is_some());
    }

    /// The same, and rests in between.
    struct SlowBroom;

    impl Controller for SlowBroom {
        type View = View;
        type Key = Key;
        const NAME: &'static str = "slow broom";

        fn follows(group: &str, resource: &str) -> bool {
            Broom::follows(group, resource)
        }

        fn apply(view: &mut View, fact: &Fact) {
            Broom::apply(view, fact);
        }

        fn wakes(view: &View, fact: &Fact) -> Vec<Key> {
            Broom::wakes(view, fact)
        }

        fn reconcile(view: &View, key: &Key, now: Timestamp) -> Vec<Plan> {
            Broom::reconcile(view, key, now)
        }

        fn rest() -> SignedDuration {
            SignedDuration::from_millis(50)
        }

        fn reads(view: &View) -> &Reads {
            Broom::reads(view)
        }
    }

    #[test]
    fn a_key_that_rests_looks_again_when_it_has_rested_and_the_view_has_its_outcome() {
        let mut machine = Machine::<SlowBroom>::start(&[fact("a", 1, Op::Create)], Revision(1));
        let turn = machine.next(at(0)).unwrap();
        machine.settle(turn.ticket, Settled::Committed(Revision(2)), at(0));
        machine.follow(&[fact("a", 2, Op::Update)], Revision(2));
        assert!(machine.next(at(0)).is_none(), "it rests");
        let rested = machine.wake_at().unwrap();
        assert_eq!(rested.duration_since(at(0)).as_millis(), 50);
        let turn = machine.next(rested).unwrap();
        machine.settle(turn.ticket, Settled::Committed(Revision(3)), rested);
        let later = machine.wake_at().unwrap();
        assert!(machine.next(later).is_none(), "the view does not have it yet");
        machine.follow(&[fact("a", 3, Op::Update)], Revision(3));
        assert!(machine.next(later).is_some());
    }

    #[test]
    fn keys_do_not_wait_for_each_other() {
        let mut machine = machine(&[fact("a", 1, Op::Create), fact("b", 2, Op::Create)]);
        assert_eq!(machine.next(at(0)).unwrap().key.name, "a");
        assert_eq!(machine.next(at(0)).unwrap().key.name, "b");
        assert!(machine.next(at(0)).is_none());
    }
}
