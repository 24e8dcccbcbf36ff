//! The ids of recent commits and where they were recorded, so that a commit sent twice is recorded once.

use std::collections::VecDeque;

use hashbrown::HashTable;
use rutter_schemas::{Revision, Uuid};

/// Room for so many is never given back.
const KEPT_CAPACITY: usize = 4096;

/// A recorded commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: Uuid,
    pub(crate) first: Revision,
    pub(crate) events: u32,
    /// When it was recorded: seconds since 1970, by its frame.
    pub(crate) at_seconds: u32,
}

impl Entry {
    pub(crate) fn last(&self) -> Revision {
        Revision(self.first.0 + u64::from(self.events) - 1)
    }
}

/// Entries in order of revision, found by id. The table holds positions, 4 bytes each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    entries: VecDeque<Entry>,
    /// The position of the first entry; positions wrap around.
    first: u32,
    table: HashTable<u32>,
}

impl Recent {
    pub(crate) fn find(&self, id: Uuid) -> Option<&Entry> {
        let found = self.table.find(hash(id), |position| self.at(*position).id == id)?;
        Some(self.at(*found))
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        let position = self.first.wrapping_add(u32::try_from(self.entries.len()).expect("fewer than 2³²"));
        self.entries.push_back(entry);
        let (entries, first) = (&self.entries, self.first);
        self.table.insert_unique(hash(entry.id), position, |position| {
            hash(entries[position.wrapping_sub(first) as usize].id)
        });
    }

    /// Takes back the last push.
    pub(crate) fn pop_last(&mut self) {
        let Some(last) = self.entries.len().checked_sub(1) else { return };
        self.unlink(last);
        self.entries.pop_back();
    }

    pub(crate) fn pop_first(&mut self) -> Option<Entry> {
        if self.entries.is_empty() {
            return None;
        }
        self.unlink(0);
        self.first = self.first.wrapping_add(1);
        let popped = self.entries.pop_front();
        self.shrink();
        popped
    }

    /// Gives back memory that a burst took, once it is mostly empty.
    fn shrink(&mut self) {
        let wanted = self.entries.len() * 2;
        if self.entries.capacity() < 4 * wanted.max(KEPT_CAPACITY) {
            return;
        }
        self.entries.shrink_to(wanted);
        let (entries, first) = (&self.entries, self.first);
        self.table.shrink_to(wanted, |position| hash(entries[position.wrapping_sub(first) as usize].id));
    }

    /// Says when these entries were recorded.
    pub(crate) fn stamp(&mut self, entries: std::ops::Range<usize>, at_seconds: u32) {
        for entry in self.entries.range_mut(entries) {
            entry.at_seconds = at_seconds;
        }
    }

    pub(crate) fn first(&self) -> Option<&Entry> {
        self.entries.front()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    fn at(&self, position: u32) -> &Entry {
        &self.entries[position.wrapping_sub(self.first) as usize]
    }

    fn unlink(&mut self, index: usize) {
        let position = self.first.wrapping_add(u32::try_from(index).expect("fewer than 2³²"));
        let id = self.entries[index].id;
        if let Ok(found) = self.table.find_entry(hash(id), |other| *other == position) {
            found.remove();
        }
    }
}

/// The halves of an id folded: one of them may be a time, the other is random. Multiplied, so that the high bits, which
/// the table looks at first, take part.
fn hash(id: Uuid) -> u64 {
    let (high, low) = id.as_u64_pair();
    (high ^ low).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
