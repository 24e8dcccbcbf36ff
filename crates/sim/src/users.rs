//! Users: they change what must change together, count, paint, deploy and scale, and read what must not be stale.

use std::collections::BTreeMap;
use std::fmt;

use rutter_controller::Intent;
use rutter_schemas::protocol::ledger::NowAnswer;
use rutter_schemas::{Key, Revision};
use serde_json::{Value, json};

use crate::decide::{Draft, Refusal};
use crate::ledger::{Asker, Word};
use crate::model::Model;
use crate::process::Role;
use crate::rng::Rng;
use crate::time::Time;
use crate::world::{Happening, Life, World};
use crate::write::{Ended, Purpose};

const USERS: usize = 4;
/// How often a write that met others' may be decided anew.
const ATTEMPTS: u32 = 8;

/// What a user wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    Namespace,
    /// Two objects that show the same number at every revision.
    Pair {
        pair: u64,
        value: u64,
    },
    /// One more than it was.
    Count {
        counter: u64,
    },
    /// An object gets another label, or is made with it.
    Paint {
        item: u64,
        colour: &'static str,
    },
    Remove {
        item: u64,
    },
    Deploy {
        name: &'static str,
        replicas: u64,
        cpu_millis: u64,
    },
    Scale {
        name: &'static str,
        replicas: u64,
    },
    SetImage {
        name: &'static str,
        image: u64,
    },
    Undeploy {
        name: &'static str,
    },
    Cordon {
        node: String,
        cordoned: bool,
    },
    /// A Service over the pods of a Deployment.
    Expose {
        name: &'static str,
    },
    /// A namespace with something in it.
    MakeSpace,
    EndSpace,
}

const DEPLOYMENTS: [&str; 3] = ["web", "db", "api"];
const COLOURS: [&str; 3] = ["red", "green", "blue"];

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wish::Namespace => f.write_str("make the namespace"),
            Wish::Pair { pair, value } => write!(f, "set both of pair-{pair} to {value}"),
            Wish::Count { counter } => write!(f, "count-{counter} plus one"),
            Wish::Paint { item, colour } => write!(f, "paint item-{item} {colour}"),
            Wish::Remove { item } => write!(f, "remove item-{item}"),
            Wish::Deploy { name, replicas, cpu_millis } => {
                write!(f, "deploy {name}: {replicas} of {cpu_millis}m")
            }
            Wish::Scale { name, replicas } => write!(f, "scale {name} to {replicas}"),
            Wish::SetImage { name, image } => write!(f, "set the image of {name} to v{image}"),
            Wish::Undeploy { name } => write!(f, "delete {name}"),
            Wish::Expose { name } => write!(f, "expose {name}"),
            Wish::MakeSpace => f.write_str("put something into namespace temp"),
            Wish::EndSpace => f.write_str("delete namespace temp"),
            Wish::Cordon { node, cordoned: true } => write!(f, "cordon {node}"),
            Wish::Cordon { node, cordoned: false } => write!(f, "uncordon {node}"),
        }
    }
}

impl Wish {
    pub fn draft(&self, model: &Model) -> Result<Draft, Refusal> {
        let intents = match self {
            Wish::Namespace => {
                let namespace =
                    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}});
                vec![create_if_absent(model, &Key::new("", "namespaces", "", "default"), namespace)]
            }
            Wish::Pair { pair, value } => ["a", "b"]
                .map(|half| {
                    put(model, &format!("pair-{pair}-{half}"), json!({"data": {"value": value.to_string()}}))
                })
                .into(),
            Wish::Count { counter } => {
                let name = format!("count-{counter}");
                let so_far = model.get(&config_map(&name)).map_or(0, |fact| counted(fact.object()));
                vec![put(model, &name, json!({"data": {"value": (so_far + 1).to_string()}}))]
            }
            Wish::Paint { item, colour } => {
                vec![put(model, &format!("item-{item}"), json!({"metadata": {"labels": {"colour": colour}}}))]
            }
            Wish::Remove { item } => vec![remove(model, &config_map(&format!("item-{item}")))],
            Wish::Deploy { name, replicas, cpu_millis } => {
                vec![create_if_absent(model, &deployment_key(name), deployment(name, *replicas, *cpu_millis))]
            }
            Wish::Scale { name, replicas } => {
                vec![change(model, deployment_key(name), json!({"spec": {"replicas": replicas}}))]
            }
            Wish::SetImage { name, image } => {
                let cpu_millis = 250 + 50 * (image % 3);
                let template = json!({"spec": {"containers": [container(*image, cpu_millis)]}});
                vec![change(model, deployment_key(name), json!({"spec": {"template": template}}))]
            }
            Wish::Expose { name } => {
                vec![create_if_absent(model, &Key::new("", "services", "default", name), service(name))]
            }
            Wish::MakeSpace => match model.get(&namespace_key("temp")) {
                Some(space) if space.meta.deletion.is_some() => {
                    return Err(Refusal::Denied("it is ending".into()));
                }
                Some(_) => {
                    vec![create_if_absent(model, &Key::new("", "configmaps", "temp", "x"), temporary())]
                }
                None => vec![create_if_absent(model, &namespace_key("temp"), namespace("temp"))],
            },
            Wish::EndSpace => vec![remove(model, &namespace_key("temp"))],
            Wish::Undeploy { name } => vec![remove(model, &deployment_key(name))],
            Wish::Cordon { node, cordoned } => {
                vec![change(
                    model,
                    Key::new("", "nodes", "", node),
                    json!({"spec": {"unschedulable": cordoned}}),
                )]
            }
        };
        let intents = intents.into_iter().flatten().collect();
        let (base, why) = (model.revision, self.to_string());
        Ok(Draft { intents, guards: Vec::new(), base, cause: None, why, user: "ada".into(), via: "gateway" })
    }
}

fn create_if_absent(model: &Model, key: &Key, object: Value) -> Option<Intent> {
    model.get(key).is_none().then_some(Intent::Create { object })
}

/// Makes a ConfigMap, or changes it.
fn put(model: &Model, name: &str, patch: Value) -> Option<Intent> {
    let key = config_map(name);
    if let Some(fact) = model.get(&key) {
        return Some(Intent::Merge { key, expect: fact.revision, patch, subresource: None });
    }
    let mut object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}});
    crate::decide::merge(&mut object, &patch);
    Some(Intent::Create { object })
}

/// Changes an object that is there.
fn change(model: &Model, key: Key, patch: Value) -> Option<Intent> {
    let expect = model.get(&key)?.revision;
    Some(Intent::Merge { key, expect, patch, subresource: None })
}

fn namespace_key(name: &str) -> Key {
    Key::new("", "namespaces", "", name)
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn temporary() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "temp"}})
}

fn service(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
           "spec": {"clusterIP": "None", "selector": {"app": name}, "ports": [{"port": 80}]}})
}

fn deployment_key(name: &str) -> Key {
    Key::new("apps", "deployments", "default", name)
}

fn deployment(name: &str, replicas: u64, cpu_millis: u64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
           "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                    "template": {"metadata": {"labels": {"app": name}},
                                 "spec": {"containers": [container(1, cpu_millis)]}}}})
}

fn container(image: u64, cpu_millis: u64) -> Value {
    json!({"name": "main", "image": format!("demo:v{image}"), "resources": {"requests": {"cpu": format!("{cpu_millis}m")}}})
}

pub(crate) fn remove(model: &Model, key: &Key) -> Option<Intent> {
    let expect = model.get(key)?.revision;
    Some(Intent::Delete { key: key.clone(), expect, uid: None, grace_seconds: None, propagation: None })
}

pub fn config_map(name: &str) -> Key {
    Key::new("", "configmaps", "default", name)
}

/// The number that an object of ours shows.
pub fn counted(object: &Value) -> u64 {
    object["data"]["value"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// A reader that waits until its gateway has what the ledger said.
struct Reading {
    gateway: Life,
    /// What had been acknowledged to anyone when it began: it must see that.
    acknowledged: Revision,
    incarnation: u32,
    until: Option<Revision>,
}

#[derive(Default)]
pub struct Users {
    /// Acts left, for each user.
    acts: Vec<u64>,
    readings: BTreeMap<u64, Reading>,
    last_reading: u64,
    value: u64,
}

impl Users {
    pub(crate) fn new(rng: &mut Rng) -> Users {
        Users { acts: (0..USERS).map(|_| rng.between(5, 25)).collect(), ..Users::default() }
    }

    fn wish(&mut self, rng: &mut Rng, nodes: usize) -> Wish {
        let name = rng.pick(&DEPLOYMENTS).copied().unwrap_or("web");
        match rng.below(26) {
            22 => Wish::Expose { name },
            23..=24 => Wish::MakeSpace,
            25 => Wish::EndSpace,
            10..=12 => {
                Wish::Deploy { name, replicas: rng.between(1, 5), cpu_millis: 50 * rng.between(4, 12) }
            }
            13..=17 => Wish::Scale { name, replicas: rng.between(0, 7) },
            18..=19 => Wish::SetImage { name, image: rng.between(1, 9) },
            20 => Wish::Undeploy { name },
            21 => {
                Wish::Cordon { node: format!("n{}", rng.between(1, nodes as u64)), cordoned: rng.chance(500) }
            }
            0..=2 => {
                self.value += 1;
                Wish::Pair { pair: rng.below(2), value: self.value }
            }
            3..=5 => Wish::Count { counter: rng.below(2) },
            6..=8 => Wish::Paint { item: rng.below(4), colour: rng.pick(&COLOURS).copied().unwrap_or("red") },
            _ => Wish::Remove { item: rng.below(4) },
        }
    }
}

impl World {
    pub(crate) fn start_users(&mut self) {
        self.write(0, Purpose::User(Wish::Namespace), ATTEMPTS);
        for user in 0..USERS {
            let delay = self.rng.time(Time::millis(1_400), Time::millis(2_500));
            self.after(delay, Happening::UserActs { user });
        }
    }

    pub(crate) fn user_acts(&mut self, user: usize) {
        if self.users.acts[user] == 0 {
            return;
        }
        let pause = self.rng.time(Time::millis(1), Time::millis(900));
        self.after(pause, Happening::UserActs { user });
        let gateways: Vec<usize> =
            self.processes.iter().filter(|p| p.role == Role::Gateway && p.up).map(|p| p.life.index).collect();
        let Some(gateway) = self.rng.pick(&gateways).copied() else { return };
        self.users.acts[user] -= 1;
        if self.rng.chance(300) {
            return self.begin_reading(gateway);
        }
        let wish = self.users.wish(&mut self.rng, self.nodes.count());
        self.story.line(self.now, format_args!("user {}", user + 1), || format!("wants to {wish}"));
        self.write(gateway, Purpose::User(wish), ATTEMPTS);
    }

    fn begin_reading(&mut self, gateway: usize) {
        let (acknowledged, incarnation) = (self.laws.acknowledged, self.laws.log.incarnation);
        self.users.last_reading += 1;
        let read = self.users.last_reading;
        let gateway = self.processes[gateway].life;
        self.users.readings.insert(read, Reading { gateway, acknowledged, incarnation, until: None });
        self.to_leader(Word::Ask { asker: Asker::Reader { process: gateway, read } });
        self.after(Time::secs(3), Happening::ReadLearned { to: gateway, read, answer: None });
    }

    /// An answer lets the reader wait for its gateway; none ends the reading.
    pub(crate) fn read_learned(&mut self, to: Life, read: u64, answer: Option<NowAnswer>) {
        match (self.users.readings.get_mut(&read), answer) {
            (Some(reading), Some(now)) => reading.until = Some(now.revision),
            (Some(_), None) => drop(self.users.readings.remove(&read)),
            (None, _) => {}
        }
        self.check_reads(to.index);
    }

    /// What a gateway shows now: to readers that waited for it, and of what must be seen whole.
    pub(crate) fn check_reads(&mut self, index: usize) {
        let process = &self.processes[index];
        if process.role != Role::Gateway || !process.up {
            return;
        }
        let (now, at, life, name) = (self.now, process.model.revision, process.life, process.name.clone());
        if let Some(half) = half_seen(&process.model) {
            self.laws.break_law(6, now, format!("{name} shows half a commit: {half}"));
        }
        let incarnation = self.laws.log.incarnation;
        let served =
            |reading: &Reading| reading.gateway == life && reading.until.is_some_and(|until| at >= until);
        for (_, reading) in self.users.readings.extract_if(.., |_, reading| served(reading)) {
            if reading.incarnation == incarnation && at < reading.acknowledged {
                let what = format!(
                    "{name} answers a read at r{at}, and r{} was acknowledged before",
                    reading.acknowledged
                );
                self.laws.break_law(6, now, what);
            }
        }
    }

    pub(crate) fn wish_ended(&mut self, wish: &Wish, ended: &Ended) {
        self.story.line(self.now, "user", || match ended {
            Ended::Committed { last } => format!("is told: {wish}: done at r{last}"),
            Ended::Unchanged => format!("is told: {wish}: nothing to change"),
            Ended::Unknown => format!("is told: {wish}: may have been applied"),
            Ended::Not(Some(rejection)) => format!("is told: {wish}: not done, {rejection}"),
            Ended::Not(None) => format!("is told: {wish}: timed out, not done"),
            Ended::Denied(refusal) => format!("is told: {wish}: refused, {refusal:?}"),
        });
        let again = *wish == Wish::Namespace && !matches!(ended, Ended::Committed { .. } | Ended::Unchanged);
        if again {
            self.write(0, Purpose::User(Wish::Namespace), ATTEMPTS);
        }
    }
}

/// A pair whose halves differ.
fn half_seen(model: &Model) -> Option<String> {
    (0..2).find_map(|pair| {
        let half =
            |half| model.get(&config_map(&format!("pair-{pair}-{half}"))).map(|fact| counted(fact.object()));
        let (a, b) = (half("a"), half("b"));
        (a != b).then(|| format!("pair-{pair} is {a:?} and {b:?}"))
    })
}
