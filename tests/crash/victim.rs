//! What is killed, and when: chosen by the number of the run, so that a series covers all of it and can be repeated.

use std::fmt;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victim {
    /// The broker alone: its supervisor starts it again.
    NatsServer,
    /// The process with every service in it; the broker is left an orphan.
    Rutter,
    /// Both at once, as when the power fails.
    Both,
    /// The process, in good order.
    Graceful,
}

impl Victim {
    pub(super) fn of_run(run: u32) -> Victim {
        [
            Victim::NatsServer,
            Victim::Rutter,
            Victim::Both,
            Victim::Rutter,
            Victim::NatsServer,
            Victim::Graceful,
        ][run as usize % 6]
    }

    /// Spread over the rollout: from its first moments to after its end.
    pub(super) fn delay(self, run: u32) -> Duration {
        Duration::from_millis(40 + u64::from(run.wrapping_mul(2_654_435_761) >> 22))
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Victim::NatsServer => "nats-server",
            Victim::Rutter => "rutter up",
            Victim::Both => "rutter up and nats-server",
            Victim::Graceful => "rutter up, gracefully",
        })
    }
}
