//! A slice and its endpoints, read from the API's JSON and written to it.

use std::collections::BTreeMap;

use rutter_controller::Fact;
use rutter_controller::read::{flag, list, text};
use rutter_schemas::{Key, Revision};
use serde_json::{Value, json};

pub(crate) const SERVICE_NAME: &str = "kubernetes.io/service-name";
pub(crate) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
pub(crate) const ME: &str = "endpointslice-controller.k8s.io";

/// `addressType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    IPv4,
    IPv6,
}

/// The ports that all endpoints of a slice share, in the order of the Service's.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ports(pub Vec<Port>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Port {
    pub name: String,
    pub number: i64,
    pub protocol: String,
    pub app_protocol: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub address: String,
    pub ready: bool,
    pub serving: bool,
    pub terminating: bool,
    pub hostname: Option<String>,
    pub node: String,
    pub zone: String,
    pub namespace: String,
    pub pod: String,
    /// The pod's uid tells its endpoint from that of another pod with its address or its name.
    pub uid: String,
}

/// An EndpointSlice that this controller keeps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slice {
    pub key: Key,
    pub uid: String,
    pub revision: Revision,
    pub service: Key,
    pub family: Family,
    pub labels: BTreeMap<String, String>,
    pub ports: Ports,
    pub endpoints: Vec<Endpoint>,
}

impl Family {
    pub(crate) fn of(name: &str) -> Family {
        if name == "IPv6" { Family::IPv6 } else { Family::IPv4 }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Family::IPv4 => "IPv4",
            Family::IPv6 => "IPv6",
        }
    }

    pub(crate) fn has(self, address: &str) -> bool {
        address.contains(':') == (self == Family::IPv6)
    }
}

/// The Service that the slice of a fact belongs to, if it is one of ours.
pub(crate) fn service_of(fact: &Fact) -> Option<Key> {
    let labels = &fact.meta.labels;
    let service = labels.get(SERVICE_NAME).filter(|_| labels.get(MANAGED_BY).is_some_and(|by| by == ME))?;
    Some(Key::new("", "services", &fact.key.namespace, service))
}

/// A slice of ours that is not on its way out.
pub(crate) fn read(fact: &Fact, object: &Value) -> Option<Slice> {
    let service = service_of(fact).filter(|_| fact.meta.deletion.is_none())?;
    Some(Slice {
        key: fact.key.clone(),
        uid: fact.uid.clone(),
        revision: fact.revision,
        service,
        family: Family::of(text(object, "/addressType")),
        labels: fact.meta.labels.clone(),
        ports: Ports(list(object, "/ports").iter().map(read_port).collect()),
        endpoints: list(object, "/endpoints").iter().map(read_endpoint).collect(),
    })
}

fn read_port(port: &Value) -> Port {
    Port {
        name: text(port, "/name").to_owned(),
        number: port["port"].as_i64().unwrap_or_default(),
        protocol: text(port, "/protocol").to_owned(),
        app_protocol: port["appProtocol"].as_str().map(str::to_owned),
    }
}

fn read_endpoint(endpoint: &Value) -> Endpoint {
    let owned = |path: &str| text(endpoint, path).to_owned();
    Endpoint {
        address: owned("/addresses/0"),
        ready: flag(endpoint, "/conditions/ready"),
        serving: flag(endpoint, "/conditions/serving"),
        terminating: flag(endpoint, "/conditions/terminating"),
        hostname: endpoint["hostname"].as_str().map(str::to_owned),
        node: owned("/nodeName"),
        zone: owned("/zone"),
        namespace: owned("/targetRef/namespace"),
        pod: owned("/targetRef/name"),
        uid: owned("/targetRef/uid"),
    }
}

impl Ports {
    pub(crate) fn json(&self) -> Value {
        self.0.iter().map(Port::json).collect()
    }
}

impl Port {
    fn json(&self) -> Value {
        let mut port = json!({ "name": self.name, "port": self.number, "protocol": self.protocol });
        if let Some(protocol) = &self.app_protocol {
            port["appProtocol"] = json!(protocol);
        }
        port
    }
}

impl Endpoint {
    pub(crate) fn json(&self) -> Value {
        let mut endpoint = json!({
            "addresses": [self.address],
            "conditions": { "ready": self.ready, "serving": self.serving, "terminating": self.terminating },
            "targetRef": { "kind": "Pod", "namespace": self.namespace, "name": self.pod, "uid": self.uid },
        });
        let optional = [("nodeName", &self.node), ("zone", &self.zone)];
        for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_empty()) {
            endpoint[name] = json!(value);
        }
        if let Some(hostname) = &self.hostname {
            endpoint["hostname"] = json!(hostname);
        }
        endpoint
    }
}
