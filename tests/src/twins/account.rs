//! The account of a log, event by event: who was alive, what was bound where, and what should not have been.
//!
//! It shares no code with the controllers and the scheduler. What upstream's rules allow at a revision is taken from
//! upstream's controllers: a ReplicaSet's controller (pkg/controller/replicaset) makes pods only up to `replicas` and
//! takes none away below it, counting those that have neither ended nor are being deleted; a rolling Deployment's sets
//! ask for at most `replicas` + `maxSurge` together after it grew one; the sum of what pods on a node request stays
//! within its `allocatable` (pkg/scheduler/framework/plugins/noderesources).

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, ensure};
use rutter_schemas::protocol::ledger::Fact;
use rutter_schemas::{Key, Op, Revision};
use serde_json::Value;

/// Examples of each wrong that are kept, for people to look at.
const EXAMPLES: usize = 5;

/// See the module.
#[derive(Debug, Default)]
pub struct Account {
    pub events: u64,
    pub births: u64,
    pub deaths: u64,
    pub bindings: u64,
    /// Pods made beyond what their set asked for at that revision.
    pub doubled_births: u64,
    /// Pods taken away below what their set asked for, or taken away twice.
    pub doubled_deaths: u64,
    /// Pods that were bound to a node although they had one.
    pub doubled_bindings: u64,
    /// Bindings after which a node had more than it can bear.
    pub overcommitted: u64,
    /// Sets that were grown beyond what their Deployment may surge to.
    pub overgrown: u64,
    pub examples: Vec<String>,
    last: Revision,
    pods: BTreeMap<Key, Pod>,
    sets: BTreeMap<String, Set>,
    deployments: BTreeMap<String, Deployment>,
    nodes: BTreeMap<String, Load>,
}

#[derive(Debug, Default)]
struct Pod {
    uid: String,
    owner: String,
    node: String,
    asks: Load,
    ended: bool,
    dying: bool,
}

#[derive(Debug)]
struct Set {
    name: String,
    owner: String,
    replicas: i64,
}

#[derive(Debug)]
struct Deployment {
    replicas: i64,
    surge: i64,
}

/// What a node has, or a pod asks for.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    cpu_milli: u64,
    memory: u64,
    pods: u64,
}

impl Account {
    /// Whether nothing was wrong.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.wrongs() == 0
    }

    /// How often something was wrong.
    #[must_use]
    pub fn wrongs(&self) -> u64 {
        self.doubled_births
            + self.doubled_deaths
            + self.doubled_bindings
            + self.overcommitted
            + self.overgrown
    }

    /// Takes in the next event of the log.
    ///
    /// # Errors
    /// When the log is not one: events out of order, or without what they say.
    pub fn take(&mut self, fact: &Fact) -> Result<()> {
        ensure!(fact.revision > self.last, "r{} after r{}", fact.revision, self.last);
        self.last = fact.revision;
        self.events += 1;
        let object = || -> Result<Value> {
            let text = fact.object.as_ref().with_context(|| format!("r{} has no object", fact.revision))?;
            Ok(serde_json::from_str(text.get())?)
        };
        match fact.key.resource.as_str() {
            "pods" => self.pod(fact, &object()?),
            "replicasets" => self.set(fact, &object()?),
            "deployments" => self.deployment(fact, &object()?),
            "nodes" => self.node(fact, &object()?),
            _ => {}
        }
        Ok(())
    }

    fn pod(&mut self, fact: &Fact, object: &Value) {
        let was = self.pods.remove(&fact.key).unwrap_or_default();
        let is = Pod::of(object);
        let (mut owner, node, born) = (is.owner.clone(), is.node.clone(), fact.op == Op::Create);
        let (was_active, is_active) = (was.is_active(), is.is_active() && fact.op != Op::Delete);
        let bound = was.node != node && fact.op != Op::Delete;
        let (was_bound, was_dying) = (!was.node.is_empty() && !born, was.dying && was.uid == is.uid);
        if fact.op != Op::Delete {
            self.pods.insert(fact.key.clone(), is);
        }
        if owner.is_empty() {
            owner = was.owner;
        }
        let by_controller = fact.actor.user == "replicaset-controller";
        match (was_active, is_active) {
            (false, true) if born => {
                self.births += 1;
                self.judge_birth(fact, &owner);
            }
            (true, false) if by_controller => {
                self.deaths += 1;
                self.judge_death(fact, &owner);
            }
            _ if was_dying && by_controller => {
                self.doubled_deaths += 1;
                self.note(fact, "it was being deleted already");
            }
            _ => {}
        }
        if bound {
            self.bindings += 1;
            if was_bound {
                self.doubled_bindings += 1;
                self.note(fact, &format!("it was on {} already", was.node));
            }
            self.judge_node(fact, &node);
        }
    }

    fn set(&mut self, fact: &Fact, object: &Value) {
        let uid = text(object, "/metadata/uid");
        if fact.op == Op::Delete {
            self.sets.remove(&uid);
            return;
        }
        let replicas = object["spec"]["replicas"].as_i64().unwrap_or(1);
        let (name, owner) = (fact.key.name.clone(), controller_of(object));
        let was = self.sets.insert(uid, Set { name, owner: owner.clone(), replicas });
        let grown = replicas > was.map_or(0, |was| was.replicas);
        if grown && fact.actor.user == "deployment-controller" {
            self.judge_growth(fact, &owner);
        }
    }

    fn deployment(&mut self, fact: &Fact, object: &Value) {
        let uid = text(object, "/metadata/uid");
        if fact.op == Op::Delete {
            self.deployments.remove(&uid);
            return;
        }
        let replicas = object["spec"]["replicas"].as_i64().unwrap_or(1);
        let surge = surge(&object["spec"]["strategy"]["rollingUpdate"]["maxSurge"], replicas);
        self.deployments.insert(uid, Deployment { replicas, surge });
    }

    fn node(&mut self, fact: &Fact, object: &Value) {
        if fact.op == Op::Delete {
            self.nodes.remove(&fact.key.name);
            return;
        }
        let has = &object["status"]["allocatable"];
        let of = |resource: &str| has[resource].as_str().unwrap_or("0");
        let load =
            Load { cpu_milli: milli(of("cpu")), memory: bytes(of("memory")), pods: milli(of("pods")) / 1000 };
        self.nodes.insert(fact.key.name.clone(), load);
    }

    fn judge_birth(&mut self, fact: &Fact, owner: &str) {
        let Some((name, replicas, alive)) = self.population(owner) else { return };
        if alive > replicas {
            self.doubled_births += 1;
            self.note(fact, &format!("{name} has {alive} pods of {replicas}"));
        }
    }

    fn judge_death(&mut self, fact: &Fact, owner: &str) {
        let Some((name, replicas, alive)) = self.population(owner) else { return };
        if alive < replicas {
            self.doubled_deaths += 1;
            self.note(fact, &format!("{name} is left with {alive} pods of {replicas}"));
        }
    }

    /// A set's name, how many pods it asks for, and how many it has; none for what no set made.
    fn population(&self, owner: &str) -> Option<(String, i64, i64)> {
        let set = self.sets.get(owner)?;
        let alive = self.pods.values().filter(|pod| pod.owner == owner && pod.is_active()).count();
        Some((set.name.clone(), set.replicas, i64::try_from(alive).unwrap_or(i64::MAX)))
    }

    fn judge_growth(&mut self, fact: &Fact, owner: &str) {
        let Some(deployment) = self.deployments.get(owner) else { return };
        let total: i64 = self.sets.values().filter(|set| set.owner == owner).map(|set| set.replicas).sum();
        let (replicas, surge) = (deployment.replicas, deployment.surge);
        if total > replicas + surge {
            self.overgrown += 1;
            self.note(fact, &format!("its Deployment's sets ask for {total} of {replicas} + {surge}"));
        }
    }

    fn judge_node(&mut self, fact: &Fact, node: &str) {
        let Some(has) = self.nodes.get(node).copied() else { return };
        let on = self.pods.values().filter(|pod| pod.node == node && !pod.ended);
        let asked = on.fold(Load::default(), |sum, pod| sum.with(&pod.asks));
        if asked.cpu_milli > has.cpu_milli || asked.memory > has.memory || asked.pods > has.pods {
            self.overcommitted += 1;
            self.note(fact, &format!("{node} has {has}, and {asked} are bound to it"));
        }
    }

    fn note(&mut self, fact: &Fact, what: &str) {
        if self.examples.len() < EXAMPLES {
            let (revision, kind, name) = (fact.revision, &fact.event_type, &fact.key.name);
            self.examples.push(format!("r{revision} {kind} {name} by {}: {what}", fact.actor.user));
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account { events, births, deaths, bindings, .. } = self;
        write!(f, "events={events} births={births} deaths={deaths} bindings={bindings} ")?;
        let Account { doubled_births, doubled_deaths, doubled_bindings, overcommitted, overgrown, .. } = self;
        write!(
            f,
            "doubled_births={doubled_births} doubled_deaths={doubled_deaths} \
             doubled_bindings={doubled_bindings} overcommitted={overcommitted} overgrown={overgrown}"
        )
    }
}

impl Pod {
    fn of(object: &Value) -> Pod {
        let containers = object["spec"]["containers"].as_array().into_iter().flatten();
        let asks = containers.fold(Load { pods: 1, ..Load::default() }, |sum, container| {
            let asked = &container["resources"]["requests"];
            let of = |resource: &str| asked[resource].as_str().unwrap_or("0");
            sum.with(&Load { cpu_milli: milli(of("cpu")), memory: bytes(of("memory")), pods: 0 })
        });
        Pod {
            uid: text(object, "/metadata/uid"),
            owner: controller_of(object),
            node: text(object, "/spec/nodeName"),
            asks,
            ended: matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed")),
            dying: !object["metadata"]["deletionTimestamp"].is_null(),
        }
    }

    fn is_active(&self) -> bool {
        !self.uid.is_empty() && !self.ended && !self.dying
    }
}

impl Load {
    fn with(self, other: &Load) -> Load {
        Load {
            cpu_milli: self.cpu_milli + other.cpu_milli,
            memory: self.memory + other.memory,
            pods: self.pods + other.pods,
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}m CPU, {} bytes, {} pods", self.cpu_milli, self.memory, self.pods)
    }
}

/// What a Node can give to pods, in thousandths of a CPU.
pub(super) fn allocatable_cpu(node: &Value) -> u64 {
    milli(node["status"]["allocatable"]["cpu"].as_str().unwrap_or("0"))
}

fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn controller_of(object: &Value) -> String {
    let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let controller =
        owners.filter(|owner| owner["controller"] == true).find_map(|owner| owner["uid"].as_str());
    controller.unwrap_or_default().to_owned()
}

/// A quantity as this load writes it, in thousandths.
fn milli(text: &str) -> u64 {
    match text.strip_suffix('m') {
        Some(milli) => milli.parse().unwrap_or(0),
        None => text.parse::<u64>().unwrap_or(0) * 1000,
    }
}

fn bytes(text: &str) -> u64 {
    let scaled = |suffix: &str, by: u64| Some(text.strip_suffix(suffix)?.parse::<u64>().ok()? * by);
    let scaled = scaled("Ki", 1 << 10).or_else(|| scaled("Mi", 1 << 20)).or_else(|| scaled("Gi", 1 << 30));
    scaled.or_else(|| text.parse().ok()).unwrap_or(0)
}

/// A share is rounded up, as upstream does; 25 % unless said.
fn surge(value: &Value, replicas: i64) -> i64 {
    let percent = match value.as_str() {
        Some(text) => text.strip_suffix('%').and_then(|percent| percent.parse().ok()).unwrap_or(25),
        None => 25,
    };
    value.as_i64().unwrap_or((replicas * percent + 99) / 100)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An event in the words of the log.
    fn fact(revision: u64, op: &str, kind: &str, name: &str, by: &str, object: &Value) -> Fact {
        let fact = json!({"revision": revision, "type": format!("{kind}Changed"), "op": op,
            "key": {"resource": kind, "namespace": "default", "name": name}, "at": "2026-01-01T00:00:00Z",
            "actor": {"user": by, "via": "test"}, "prior": 0, "object": object});
        serde_json::from_value(fact).unwrap()
    }

    fn pod(name: &str, node: &str, dying: bool) -> Value {
        let died = if dying { json!("2026-01-01T00:00:00Z") } else { Value::Null };
        json!({"metadata": {"name": name, "uid": name, "deletionTimestamp": died,
                            "ownerReferences": [{"uid": "web", "controller": true}]},
               "spec": {"nodeName": node, "containers": [{"resources": {"requests": {"cpu": "600m"}}}]}})
    }

    fn one_of(replicas: u64) -> Account {
        let mut account = Account::default();
        let set = json!({"metadata": {"uid": "web"}, "spec": {"replicas": replicas}});
        account.take(&fact(1, "+", "replicasets", "web", "me", &set)).unwrap();
        let node = json!({"status": {"allocatable": {"cpu": "1", "memory": "1Gi", "pods": "10"}}});
        account.take(&fact(2, "+", "nodes", "n", "me", &node)).unwrap();
        account.take(&fact(3, "+", "pods", "a", "replicaset-controller", &pod("a", "", false))).unwrap();
        account
    }

    #[test]
    fn a_birth_too_many_is_counted() {
        let mut account = one_of(1);
        assert!(account.holds());
        account.take(&fact(4, "+", "pods", "b", "replicaset-controller", &pod("b", "", false))).unwrap();
        assert_eq!((account.births, account.doubled_births), (2, 1));
    }

    #[test]
    fn a_death_too_many_is_counted_but_not_a_persons() {
        let mut account = one_of(1);
        let dying = pod("a", "", true);
        account.take(&fact(4, "~", "pods", "a", "replicaset-controller", &dying)).unwrap();
        assert_eq!((account.deaths, account.doubled_deaths), (1, 1));
        let mut account = one_of(1);
        account.take(&fact(4, "~", "pods", "a", "me", &dying)).unwrap();
        assert!(account.holds());
    }

    #[test]
    fn a_node_with_more_than_it_bears_is_counted() {
        let mut account = one_of(2);
        account.take(&fact(4, "+", "pods", "b", "replicaset-controller", &pod("b", "", false))).unwrap();
        account.take(&fact(5, "~", "pods", "a", "scheduler", &pod("a", "n", false))).unwrap();
        assert!(account.holds());
        account.take(&fact(6, "~", "pods", "b", "scheduler", &pod("b", "n", false))).unwrap();
        assert_eq!((account.bindings, account.overcommitted), (2, 1), "{:?}", account.examples);
    }
}
