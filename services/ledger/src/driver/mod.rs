//! The ledger's one task: inputs to the sequencer, what it asks for to the world.

mod inputs;
mod lead;
mod outputs;

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use jiff::Timestamp;
use rutter_ledger_core::{Proving, Role, Room, Sequencer};
use rutter_runtime::stream::LogStream;
use rutter_runtime::view::View;
use rutter_schemas::{Revision, Uuid};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use crate::counters::Counters;
use crate::index::Opened;
use crate::leadership::Leadership;
use crate::replies::Replies;
use crate::sources::{Input, Sources};
use crate::{LedgerConfig, LedgerError, LedgerState, Parts, index, room};

/// The longest wait when nothing is to be done at a certain time.
const IDLE: Duration = Duration::from_secs(1);

/// The machine, what it listens to, and what it has to remember besides.
pub(crate) struct Driver {
    sequencer: Sequencer,
    sources: Sources,
    replies: Replies,
    leadership: Leadership,
    stream: LogStream,
    view: View,
    counters: Counters,
    state: watch::Sender<LedgerState>,
    index: PathBuf,
    saved_at: Instant,
    /// The revision that the saved index knows.
    saved: Revision,
    /// The saving that was begun last.
    saving: Option<JoinHandle<()>>,
    store: Option<PathBuf>,
    new_incarnation: bool,
    /// The highest that this process knew of when it started.
    known_incarnation: u32,
    /// The frame on its way.
    flying: Option<(Uuid, Bytes)>,
    /// Connections to NATS there have been: silence counts only while we were connected ourselves.
    connects: u64,
    /// A look at where the stream ends is under way.
    looking: bool,
    wake: Option<Timestamp>,
}

impl Driver {
    pub(crate) async fn start(
        config: LedgerConfig,
        opened: Opened,
        parts: Parts,
    ) -> Result<Driver, LedgerError> {
        let Parts { stream, local, view, metrics } = parts;
        let known_incarnation = opened.incarnation.max(view.incarnation_at_start());
        let sequencer = opened.sequencer;
        let client = stream.client().clone();
        let mut sources = Sources::subscribe(&client, local).await?;
        sources.follow = Some(stream.follow(sequencer.cursor().sequence + 1));
        watch_room(&mut sources, &stream, config.store.clone(), Room::Ample);
        let counters = Counters::default();
        metrics.register("ledger", |registry| counters.register(registry));
        let alone = config.proving == Proving::Owned;
        let now = Instant::now();
        Ok(Driver {
            state: watch::Sender::new(state(&sequencer)),
            leadership: Leadership::new(&config.name, alone, now),
            replies: Replies::new(client),
            sources,
            connects: connects(&stream),
            stream,
            view,
            counters,
            index: config.index,
            saved_at: now,
            saved: sequencer.cursor().revision,
            saving: None,
            known_incarnation,
            store: config.store,
            new_incarnation: config.new_incarnation,
            flying: None,
            looking: false,
            wake: None,
            sequencer,
        })
    }

    pub(crate) fn state(&self) -> watch::Receiver<LedgerState> {
        self.state.subscribe()
    }

    pub(crate) fn view(&self) -> View {
        self.view.clone()
    }

    /// Works until `stop`, then hands over and saves.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), LedgerError> {
        loop {
            self.carry_out().await;
            let wake = self.next_wake();
            let input = tokio::select! {
                input = self.sources.next(wake) => input,
                () = stop.cancelled() => break,
            };
            self.take(input).await?;
        }
        self.hand_over().await?;
        self.saved_aside().await;
        self.save()
    }

    /// Saves while the ledger goes on; what can't be saved only makes the next start longer. One at a time: each is
    /// written beside the file before it takes its place.
    fn save_aside(&mut self) {
        if self.saving.as_ref().is_some_and(|saving| !saving.is_finished()) {
            return;
        }
        (self.saved_at, self.saved) = (Instant::now(), self.sequencer.cursor().revision);
        self.counters.index_bytes.set(i64::try_from(self.sequencer.index_bytes()).unwrap_or(i64::MAX));
        let (path, saved) = (self.index.clone(), self.sequencer.save());
        self.saving = Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = index::save(&path, &saved) {
                tracing::warn!(%error, "the index was not saved; the next start will take longer");
            }
        }));
    }

    async fn saved_aside(&mut self) {
        if let Some(saving) = self.saving.take() {
            saving.await.unwrap_or_else(|bug| std::panic::resume_unwind(bug.into_panic()));
        }
    }

    fn save(&mut self) -> Result<(), LedgerError> {
        index::save(&self.index, &self.sequencer.save())
    }

    fn next_wake(&self) -> Instant {
        let now = Instant::now();
        let lead = match self.sequencer.role() {
            Role::Active | Role::Leaving => self.leadership.next_beat(),
            Role::Following if !self.looking => self.leadership.due(),
            Role::Following | Role::Opening => now + IDLE,
        };
        let pause = self.wake.map(|wake| wake.duration_since(Timestamp::now()));
        let own = pause.map(|pause| now + Duration::try_from(pause).unwrap_or(Duration::ZERO));
        own.map_or(lead, |own| own.min(lead))
    }

    fn tell_state(&self) {
        let new = state(&self.sequencer);
        self.state.send_if_modified(|old| std::mem::replace(old, new) != new);
        self.counters.revision.set(i64::try_from(new.revision.0).unwrap_or(i64::MAX));
        self.counters.active.set(i64::from(new.role == Role::Active));
        self.counters.objects.set(i64::try_from(self.sequencer.objects()).unwrap_or(i64::MAX));
    }
}

fn state(sequencer: &Sequencer) -> LedgerState {
    let cursor = sequencer.cursor();
    LedgerState {
        role: sequencer.role(),
        epoch: sequencer.epoch(),
        sequence: cursor.sequence,
        revision: cursor.revision,
    }
}

fn connects(stream: &LogStream) -> u64 {
    stream.client().statistics().connects.load(Ordering::Relaxed)
}

fn watch_room(sources: &mut Sources, stream: &LogStream, store: Option<PathBuf>, known: Room) {
    let changed = room::changed(stream.clone(), store, known);
    sources.start(async move { Input::Room(changed.await) });
}
