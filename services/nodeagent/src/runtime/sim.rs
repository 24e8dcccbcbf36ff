//! A runtime that starts nothing: every pod gets an address, every container runs until it is told to end.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::Timestamp;
use rutter_nodeagent_core::machine::SandboxFacts;
use rutter_nodeagent_core::plan::{ContainerPlan, SandboxPlan};
use tokio::sync::mpsc;

use super::{Happened, Instance, Instances, StartedContainer};

/// The simulation of one node.
#[derive(Clone)]
pub(crate) struct Sim {
    node: Arc<str>,
    /// The range its pods' addresses come from.
    network: u32,
    next: Arc<AtomicU32>,
    instances: Instances,
    events: mpsc::Sender<Happened>,
}

impl Sim {
    /// The node number `index` of a process.
    pub(crate) fn new(node: &str, index: u32, instances: Instances, events: mpsc::Sender<Happened>) -> Sim {
        let network = u32::from(Ipv4Addr::new(10, 128, 0, 0)) + (index << 8);
        Sim { node: node.into(), network, next: Arc::default(), instances, events }
    }

    pub(super) fn create_sandbox(&self, plan: &SandboxPlan) -> SandboxFacts {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let ip = IpAddr::from(Ipv4Addr::from(self.network + 2 + number % 250));
        SandboxFacts { id: format!("sim-{}-{number}", self.node), ips: vec![ip], attempt: plan.attempt }
    }

    pub(super) fn start_container(&self, plan: &ContainerPlan) -> StartedContainer {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("sim-{}-{number}", self.node);
        let uid = plan.labels.get(rutter_nodeagent_core::plan::label::POD_UID).cloned().unwrap_or_default();
        let instance = Instance {
            uid,
            container: plan.name.clone(),
            attempt: plan.attempt,
            started_at: Timestamp::now(),
            message_from_log: false,
        };
        self.instances.announce(&id, instance);
        StartedContainer { id, image_id: plan.image_ref.clone() }
    }

    pub(super) fn stop_container(&self, id: &str) {
        let exited = Happened::Exited { id: id.to_owned(), code: 0, at: Timestamp::now() };
        // The channel is as long as a node's pods are many; a full one means that nobody reads.
        let _ = self.events.try_send(exited);
    }
}
