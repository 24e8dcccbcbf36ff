//! What ledgers tell: each answer has to be true of the log at some moment between the question's arrival and the
//! answer, and be written there. A ledger that was deposed when the question arrived can give no such answer.

use bytes::Bytes;
use rutter_schemas::protocol::ledger::NowAnswer;
use rutter_schemas::{Key, Outcome, Proposal, Rejection, Revision, Scope};

use super::{Laws, Log};
use crate::stream::Stream;
use crate::time::Time;

/// What had been told to anyone when a question arrived: no answer may be older than that.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    frame: u64,
    acknowledged: Revision,
    incarnation: u32,
}

impl Laws {
    pub fn arrival(&self) -> Arrival {
        Arrival {
            frame: self.acknowledged_frame,
            acknowledged: self.acknowledged,
            incarnation: self.log.incarnation,
        }
    }

    pub fn judge_outcome(
        &mut self,
        at: Time,
        ledger: &str,
        text: &Bytes,
        outcome: &Outcome,
        arrival: Arrival,
        stream: &Stream,
    ) {
        let Ok(proposal) = Proposal::decode(text.clone()) else { return };
        match outcome {
            Outcome::Committed { first, last } => {
                self.judge_committed(at, ledger, &proposal, *first, *last, stream)
            }
            Outcome::Rejected(rejection) => {
                self.rejections += 1;
                self.judge_rejection(at, ledger, &proposal, rejection, arrival);
            }
        }
    }

    fn judge_committed(
        &mut self,
        at: Time,
        ledger: &str,
        proposal: &Proposal,
        first: Revision,
        last: Revision,
        stream: &Stream,
    ) {
        let id = proposal.header.id;
        let why = &proposal.header.why;
        if self.log.commit(id) != Some((first, last)) {
            let stands = self.log.commit(id);
            let what = format!(
                "{ledger} says that \"{why}\" stands at r{first}..r{last}; in the log it is at {stands:?}"
            );
            return self.break_law(6, at, what);
        }
        self.told.insert(id, (first, last));
        if last > self.acknowledged {
            self.acknowledged = last;
            self.acknowledged_frame = stream.last();
        }
    }

    /// A rejection is an answer too: what it says has to be so in the log, and not have been over before it was asked.
    fn judge_rejection(
        &mut self,
        at: Time,
        ledger: &str,
        proposal: &Proposal,
        rejection: &Rejection,
        arrival: Arrival,
    ) {
        if self.log.commit(proposal.header.id).is_some() {
            let what = format!("{ledger} rejects \"{}\", which stands in the log", proposal.header.why);
            return self.break_law(6, at, what);
        }
        let holds = held(&self.log, proposal, rejection, arrival);
        // A late copy of a proposal gets the answer that the first one got.
        let repeats = self.rejected.get(&proposal.header.id) == Some(rejection);
        self.rejected.insert(proposal.header.id, rejection.clone());
        if !holds && !repeats {
            let why = &proposal.header.why;
            let what = format!(
                "{ledger} rejects \"{why}\" ({rejection}), which was so at no time since it was proposed"
            );
            self.break_law(6, at, what);
        }
    }

    /// "The log stands at N" has to be at least what anyone had been told, and at most what stands.
    pub fn judge_now(&mut self, at: Time, ledger: &str, now: NowAnswer, arrival: Arrival) {
        if now.revision > self.log.revision {
            let what = format!(
                "{ledger} says that the log stands at r{}; it ends at r{}",
                now.revision, self.log.revision
            );
            return self.break_law(6, at, what);
        }
        if arrival.incarnation == self.log.incarnation && now.revision < arrival.acknowledged {
            let what = format!(
                "{ledger} says that the log stands at r{}, and r{} had been acknowledged",
                now.revision, arrival.acknowledged
            );
            self.break_law(6, at, what);
        }
    }

    /// Only another's frame deposes: a refusal may be a ledger's own frame that isn't committed yet. `others` is how
    /// many frames that it didn't append stand behind the last one it knows.
    pub fn judge_step_down(&mut self, at: Time, ledger: &str, behind: u64, others: usize) {
        if others == 0 {
            self.break_law(
                6,
                at,
                format!("{ledger} steps down, and nobody else's frame stands behind frame {behind}"),
            );
        }
    }
}

/// Whether a rejection was right at any moment since the proposal arrived.
fn held(log: &Log, proposal: &Proposal, rejection: &Rejection, arrival: Arrival) -> bool {
    let mut moments = log.ends_since(arrival.frame);
    let base = proposal.header.base;
    match rejection {
        Rejection::Stale { key, actual } => moments.any(|moment| log.key_at(key, moment) == *actual),
        Rejection::Touched { scope, actual } if *actual > base => match made(proposal, scope) {
            Some(key) => moments.any(|moment| log.last_event_at(key, moment) == Some(*actual)),
            None => moments.any(|moment| log.touched_at(scope, moment) == Some(*actual)),
        },
        Rejection::Touched { .. } => false,
        Rejection::WrongIncarnation { current } => *current <= log.incarnation,
        Rejection::Malformed { .. } => arrival.incarnation != log.incarnation,
        Rejection::Exhausted { counter, left } => {
            let max = proposal.header.counters.iter().find(|count| count.name == *counter);
            let max = max.and_then(|count| count.max).unwrap_or_default();
            let left_at = |moment| {
                max.saturating_sub(u64::try_from(log.counter_at(counter, moment)).unwrap_or_default())
            };
            moments.any(|moment| left_at(moment) == *left)
        }
        Rejection::StorageFull { .. }
        | Rejection::TooOld { .. }
        | Rejection::Busy
        | Rejection::TooLarge { .. } => true,
    }
}

/// The object whose making is refused because it was deleted after the base: the premise `absent:<key>`.
fn made<'a>(proposal: &'a Proposal, scope: &Scope) -> Option<&'a Key> {
    let name = scope.0.strip_prefix("absent:")?;
    proposal.writes.iter().map(|write| &write.key).find(|key| key.to_string() == name)
}
