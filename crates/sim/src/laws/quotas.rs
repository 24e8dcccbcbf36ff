//! Law 4, of quotas: nobody bears what exceeds one, however many bear at once and however far behind their views are.

use rutter_controller::read;
use rutter_schemas::Op;

use super::log::{Judgement, Log, broken};
use super::workloads::Changed;

/// What quotas count in these worlds.
pub(super) const COUNTED: &str = "count/configmaps";
pub(super) const COUNTED_IN_POINTER: &str = "count~1configmaps";

/// Judges the state after a commit, if it bore what is counted.
pub(super) fn judge(log: &Log, why: &str, changes: &[Changed<'_>]) -> Judgement {
    let births = changes.iter().map(|change| change.fact);
    for birth in births.filter(|fact| fact.op == Op::Create && fact.is("", "configmaps")) {
        let namespace = &birth.key.namespace;
        let there = counted(log, namespace);
        for quota in log.of("", "resourcequotas").filter(|quota| quota.key.namespace == *namespace) {
            let hard = read::text(&quota.object()["status"]["hard"], &format!("/{COUNTED_IN_POINTER}"));
            if hard.parse().is_ok_and(|hard: i64| there > hard) {
                let what = format!("r{} ({why}): {} has {there} of {hard}", log.revision, quota.key);
                return broken(4, what);
            }
        }
    }
    Ok(())
}

pub(super) fn counted(log: &Log, namespace: &str) -> i64 {
    let there = log.of("", "configmaps").filter(|object| object.key.namespace == namespace);
    i64::try_from(there.count()).unwrap_or(i64::MAX)
}
