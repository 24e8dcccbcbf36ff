//! Two or three ledgers, one stream, clients that resend, and dice. Everything follows from the seed.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rutter_schemas::{Hash, Outcome, Rejection, Revision, Uuid};

use super::fixture::{Draft, commit, pod, tell};
use super::model::Model;
use super::stream::{Reply, Stream};
use crate::{Answer, Append, Deposed, Mutant, Proof, Proving, Ready, Role, Sequencer, Settings, Ticket};

/// The most that any counter may count.
pub(super) const MAX_COUNT: u64 = 3;

const PODS: [&str; 5] = ["a", "b", "c", "d", "e"];
const SCOPES: [&str; 2] = ["owner:u", "owner:v"];

/// A small generator (splitmix64), so that a seed means the same for ever.
#[derive(Clone, Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).expect("fewer than sides")
    }

    pub(super) fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

/// What a run did, to be sure that it did something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) committed: usize,
    pub(super) rejected: usize,
    pub(super) readings: usize,
    pub(super) take_overs: usize,
    pub(super) deposed: usize,
    pub(super) resent_frames: usize,
    pub(super) incarnations: usize,
}

#[derive(Debug)]
pub(super) struct World {
    dice: Dice,
    now: Timestamp,
    stream: Stream,
    model: Model,
    ledgers: Vec<Ledger>,
    /// Appends on their way to the broker, and its replies on their way back.
    appends: Vec<(usize, Append)>,
    replies: Vec<(usize, Uuid, Reply)>,
    clients: Vec<Client>,
    planted: Option<Mutant>,
    seeds: u64,
    pub(super) tally: Tally,
    pub(super) trace: Vec<String>,
}

/// A sequencer and the little that its driver remembers.
#[derive(Debug)]
struct Ledger {
    sequencer: Sequencer,
    settings: Settings,
    saved: Vec<u8>,
    outstanding: Option<Uuid>,
    read: Option<u64>,
    proof: Option<Proof>,
    /// The last frame delivered to it.
    fed: u64,
    /// The hashes of the frames it handed out in this leadership.
    handed_out: Vec<Hash>,
    asked: BTreeMap<Ticket, Asked>,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Commit(usize),
    /// The log's end when the question came.
    Now(Revision),
}

#[derive(Debug)]
struct Client {
    draft: Draft,
    /// How many views there were when it was first sent.
    since: usize,
    outcome: Option<Outcome>,
}

/// Runs a seed. The error is the law that broke, with the story that led there.
pub(super) fn run(seed: u64, steps: usize, planted: Option<Mutant>) -> Result<World, String> {
    let mut world = World::new(seed, planted);
    let result = (0..steps).try_for_each(|_| world.step()).and_then(|()| world.heal());
    match result {
        Ok(()) => Ok(world),
        Err(law) => Err(format!("seed {seed}: {law}\n{}", world.trace.join("\n"))),
    }
}

impl World {
    fn new(seed: u64, planted: Option<Mutant>) -> World {
        let mut dice = Dice(seed);
        let proving = dice.pick(&[Proving::Asked, Proving::Framed]);
        let remembered = dice.pick(&[6, 1_000]);
        let ledgers = 2 + dice.roll(2);
        let mut world = World {
            dice,
            now: Timestamp::from_second(1_800_000_000).expect("in range"),
            stream: Stream::default(),
            model: Model::default(),
            ledgers: Vec::new(),
            appends: Vec::new(),
            replies: Vec::new(),
            clients: Vec::new(),
            planted,
            seeds: 0,
            tally: Tally::default(),
            trace: Vec::new(),
        };
        for name in ["L1", "L2", "L3"].into_iter().take(ledgers) {
            let mut settings = Settings::new(name, proving);
            settings.recent.ids = remembered;
            let ledger = world.boot(settings, &[]);
            world.ledgers.push(ledger);
        }
        world
    }

    fn boot(&self, settings: Settings, saved: &[u8]) -> Ledger {
        let mut sequencer =
            Sequencer::load(settings.clone(), saved).unwrap_or_else(|_| Sequencer::new(settings.clone()));
        if let Some(mutant) = self.planted {
            sequencer.plant(mutant);
        }
        Ledger {
            fed: sequencer.cursor().sequence,
            sequencer,
            settings,
            saved: saved.to_vec(),
            outstanding: None,
            read: None,
            proof: None,
            handed_out: Vec::new(),
            asked: BTreeMap::new(),
        }
    }

    fn step(&mut self) -> Result<(), String> {
        self.now += SignedDuration::from_millis(7);
        let ledger = self.dice.roll(self.ledgers.len());
        match self.dice.roll(100) {
            0..15 => self.propose(ledger)?,
            15..21 => self.resend(ledger)?,
            21..26 => self.ask(ledger)?,
            26..44 => self.deliver_append()?,
            44..50 => self.resolve_held()?,
            50..62 => self.deliver_reply()?,
            62..66 => self.time_out(ledger)?,
            66..80 => self.feed(ledger)?,
            80..86 => self.read(ledger)?,
            86..91 => self.prove(ledger)?,
            91..95 => self.take_over(ledger)?,
            95 => self.crash(ledger),
            96 => self.save(ledger),
            97 => self.ledgers[ledger].sequencer.resign(),
            98 => self.lose_append(),
            _ => self.restore()?,
        }
        self.drive(ledger)
    }

    /// A client decides on a view that may lag, and proposes.
    fn propose(&mut self, ledger: usize) -> Result<(), String> {
        let lag = self.dice.roll(4);
        let view = self.model.lagging(lag).clone();
        let name = format!("c{}", self.clients.len());
        let mut draft = commit(&name).base(view.revision.0).incarnation(view.incarnation);
        let first = self.dice.roll(PODS.len());
        for offset in 0..=self.dice.roll(2) {
            let name = PODS[(first + offset) % PODS.len()];
            draft = match view.objects.get(&pod(name)) {
                None => draft.create(name),
                Some(at) if self.dice.one_in(2) => draft.delete(name, at.0),
                Some(at) => draft.update(name, at.0),
            };
            if self.dice.one_in(2) {
                draft = draft.touching(self.dice.pick(&SCOPES));
            }
        }
        if self.dice.one_in(2) {
            draft = draft.guarding(self.dice.pick(&SCOPES));
        }
        if self.dice.one_in(4) {
            draft = draft.counting("pods", self.dice.pick(&[1, 2, -1]), MAX_COUNT);
        }
        let since = self.model.views.len() - 1;
        self.clients.push(Client { draft, since, outcome: None });
        self.send(ledger, self.clients.len() - 1)
    }

    /// A copy, perhaps a late one, of what was sent before.
    fn resend(&mut self, ledger: usize) -> Result<(), String> {
        if self.clients.is_empty() {
            return Ok(());
        }
        let recent = self.clients.len().min(12);
        let client = self.clients.len() - 1 - self.dice.roll(recent);
        self.send(ledger, client)
    }

    fn send(&mut self, ledger: usize, client: usize) -> Result<(), String> {
        let proposal = self.clients[client].draft.proposal();
        let name = self.name(ledger);
        let taken = self.ledgers[ledger].sequencer.propose(&proposal);
        let Ok(ticket) = taken else { return Ok(()) };
        self.trace.push(format!("{name} takes {}", self.clients[client].draft.name));
        self.ledgers[ledger].asked.insert(ticket, Asked::Commit(client));
        self.drive(ledger)
    }

    fn ask(&mut self, ledger: usize) -> Result<(), String> {
        let now = self.model.last().revision;
        if let Ok(ticket) = self.ledgers[ledger].sequencer.ask() {
            self.ledgers[ledger].asked.insert(ticket, Asked::Now(now));
        }
        self.drive(ledger)
    }

    fn deliver_append(&mut self) -> Result<(), String> {
        if self.appends.is_empty() {
            return Ok(());
        }
        let index = self.dice.roll(self.appends.len());
        let (ledger, append) = self.appends[index].clone();
        if !self.dice.one_in(5) {
            self.appends.swap_remove(index);
        }
        let reply = self.stream.append(append.expected_last, append.bytes.clone(), &mut self.dice);
        self.trace.push(format!("broker: {} brings {} → {reply:?}", self.name(ledger), brief(&append)));
        self.check_written()?;
        if let Some(reply) = reply.filter(|_| !self.dice.one_in(5)) {
            self.replies.push((ledger, append.frame, reply));
        }
        Ok(())
    }

    fn resolve_held(&mut self) -> Result<(), String> {
        let written = !self.dice.one_in(4);
        self.stream.resolve(written);
        self.check_written()
    }

    fn deliver_reply(&mut self) -> Result<(), String> {
        if self.replies.is_empty() {
            return Ok(());
        }
        let index = self.dice.roll(self.replies.len());
        let (ledger, frame, reply) = self.replies.swap_remove(index);
        let sequencer = &mut self.ledgers[ledger].sequencer;
        match reply {
            Reply::Written(sequence) => sequencer.appended(frame, sequence),
            Reply::Refused => sequencer.refused(frame),
        }
        self.trace.push(format!("{} hears {reply:?}", self.name(ledger)));
        self.drive(ledger)
    }

    fn time_out(&mut self, ledger: usize) -> Result<(), String> {
        if let Some(frame) = self.ledgers[ledger].outstanding {
            self.ledgers[ledger].sequencer.timed_out(frame);
        }
        self.drive(ledger)
    }

    /// Delivers the next frame, or the last one again.
    fn feed(&mut self, ledger: usize) -> Result<(), String> {
        let again = self.dice.one_in(6);
        let state = &mut self.ledgers[ledger];
        let sequence = if again { state.fed } else { state.fed + 1 };
        let Some(bytes) = self.stream.at(sequence) else { return Ok(()) };
        state.fed = sequence;
        if let Err(error) = state.sequencer.frame(sequence, bytes)
            && self.planted.is_none()
        {
            return Err(format!("{} cannot follow: {error}", state.settings.ledger));
        }
        self.drive(ledger)
    }

    fn read(&mut self, ledger: usize) -> Result<(), String> {
        let Some(sequence) = self.ledgers[ledger].read.take() else { return Ok(()) };
        if self.dice.one_in(8) {
            self.ledgers[ledger].sequencer.unread(sequence);
        } else {
            let found = self.stream.at(sequence).map(|bytes| &bytes[..]);
            self.ledgers[ledger].sequencer.stood(sequence, found);
        }
        self.drive(ledger)
    }

    fn prove(&mut self, ledger: usize) -> Result<(), String> {
        let Some(proof) = self.ledgers[ledger].proof.take() else { return Ok(()) };
        if self.dice.one_in(8) {
            self.ledgers[ledger].sequencer.unproved(proof);
        } else {
            self.ledgers[ledger].sequencer.proved(proof, self.stream.last());
        }
        self.drive(ledger)
    }

    fn take_over(&mut self, ledger: usize) -> Result<(), String> {
        let seed = self.fresh_id();
        if self.ledgers[ledger].sequencer.take_over(seed).is_ok() {
            self.tally.take_overs += 1;
            self.ledgers[ledger].handed_out.clear();
            self.trace.push(format!("{} takes over", self.name(ledger)));
        }
        self.drive(ledger)
    }

    /// It starts again from what it saved. What it sent is still on its way.
    fn crash(&mut self, ledger: usize) {
        let Ledger { settings, saved, .. } = &self.ledgers[ledger];
        self.trace.push(format!("{} crashes", settings.ledger));
        self.ledgers[ledger] = self.boot(settings.clone(), saved);
    }

    fn save(&mut self, ledger: usize) {
        let state = &mut self.ledgers[ledger];
        state.saved = state.sequencer.save();
    }

    fn lose_append(&mut self) {
        if !self.appends.is_empty() {
            let index = self.dice.roll(self.appends.len());
            self.appends.swap_remove(index);
        }
    }

    /// The stream is restored from a backup without its tail. Every ledger starts from nothing, and one is told to begin
    /// a new incarnation. What clients were told of the tail is forgiven.
    fn restore(&mut self) -> Result<(), String> {
        if self.stream.last() < 4 || self.dice.roll(8) > 0 {
            return Ok(());
        }
        let lost = 1 + self.dice.roll(3) as u64;
        self.stream.lose_tail(self.stream.last() - lost);
        self.trace.push(format!("the stream is restored without its last {lost} frames"));
        self.model = Model::default();
        for sequence in 1..=self.stream.last() {
            self.model.written(sequence, self.stream.at(sequence).expect("kept"))?;
        }
        // The broker was stopped for it, so nothing old is on its way any more.
        self.appends.clear();
        self.replies.clear();
        for client in &mut self.clients {
            client.outcome = None;
            client.since = client.since.min(self.model.views.len() - 1);
        }
        for ledger in 0..self.ledgers.len() {
            self.ledgers[ledger] = self.boot(self.ledgers[ledger].settings.clone(), &[]);
        }
        self.begin_incarnation()
    }

    /// The operator's command is repeated until it is done: nobody else leads meanwhile.
    fn begin_incarnation(&mut self) -> Result<(), String> {
        // Never one that was used before, even if the backup doesn't know it.
        self.tally.incarnations += 1;
        let incarnation = u32::try_from(self.tally.incarnations).expect("few");
        self.catch_up(0)?;
        let seed = self.fresh_id();
        self.ledgers[0]
            .sequencer
            .take_over_as(seed, incarnation)
            .map_err(|error| format!("a new incarnation: {error}"))?;
        self.ledgers[0].handed_out.clear();
        self.drive(0)?;
        for _ in 0..200 {
            if self.ledgers[0].sequencer.role() == Role::Active {
                return Ok(());
            }
            self.settle_down()?;
        }
        Err("the new incarnation never began".into())
    }

    /// Does what a sequencer asks for, and checks what it tells.
    fn drive(&mut self, ledger: usize) -> Result<(), String> {
        let ready = self.ledgers[ledger].sequencer.ready(self.now);
        let Ready { append, read, prove, answers, stepped_down, .. } = ready;
        for (ticket, answer) in answers {
            self.told(ledger, ticket, &answer)?;
        }
        if let Some(append) = append {
            self.trace.push(format!("{} appends {}", self.name(ledger), brief(&append)));
            self.tally.resent_frames += usize::from(append.again);
            let state = &mut self.ledgers[ledger];
            state.outstanding = Some(append.frame);
            state.handed_out.push(Hash::of(&append.bytes));
            self.appends.push((ledger, append));
        }
        let state = &mut self.ledgers[ledger];
        state.read = read.or(state.read);
        state.proof = prove.or(state.proof);
        let Some(stepped_down) = stepped_down else { return Ok(()) };
        state.fed = state.sequencer.cursor().sequence;
        state.read = None;
        state.proof = None;
        state.asked.clear();
        self.trace.push(format!("{} steps down: {:?}", self.name(ledger), stepped_down.why));
        if stepped_down.why == Deposed::Resigned {
            return Ok(());
        }
        self.tally.deposed += 1;
        self.check_deposed(ledger, &stepped_down.why)
    }

    /// Law: a ledger steps down only for a frame that it did not write.
    fn check_deposed(&self, ledger: usize, why: &Deposed) -> Result<(), String> {
        let Ledger { handed_out, settings, .. } = &self.ledgers[ledger];
        let anothers = match why {
            Deposed::Another { sequence } => self.stream.at(*sequence),
            _ => None,
        };
        if anothers.is_some_and(|bytes| !handed_out.contains(&Hash::of(bytes))) {
            return Ok(());
        }
        Err(format!("{} stepped down though nobody deposed it", settings.ledger))
    }

    /// Laws: what was acknowledged stands in the log; a rejection was true; a reading is not stale.
    fn told(&mut self, ledger: usize, ticket: Ticket, answer: &Answer) -> Result<(), String> {
        let name = self.name(ledger);
        let Some(asked) = self.ledgers[ledger].asked.remove(&ticket) else {
            return Err(format!("{name} answered what nobody asked, or twice: {answer:?}"));
        };
        match (asked, answer) {
            (Asked::Commit(client), Answer::Outcome(outcome)) => {
                self.trace.push(format!(
                    "{name} tells {}: {}",
                    self.clients[client].draft.name,
                    tell(answer)
                ));
                self.outcome(client, outcome)
            }
            (Asked::Now(at_least), Answer::Now(now)) => {
                self.tally.readings += 1;
                let fresh = at_least <= now.revision && now.revision <= self.model.last().revision;
                if fresh {
                    return Ok(());
                }
                Err(format!("{name} told r{}, but r{at_least} was acknowledged before", now.revision))
            }
            _ => Err(format!("{name} gave another kind of answer than was asked for: {answer:?}")),
        }
    }

    fn outcome(&mut self, client: usize, outcome: &Outcome) -> Result<(), String> {
        let Client { draft, since, outcome: told } = &mut self.clients[client];
        let recorded = self.model.recorded.get(&draft.id());
        match outcome {
            Outcome::Committed { first, last } => {
                self.tally.committed += 1;
                if recorded != Some(&(*first, *last)) {
                    return Err(format!("{} was acknowledged as r{first}, not recorded", draft.name));
                }
            }
            Outcome::Rejected(rejection) => {
                self.tally.rejected += 1;
                let header = draft.header();
                let true_once = self.model.justifies(rejection, header.base, header.incarnation, *since);
                if !true_once || (recorded.is_some() && tells_outcome(rejection)) {
                    return Err(format!("{} was rejected, but {rejection} was never so", draft.name));
                }
            }
        }
        *told = Some(outcome.clone());
        Ok(())
    }

    /// Every frame that was written is part of a sound log, and holds nothing that was rejected.
    fn check_written(&mut self) -> Result<(), String> {
        let known = self.model.sequence();
        for sequence in known + 1..=self.stream.last() {
            let bytes = self.stream.at(sequence).expect("it was written");
            self.trace.push(format!("{sequence} is written"));
            self.model.written(sequence, bytes)?;
        }
        for client in &self.clients {
            let Some(Outcome::Rejected(rejection)) = &client.outcome else { continue };
            // A counter may have room by now, for a copy that comes late to another ledger.
            let promise = tells_outcome(rejection) && !matches!(rejection, Rejection::Exhausted { .. });
            if promise && self.model.recorded.contains_key(&client.draft.id()) {
                return Err(format!("{} was rejected and is recorded", client.draft.name));
            }
        }
        Ok(())
    }

    /// The faults stop. One ledger leads; every client gets an answer; all ledgers come to know the same.
    fn heal(&mut self) -> Result<(), String> {
        for _ in 0..50 {
            self.settle_down()?;
        }
        let leader = self.lead()?;
        for client in 0..self.clients.len() {
            if self.clients[client].outcome.is_none() {
                self.send(leader, client)?;
            }
        }
        for _ in 0..20 {
            self.settle_down()?;
        }
        if let Some(client) = self.clients.iter().find(|client| client.outcome.is_none()) {
            return Err(format!("{} was never answered", client.draft.name));
        }
        self.check_equal()
    }

    fn lead(&mut self) -> Result<usize, String> {
        for _ in 0..50 {
            if let Some(leader) =
                self.ledgers.iter().position(|ledger| ledger.sequencer.role() == Role::Active)
            {
                return Ok(leader);
            }
            self.catch_up(0)?;
            self.take_over(0)?;
            self.settle_down()?;
        }
        Err("nobody leads though all is well".into())
    }

    /// Delivers everything that is on its way, once.
    fn settle_down(&mut self) -> Result<(), String> {
        self.now += SignedDuration::from_millis(100);
        self.stream.resolve(true);
        self.check_written()?;
        while !self.appends.is_empty() {
            let (ledger, append) = self.appends.remove(0);
            let reply = self.stream.append(append.expected_last, append.bytes, &mut Dice(1));
            self.stream.resolve(true);
            self.check_written()?;
            if let Some(reply) = reply {
                self.replies.push((ledger, append.frame, reply));
            }
        }
        while !self.replies.is_empty() {
            self.deliver_reply()?;
        }
        for ledger in 0..self.ledgers.len() {
            self.time_out(ledger)?;
            while self.ledgers[ledger].read.is_some() {
                self.read(ledger)?;
            }
            self.catch_up(ledger)?;
            while self.ledgers[ledger].proof.is_some() {
                self.prove(ledger)?;
            }
            self.drive(ledger)?;
        }
        Ok(())
    }

    fn catch_up(&mut self, ledger: usize) -> Result<(), String> {
        while self.ledgers[ledger].fed < self.stream.last() {
            self.feed(ledger)?;
        }
        Ok(())
    }

    /// Law: equal logs make equal states, whether lived through, followed, or loaded and followed.
    fn check_equal(&mut self) -> Result<(), String> {
        let mut fresh = Sequencer::new(self.ledgers[0].settings.clone());
        for sequence in 1..=self.stream.last() {
            let bytes = self.stream.at(sequence).expect("written");
            fresh.frame(sequence, bytes).map_err(|error| format!("a fresh replay: {error}"))?;
        }
        let expected = fresh.save();
        for ledger in &mut self.ledgers {
            if ledger.sequencer.save() != expected {
                return Err(format!("{} knows another state than the log", ledger.settings.ledger));
            }
        }
        Ok(())
    }

    fn fresh_id(&mut self) -> Uuid {
        self.seeds += 1;
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &self.seeds.to_be_bytes())
    }

    fn name(&self, ledger: usize) -> String {
        self.ledgers[ledger].settings.ledger.clone()
    }
}

/// A floor or an incarnation that moved over a commit hides whether it was recorded.
fn tells_outcome(rejection: &Rejection) -> bool {
    !matches!(rejection, Rejection::TooOld { .. } | Rejection::WrongIncarnation { .. })
}

fn brief(append: &Append) -> String {
    let header = rutter_schemas::FrameText::header_of(&append.bytes).expect("its own frame");
    format!("frame {} (epoch {}, r{} + {})", header.number, header.epoch, header.first, header.events)
}
