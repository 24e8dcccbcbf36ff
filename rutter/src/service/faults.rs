//! What goes wrong on purpose in a service: for the tests that show what holds all the same, and what would not.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use rutter_runtime::plan::Guards;

/// Has to be set where faults are asked for, so that none comes into a real cluster by a slip.
const ALLOWED: &str = "RUTTER_TEST_FAULTS";

/// Hidden from the help: no operator wants them.
#[derive(Args, Clone, Debug)]
pub(crate) struct FaultArgs {
    /// Follow the log this much later than it comes, such as 2s
    #[arg(long, hide = true, value_name = "TIME", default_value = "0s", value_parser = duration)]
    lag: Duration,
    /// Whether commits demand what their plans took for granted: guards, and objects as they were seen
    #[arg(long, hide = true, value_enum, default_value_t)]
    guards: GuardsArg,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum GuardsArg {
    #[default]
    On,
    Off,
}

/// Faults that may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) lag: Duration,
    pub(crate) guards: Guards,
}

impl FaultArgs {
    /// # Errors
    /// When a fault is asked for and nobody said that this is a test.
    pub(crate) fn check(&self) -> Result<Faults> {
        self.check_where(std::env::var_os(ALLOWED).is_some())
    }

    fn check_where(&self, allowed: bool) -> Result<Faults> {
        let guards = match self.guards {
            GuardsArg::On => Guards::Kept,
            GuardsArg::Off => Guards::Dropped,
        };
        let none = Faults { lag: Duration::ZERO, guards: Guards::Kept };
        let asked = Faults { lag: self.lag, guards };
        ensure!(
            allowed || asked == none,
            "--lag and --guards=off break what a cluster promises: they are for tests, which set {ALLOWED}=1"
        );
        Ok(asked)
    }
}

fn duration(text: &str) -> Result<Duration> {
    let signed: jiff::SignedDuration = text.parse()?;
    Duration::try_from(signed).context("a lag is not negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(lag: &str, guards: GuardsArg) -> FaultArgs {
        FaultArgs { lag: duration(lag).unwrap(), guards }
    }

    #[test]
    fn faults_are_for_tests_alone() {
        assert!(args("0s", GuardsArg::On).check_where(false).is_ok());
        assert!(args("2s", GuardsArg::On).check_where(false).is_err());
        assert!(args("0s", GuardsArg::Off).check_where(false).is_err());
        let asked = args("2s", GuardsArg::Off).check_where(true).unwrap();
        assert_eq!(asked, Faults { lag: Duration::from_secs(2), guards: Guards::Dropped });
    }

    #[test]
    fn a_lag_is_a_duration_with_its_unit() {
        assert_eq!(duration("150ms").unwrap(), Duration::from_millis(150));
        assert!(duration("2").is_err() && duration("-2s").is_err());
    }
}
