//! Fake nodes: they run what is bound to them, with a delay; fall silent, and come back.

use std::fmt;

use crate::decide::{Draft, Refusal};
use crate::model::Model;
use crate::rng::Rng;
use crate::time::Time;
use crate::world::World;
use crate::write::Ended;

/// What a node does through a gateway.
#[derive(Clone, Debug, PartialEq)]
pub enum Duty {}

impl fmt::Display for Duty {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl Duty {
    pub fn draft(&self, _: &Model, _: Time) -> Result<Draft, Refusal> {
        match *self {}
    }
}

#[derive(Debug, Default)]
pub struct Nodes {}

impl Nodes {
    pub(crate) fn new(_: &mut Rng) -> Nodes {
        Nodes {}
    }

    pub(crate) fn busy_with(&self) -> Option<String> {
        None
    }
}

impl World {
    pub(crate) fn start_nodes(&mut self) {}
    pub(crate) fn node_acts(&mut self, _node: usize) {}
    pub(crate) fn nodes_see(&mut self, _process: usize) {}
    pub(crate) fn duty_ended(&mut self, duty: &Duty, _ended: &Ended) {
        match *duty {}
    }
}
