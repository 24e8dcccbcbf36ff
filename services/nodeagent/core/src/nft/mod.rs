//! Services as the kernel sees them: one nftables table of global maps, changed element by element.
//!
//! A chain per Service (as kube-proxy makes them) takes seconds to load at ten thousand Services; global maps take
//! milliseconds to change. The chains of this table depend only on how many endpoints a port has:
//!
//! ```text
//! services:   address . protocol . port          → goto pick_3
//! pick_3:     mark := random mod 3
//!             dnat to (address . protocol . port . mark) of endpoints
//! node_ports: protocol . port                     → goto node_3         (marked for masquerading)
//! ```
//!
//! [`Proxy`] keeps what each Service contributes, so that a change costs what that Service has, not what all have.

mod contribution;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use rutter_schemas::Key;

pub use contribution::Contribution;
pub use table::{Ranges, table_name};

use crate::view::{EndpointSlice, Service};
use table::Chain;

/// What the table holds, and what has to be said to nft to make it so.
#[derive(Clone, Debug)]
pub struct Proxy {
    table: String,
    node: String,
    ranges: Ranges,
    services: BTreeMap<Key, Contribution>,
    /// How many contributions hold this pod address as a local endpoint.
    hairpins: BTreeMap<Ipv4Addr, u32>,
    chains: BTreeSet<Chain>,
    /// Text for nft that was not taken yet.
    pending: String,
}

impl Proxy {
    /// A table for the node of this name. The first text taken makes it, empty.
    pub fn new(node: &str, ranges: Ranges) -> Proxy {
        let table = table_name(node);
        let pending = table::skeleton(&table, &ranges);
        Proxy {
            table,
            node: node.to_owned(),
            ranges,
            services: BTreeMap::new(),
            hairpins: BTreeMap::new(),
            chains: BTreeSet::new(),
            pending,
        }
    }

    /// Says what a Service is now, with the slices that belong to it; none when it is gone.
    pub fn set(&mut self, key: &Key, service: Option<(&Service, &[EndpointSlice])>) {
        let wanted = service.map(|(service, slices)| Contribution::of(service, slices, &self.node));
        let wanted = wanted.unwrap_or_default();
        let had = self.services.remove(key).unwrap_or_default();
        if had != wanted {
            self.change(&had, &wanted);
        }
        if wanted != Contribution::default() {
            self.services.insert(key.clone(), wanted);
        }
    }

    /// What to feed to `nft -f -`, in one transaction; none when nothing changed.
    pub fn take(&mut self) -> Option<String> {
        (!self.pending.is_empty()).then(|| std::mem::take(&mut self.pending))
    }

    /// The whole table anew, when nobody knows what the kernel holds (after a refusal, or a restart of the agent).
    pub fn whole(&self) -> String {
        let mut fresh = Proxy::new(&self.node, self.ranges.clone());
        for (key, contribution) in &self.services {
            fresh.change(&Contribution::default(), contribution);
            fresh.services.insert(key.clone(), contribution.clone());
        }
        fresh.pending
    }

    fn change(&mut self, had: &Contribution, wanted: &Contribution) {
        let text = &mut self.pending;
        for chain in wanted.chains() {
            if self.chains.insert(chain) {
                table::define(text, &self.table, chain);
            }
        }
        table::replace(text, &self.table, &had.elements(), &wanted.elements());
        for address in had.local.difference(&wanted.local) {
            let count = self.hairpins.entry(*address).or_default();
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.hairpins.remove(address);
                table::forget_hairpin(text, &self.table, *address);
            }
        }
        for address in wanted.local.difference(&had.local) {
            let count = self.hairpins.entry(*address).or_default();
            *count += 1;
            if *count == 1 {
                table::add_hairpin(text, &self.table, *address);
            }
        }
    }
}
