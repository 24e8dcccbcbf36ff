//! Probes: which should run, and what their answers mean.

use crate::view::Container as Spec;

use super::check::check;
use super::container::{Verdict, probe_spec};
use super::{Action, Cx, PodMachine, ProbeKind, ProbeTiming, Stage, State, Step};

impl PodMachine {
    /// Starts and stops probes so that those run which should.
    pub(super) fn adjust_probes(&mut self, cx: Cx<'_>, step: &mut Step) {
        let address = self.ips(cx.node).first().copied();
        let pod = self.pod.clone();
        for spec in pod.containers() {
            let Some(container) = self.containers.get_mut(&spec.name) else { continue };
            let Some(id) = container.id().map(str::to_owned) else { continue };
            let wanted = if self.stage == Stage::Up { container.probes(spec) } else { Vec::new() };
            for probe in container.probing.iter().filter(|probe| !wanted.contains(probe)) {
                step.act(Action::StopProbe { container: spec.name.clone(), id: id.clone(), probe: *probe });
            }
            for probe in wanted.iter().filter(|probe| !container.probing.contains(probe)) {
                let Some(of) = probe_spec(spec, *probe) else { continue };
                step.act(Action::StartProbe {
                    container: spec.name.clone(),
                    id: id.clone(),
                    probe: *probe,
                    check: check(&of.handler, spec, address),
                    timing: ProbeTiming {
                        initial_delay_secs: of.initial_delay_seconds,
                        period_secs: of.period_seconds.max(1),
                        timeout_secs: of.timeout_seconds.max(1),
                    },
                });
            }
            container.probing = wanted;
        }
    }

    pub(super) fn probed(&mut self, name: &str, id: &str, probe: ProbeKind, outcome: Result<(), String>) {
        let pod = self.pod.clone();
        let Some(spec) = pod.container(name) else { return };
        let Some(of) = probe_spec(spec, probe) else { return };
        let grace_secs = of.termination_grace_period_seconds.unwrap_or_else(|| pod.spec.grace_secs());
        let Some(container) = self.current(name, id) else { return };
        let verdict = container.tally(probe).count(outcome.is_ok(), of);
        if let Err(why) = outcome {
            self.warn("Unhealthy", format!("{} probe failed: {why}", probe.as_str()), name);
        }
        if verdict == Verdict::Failed && probe != ProbeKind::Readiness {
            self.doom(spec, probe, grace_secs);
        }
    }

    fn doom(&mut self, spec: &Spec, probe: ProbeKind, grace_secs: u64) {
        let Some(container) = self.containers.get_mut(&spec.name) else { return };
        if let State::Running(running) = &mut container.state {
            running.doomed = Some(grace_secs);
            let kind = probe.as_str().to_lowercase();
            let message = format!("Container {} failed {kind} probe, will be restarted", spec.name);
            self.note("Killing", message, &spec.name);
        }
    }
}
