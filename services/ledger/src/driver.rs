//! The ledger's one task: inputs to the sequencer, what it asks for to the world.

use std::path::PathBuf;

use bytes::Bytes;
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use rutter_ledger_core::{Answer, Append, Proof, Ready, Refused, Role, Room, Sequencer, SteppedDown};
use rutter_log::FollowError;
use rutter_runtime::shutdown::Stage;
use rutter_runtime::stream::{Appended, Delivery, LogStream};
use rutter_runtime::view::{Health, View};
use rutter_schemas::protocol::ledger::Beat;
use rutter_schemas::{Outcome, Rejection, Uuid, subjects};
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::leadership::{Heard, Leadership};
use crate::replies::{Replies, Reply};
use crate::sources::{Input, Sources, Standing};
use crate::{LedgerConfig, LedgerError, LedgerState, Parts, index, room};

/// A stream that can't take a frame now is asked again after this.
const UNAVAILABLE_PAUSE: Duration = Duration::from_millis(100);
/// Between two savings of the index while nothing else asks for it.
const SAVE_EVERY: Duration = Duration::from_secs(600);
/// The longest wait when nothing is to be done at a certain time.
const IDLE: Duration = Duration::from_secs(1);
/// How long a hand-over may take before the ledger ends anyway.
const HAND_OVER: Duration = Duration::from_secs(5);

/// What the ledger counts.
#[derive(Debug, Clone)]
pub struct Counters {
    pub proposals: Counter,
    pub rejections: Counter,
    pub frames: Counter,
    pub append_seconds: Histogram,
    pub epochs: Counter,
    pub revision: Gauge,
    pub objects: Gauge,
    pub index_bytes: Gauge,
    pub active: Gauge,
}

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
    store: Option<PathBuf>,
    new_incarnation: bool,
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
        sequencer: Sequencer,
        parts: Parts,
        _stage: &Stage,
    ) -> Result<Driver, LedgerError> {
        let Parts { stream, local, view, metrics } = parts;
        let client = stream.client().clone();
        let mut sources = Sources::subscribe(&client, local).await?;
        sources.follow = Some(stream.follow(sequencer.cursor().sequence + 1));
        watch_room(&mut sources, &stream, config.store.clone(), Room::Ample);
        let counters = Counters::default();
        metrics.register("ledger", |registry| counters.register(registry));
        let alone = config.proving == rutter_ledger_core::Proving::Owned;
        let now = Instant::now();
        Ok(Driver {
            state: watch::Sender::new(state(&sequencer)),
            leadership: Leadership::new(&config.name, alone, now),
            replies: Replies::new(client),
            sequencer,
            sources,
            connects: connects(&stream),
            stream,
            view,
            counters,
            index: config.index,
            saved_at: now,
            store: config.store,
            new_incarnation: config.new_incarnation,
            flying: None,
            looking: false,
            wake: None,
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
        self.save()
    }

    /// Does all that the sequencer asks for.
    async fn carry_out(&mut self) {
        loop {
            let ready = self.sequencer.ready(Timestamp::now());
            let idle = ready.is_idle();
            self.wake = ready.wake;
            self.do_ready(ready).await;
            if idle {
                break;
            }
        }
        self.tell_state();
        self.lead().await;
    }

    async fn do_ready(&mut self, ready: Ready) {
        if let Some(append) = ready.append {
            self.append(append);
        }
        if let Some(sequence) = ready.read {
            self.read(sequence);
        }
        if let Some(proof) = ready.prove {
            self.prove(proof);
        }
        for (ticket, answer) in ready.answers {
            if matches!(answer, Answer::Outcome(Outcome::Rejected(_))) {
                self.counters.rejections.inc();
            }
            self.replies.answer(ticket, answer).await;
        }
        if let Some(stepped_down) = ready.stepped_down {
            self.stepped_down(stepped_down);
        }
    }

    fn append(&mut self, append: Append) {
        let stream = self.stream.clone();
        let Append { frame, expected_last, bytes, again } = append;
        let expected = expected_last.expect("a ledger without a planted fault fences every append");
        if again {
            tracing::info!(expected, "sending a frame again whose fate is not known");
        }
        self.counters.frames.inc();
        self.flying = Some((frame, bytes.clone()));
        let append_seconds = self.counters.append_seconds.clone();
        self.sources.start(async move {
            let sent = Instant::now();
            let heard = stream.append(bytes, expected).await;
            append_seconds.observe(sent.elapsed().as_secs_f64());
            if matches!(heard, Appended::Full(_) | Appended::Unavailable(_)) {
                sleep(UNAVAILABLE_PAUSE).await;
            }
            Input::Appended(frame, heard)
        });
    }

    fn read(&mut self, sequence: u64) {
        let stream = self.stream.clone();
        self.sources.start(async move {
            Input::Stood(sequence, stream.read(sequence).await.map_err(LedgerError::from))
        });
    }

    fn prove(&mut self, proof: Proof) {
        let stream = self.stream.clone();
        self.sources.start(async move { Input::Proved(proof, stream.last().await.ok()) });
    }

    fn stepped_down(&mut self, stepped_down: SteppedDown) {
        tracing::warn!(why = ?stepped_down.why, unanswered = stepped_down.unanswered.len(), "no longer the active ledger");
        for ticket in stepped_down.unanswered {
            self.replies.forget(ticket);
        }
        self.view.end_feed();
        self.leadership.stand_back(Instant::now());
        self.sources.follow = Some(self.stream.follow(self.sequencer.cursor().sequence + 1));
    }

    async fn take(&mut self, input: Input) -> Result<(), LedgerError> {
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

    /// Beats while it leads; looks whether to take over while it doesn't.
    async fn lead(&mut self) {
        let now = Instant::now();
        if std::mem::replace(&mut self.connects, connects(&self.stream)) != self.connects {
            self.leadership.listen_again(now);
        }
        match self.sequencer.role() {
            Role::Active | Role::Leaving if self.leadership.beat(now) => self.beat(false).await,
            Role::Following if self.leadership.is_due(now) && !self.looking => self.look(),
            _ => {}
        }
        if now.duration_since(self.saved_at) > SAVE_EVERY {
            self.save_aside();
        }
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

    fn stands(&mut self, standing: Result<Standing, LedgerError>) -> Result<(), LedgerError> {
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
        let next = self.sequencer.cursor().incarnation + 1;
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
    async fn hand_over(&mut self) -> Result<(), LedgerError> {
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

    /// Saves while the ledger goes on; what can't be saved only makes the next start longer.
    fn save_aside(&mut self) {
        self.saved_at = Instant::now();
        self.counters.index_bytes.set(i64::try_from(self.sequencer.index_bytes()).unwrap_or(i64::MAX));
        let (path, saved) = (self.index.clone(), self.sequencer.save());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = index::save(&path, &saved) {
                tracing::warn!(%error, "the index was not saved; the next start will take longer");
            }
        });
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

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            proposals: Counter::default(),
            rejections: Counter::default(),
            frames: Counter::default(),
            // From 0.1 ms, a quick disk, to 1.6 s, beyond the time-out.
            append_seconds: Histogram::new(exponential_buckets(0.000_1, 2.0, 15)),
            epochs: Counter::default(),
            revision: Gauge::default(),
            objects: Gauge::default(),
            index_bytes: Gauge::default(),
            active: Gauge::default(),
        }
    }
}

impl Counters {
    fn register(&self, registry: &mut prometheus_client::registry::Registry) {
        registry.register("proposals", "Commits proposed", self.proposals.clone());
        registry.register("rejections", "Commits rejected", self.rejections.clone());
        registry.register("frames", "Frames sent to the stream, repeats included", self.frames.clone());
        registry.register(
            "append_seconds",
            "From sending a frame to hearing of it",
            self.append_seconds.clone(),
        );
        registry.register("objects", "Objects there are", self.objects.clone());
        registry.register("index_bytes", "Memory of the sequencer's index", self.index_bytes.clone());
        registry.register("epochs", "Take-overs by this ledger", self.epochs.clone());
        registry.register("revision", "The last acknowledged revision", self.revision.clone());
        registry.register("active", "1 while this is the active ledger", self.active.clone());
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

async fn standing(stream: &LogStream, cursor: &rutter_log::Cursor) -> Result<Standing, LedgerError> {
    let last = stream.last().await?;
    if last > cursor.sequence {
        return Ok(Standing::Ahead);
    }
    let same = last == cursor.sequence && index::holds(stream, cursor).await?;
    Ok(if same { Standing::Here } else { Standing::Elsewhere })
}

fn connects(stream: &LogStream) -> u64 {
    stream.client().statistics().connects.load(std::sync::atomic::Ordering::Relaxed)
}

fn watch_room(sources: &mut Sources, stream: &LogStream, store: Option<PathBuf>, known: Room) {
    let changed = room::changed(stream.clone(), store, known);
    sources.start(async move { Input::Room(changed.await) });
}
