//! Probes: asked on their schedule, each answer an input, until they are no longer wanted.

use std::time::Duration;

use rutter_nodeagent_core::machine::{Check, Input, ProbeKind, ProbeTiming};

use super::Workshop;
use crate::agent::hooks::run_check;
use crate::probe;
use crate::runtime::Runtime;

impl Workshop {
    pub(super) fn start_probe(
        &self,
        uid: String,
        container: String,
        id: String,
        kind: ProbeKind,
        check: Check,
        timing: ProbeTiming,
    ) {
        if matches!(self.runtime, Runtime::Sim(_)) {
            return self.answer_probe(uid, container, id, kind);
        }
        let token = self.end.child_token();
        self.with_running(|running| running.probes.insert((id.clone(), kind), token.clone()));
        let shop = self.clone();
        tokio::spawn(token.run_until_cancelled_owned(async move {
            let mut schedule = probe::Schedule::new(timing);
            let timeout = Duration::from_secs(timing.timeout_secs);
            let ask = || run_check(&shop.runtime, &id, &check, timeout);
            let tell = async |outcome| {
                let input =
                    Input::Probed { container: container.clone(), id: id.clone(), probe: kind, outcome };
                shop.inputs.send((uid.clone(), input)).await.is_ok()
            };
            schedule.next().await;
            let first = ask().await;
            let early = first.is_err() && kind != ProbeKind::Liveness;
            let mut goes_on = tell(first).await;
            if early && schedule.ask_early(ask).await {
                goes_on = tell(Ok(())).await;
            }
            while goes_on {
                schedule.next().await;
                goes_on = tell(ask().await).await;
            }
        }));
    }

    /// A simulated container answers every probe well, once.
    pub(super) fn answer_probe(&self, uid: String, container: String, id: String, probe: ProbeKind) {
        let _ = self.inputs.try_send((uid, Input::Probed { container, id, probe, outcome: Ok(()) }));
    }

    pub(super) fn stop_probe(&self, id: &str, kind: ProbeKind) {
        if let Some(token) = self.with_running(|running| running.probes.remove(&(id.to_owned(), kind))) {
            token.cancel();
        }
    }
}
