//! What has to be so when everything has come to rest.

use std::collections::BTreeSet;

use rutter_controller::{Fact, read};
use rutter_schemas::Count;
use serde_json::Value;

use super::log::{Judgement, Log, broken};
use super::quotas;
use super::workloads::{has_ended, is_active, is_controlled};
use crate::model::Model;
use crate::nodes::{cpu_millis, millis};
use crate::world::World;

impl World {
    /// Laws 1, 3 and 6 at the end of a run.
    pub(crate) fn judge_the_end(&mut self) {
        self.judge_views();
        self.judge_told();
        if let Err((law, what)) = judge_workloads(&self.laws.log) {
            self.laws.break_law(law, self.now, what);
        }
    }

    /// Law 1: every projection and every view is what the whole log makes.
    fn judge_views(&mut self) {
        let mut rebuilt = Model::default();
        let mut log = Vec::new();
        for (_, entry) in self.stream.committed() {
            rebuilt.count(&entry.counted);
            rebuilt.apply(&entry.facts, entry.frame.header.last(), false);
            log.extend(entry.said());
        }
        let mut wrong = Vec::new();
        for process in &self.processes {
            if let Some(difference) = process.model.difference(&rebuilt) {
                wrong.push(format!("in {}, {difference}", process.name));
            }
            for member in &process.crew {
                if let Some(difference) = member.differs_from_rebuilt(&log, rebuilt.revision) {
                    wrong.push(format!(
                        "the view of {} in {} differs: {difference}",
                        member.name(),
                        process.name
                    ));
                }
            }
        }
        if let Some(what) = wrong.into_iter().next() {
            self.laws.break_law(1, self.now, what);
        }
    }

    /// Law 6: what anyone was told is in the log, as told.
    fn judge_told(&mut self) {
        let laws = &self.laws;
        let lost = laws.told().find(|(id, told)| laws.log.commit(*id) != Some(*told));
        if let Some((_, (first, _))) = lost {
            self.laws.break_law(
                6,
                self.now,
                format!("the commit acknowledged as r{first} is not in the log"),
            );
        }
    }
}

/// Law 3: whatever happened on the way, it has come to what users asked for last.
fn judge_workloads(log: &Log) -> Judgement {
    for fact in log
        .of("", "pods")
        .chain(log.of("apps", "replicasets"))
        .chain(log.of("discovery.k8s.io", "endpointslices"))
    {
        judge_owner(log, fact)?;
    }
    log.of("", "namespaces").try_for_each(|namespace| judge_namespace(namespace))?;
    log.of("", "resourcequotas").try_for_each(|quota| judge_quota(log, quota))?;
    log.of("", "services").try_for_each(|service| judge_service(log, service))?;
    let waiting: Vec<&Fact> =
        log.of("", "pods").map(|pod| &**pod).filter(|pod| waits(pod.object())).collect();
    for pod in &waiting {
        judge_waiting(log, pod)?;
    }
    // A rollout may wait for room as long as it likes; without that it is complete.
    if waiting.is_empty() {
        return log.of("apps", "deployments").try_for_each(|deployment| judge_deployment(log, deployment));
    }
    Ok(())
}

fn judge_owner(log: &Log, fact: &Fact) -> Judgement {
    let orphaned =
        fact.meta.owners.iter().find(|owner| owner.controller && !log.rows().any(|row| row.uid == owner.uid));
    match orphaned {
        Some(owner) => broken(3, format!("{} outlived its {} {}", fact.key, owner.kind, owner.name)),
        None => Ok(()),
    }
}

fn judge_namespace(namespace: &Fact) -> Judgement {
    match namespace.meta.deletion {
        Some(_) => broken(3, format!("everything is at rest, and {} is still ending", namespace.key)),
        None => Ok(()),
    }
}

/// What a quota says is used is what is there, and its counter stands at that.
fn judge_quota(log: &Log, quota: &Fact) -> Judgement {
    let there = quotas::counted(log, &quota.key.namespace);
    let told = read::text(&quota.object()["status"]["used"], &format!("/{}", quotas::COUNTED_IN_POINTER));
    let counter = log.counter(&Count::name_of(&quota.uid, quotas::COUNTED));
    if told != there.to_string() || counter != there {
        let what =
            format!("{} is at rest with {there} there, {told} told, and its counter at {counter}", quota.key);
        return broken(3, what);
    }
    Ok(())
}

/// The ready endpoints of a Service are the ready pods it selects.
fn judge_service(log: &Log, service: &Fact) -> Judgement {
    let name = &service.key.name;
    let pods =
        log.of("", "pods").filter(|pod| pod.meta.labels.get("app") == Some(name) && is_active(pod.object()));
    let ready: BTreeSet<&str> =
        pods.filter(|pod| read::holds(pod.object(), "Ready")).map(|pod| pod.key.name.as_str()).collect();
    let slices =
        log.of("discovery.k8s.io", "endpointslices").filter(|slice| is_controlled(slice, &service.uid));
    let endpoints = slices.flat_map(|slice| read::list(slice.object(), "/endpoints"));
    let serving = endpoints.filter(|endpoint| read::flag(endpoint, "/conditions/ready"));
    let serving: BTreeSet<&str> = serving.map(|endpoint| read::text(endpoint, "/targetRef/name")).collect();
    if ready != serving {
        return broken(
            3,
            format!("{name} is at rest with the endpoints {serving:?}, and ready are {ready:?}"),
        );
    }
    Ok(())
}

fn waits(pod: &Value) -> bool {
    read::text(pod, "/spec/nodeName").is_empty() && is_active(pod)
}

/// A pod that waits finds no room on any node that would take it.
fn judge_waiting(log: &Log, pod: &Fact) -> Judgement {
    let asks = cpu_millis(pod.object());
    for node in log.of("", "nodes").filter(|node| takes_pods(node.object())) {
        let has = millis(read::text(node.object(), "/status/allocatable/cpu"));
        let bound =
            log.of("", "pods").filter(|pod| read::text(pod.object(), "/spec/nodeName") == node.key.name);
        let taken: u64 =
            bound.filter(|pod| !has_ended(pod.object())).map(|pod| cpu_millis(pod.object())).sum();
        if taken + asks <= has {
            let (name, left) = (&node.key.name, has - taken);
            return broken(3, format!("{} waits for {asks}m, and {name} has {left}m left", pod.key));
        }
    }
    Ok(())
}

fn takes_pods(node: &Value) -> bool {
    read::holds(node, "Ready")
        && !read::flag(node, "/spec/unschedulable")
        && read::list(node, "/spec/taints").is_empty()
}

/// As many pods as asked for, of the template asked for last, all of them running.
fn judge_deployment(log: &Log, deployment: &Fact) -> Judgement {
    let (object, name) = (deployment.object(), &deployment.key.name);
    let wanted = read::number(object, "/spec/replicas");
    let template = &object["spec"]["template"]["spec"];
    let sets = log.of("apps", "replicasets").filter(|set| is_controlled(set, &deployment.uid));
    let (mut current, mut ready) = (0, 0);
    for set in sets {
        let pods: Vec<_> = log
            .of("", "pods")
            .filter(|pod| is_controlled(pod, &set.uid) && is_active(pod.object()))
            .collect();
        if set.object()["spec"]["template"]["spec"] != *template && !pods.is_empty() {
            return broken(
                3,
                format!(
                    "{name} is at rest, and {} of another template has {} pods",
                    set.key.name,
                    pods.len()
                ),
            );
        }
        current += pods.len();
        ready += pods.iter().filter(|pod| read::holds(pod.object(), "Ready")).count();
    }
    if i64::try_from(current) != Ok(wanted) || ready != current {
        return broken(3, format!("{name} is at rest with {current} pods, {ready} ready, of {wanted}"));
    }
    let (seen, generation) =
        (read::number(object, "/status/observedGeneration"), read::number(object, "/metadata/generation"));
    if seen != generation {
        return broken(
            3,
            format!("{name} is at rest, and its status is of generation {seen}, not {generation}"),
        );
    }
    Ok(())
}
