//! The machines of a process, whatever they control: each a [`rutter_controller::Machine`], with the laws on its plans
//! checked at every turn.

use std::sync::Arc;

use rutter_controller::{Controller, Fact, Machine, Plan, Settled, Ticket};
use rutter_placement_core::Placement;
use rutter_replicator_core::{Deployments, Garbage, PodGarbage, ReplicaSets};
use rutter_schemas::Revision;

use crate::model::Model;
use crate::process::Role;
use crate::time::Time;

/// What a member of the crew wants done.
pub struct Errand {
    pub ticket: Ticket,
    pub key: String,
    pub plans: Vec<Plan>,
    /// Asked twice, it planned differently: breaks law 2.
    pub wavers: bool,
}

/// One controller at work.
pub trait Crew {
    fn name(&self) -> &'static str;
    fn start(&mut self, model: &Model);
    fn follow(&mut self, facts: &[Arc<Fact>], at: Revision);
    fn next(&mut self, now: Time) -> Option<Errand>;
    fn settle(&mut self, ticket: Ticket, settled: Settled, now: Time);
    fn wake_at(&self) -> Option<Time>;
    fn is_idle(&self) -> bool;
    /// Law 1: where the view kept differs from the view that the whole log makes.
    fn differs_from_rebuilt(&self, log: &[Arc<Fact>], at: Revision) -> Option<String>;
}

/// Who works in a process of this role.
pub fn of(role: Role) -> Vec<Box<dyn Crew>> {
    match role {
        Role::Gateway => Vec::new(),
        Role::Placement => vec![member::<Placement>()],
        Role::Replicator => vec![
            member::<Deployments>(),
            member::<ReplicaSets>(),
            member::<Garbage>(),
            member::<PodGarbage>(),
        ],
    }
}

fn member<C: Controller + 'static>() -> Box<dyn Crew> {
    Box::new(Member::<C>::default())
}

/// A controller with its machine.
pub struct Member<C: Controller> {
    machine: Machine<C>,
}

impl<C: Controller> Default for Member<C> {
    fn default() -> Self {
        Member { machine: Machine::default() }
    }
}

impl<C: Controller> Crew for Member<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn start(&mut self, model: &Model) {
        self.machine = Machine::start(model.all().map(|fact| &**fact), model.revision);
    }

    fn follow(&mut self, facts: &[Arc<Fact>], at: Revision) {
        self.machine.follow(facts.iter().map(|fact| &**fact), at);
    }

    fn next(&mut self, now: Time) -> Option<Errand> {
        let turn = self.machine.next(now.stamp())?;
        let again = C::reconcile(self.machine.view(), &turn.key, now.stamp());
        let again: Vec<Plan> = again.into_iter().filter(|plan| !plan.is_idle()).collect();
        let same =
            |(a, b): (&Plan, &Plan)| (&a.intents, &a.guards, &a.why) == (&b.intents, &b.guards, &b.why);
        let wavers = again.len() != turn.plans.len() || !again.iter().zip(&turn.plans).all(same);
        Some(Errand { ticket: turn.ticket, key: turn.key.to_string(), plans: turn.plans, wavers })
    }

    fn settle(&mut self, ticket: Ticket, settled: Settled, now: Time) {
        self.machine.settle(ticket, settled, now.stamp());
    }

    fn wake_at(&self) -> Option<Time> {
        self.machine.wake_at().map(Time::of)
    }

    fn is_idle(&self) -> bool {
        self.machine.is_idle()
    }

    fn differs_from_rebuilt(&self, log: &[Arc<Fact>], at: Revision) -> Option<String> {
        let rebuilt = Machine::<C>::start(log.iter().map(|fact| &**fact), at);
        if rebuilt.view() == self.machine.view() {
            return None;
        }
        let (kept, rebuilt) = (format!("{:?}", self.machine.view()), format!("{:?}", rebuilt.view()));
        let same = kept.bytes().zip(rebuilt.bytes()).take_while(|(a, b)| a == b).count();
        let around = |text: &str| text.chars().skip(same.saturating_sub(80)).take(160).collect::<String>();
        Some(format!("kept …{}…, rebuilt …{}…", around(&kept), around(&rebuilt)))
    }
}
