//! What users want, and the objects that come of it.

use std::fmt;

use rutter_controller::Intent;
use rutter_schemas::Key;
use serde_json::{Value, json};

use crate::decide::{Draft, Refusal};
use crate::model::Model;
use crate::rng::Rng;

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
    /// So many ConfigMaps and no more.
    Limit {
        hard: u64,
    },
    Unlimit,
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
            Wish::Limit { hard } => write!(f, "limit ConfigMaps to {hard}"),
            Wish::Unlimit => f.write_str("delete the limit"),
            Wish::Cordon { node, cordoned: true } => write!(f, "cordon {node}"),
            Wish::Cordon { node, cordoned: false } => write!(f, "uncordon {node}"),
        }
    }
}

impl Wish {
    /// Any of them. `fresh` is a number that was never used before.
    pub fn any(rng: &mut Rng, nodes: usize, fresh: u64) -> Wish {
        let name = rng.pick(&DEPLOYMENTS).copied().unwrap_or("web");
        let colour = rng.pick(&COLOURS).copied().unwrap_or("red");
        match rng.below(31) {
            0..=2 => Wish::Pair { pair: rng.below(2), value: fresh },
            3..=5 => Wish::Count { counter: rng.below(2) },
            6..=8 => Wish::Paint { item: rng.below(4), colour },
            9 => Wish::Remove { item: rng.below(4) },
            10..=12 => {
                Wish::Deploy { name, replicas: rng.between(1, 5), cpu_millis: 50 * rng.between(4, 12) }
            }
            13..=17 => Wish::Scale { name, replicas: rng.between(0, 7) },
            18..=19 => Wish::SetImage { name, image: rng.between(1, 9) },
            20 => Wish::Undeploy { name },
            21 => {
                Wish::Cordon { node: format!("n{}", rng.between(1, nodes as u64)), cordoned: rng.chance(500) }
            }
            22 => Wish::Expose { name },
            23..=24 => Wish::MakeSpace,
            25 => Wish::EndSpace,
            26..=29 => Wish::Limit { hard: rng.between(2, 9) },
            _ => Wish::Unlimit,
        }
    }

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
            Wish::Limit { hard } => {
                let spec = json!({"spec": {"hard": {"count/configmaps": hard.to_string()}}});
                match model.get(&quota_key()) {
                    Some(_) => vec![change(model, quota_key(), spec)],
                    None => vec![Some(Intent::Create { object: quota(&spec) })],
                }
            }
            Wish::Unlimit => vec![remove(model, &quota_key())],
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
        let (guards, counters) = Default::default();
        Ok(Draft { intents, guards, counters, base, cause: None, why, user: "ada".into(), via: "gateway" })
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
    json_patch::merge(&mut object, &patch);
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

fn quota_key() -> Key {
    Key::new("", "resourcequotas", "default", "q")
}

fn quota(spec: &Value) -> Value {
    let mut quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "default"}});
    json_patch::merge(&mut quota, spec);
    quota
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
