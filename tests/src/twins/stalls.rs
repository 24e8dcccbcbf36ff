//! Stalls: now and then one of the prompt copies stands still for a while, so that the late one leads, and the other
//! comes back with plans of long ago. Without them the late copy would find everything done.

use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::apart::Apart;
use crate::dice::Dice;

const PROMPT: [&str; 2] = ["replicator-a", "placement-a"];
/// Between two stalls, and how long one lasts, in milliseconds.
const PAUSE_MS: (u64, u64) = (200, 1_500);
const STALL_MS: (u64, u64) = (500, 4_000);

/// Who stands still, or when the next one will.
pub(super) enum Stalls {
    None { until: Instant },
    Stalled { name: &'static str, until: Instant },
}

impl Stalls {
    pub(super) fn new(dice: &mut Dice) -> Stalls {
        Stalls::None { until: after(dice.millis(PAUSE_MS.0, PAUSE_MS.1)) }
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, cluster: &Apart, dice: &mut Dice) -> Result<()> {
        *self = match *self {
            Stalls::None { until } if Instant::now() >= until => {
                let name = PROMPT[dice.index(PROMPT.len())];
                cluster.signal(name, Signal::SIGSTOP)?;
                Stalls::Stalled { name, until: after(dice.millis(STALL_MS.0, STALL_MS.1)) }
            }
            Stalls::Stalled { name, until } if Instant::now() >= until => {
                cluster.signal(name, Signal::SIGCONT)?;
                Stalls::new(dice)
            }
            _ => return Ok(()),
        };
        Ok(())
    }

    pub(super) fn end(self, cluster: &Apart) -> Result<()> {
        match self {
            Stalls::None { .. } => Ok(()),
            Stalls::Stalled { name, .. } => cluster.signal(name, Signal::SIGCONT),
        }
    }
}

fn after(pause: Duration) -> Instant {
    Instant::now() + pause
}
