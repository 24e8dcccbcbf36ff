//! The stream, in memory, with the broker's bad manners.
//!
//! It keeps its one promise: an append that demands the last sequence stands there or nowhere. Everything else is as
//! bad as it can be: an entry is accepted before it is committed, and until then it is invisible to readers and yet in
//! the way of the next; it may come to be committed late, or be lost with its leader.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use rutter_controller::Fact;
use rutter_schemas::{Frame, Hash, Uuid};

/// A message of the stream.
#[derive(Clone, Debug)]
pub struct Entry {
    pub bytes: Bytes,
    pub hash: Hash,
    pub frame: Arc<Frame>,
    /// The frame's events, parsed at most once for all who read them.
    pub facts: Arc<[Arc<Fact>]>,
    /// What its commits count.
    pub counted: Arc<[Arc<Fact>]>,
}

impl Entry {
    fn new(bytes: Bytes) -> Entry {
        let frame = Frame::decode(&bytes).expect("ledgers append frames");
        let facts = frame.events().map(|(at, _, event)| Arc::new(Fact::of_event(event, at))).collect();
        let counted = frame.commits.iter().flat_map(|commit| {
            commit.header.counters.iter().map(|count| Arc::new(Fact::of_count(commit.last(), count)))
        });
        let counted = counted.collect();
        Entry { hash: Hash::of(&bytes), frame: Arc::new(frame), facts, counted, bytes }
    }

    /// All that it says.
    pub fn said(&self) -> Vec<Arc<Fact>> {
        self.counted.iter().chain(self.facts.iter()).cloned().collect()
    }

    pub fn id(&self) -> Uuid {
        self.frame.header.id
    }
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It stands at this sequence once it is committed.
    At(u64),
    /// The last sequence, counting what isn't committed, is another than demanded.
    WrongLast,
    Full,
}

#[derive(Debug, Default)]
pub struct Stream {
    entries: Vec<Entry>,
    committed: usize,
    /// Frames below were taken away.
    purged: u64,
    /// Sequences whose quorum is reached while an earlier one's is not.
    early: BTreeSet<u64>,
    /// The disk takes nothing more.
    pub full: bool,
    /// Moves when servers are stopped for a restore: what was on its way to the old ones went with their connections.
    pub server: u32,
}

impl Stream {
    /// The last committed sequence.
    pub fn last(&self) -> u64 {
        self.committed as u64
    }

    /// The first sequence that still stands, or will.
    pub fn first(&self) -> u64 {
        self.purged.max(1)
    }

    /// A committed entry; sequences count from 1.
    pub fn read(&self, sequence: u64) -> Option<&Entry> {
        if (self.first()..=self.last()).contains(&sequence) { self.entry(sequence) } else { None }
    }

    /// Takes away what stands below a sequence; the others keep theirs.
    pub fn purge(&mut self, below: u64) {
        self.purged = self.purged.max(below.min(self.last() + 1));
    }

    /// An entry, committed or not.
    pub fn entry(&self, sequence: u64) -> Option<&Entry> {
        let index = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.entries.get(index)
    }

    pub fn append(&mut self, expected_last: Option<u64>, bytes: &Bytes) -> Accepted {
        let last = self.entries.len() as u64;
        if self.full {
            return Accepted::Full;
        }
        if expected_last.is_some_and(|expected| expected != last) {
            return Accepted::WrongLast;
        }
        self.entries.push(Entry::new(bytes.clone()));
        Accepted::At(last + 1)
    }

    /// A quorum has the entry `id` at `sequence`. Gives the sequences that are committed by that, in order.
    pub fn commit(&mut self, sequence: u64, id: Uuid) -> Vec<u64> {
        if self.entry(sequence).is_none_or(|entry| entry.id() != id) || sequence <= self.last() {
            return Vec::new();
        }
        self.early.insert(sequence);
        let before = self.last();
        while self.early.remove(&(self.last() + 1)) {
            self.committed += 1;
        }
        (before + 1..=self.last()).collect()
    }

    /// Another server leads: what isn't committed may be lost. Gives how many entries were.
    pub fn lose_uncommitted(&mut self) -> usize {
        let lost = self.entries.len() - self.committed;
        self.entries.truncate(self.committed);
        self.early.clear();
        lost
    }

    /// The stream is restored from a backup that ends at `sequence`.
    pub fn restore(&mut self, sequence: u64) {
        self.server += 1;
        self.lose_uncommitted();
        self.committed = self.committed.min(usize::try_from(sequence).unwrap_or(usize::MAX));
        self.entries.truncate(self.committed);
    }

    /// The entries behind a sequence, committed or not.
    pub fn ids_after(&self, sequence: u64) -> impl Iterator<Item = Uuid> {
        let index = usize::try_from(sequence).unwrap_or(usize::MAX);
        self.entries.iter().skip(index).map(Entry::id)
    }

    pub fn committed(&self) -> impl Iterator<Item = (u64, &Entry)> {
        (1..).zip(&self.entries[..self.committed])
    }
}

#[cfg(test)]
mod tests {
    use rutter_schemas::{FrameHeader, FrameText, Revision};

    use super::*;

    fn frame(id: u128) -> (Uuid, Bytes) {
        let id = Uuid::from_u128(id);
        let header = FrameHeader {
            id,
            number: 1,
            epoch: 1,
            ledger: "L1".into(),
            incarnation: 0,
            first: Revision(1),
            events: 0,
            commits: 0,
            prev: Hash::NONE,
            at: "2026-01-01T00:00:00.000000Z".into(),
            skipped: None,
        };
        (id, FrameText::join(header, []).text)
    }

    #[test]
    fn an_append_stands_where_it_demands_or_nowhere() {
        let (mut stream, (first, bytes)) = (Stream::default(), frame(1));
        assert_eq!(stream.append(Some(1), &bytes), Accepted::WrongLast);
        assert_eq!(stream.append(Some(0), &bytes), Accepted::At(1));
        stream.commit(1, first);
        assert_eq!(stream.append(Some(0), &bytes), Accepted::WrongLast, "a late copy is refused");
        assert_eq!(stream.last(), 1);
    }

    #[test]
    fn what_is_not_committed_is_in_the_way_and_yet_not_to_be_read() {
        let (mut stream, (first, bytes)) = (Stream::default(), frame(1));
        stream.append(Some(0), &bytes);
        assert_eq!(stream.append(Some(0), &bytes), Accepted::WrongLast);
        assert!(stream.read(1).is_none());
        assert_eq!(stream.commit(1, first), [1]);
        assert_eq!(stream.read(1).map(Entry::id), Some(first));
        assert_eq!(stream.commit(1, first), [0u64; 0], "a quorum is told once");
    }

    #[test]
    fn entries_are_committed_in_order() {
        let (mut stream, (first, a), (second, b)) = (Stream::default(), frame(1), frame(2));
        stream.append(Some(0), &a);
        stream.append(Some(1), &b);
        assert_eq!(stream.commit(2, second), [0u64; 0]);
        assert_eq!(stream.commit(1, first), [1, 2]);
    }

    #[test]
    fn a_lost_leader_takes_with_it_what_no_quorum_had() {
        let (mut stream, (first, a), (second, b)) = (Stream::default(), frame(1), frame(2));
        stream.append(Some(0), &a);
        stream.commit(1, first);
        stream.append(Some(1), &b);
        assert_eq!(stream.lose_uncommitted(), 1);
        assert_eq!(stream.commit(2, second), [0u64; 0], "its late quorum brings nothing back");
        assert_eq!(stream.append(Some(1), &b), Accepted::At(2));
    }
}
