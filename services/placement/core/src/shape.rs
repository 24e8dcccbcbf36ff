//! What a pod asks of a node, apart from who it is: pods of one shape fit where one of them fits.

use rutter_controller::read::{list, text};
use serde_json::Value;

use crate::amounts::{Amounts, requests, weight};
use crate::selector::NodeSelector;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    pub requests: Amounts,
    /// CPU millis and memory bytes, for comparing nodes.
    pub weight: (i64, i64),
    pub selector: NodeSelector,
    pub tolerations: Vec<Toleration>,
    pub ports: Vec<HostPort>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Toleration {
    key: String,
    exists: bool,
    value: String,
    effect: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taint {
    pub key: String,
    pub value: String,
    pub effect: String,
}

/// A port that a pod takes of its node. An empty address is all addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct HostPort {
    pub protocol: String,
    pub number: i64,
    pub address: String,
}

impl Shape {
    pub(crate) fn read(pod: &Value) -> Shape {
        let requests = requests(pod);
        Shape {
            weight: weight(&requests),
            requests,
            selector: NodeSelector::read(pod),
            tolerations: list(pod, "/spec/tolerations").iter().map(read_toleration).collect(),
            ports: read_ports(pod),
        }
    }

    pub(crate) fn tolerates(&self, taint: &Taint) -> bool {
        self.tolerations.iter().any(|toleration| toleration.covers(taint))
    }
}

impl Toleration {
    /// An empty effect covers all, an empty key with `Exists` too.
    fn covers(&self, taint: &Taint) -> bool {
        let covers = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        covers(&self.effect, &taint.effect)
            && covers(&self.key, &taint.key)
            && (self.exists || (self.value == taint.value && !self.key.is_empty()))
    }
}

impl HostPort {
    pub(crate) fn collides(&self, other: &HostPort) -> bool {
        let shares_address =
            self.address.is_empty() || other.address.is_empty() || self.address == other.address;
        shares_address && self.number == other.number && self.protocol == other.protocol
    }
}

pub(crate) fn read_taint(taint: &Value) -> Taint {
    let owned = |path: &str| text(taint, path).to_owned();
    Taint { key: owned("/key"), value: owned("/value"), effect: owned("/effect") }
}

fn read_toleration(toleration: &Value) -> Toleration {
    let owned = |path: &str| text(toleration, path).to_owned();
    Toleration {
        key: owned("/key"),
        exists: text(toleration, "/operator") == "Exists",
        value: owned("/value"),
        effect: owned("/effect"),
    }
}

fn read_ports(pod: &Value) -> Vec<HostPort> {
    let sidecars = list(pod, "/spec/initContainers").iter().filter(|one| one["restartPolicy"] == "Always");
    let containers = list(pod, "/spec/containers").iter().chain(sidecars);
    let ports = containers.flat_map(|container| list(container, "/ports"));
    let taken = ports.filter_map(|port| {
        let number = port["hostPort"].as_i64().filter(|number| *number > 0)?;
        let address = text(port, "/hostIP");
        Some(HostPort {
            protocol: port["protocol"].as_str().unwrap_or("TCP").to_owned(),
            number,
            address: if matches!(address, "0.0.0.0" | "::") { String::new() } else { address.to_owned() },
        })
    });
    taken.collect()
}
