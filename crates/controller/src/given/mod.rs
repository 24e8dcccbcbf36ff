//! Given, when, then: a little world of objects, one controller, and the laws, which are checked on every use.
//!
//! ```text
//! given::<ReplicaSets>("ReplicaSet web replicas=3; Pod web-a of web ready")
//!     .reconcile("ReplicaSet web")
//!     .then(expect![[r#"because 2 of 3 are missing …"#]]);
//! ```
//!
//! Each statement is one commit. What the laws are: [`crate::Controller`].

mod objects;
mod world;

use jiff::{SignedDuration, Timestamp};
use rutter_schemas::{Count, Key, Revision};

pub use world::{World, key_of, resource_of};

use crate::{Controller, Fact, Machine, Plan};

/// The time at which every given world begins.
pub const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// A world and a controller that has followed it.
pub struct Given<C: Controller> {
    pub world: World,
    machine: Machine<C>,
    followed: usize,
    now: Timestamp,
}

/// A world made of the statements of `text`; see [`Given::and`].
pub fn given<C: Controller>(text: &str) -> Given<C> {
    Given { world: World::default(), machine: Machine::default(), followed: 0, now: NOW }.and(text)
}

impl<C: Controller> Given<C> {
    /// Further statements, separated by `;` or by lines: `Kind [namespace/]name word …` makes an object or changes
    /// it, `gone Kind name` removes it. Words are short forms (`ready`, `of web`, `replicas=3`) or paths
    /// (`spec.paused=true`).
    pub fn and(mut self, text: &str) -> Self {
        for statement in text.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
            objects::state(&mut self.world, statement, self.now);
        }
        self.follow();
        self
    }

    /// Adds to a counter, in the last commit.
    pub fn counting(mut self, name: &str, delta: i64) -> Self {
        self.world.count(&Count { name: name.to_owned(), delta, max: None });
        self.follow();
        self
    }

    /// Lets time pass.
    pub fn after(mut self, seconds: i64) -> Self {
        self.now += SignedDuration::from_secs(seconds);
        self
    }

    /// What comes from outside the log.
    pub fn told(mut self, tell: impl FnOnce(&mut C::View)) -> Self {
        tell(self.machine.view_mut());
        self
    }

    /// Reconciles a key and checks that the same view gives the same plans.
    pub fn reconcile_key(self, key: C::Key) -> Decided<C> {
        C::reads(self.machine.view()).take();
        let plans = self.plans(&key);
        let rows_read = C::reads(self.machine.view()).take();
        assert_eq!(plans, self.plans(&key), "law: replanning the same view gives the same plan");
        Decided { given: self, key, plans, rows_read }
    }

    /// Which keys a further statement wakes.
    pub fn wakes(mut self, text: &str) -> Vec<String> {
        while self.machine.next(self.now).is_some() {}
        let from = self.world.facts().len();
        for statement in text.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
            objects::state(&mut self.world, statement, self.now);
        }
        let mut woken = Vec::new();
        for fact in &self.world.facts()[from..] {
            let keys = C::wakes(self.machine.view(), fact);
            woken.extend(keys.iter().map(ToString::to_string));
            self.machine.follow([fact], fact.revision);
        }
        woken
    }

    pub fn view(&self) -> &C::View {
        self.machine.view()
    }

    fn plans(&self, key: &C::Key) -> Vec<Plan> {
        let mut plans = C::reconcile(self.machine.view(), key, self.now);
        for plan in &mut plans {
            plan.base = self.machine.at();
        }
        plans
    }

    fn follow(&mut self) {
        let facts: Vec<Fact> = self.world.facts()[self.followed..].to_vec();
        self.followed += facts.len();
        self.machine.follow(&facts, self.world.revision());
    }
}

impl<C: Controller<Key = Key>> Given<C> {
    /// Reconciles an object, named as `Kind [namespace/]name`.
    pub fn reconcile(self, object: &str) -> Decided<C> {
        let key = objects::key(object);
        self.reconcile_key(key)
    }
}

/// What was decided, before it is carried out.
pub struct Decided<C: Controller> {
    given: Given<C>,
    key: C::Key,
    pub plans: Vec<Plan>,
    pub rows_read: u64,
}

impl<C: Controller> Decided<C> {
    /// Fails when more rows were read than the change can justify.
    pub fn reading_at_most(self, rows: u64) -> Self {
        assert!(self.rows_read <= rows, "{} rows were read, not at most {rows}", self.rows_read);
        self
    }

    /// The plans in print, as an operator would read them.
    pub fn printed(&self) -> String {
        self.plans.iter().map(ToString::to_string).collect()
    }

    /// Compares the plans with what was expected, carries them out, and checks that nothing remains to be done and
    /// that a view rebuilt from the log equals the one kept.
    #[track_caller]
    pub fn then(self, expected: impl Compare) -> Given<C> {
        expected.compare(&self.printed());
        self.carried_out()
    }

    /// Carries the plans out, which by intent leave something for the next time.
    pub fn carried_out_in_part(self) -> Given<C> {
        let Decided { mut given, plans, .. } = self;
        for plan in &plans {
            given.world.carry_out(plan, given.now);
        }
        given.follow();
        given
    }

    /// Carries the plans out and checks the laws.
    #[track_caller]
    pub fn carried_out(self) -> Given<C> {
        let key = self.key.clone();
        let given = self.carried_out_in_part();
        let rest: String =
            given.plans(&key).iter().filter(|p| !p.is_idle()).map(ToString::to_string).collect();
        assert!(rest.is_empty(), "law: nothing remains to be done, but\n{rest}");
        let rebuilt = Machine::<C>::start(given.world.facts(), Revision::NONE);
        assert_eq!(rebuilt.view(), given.machine.view(), "law: a view rebuilt equals the view kept");
        given
    }
}

/// What a printed plan can be compared with; implemented for `expect_test::Expect` by tests through a closure, and
/// for text.
pub trait Compare {
    #[track_caller]
    fn compare(&self, actual: &str);
}

/// Compares line by line, ignoring indentation.
impl Compare for &str {
    #[track_caller]
    fn compare(&self, actual: &str) {
        let lines = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
        };
        assert!(lines(self) == lines(actual), "expected\n{}\n\nbut got\n\n{actual}", self.trim());
    }
}

impl<F: Fn(&str)> Compare for F {
    fn compare(&self, actual: &str) {
        self(actual);
    }
}
