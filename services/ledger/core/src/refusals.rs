//! Commits that were rejected not long ago. A late copy of one is rejected again for the same reason, even if it would
//! pass by now: its proposer was told, and has decided anew.
//!
//! A rejection is not in the log, so a take-over forgets these. Expectations, guards and bases that failed once fail for
//! ever; only a late copy of what was refused for a counter or for room could pass then.

use std::collections::VecDeque;

use hashbrown::HashMap;
use rutter_schemas::{Rejection, Uuid};

/// How many are remembered. Copies of a message are late by seconds at most.
const REMEMBERED: usize = 65_536;

#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals {
    known: HashMap<Uuid, Rejection>,
    order: VecDeque<Uuid>,
}

impl Refusals {
    pub(crate) fn find(&self, id: Uuid) -> Option<&Rejection> {
        self.known.get(&id)
    }

    pub(crate) fn remember(&mut self, id: Uuid, rejection: Rejection) {
        if self.known.insert(id, rejection).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Refusals::default();
    }
}
