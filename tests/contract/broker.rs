//! A stream as its users meet it, and frames to fill it with.

use bytes::Bytes;
use rutter_schemas::{FrameHeader, FrameText, Hash, Revision, Uuid};

/// What was heard of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It stands at this sequence, and will.
    Acked(u64),
    Refused,
}

pub(crate) trait Broker {
    /// Sends a frame to stand right behind `expected_last`.
    async fn append(&mut self, frame: &FrameText, expected_last: u64) -> Heard;
    /// The same, and its sender is gone before the answer comes.
    async fn append_unheard(&mut self, frame: &FrameText, expected_last: u64);
    /// What stands at a sequence, as the leader has it.
    async fn read(&mut self, sequence: u64) -> Option<Bytes>;
    async fn last(&mut self) -> u64;
    /// What a new consumer that asks for `from` is delivered, until it has `until`.
    async fn consume(&mut self, from: u64, until: u64) -> Vec<(u64, Bytes)>;
    /// The leader dies; returns when there is one again.
    async fn lose_leader(&mut self);
    /// Takes away what stands below a sequence.
    async fn purge(&mut self, below: u64);
}

/// Writes a chain of frames, each made to stand behind the one before.
pub(crate) struct Scribe {
    last: u64,
    prev: Hash,
    epoch: u64,
}

impl Scribe {
    pub(crate) fn new() -> Scribe {
        Scribe { last: 0, prev: Hash::NONE, epoch: 1 }
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// A frame for the next position; two of them are two different ones.
    pub(crate) fn frame(&self) -> FrameText {
        let header = FrameHeader {
            id: Uuid::new_v4(),
            number: self.last + 1,
            epoch: self.epoch,
            ledger: "scribe".into(),
            incarnation: 0,
            first: Revision(1),
            events: 0,
            commits: 0,
            prev: self.prev,
            at: "2026-01-01T00:00:00.000000Z".into(),
            skipped: None,
        };
        FrameText::join(header, [])
    }

    /// This one stands.
    pub(crate) fn stands(&mut self, frame: &FrameText) {
        (self.last, self.prev) = (self.last + 1, frame.hash);
    }

    /// Another ledger takes over: frames are of its epoch from now on.
    pub(crate) fn next_epoch(&mut self) {
        self.epoch += 1;
    }

    /// Writes a frame that has to stand.
    pub(crate) async fn write(&mut self, broker: &mut impl Broker) -> FrameText {
        let frame = self.frame();
        assert_eq!(broker.append(&frame, self.last).await, Heard::Acked(self.last + 1));
        self.stands(&frame);
        frame
    }
}
