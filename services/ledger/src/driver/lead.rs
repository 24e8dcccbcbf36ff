//! Taking over, showing that one leads, and handing over.

use jiff::Timestamp;
use rutter_ledger_core::Role;
use rutter_log::Cursor;
use rutter_runtime::stream::LogStream;
use rutter_runtime::view::Health;
use rutter_schemas::protocol::ledger::Beat;
use rutter_schemas::{Uuid, subjects};
use tokio::time::{Duration, Instant};

use super::{Driver, connects};
use crate::sources::{Input, Standing};
use crate::{LedgerError, incarnation, index};

/// Between two savings of the index while little happens.
const SAVE_EVERY: Duration = Duration::from_secs(600);
/// Events between two savings at least. After a crash no more than these, or half as many as there are objects if that
/// is more, are read from the log again: a second or two; and saving costs no event more than its share.
const SAVE_EVENTS: u64 = 200_000;
/// How long a hand-over may take before the ledger ends anyway.
const HAND_OVER: Duration = Duration::from_secs(5);

impl Driver {
    /// Beats while it leads; looks whether to take over while it doesn't.
    pub(super) async fn lead(&mut self) {
        let now = Instant::now();
        if std::mem::replace(&mut self.connects, connects(&self.stream)) != self.connects {
            self.leadership.listen_again(now);
        }
        match self.sequencer.role() {
            Role::Active | Role::Leaving if self.leadership.beat(now) => self.beat(false).await,
            Role::Following if self.leadership.is_due(now) && !self.looking => self.look(),
            _ => {}
        }
        if now.duration_since(self.saved_at) > SAVE_EVERY || self.unsaved_events() >= self.worth_saving() {
            self.save_aside();
        }
    }

    fn unsaved_events(&self) -> u64 {
        self.sequencer.cursor().revision.0.saturating_sub(self.saved.0)
    }

    fn worth_saving(&self) -> u64 {
        SAVE_EVENTS.max(self.sequencer.objects() as u64 / 2)
    }

    async fn beat(&mut self, leaving: bool) {
        let beat = Beat { ledger: self.leadership.name().to_owned(), epoch: self.sequencer.epoch(), leaving };
        let text = serde_json::to_vec(&beat).expect("a beat is plain data");
        if let Err(error) = self.stream.client().publish(subjects::BEAT, text.into()).await {
            tracing::debug!(%error, "a beat was not sent");
        }
    }

    /// Before taking over: does the log end where we stand?
    fn look(&mut self) {
        if matches!(*self.view.health().borrow(), Health::Unfit { .. }) && !self.new_incarnation {
            self.leadership.try_later(Instant::now());
            return;
        }
        self.looking = true;
        let (stream, cursor) = (self.stream.clone(), self.sequencer.cursor());
        self.sources.start(async move { Input::Standing(standing(&stream, &cursor).await) });
    }

    pub(super) fn stands(&mut self, standing: Result<Standing, LedgerError>) -> Result<(), LedgerError> {
        self.looking = false;
        let now = Instant::now();
        match standing {
            Ok(Standing::Here) if self.sequencer.role() == Role::Following && self.leadership.is_due(now) => {
                self.take_over();
            }
            Ok(Standing::Here | Standing::Ahead) | Err(_) => self.leadership.try_later(now),
            Ok(Standing::Elsewhere) => {
                return Err(LedgerError::LostTail { sequence: self.sequencer.cursor().sequence });
            }
        }
        Ok(())
    }

    fn take_over(&mut self) {
        let known = self.known_incarnation.max(self.sequencer.cursor().incarnation);
        let next = incarnation::next(known, Timestamp::now());
        let taken = match std::mem::take(&mut self.new_incarnation) {
            true => self.sequencer.take_over_as(Uuid::new_v4(), next),
            false => self.sequencer.take_over(Uuid::new_v4()),
        };
        match taken {
            Ok(()) => {
                tracing::info!(
                    sequence = self.sequencer.cursor().sequence,
                    "taking over as the active ledger"
                );
                self.counters.epochs.inc();
                self.sources.follow = None;
            }
            Err(error) => tracing::warn!(%error, "could not take over"),
        }
    }

    /// Answers what was taken, then tells the others to take over at once.
    pub(super) async fn hand_over(&mut self) -> Result<(), LedgerError> {
        if self.sequencer.role() == Role::Following {
            return Ok(());
        }
        self.sequencer.resign();
        let deadline = Instant::now() + HAND_OVER;
        while self.sequencer.role() != Role::Following && Instant::now() < deadline {
            self.carry_out().await;
            if self.sequencer.role() == Role::Following {
                break;
            }
            let input = self.sources.next(self.next_wake().min(deadline)).await;
            self.take(input).await?;
        }
        self.beat(true).await;
        // Fails only without a connection, and then nobody hears us anyway.
        let _ = self.stream.client().flush().await;
        Ok(())
    }
}

async fn standing(stream: &LogStream, cursor: &Cursor) -> Result<Standing, LedgerError> {
    let last = stream.last().await?;
    if last > cursor.sequence {
        return Ok(Standing::Ahead);
    }
    let same = last == cursor.sequence && index::holds(stream, cursor).await?;
    Ok(if same { Standing::Here } else { Standing::Elsewhere })
}
