//! When premises were last falsified: scopes that were touched, objects that were deleted.
//!
//! Marks at or below the floor are forgotten, since no commit is accepted that was decided before it.

use std::collections::VecDeque;

use rutter_schemas::{Hash, KeyHash, Revision, Scope};

use crate::index::ByHash;

/// A scope's place among the marks. The first byte never begins a text, so a scope can't pass for a key.
pub(crate) fn scope_hash(scope: &Scope) -> KeyHash {
    let mut text = Vec::with_capacity(scope.0.len() + 1);
    text.push(0xff);
    text.extend_from_slice(scope.0.as_bytes());
    let hash = Hash::of(&text);
    *hash.0.first_chunk().expect("a hash has 32 bytes")
}

/// Room for so many is never given back.
const KEPT_CAPACITY: usize = 4096;

#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    last: ByHash<Revision>,
    /// Every marking in order of revision, so that forgetting takes from the front.
    order: VecDeque<(Revision, KeyHash)>,
    floor: Revision,
}

impl Marks {
    pub(crate) fn get(&self, mark: &KeyHash) -> Option<Revision> {
        self.last.get(mark).copied()
    }

    /// Marks at `revision`, which is not below any before; gives what was there.
    pub(crate) fn set(&mut self, mark: KeyHash, revision: Revision) -> Option<Revision> {
        self.order.push_back((revision, mark));
        self.last.insert(mark, revision)
    }

    /// Takes back the last [`Marks::set`] that was not taken back.
    pub(crate) fn unset(&mut self, mark: KeyHash, before: Option<Revision>) {
        self.order.pop_back();
        match before {
            Some(before) if before > self.floor => self.last.insert(mark, before),
            _ => self.last.remove(&mark),
        };
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn forget(&mut self, floor: Revision) {
        self.floor = self.floor.max(floor);
        while let Some((revision, mark)) = self.order.front().copied() {
            if revision > floor {
                break;
            }
            self.order.pop_front();
            if self.last.get(&mark) == Some(&revision) {
                self.last.remove(&mark);
            }
        }
        self.shrink();
    }

    /// Gives back memory that a burst took, once it is mostly empty.
    fn shrink(&mut self) {
        let wanted = self.order.len() * 2;
        if self.order.capacity() >= 4 * wanted.max(KEPT_CAPACITY) {
            self.order.shrink_to(wanted);
            self.last.shrink_to(wanted);
        }
    }

    /// In the order in which they were made.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (Revision, KeyHash)> {
        self.order.iter().copied()
    }
}
