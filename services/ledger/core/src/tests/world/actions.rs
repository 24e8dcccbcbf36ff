//! What may happen, one thing at a time.

use super::*;

impl World {
    /// A client decides on a view that may lag, and proposes.
    pub(super) fn propose(&mut self, ledger: usize) -> Result<(), String> {
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
            draft = draft.counting(self.dice.pick(&["pods", "a/n"]), self.dice.pick(&[1, 2, -1]), MAX_COUNT);
        }
        let since = self.model.views.len() - 1;
        self.clients.push(Client { draft, since, outcome: None });
        self.send(ledger, self.clients.len() - 1)
    }

    /// A copy, perhaps a late one, of what was sent before.
    pub(super) fn resend(&mut self, ledger: usize) -> Result<(), String> {
        if self.clients.is_empty() {
            return Ok(());
        }
        let recent = self.clients.len().min(12);
        let client = self.clients.len() - 1 - self.dice.roll(recent);
        self.send(ledger, client)
    }

    pub(super) fn send(&mut self, ledger: usize, client: usize) -> Result<(), String> {
        let proposal = self.clients[client].draft.proposal();
        let name = self.name(ledger);
        let taken = self.ledgers[ledger].sequencer.propose(&proposal);
        let Ok(ticket) = taken else { return Ok(()) };
        self.trace.push(format!("{name} takes {}", self.clients[client].draft.name));
        self.ledgers[ledger].asked.insert(ticket, Asked::Commit(client));
        self.drive(ledger)
    }

    pub(super) fn ask(&mut self, ledger: usize) -> Result<(), String> {
        let now = self.model.last().revision;
        if let Ok(ticket) = self.ledgers[ledger].sequencer.ask() {
            self.ledgers[ledger].asked.insert(ticket, Asked::Now(now));
        }
        self.drive(ledger)
    }

    pub(super) fn deliver_append(&mut self) -> Result<(), String> {
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

    pub(super) fn resolve_held(&mut self) -> Result<(), String> {
        let written = !self.dice.one_in(4);
        self.stream.resolve(written);
        self.check_written()
    }

    pub(super) fn deliver_reply(&mut self) -> Result<(), String> {
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

    pub(super) fn time_out(&mut self, ledger: usize) -> Result<(), String> {
        if let Some(frame) = self.ledgers[ledger].outstanding {
            self.ledgers[ledger].sequencer.timed_out(frame);
        }
        self.drive(ledger)
    }

    /// Delivers the next frame, or the last one again.
    pub(super) fn feed(&mut self, ledger: usize) -> Result<(), String> {
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

    pub(super) fn read(&mut self, ledger: usize) -> Result<(), String> {
        let Some(sequence) = self.ledgers[ledger].read.take() else { return Ok(()) };
        if self.dice.one_in(8) {
            self.ledgers[ledger].sequencer.unread(sequence);
        } else {
            let found = self.stream.at(sequence).map(|bytes| &bytes[..]);
            self.ledgers[ledger].sequencer.stood(sequence, found);
        }
        self.drive(ledger)
    }

    pub(super) fn prove(&mut self, ledger: usize) -> Result<(), String> {
        let Some(proof) = self.ledgers[ledger].proof.take() else { return Ok(()) };
        if self.dice.one_in(8) {
            self.ledgers[ledger].sequencer.unproved(proof);
        } else {
            self.ledgers[ledger].sequencer.proved(proof, self.stream.last());
        }
        self.drive(ledger)
    }

    pub(super) fn take_over(&mut self, ledger: usize) -> Result<(), String> {
        let seed = self.fresh_id();
        if self.ledgers[ledger].sequencer.take_over(seed).is_ok() {
            self.tally.take_overs += 1;
            self.ledgers[ledger].handed_out.clear();
            self.trace.push(format!("{} takes over", self.name(ledger)));
        }
        self.drive(ledger)
    }

    /// It starts again from what it saved. What it sent is still on its way.
    pub(super) fn crash(&mut self, ledger: usize) {
        let Ledger { settings, saved, .. } = &self.ledgers[ledger];
        self.trace.push(format!("{} crashes", settings.ledger));
        self.ledgers[ledger] = self.boot(settings.clone(), saved);
    }

    pub(super) fn save(&mut self, ledger: usize) {
        let state = &mut self.ledgers[ledger];
        state.saved = state.sequencer.save();
    }

    pub(super) fn lose_append(&mut self) {
        if !self.appends.is_empty() {
            let index = self.dice.roll(self.appends.len());
            self.appends.swap_remove(index);
        }
    }

    /// The stream is restored from a backup without its tail. Every ledger starts from nothing, and one is told to begin
    /// a new incarnation. What clients were told of the tail is forgiven.
    pub(super) fn restore(&mut self) -> Result<(), String> {
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
    pub(super) fn begin_incarnation(&mut self) -> Result<(), String> {
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
}
