//! What happened, told to the sequencer.

use bytes::Bytes;
use rutter_ledger_core::{Answer, Refused, Room};
use rutter_log::FollowError;
use rutter_runtime::stream::{Appended, Delivery};
use rutter_schemas::protocol::ledger::Beat;
use rutter_schemas::{Outcome, Rejection, Uuid};
use tokio::time::Instant;

use super::{Driver, watch_room};
use crate::LedgerError;
use crate::leadership::Heard;
use crate::replies::Reply;
use crate::sources::Input;

impl Driver {
    pub(super) async fn take(&mut self, input: Input) -> Result<(), LedgerError> {
        match input {
            Input::Proposed(proposals) => self.proposed(proposals).await,
            Input::Asked(readers) => self.asked(readers),
            Input::Heard(beat) => self.heard(&beat),
            Input::Delivered(delivery) => self.delivered(delivery)?,
            Input::Appended(frame, heard) => self.appended(frame, heard),
            Input::Stood(sequence, Ok(bytes)) => self.sequencer.stood(sequence, bytes.as_deref()),
            Input::Stood(sequence, Err(_)) => self.sequencer.unread(sequence),
            Input::Proved(proof, Some(last)) => self.sequencer.proved(proof, last),
            Input::Proved(proof, None) => self.sequencer.unproved(proof),
            Input::Standing(standing) => self.stands(standing)?,
            Input::Room(room) => self.room(room),
            Input::Time => {}
        }
        Ok(())
    }

    async fn proposed(&mut self, proposals: Vec<(Bytes, Reply)>) {
        for (text, reply) in proposals {
            self.counters.proposals.inc();
            match self.sequencer.receive(text) {
                Ok(ticket) => self.replies.owe(ticket, reply),
                Err(Refused::Busy) => {
                    let busy = Answer::Outcome(Outcome::Rejected(Rejection::Busy));
                    self.replies.send(reply, busy).await;
                }
                Err(Refused::NotActive) => drop(reply),
            }
        }
    }

    fn asked(&mut self, readers: Vec<Reply>) {
        for reply in readers {
            // Refused, it is dropped, and asked again: here or of another ledger.
            if let Ok(ticket) = self.sequencer.ask() {
                self.replies.owe(ticket, reply);
            }
        }
    }

    fn heard(&mut self, beat: &Beat) {
        let heard = self.leadership.hear(beat, self.sequencer.epoch(), Instant::now());
        if heard == Heard::Later && self.sources.follow.is_none() {
            tracing::info!(other = beat.ledger, "another ledger claims a later epoch: looking at the log");
            self.sources.follow = Some(self.stream.follow(self.sequencer.cursor().sequence + 1));
        }
    }

    fn delivered(&mut self, delivery: Delivery) -> Result<(), LedgerError> {
        let Delivery::Frame(sequence, bytes) = delivery else { return Ok(()) };
        match self.sequencer.frame(sequence, &bytes) {
            Ok(()) => Ok(()),
            Err(FollowError::Gap { expected, .. }) => {
                self.sources.follow = Some(self.stream.follow(expected));
                Ok(())
            }
            Err(error) => Err(LedgerError::Log(error)),
        }
    }

    fn appended(&mut self, frame: Uuid, heard: Appended) {
        match heard {
            Appended::Acked(sequence) => {
                self.sequencer.appended(frame, sequence);
                self.feed_view(frame, sequence);
            }
            Appended::Refused => self.sequencer.refused(frame),
            Appended::TimedOut => self.sequencer.timed_out(frame),
            Appended::Full(why) | Appended::Unavailable(why) => {
                tracing::warn!(why, "the stream does not take a frame now");
                self.sequencer.timed_out(frame);
            }
        }
    }

    /// Our own frame, acknowledged where we stand now: the view of this process need not wait for its delivery.
    fn feed_view(&mut self, frame: Uuid, sequence: u64) {
        let stands = self.sequencer.cursor().sequence == sequence;
        if let Some((_, bytes)) = self.flying.take_if(|(flying, _)| *flying == frame && stands) {
            self.view.feed(sequence, bytes);
        }
    }

    fn room(&mut self, room: Room) {
        match &room {
            Room::Scarce { reason } => tracing::error!(reason, "storage is nearly full"),
            Room::Ample => tracing::info!("storage has room again"),
        }
        self.sequencer.set_room(room.clone());
        watch_room(&mut self.sources, &self.stream, self.store.clone(), room);
    }
}
