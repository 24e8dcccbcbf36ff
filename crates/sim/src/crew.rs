//! The machines of a process, whatever they control: each a [`rutter_controller::Machine`], with the laws on its plans
//! checked at every turn.

use std::sync::Arc;

use rutter_controller::{Controller, Fact, Machine, Plan, Settled, Ticket};
use rutter_placement_core::Placement;
use rutter_replicator_core::node_lifecycle::silence;
use rutter_replicator_core::{
    Deployments, EndpointSlices, Garbage, NamespaceEnding, NodeLifecycle, PodGarbage, ReplicaSets,
    ResourceQuotas,
};
use rutter_schemas::{Op, Revision};

use crate::model::Model;
use crate::process::Role;
use crate::time::Time;

/// What a member of the crew wants done.
pub struct Errand {
    pub ticket: Ticket,
    pub key: String,
    pub plans: Vec<Plan>,
    /// What it planned when it was asked again.
    pub again: Vec<Plan>,
}

impl Errand {
    /// Asked twice, it planned differently: that breaks law 2.
    pub fn wavers(&self) -> bool {
        let said = |plan: &Plan| (plan.intents.clone(), plan.guards.clone(), plan.why.clone());
        !self.plans.iter().map(said).eq(self.again.iter().map(said))
    }
}

/// One controller at work.
pub trait Crew {
    fn name(&self) -> &'static str;
    fn start(&mut self, model: &Model, now: Time);
    fn follow(&mut self, facts: &[Arc<Fact>], at: Revision);
    fn next(&mut self, now: Time) -> Option<Errand>;
    fn settle(&mut self, ticket: Ticket, settled: Settled, now: Time);
    fn wake_at(&self) -> Option<Time>;
    fn is_idle(&self) -> bool;
    /// What is outside the log: the nodes that answer, asked directly or not.
    fn hear(&mut self, _heard: &[String], _now: Time) {}
    /// Law 1: where the view kept differs from the view that the whole log makes.
    fn differs_from_rebuilt(&self, log: &[Arc<Fact>], at: Revision) -> Option<String>;
}

/// A row as who begins with a snapshot learns it.
fn born(fact: &Fact) -> Fact {
    let mut fact = fact.clone();
    fact.op = Op::Create;
    fact
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
            member::<EndpointSlices>(),
            member::<NamespaceEnding>(),
            member::<ResourceQuotas>(),
            Box::new(NodeWatch::default()),
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

    fn start(&mut self, model: &Model, _: Time) {
        let objects = model.all().map(|fact| born(fact));
        let facts: Vec<Fact> = model.counted().chain(objects).collect();
        self.machine = Machine::start(&facts, model.revision);
    }

    fn follow(&mut self, facts: &[Arc<Fact>], at: Revision) {
        self.machine.follow(facts.iter().map(|fact| &**fact), at);
    }

    fn next(&mut self, now: Time) -> Option<Errand> {
        let turn = self.machine.next(now.stamp())?;
        let again = C::reconcile(self.machine.view(), &turn.key, now.stamp());
        let again: Vec<Plan> = again.into_iter().filter(|plan| !plan.is_idle()).collect();
        Some(Errand { ticket: turn.ticket, key: turn.key.to_string(), plans: turn.plans, again })
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

/// The controller of the life of nodes, which also listens for their heartbeats.
#[derive(Default)]
struct NodeWatch(Member<NodeLifecycle>);

impl Crew for NodeWatch {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn start(&mut self, model: &Model, now: Time) {
        self.0.start(model, now);
        self.0.machine.view_mut().hearing_mut().listens(now.stamp());
    }

    fn follow(&mut self, facts: &[Arc<Fact>], at: Revision) {
        self.0.follow(facts, at);
    }

    fn next(&mut self, now: Time) -> Option<Errand> {
        self.0.next(now)
    }

    fn settle(&mut self, ticket: Ticket, settled: Settled, now: Time) {
        self.0.settle(ticket, settled, now);
    }

    fn wake_at(&self) -> Option<Time> {
        self.0.wake_at()
    }

    fn is_idle(&self) -> bool {
        self.0.is_idle()
    }

    /// Whoever was silent for long is asked directly, and answers or not.
    fn hear(&mut self, heard: &[String], now: Time) {
        let machine = &mut self.0.machine;
        let silent = silence::to_ask(machine.view(), now.stamp());
        let hearing = machine.view_mut().hearing_mut();
        for node in heard {
            hearing.heard(node, now.stamp());
        }
        let unanswered: Vec<String> = silent.into_iter().filter(|node| !heard.contains(node)).collect();
        for node in &unanswered {
            hearing.unanswered(node, now.stamp());
        }
        if !unanswered.is_empty() {
            silence::to_wake(machine.view()).into_iter().for_each(|key| machine.wake(key));
        }
    }

    fn differs_from_rebuilt(&self, log: &[Arc<Fact>], at: Revision) -> Option<String> {
        self.0.differs_from_rebuilt(log, at)
    }
}
