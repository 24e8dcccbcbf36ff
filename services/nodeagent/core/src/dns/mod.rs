//! Services as a resolver sees them, by the DNS-based service discovery specification 1.1.0
//! (github.com/kubernetes/dns, docs/specification.md).
//!
//! A zone knows names and data, nothing of packets. Each Service contributes names; a change costs what that Service
//! has.

mod names;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use rutter_schemas::Key;

use crate::view::{EndpointSlice, Service};

/// Seconds that an answer may be kept, as CoreDNS has them for cluster names.
pub const TTL_S: u32 = 5;

/// What stands at a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Data {
    Address(Ipv4Addr),
    /// An alias for a name that is not ours.
    Alias(String),
    /// Weight is 100 divided by the number of targets, as CoreDNS says it.
    Service {
        weight: u16,
        port: u16,
        target: String,
    },
    /// The name behind an address.
    Pointer(String),
    Text(String),
}

/// Which data is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Address,
    Alias,
    Service,
    Pointer,
    Text,
    Any,
    /// Something that no name of ours has.
    Else,
}

/// What is known of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Data(Vec<Data>),
    /// The name is there, without such data.
    NoData,
    NoName,
    /// Somebody else knows.
    NotOurs,
}

/// The zone of a cluster. Names are in lower case, without a dot at their end.
#[derive(Clone, Debug)]
pub struct Zone {
    domain: String,
    names: BTreeMap<String, BTreeMap<Key, Vec<Data>>>,
    services: BTreeMap<Key, Vec<String>>,
}

impl Zone {
    /// An empty zone of a domain such as `cluster.local`.
    pub fn new(domain: &str) -> Zone {
        let mut names = BTreeMap::new();
        let version = vec![Data::Text("1.1.0".to_owned())];
        names.insert(format!("dns-version.{domain}"), BTreeMap::from([(Key::default(), version)]));
        Zone { domain: domain.to_owned(), names, services: BTreeMap::new() }
    }

    /// `cluster.local`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Says what a Service is now, with the slices that belong to it; none when it is gone.
    pub fn set(&mut self, key: &Key, service: Option<(&Service, &[EndpointSlice])>) {
        for name in self.services.remove(key).unwrap_or_default() {
            if let Some(contributions) = self.names.get_mut(&name) {
                contributions.remove(key);
                if contributions.is_empty() {
                    self.names.remove(&name);
                }
            }
        }
        let Some((service, slices)) = service else { return };
        let base = format!("{}.{}.svc.{}", key.name, key.namespace, self.domain);
        let mut owned = Vec::new();
        for (name, data) in names::of(&base, service, slices) {
            self.names.entry(name.clone()).or_default().insert(key.clone(), data);
            owned.push(name);
        }
        self.services.insert(key.clone(), owned);
    }

    /// What is known of a name.
    pub fn ask(&self, name: &str, asked: Asked) -> Answer {
        let name = name.trim_end_matches('.').to_lowercase();
        if let Some(contributions) = self.names.get(&name) {
            return chosen(contributions.values().flatten(), asked);
        }
        if let Some(address) = names::pod_address(&name, &self.domain) {
            return chosen(std::iter::once(&Data::Address(address)), asked);
        }
        if !self.is_ours(&name) {
            return Answer::NotOurs;
        }
        if self.is_above_a_name(&name) { Answer::NoData } else { Answer::NoName }
    }

    /// Names of the domain are ours to deny; addresses of pods and Services we only answer for when we know them.
    fn is_ours(&self, name: &str) -> bool {
        name == self.domain || name.strip_suffix(&self.domain).is_some_and(|head| head.ends_with('.'))
    }

    /// An empty name between the domain and a Service, such as `default.svc.cluster.local`.
    fn is_above_a_name(&self, name: &str) -> bool {
        let below = format!(".{name}");
        name == self.domain || self.names.keys().any(|other| other.ends_with(&below))
    }
}

fn chosen<'a>(data: impl Iterator<Item = &'a Data>, asked: Asked) -> Answer {
    let matches = |data: &&Data| {
        matches!(
            (asked, data),
            (Asked::Any, _)
                | (Asked::Address, Data::Address(_) | Data::Alias(_))
                | (Asked::Alias, Data::Alias(_))
                | (Asked::Service, Data::Service { .. })
                | (Asked::Pointer, Data::Pointer(_))
                | (Asked::Text, Data::Text(_))
        )
    };
    let found: Vec<Data> = data.filter(matches).cloned().collect();
    if found.is_empty() { Answer::NoData } else { Answer::Data(found) }
}
