//! What the sequencer asks for, done.

use jiff::Timestamp;
use rutter_ledger_core::{Answer, Append, Deposed, Proof, Ready, SteppedDown};
use rutter_runtime::stream::Appended;
use rutter_schemas::Outcome;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::Driver;
use crate::LedgerError;
use crate::sources::Input;

/// A stream that can't take a frame now is asked again after this.
const UNAVAILABLE_PAUSE: Duration = Duration::from_millis(100);
/// How long a frame that was sent before waits for the stream to have a leader again: it is sent as soon as there is
/// one, not when the next second is over.
const LEADER_PATIENCE: Duration = Duration::from_secs(1);

impl Driver {
    /// Does all that the sequencer asks for.
    pub(super) async fn carry_out(&mut self) {
        loop {
            let ready = self.sequencer.ready(Timestamp::now());
            let idle = ready.is_idle();
            self.wake = ready.wake;
            self.sources.show(self.sequencer.now());
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
            if again {
                // Heard or not, the frame is sent: only its acknowledgement counts.
                let _ = timeout(LEADER_PATIENCE, stream.last()).await;
            }
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
        let SteppedDown { why, unanswered } = stepped_down;
        match why {
            Deposed::Resigned => tracing::info!(unanswered = unanswered.len(), "left the lead, as asked"),
            why => tracing::warn!(?why, unanswered = unanswered.len(), "no longer the active ledger"),
        }
        for ticket in unanswered {
            self.replies.forget(ticket);
        }
        self.view.end_feed();
        self.leadership.stand_back(Instant::now());
        self.sources.follow = Some(self.stream.follow(self.sequencer.cursor().sequence + 1));
    }
}
