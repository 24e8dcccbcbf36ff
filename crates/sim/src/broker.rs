//! The stream's side of a conversation: what reaches its leader, what it answers, and who is told of what stands.

use rutter_ledger_core::{Append, Proof};
use rutter_schemas::Uuid;

use crate::ledger::Word;
use crate::stream::Accepted;
use crate::world::{Happening, Life, World};

impl World {
    pub(crate) fn append_arrives(&mut self, from: Life, append: Append, server: u32) {
        if server != self.stream.server {
            return;
        }
        match self.stream.append(append.expected_last, &append.bytes) {
            Accepted::At(sequence) => {
                let delay = self.weather.quorum(&mut self.rng);
                self.after(delay, Happening::EntryCommits { sequence, id: append.frame, answer: from });
            }
            Accepted::WrongLast => self.stream_answers(from, Word::Refused(append.frame)),
            Accepted::Full => self.stream_answers(from, Word::Failed(append.frame)),
        }
    }

    pub(crate) fn read_arrives(&mut self, from: Life, sequence: u64) {
        let bytes = self.stream.read(sequence).map(|entry| entry.bytes.clone());
        self.stream_answers(from, Word::Stood { sequence, bytes });
    }

    pub(crate) fn proof_arrives(&mut self, from: Life, proof: Proof) {
        let last = self.stream.last();
        self.stream_answers(from, Word::Proved { proof, last });
    }

    pub(crate) fn stream_answers(&mut self, to: Life, word: Word) {
        if let Some(delay) = self.weather.message(&mut self.rng) {
            self.after(delay, Happening::Ledger { to, word });
        }
    }

    pub(crate) fn entry_commits(&mut self, sequence: u64, id: Uuid, answer: Life) {
        for committed in self.stream.commit(sequence, id) {
            self.frame_stands(committed);
        }
        if self.stream.read(sequence).is_some_and(|entry| entry.id() == id) {
            self.stream_answers(answer, Word::Appended { frame: id, sequence });
        }
    }

    /// A frame is in the log for good: it is judged, told, and delivered to all.
    fn frame_stands(&mut self, sequence: u64) {
        let Some(entry) = self.stream.read(sequence).cloned() else { return };
        self.tell_frame(&entry);
        self.laws.judge_frame(self.now, sequence, &entry);
        if self.restoring.is_some_and(|incarnation| entry.frame.header.incarnation >= incarnation) {
            self.restoring = None;
        }
        for index in 0..self.ledgers.len() {
            self.subscribe_ledger(index);
        }
        for index in 0..self.processes.len() {
            self.subscribe_process(index);
        }
    }
}
