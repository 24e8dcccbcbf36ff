//! What is killed, and when: chosen by the number of the run, so that a series covers all of it and can be repeated.

use std::fmt;
use std::time::Duration;

/// How the services of a cluster share processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `rutter up --spread`: each in one of its own.
    Spread,
    /// `rutter up`: all in one.
    Together,
}

/// What ends, and in which form of cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Victim {
    pub(super) form: Form,
    pub(super) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The broker alone: its supervisor starts it again.
    NatsServer,
    /// One service alone: its supervisor starts it again.
    Service(&'static str),
    /// `rutter up` itself: the broker is left an orphan, services that run apart end with it.
    Up,
    /// Everything at once, as when the power fails.
    Power,
    /// `rutter up`, in good order.
    Graceful,
}

/// One round of a series. Clusters change their form only where one is started anew anyway.
const ROUND: [Victim; 12] = [
    spread(End::Service("gateway")),
    spread(End::Service("ledger")),
    spread(End::NatsServer),
    spread(End::Service("nodeagent")),
    spread(End::Service("replicator")),
    spread(End::Service("placement")),
    spread(End::Service("autoscaler")),
    spread(End::Power),
    spread(End::Up),
    together(End::Up),
    together(End::Power),
    together(End::Graceful),
];

/// The services that a spread cluster has, each by its subcommand.
pub(super) const SERVICES: [&str; 6] =
    ["gateway", "ledger", "placement", "replicator", "autoscaler", "nodeagent"];

const fn spread(end: End) -> Victim {
    Victim { form: Form::Spread, end }
}

const fn together(end: End) -> Victim {
    Victim { form: Form::Together, end }
}

impl Victim {
    pub(super) fn of_run(run: u32) -> Victim {
        ROUND[run as usize % ROUND.len()]
    }

    /// Up to a second, so that kills fall anywhere in the first steps of a rollout.
    pub(super) fn delay(self, run: u32) -> Duration {
        Duration::from_millis(40 + u64::from(run.wrapping_mul(2_654_435_761) >> 22))
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let up = match self.form {
            Form::Spread => "rutter up --spread",
            Form::Together => "rutter up",
        };
        match self.end {
            End::NatsServer => f.pad("nats-server"),
            End::Service(name) => f.pad(name),
            End::Up => f.pad(up),
            End::Power => f.pad(&format!("{up} and all below")),
            End::Graceful => f.pad(&format!("{up}, gracefully")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_kills_every_service_and_the_broker() {
        for service in SERVICES {
            assert!(ROUND.contains(&spread(End::Service(service))), "{service}");
        }
        assert!(ROUND.contains(&spread(End::NatsServer)));
    }

    #[test]
    fn a_cluster_changes_its_form_only_when_it_is_started_anew() {
        for run in 0..ROUND.len() {
            let (this, next) = (ROUND[run], ROUND[(run + 1) % ROUND.len()]);
            let starts_anew = matches!(this.end, End::Up | End::Power | End::Graceful);
            assert!(starts_anew || this.form == next.form, "{this} is followed by {next}");
        }
    }
}
