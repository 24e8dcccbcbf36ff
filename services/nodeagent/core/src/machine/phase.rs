//! A pod's phase, from what its containers show.

use jiff::Timestamp;
use serde_json::json;

use crate::view::RestartPolicy;

use super::status::Shown;
use super::{Cause, PodMachine, Stage};

impl PodMachine {
    /// `getPhase` of kubelet.
    pub(super) fn phase(&self, now: Timestamp) -> &'static str {
        match self.pod.status.phase.as_deref() {
            Some("Succeeded") => return "Succeeded",
            Some("Failed") => return "Failed",
            _ => {}
        }
        let has_ended = self.stage >= Stage::StoppingSandbox;
        if self.ending.as_ref().is_some_and(|ending| matches!(ending.cause, Cause::Failed { .. }))
            && has_ended
        {
            return "Failed";
        }
        let init = self.init_tally(now);
        if init.failed && self.restart_policy() == RestartPolicy::Never {
            return "Failed";
        }
        let tally = self.tally(now);
        if init.pending && !has_ended && tally.running + tally.stopped == 0 || tally.waiting > 0 {
            return "Pending";
        }
        if tally.running > 0 {
            return "Running";
        }
        if tally.stopped == 0 {
            return "Pending";
        }
        let all_well = tally.succeeded == tally.stopped;
        match self.restart_policy() {
            _ if has_ended => {
                if all_well {
                    "Succeeded"
                } else {
                    "Failed"
                }
            }
            RestartPolicy::Always => "Running",
            _ if all_well => "Succeeded",
            RestartPolicy::Never => "Failed",
            RestartPolicy::OnFailure => "Running",
        }
    }

    fn init_tally(&self, now: Timestamp) -> InitTally {
        let mut tally = InitTally::default();
        for spec in &self.pod.spec.init_containers {
            let Some(container) = self.containers.get(&spec.name) else { continue };
            if spec.is_sidecar() {
                tally.pending |= !container.is_started(spec) && !self.initialised;
                continue;
            }
            match self.shown(spec, container, now) {
                (Shown::Terminated(exit), _) if exit.code == 0 => {}
                (Shown::Terminated(_), _) => {
                    tally.failed = true;
                    tally.pending = true;
                }
                (Shown::Recorded(_), _) => {}
                _ => tally.pending |= !self.initialised,
            }
        }
        tally
    }

    fn tally(&self, now: Timestamp) -> MainTally {
        let mut tally = MainTally::default();
        for spec in &self.pod.spec.containers {
            let Some(container) = self.containers.get(&spec.name) else { continue };
            match self.shown(spec, container, now) {
                (Shown::Running { .. }, _) => tally.running += 1,
                (Shown::Terminated(exit), _) => tally.stop(exit.code == 0),
                (Shown::Recorded(recorded), _) => {
                    tally.stop(recorded["state"]["terminated"]["exitCode"] == json!(0));
                }
                (Shown::Waiting { .. }, Some(_)) => tally.stopped += 1,
                (Shown::Waiting { .. }, None) => tally.waiting += 1,
            }
        }
        tally
    }
}

#[derive(Default)]
struct InitTally {
    pending: bool,
    failed: bool,
}

#[derive(Default)]
struct MainTally {
    running: usize,
    waiting: usize,
    stopped: usize,
    succeeded: usize,
}

impl MainTally {
    fn stop(&mut self, well: bool) {
        self.stopped += 1;
        self.succeeded += usize::from(well);
    }
}
