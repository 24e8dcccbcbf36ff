//! Law 4, read from the log commit by commit: no node has more bound to it than it has; no ReplicaSet has a birth or a
//! death too many; no Deployment asks for more than its surge allows, or takes away more than it may.

use std::collections::BTreeSet;

use rutter_controller::{Fact, read};
use rutter_schemas::{Key, Op};
use serde_json::Value;

use super::log::{Judgement, Log, broken};
use crate::nodes::{cpu_millis, millis};

/// What one commit changed: each object before it and after.
pub(super) struct Changed<'a> {
    pub(super) before: Option<&'a Fact>,
    pub(super) fact: &'a Fact,
}

/// Judges the state after a commit, as far as the commit changed it.
pub(super) fn judge(log: &Log, actor: &str, why: &str, changes: &[Changed<'_>]) -> Judgement {
    let (mut nodes, mut births, mut deaths) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for change in changes.iter().filter(|change| change.fact.is("", "pods")) {
        let (was, is) = (change.before.map(|old| old.object()), change.fact.after());
        nodes.extend(is.map(|pod| read::text(pod, "/spec/nodeName").to_owned()));
        let active = (was.is_some_and(is_active), is.is_some_and(is_active));
        let owner =
            change.fact.meta.owners.iter().find(|owner| owner.controller).map(|owner| owner.uid.clone());
        match active {
            (false, true) => births.extend(owner),
            (true, false) => deaths.extend(owner),
            _ => {}
        }
    }
    nodes.iter().filter(|node| !node.is_empty()).try_for_each(|node| judge_node(log, node, why))?;
    births.iter().try_for_each(|set| judge_births(log, set, why))?;
    if actor == "replicaset-controller" {
        deaths.iter().try_for_each(|set| judge_deaths(log, set, why))?;
    }
    if actor == "deployment-controller" {
        judge_scaling(log, why, changes)?;
    }
    Ok(())
}

fn judge_node(log: &Log, name: &str, why: &str) -> Judgement {
    let Some(node) = log.row(&Key::new("", "nodes", "", name)) else { return Ok(()) };
    let has = millis(read::text(node.object(), "/status/allocatable/cpu"));
    let bound = log.of("", "pods").filter(|pod| read::text(pod.object(), "/spec/nodeName") == name);
    let asked: u64 = bound.filter(|pod| !has_ended(pod.object())).map(|pod| cpu_millis(pod.object())).sum();
    if asked > has {
        return broken(
            4,
            format!("r{} ({why}): {name} has {has}m and {asked}m are bound to it", log.revision),
        );
    }
    Ok(())
}

fn judge_births(log: &Log, set: &str, why: &str) -> Judgement {
    let Some((name, replicas, active)) = population(log, set) else { return Ok(()) };
    if active > replicas {
        return broken(4, format!("r{} ({why}): {name} has {active} pods of {replicas}", log.revision));
    }
    Ok(())
}

fn judge_deaths(log: &Log, set: &str, why: &str) -> Judgement {
    let Some((name, replicas, active)) = population(log, set) else { return Ok(()) };
    if active < replicas {
        return broken(
            4,
            format!("r{} ({why}): {name} was left with {active} pods of {replicas}", log.revision),
        );
    }
    Ok(())
}

/// A ReplicaSet's name, how many pods it asks for and how many it has.
fn population(log: &Log, uid: &str) -> Option<(String, i64, i64)> {
    let set = log.of("apps", "replicasets").find(|set| set.uid == uid)?;
    let active = log.of("", "pods").filter(|pod| is_active(pod.object()) && is_controlled(pod, uid)).count();
    let replicas = read::number(set.object(), "/spec/replicas");
    Some((set.key.name.clone(), replicas, i64::try_from(active).unwrap_or(i64::MAX)))
}

/// A Deployment's sets together, after it grew one or shrank one.
fn judge_scaling(log: &Log, why: &str, changes: &[Changed<'_>]) -> Judgement {
    for change in
        changes.iter().filter(|change| change.fact.is("apps", "replicasets") && change.fact.op != Op::Delete)
    {
        let asked = |fact: &Fact| read::number(fact.object(), "/spec/replicas");
        let (was, is) = (change.before.map_or(0, asked), asked(change.fact));
        let Some(owner) = change.fact.meta.owners.iter().find(|owner| owner.controller) else { continue };
        let Some(deployment) = log.of("apps", "deployments").find(|deployment| deployment.uid == owner.uid)
        else {
            continue;
        };
        let wanted = asked(deployment);
        let total: i64 = log
            .of("apps", "replicasets")
            .filter(|set| is_controlled(set, &owner.uid))
            .map(|s| asked(s))
            .sum();
        let (surge, unavailable) = margins(deployment.object(), wanted);
        if is > was && total > wanted + surge {
            let name = &deployment.key.name;
            return broken(
                4,
                format!(
                    "r{} ({why}): the sets of {name} ask for {total} pods of {wanted} + {surge}",
                    log.revision
                ),
            );
        }
        if is < was && total < wanted - unavailable {
            let name = &deployment.key.name;
            return broken(
                4,
                format!(
                    "r{} ({why}): the sets of {name} are left with {total} pods of {wanted} - {unavailable}",
                    log.revision
                ),
            );
        }
    }
    Ok(())
}

/// `maxSurge` rounded up and `maxUnavailable` rounded down, as upstream does.
fn margins(deployment: &Value, replicas: i64) -> (i64, i64) {
    let part = |field: &str, up: bool| {
        let value = &deployment["spec"]["strategy"]["rollingUpdate"][field];
        let percent =
            value.as_str().and_then(|text| text.strip_suffix('%')).and_then(|text| text.parse::<i64>().ok());
        match (value.as_i64(), percent) {
            (Some(number), _) => number,
            (None, Some(percent)) if up => (replicas * percent + 99) / 100,
            (None, Some(percent)) => replicas * percent / 100,
            (None, None) => 0,
        }
    };
    (part("maxSurge", true), part("maxUnavailable", false))
}

pub(super) fn is_active(pod: &Value) -> bool {
    !has_ended(pod) && pod["metadata"]["deletionTimestamp"].is_null()
}

pub(super) fn has_ended(pod: &Value) -> bool {
    matches!(read::text(pod, "/status/phase"), "Succeeded" | "Failed")
}

pub(super) fn is_controlled(fact: &Fact, uid: &str) -> bool {
    fact.meta.owners.iter().any(|owner| owner.controller && owner.uid == uid)
}
