//! What the controller of EndpointSlices looks at: Services with the pods they select, the slices there are, and
//! the zones of nodes.

use std::collections::{BTreeMap, BTreeSet};

use rutter_controller::read::{flag, holds, list, text, texts};
use rutter_controller::{Fact, Reads};
use rutter_schemas::{Key, Revision};
use serde_json::Value;

use super::slice::{self, Family, Slice};
use crate::groups::{Groups, Mark, borne};

type Labels = BTreeMap<String, String>;

#[derive(Debug, Default, PartialEq)]
pub struct View {
    services: BTreeMap<Key, Service>,
    /// The Services by the mark that their selectors demand.
    selecting: Groups<Mark>,
    pods: BTreeMap<Key, Pod>,
    /// The pods that each Service selects.
    members: BTreeMap<Key, BTreeSet<Key>>,
    slices: BTreeMap<Key, Slice>,
    slices_of: BTreeMap<Key, BTreeSet<Key>>,
    zones: BTreeMap<String, String>,
    reads: Reads,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Service {
    pub key: Key,
    pub uid: String,
    pub revision: Revision,
    pub deleting: bool,
    pub labels: Labels,
    /// None when somebody else looks after its endpoints.
    pub selector: Option<Labels>,
    pub headless: bool,
    pub publish_not_ready: bool,
    pub families: Vec<Family>,
    pub ports: Vec<ServicePort>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServicePort {
    pub name: String,
    pub protocol: String,
    pub app_protocol: Option<String>,
    pub target: Target,
}

/// A port of a pod, by number or by the name that its containers give it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Number(i64),
    Name(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pod {
    pub key: Key,
    pub uid: String,
    pub labels: Labels,
    pub addresses: Vec<String>,
    pub node: String,
    pub ready: bool,
    pub terminating: bool,
    pub ended: bool,
    /// `spec.hostname` and `spec.subdomain`.
    pub hostname: String,
    pub subdomain: String,
    /// Named container ports: name, protocol, number.
    pub ports: Vec<(String, String, i64)>,
}

impl View {
    pub(crate) fn service(&self, key: &Key) -> Option<&Service> {
        self.reads.count(1);
        self.services.get(key)
    }

    pub(crate) fn pods_of(&self, service: &Service) -> impl Iterator<Item = &Pod> {
        let keys = self.members.get(&service.key).into_iter().flatten();
        keys.filter_map(|key| {
            self.reads.count(1);
            self.pods.get(key)
        })
    }

    pub(crate) fn slices_of(&self, service: &Key) -> Vec<&Slice> {
        let keys = self.slices_of.get(service).into_iter().flatten();
        let slices: Vec<&Slice> = keys.filter_map(|key| self.slices.get(key)).collect();
        self.reads.count(slices.len());
        slices
    }

    pub(crate) fn has_slice(&self, key: &Key) -> bool {
        self.slices.contains_key(key)
    }

    pub(crate) fn zone(&self, node: &str) -> &str {
        self.zones.get(node).map_or("", String::as_str)
    }

    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    pub(crate) fn apply_service(&mut self, fact: &Fact) {
        let old = self.services.remove(&fact.key);
        if let Some(mark) = old.as_ref().and_then(Service::mark) {
            self.selecting.remove(mark, &fact.key);
        }
        let Some(object) = fact.after() else {
            self.members.remove(&fact.key);
            return;
        };
        let service = read_service(fact, object);
        if old.is_none_or(|old| old.selector != service.selector) {
            let members = self.pods_in(&fact.key.namespace).filter(|pod| service.selects(&pod.labels));
            let members = members.map(|pod| pod.key.clone()).collect();
            self.members.insert(fact.key.clone(), members);
        }
        if let Some(mark) = service.mark() {
            self.selecting.insert(mark, &fact.key);
        }
        self.services.insert(fact.key.clone(), service);
    }

    pub(crate) fn apply_pod(&mut self, fact: &Fact) {
        if let Some(old) = self.pods.remove(&fact.key) {
            for service in self.who_selects(&old) {
                self.members.entry(service).or_default().remove(&fact.key);
            }
        }
        if let Some(pod) = fact.after().map(|object| read_pod(fact, object)) {
            for service in self.who_selects(&pod) {
                self.members.entry(service).or_default().insert(fact.key.clone());
            }
            self.pods.insert(pod.key.clone(), pod);
        }
    }

    pub(crate) fn apply_slice(&mut self, fact: &Fact) {
        if let Some(old) = self.slices.remove(&fact.key)
            && let Some(keys) = self.slices_of.get_mut(&old.service)
        {
            keys.remove(&fact.key);
            if keys.is_empty() {
                self.slices_of.remove(&old.service);
            }
        }
        if let Some(slice) = fact.after().and_then(|object| slice::read(fact, object)) {
            self.slices_of.entry(slice.service.clone()).or_default().insert(slice.key.clone());
            self.slices.insert(slice.key.clone(), slice);
        }
    }

    pub(crate) fn apply_node(&mut self, fact: &Fact) {
        let zone = fact.meta.labels.get("topology.kubernetes.io/zone").filter(|_| fact.after().is_some());
        match zone {
            Some(zone) => self.zones.insert(fact.key.name.clone(), zone.clone()),
            None => self.zones.remove(&fact.key.name),
        };
    }

    /// The Services that selected the pod and those that do now.
    pub(crate) fn woken_by_pod(&self, fact: &Fact) -> Vec<Key> {
        let old = self.pods.get(&fact.key);
        let new = fact.after().map(|object| read_pod(fact, object));
        if old == new.as_ref() {
            return Vec::new();
        }
        let both = [old, new.as_ref()].into_iter().flatten();
        let woken: BTreeSet<Key> = both.flat_map(|pod| self.who_selects(pod)).collect();
        woken.into_iter().collect()
    }

    fn who_selects(&self, pod: &Pod) -> Vec<Key> {
        let demanding = borne(&pod.key.namespace, &pod.labels).flat_map(|mark| self.selecting.of(mark));
        let selects = |key: &&Key| self.services.get(key).is_some_and(|service| service.selects(&pod.labels));
        demanding.filter(selects).cloned().collect()
    }

    /// The Service that the slice was of and the one it is of.
    pub(crate) fn woken_by_slice(&self, fact: &Fact) -> Vec<Key> {
        let old = self.slices.get(&fact.key).map(|slice| slice.service.clone());
        old.into_iter().chain(slice::service_of(fact)).collect()
    }

    fn pods_in(&self, namespace: &str) -> impl Iterator<Item = &Pod> {
        let first = Key::new("", "pods", namespace, "");
        self.pods.range(first..).take_while(move |(key, _)| key.namespace == namespace).map(|(_, pod)| pod)
    }
}

impl Service {
    /// The mark that its selector demands: none if it selects nothing.
    fn mark(&self) -> Option<Mark> {
        let (name, value) = self.selector.as_ref()?.last_key_value()?;
        Some((self.key.namespace.clone(), Some((name.clone(), value.clone()))))
    }

    fn selects(&self, labels: &Labels) -> bool {
        self.selector
            .as_ref()
            .is_some_and(|selector| selector.iter().all(|(name, value)| labels.get(name) == Some(value)))
    }
}

fn read_service(fact: &Fact, object: &Value) -> Service {
    let selector = texts(object, "/spec/selector");
    let external = text(object, "/spec/type") == "ExternalName";
    let families: Vec<Family> =
        list(object, "/spec/ipFamilies").iter().filter_map(Value::as_str).map(Family::of).collect();
    Service {
        key: fact.key.clone(),
        uid: fact.uid.clone(),
        revision: fact.revision,
        deleting: fact.meta.deletion.is_some(),
        labels: fact.meta.labels.clone(),
        selector: (!selector.is_empty() && !external).then_some(selector),
        headless: text(object, "/spec/clusterIP") == "None",
        publish_not_ready: flag(object, "/spec/publishNotReadyAddresses"),
        families: if families.is_empty() { vec![Family::IPv4] } else { families },
        ports: list(object, "/spec/ports").iter().map(read_service_port).collect(),
    }
}

fn read_service_port(port: &Value) -> ServicePort {
    let target = match &port["targetPort"] {
        Value::Number(number) => Target::Number(number.as_i64().unwrap_or_default()),
        Value::String(name) => Target::Name(name.clone()),
        _ => Target::Number(port["port"].as_i64().unwrap_or_default()),
    };
    ServicePort {
        name: text(port, "/name").to_owned(),
        protocol: port["protocol"].as_str().unwrap_or("TCP").to_owned(),
        app_protocol: port["appProtocol"].as_str().map(str::to_owned),
        target,
    }
}

fn read_pod(fact: &Fact, object: &Value) -> Pod {
    let owned = |path: &str| text(object, path).to_owned();
    let mut addresses: Vec<String> =
        list(object, "/status/podIPs").iter().map(|ip| text(ip, "/ip").to_owned()).collect();
    let only = owned("/status/podIP");
    if addresses.is_empty() && !only.is_empty() {
        addresses.push(only);
    }
    Pod {
        key: fact.key.clone(),
        uid: fact.uid.clone(),
        labels: fact.meta.labels.clone(),
        addresses,
        node: owned("/spec/nodeName"),
        ready: holds(object, "Ready"),
        terminating: fact.meta.deletion.is_some(),
        ended: matches!(text(object, "/status/phase"), "Succeeded" | "Failed"),
        hostname: owned("/spec/hostname"),
        subdomain: owned("/spec/subdomain"),
        ports: read_ports(object),
    }
}

/// The named ports of the containers, and of the init containers that run beside them.
fn read_ports(object: &Value) -> Vec<(String, String, i64)> {
    let sidecars = list(object, "/spec/initContainers").iter().filter(|one| one["restartPolicy"] == "Always");
    let containers = list(object, "/spec/containers").iter().chain(sidecars);
    containers
        .flat_map(|container| list(container, "/ports"))
        .filter(|port| port["name"].is_string())
        .map(|port| {
            let protocol = port["protocol"].as_str().unwrap_or("TCP").to_owned();
            (text(port, "/name").to_owned(), protocol, port["containerPort"].as_i64().unwrap_or_default())
        })
        .collect()
}
