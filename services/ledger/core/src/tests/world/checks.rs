//! The laws, checked whenever something is told or written.

use super::*;

impl World {
    /// Law: a ledger steps down only for a frame that it did not write.
    pub(super) fn check_deposed(&self, ledger: usize, why: &Deposed) -> Result<(), String> {
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
    pub(super) fn told(&mut self, ledger: usize, ticket: Ticket, answer: &Answer) -> Result<(), String> {
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

    pub(super) fn outcome(&mut self, client: usize, outcome: &Outcome) -> Result<(), String> {
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
    pub(super) fn check_written(&mut self) -> Result<(), String> {
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

    /// Law: equal logs make equal states, whether lived through, followed, or loaded and followed.
    pub(super) fn check_equal(&mut self) -> Result<(), String> {
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
}
