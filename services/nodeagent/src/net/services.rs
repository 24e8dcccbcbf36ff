//! Services and their endpoints, as the shared feed tells of them, kept in the kernel's table and in the zone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};

use rutter_nodeagent_core::dns::Zone;
use rutter_nodeagent_core::nft::Proxy;
use rutter_nodeagent_core::objects::read;
use rutter_nodeagent_core::view::{EndpointSlice, Service};
use rutter_schemas::Key;
use serde_json::value::RawValue;

use super::kernel::{self, KernelError};

/// What the node knows of Services. Feed it changes, then [`Services::apply`] them together.
pub(crate) struct Services {
    services: BTreeMap<Key, Service>,
    /// The slices of each Service, by their own keys.
    slices: BTreeMap<Key, BTreeMap<Key, EndpointSlice>>,
    /// Which Service each slice belongs to.
    owners: BTreeMap<Key, Key>,
    touched: BTreeSet<Key>,
    zone: Arc<RwLock<Zone>>,
    proxy: Option<Proxy>,
    /// The kernel refused, so that nobody knows what it holds.
    unsure: bool,
}

impl Services {
    /// Keeps `zone`, and the kernel's table when there is a proxy.
    pub(crate) fn new(zone: Arc<RwLock<Zone>>, proxy: Option<Proxy>) -> Services {
        Services {
            services: BTreeMap::new(),
            slices: BTreeMap::new(),
            owners: BTreeMap::new(),
            touched: BTreeSet::new(),
            zone,
            proxy,
            unsure: false,
        }
    }

    /// An object of the shared feed as it is now; none when it is gone. Others than Services and EndpointSlices are
    /// not of interest.
    pub(crate) fn changed(&mut self, key: &Key, object: Option<&RawValue>) {
        match (key.group.as_str(), key.resource.as_str()) {
            ("", "services") => self.service(key, object.and_then(read)),
            ("discovery.k8s.io", "endpointslices") => self.slice(key, object.and_then(read)),
            _ => {}
        }
    }

    fn service(&mut self, key: &Key, service: Option<Service>) {
        match service {
            Some(service) => self.services.insert(key.clone(), service),
            None => self.services.remove(key),
        };
        self.touched.insert(key.clone());
    }

    fn slice(&mut self, key: &Key, slice: Option<EndpointSlice>) {
        if let Some(owner) = self.owners.remove(key) {
            if let Some(slices) = self.slices.get_mut(&owner) {
                slices.remove(key);
                if slices.is_empty() {
                    self.slices.remove(&owner);
                }
            }
            self.touched.insert(owner);
        }
        let Some(slice) = slice else { return };
        let Some(name) = slice.service() else { return };
        let owner = Key::new("", "services", &key.namespace, name);
        self.slices.entry(owner.clone()).or_default().insert(key.clone(), slice);
        self.owners.insert(key.clone(), owner.clone());
        self.touched.insert(owner);
    }

    /// Carries all changes since the last call to the zone and the kernel.
    ///
    /// # Errors
    /// When the kernel refused; the next call then loads the whole table.
    pub(crate) async fn apply(&mut self) -> Result<(), KernelError> {
        let touched = std::mem::take(&mut self.touched);
        {
            let mut zone = self.zone.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            for key in &touched {
                let slices: Vec<EndpointSlice> =
                    self.slices.get(key).into_iter().flat_map(|all| all.values().cloned()).collect();
                let service = self.services.get(key).map(|service| (service, &slices[..]));
                zone.set(key, service);
                if let Some(proxy) = &mut self.proxy {
                    proxy.set(key, service);
                }
            }
        }
        let Some(proxy) = &mut self.proxy else { return Ok(()) };
        let changes = proxy.take();
        let text = if self.unsure { Some(proxy.whole()) } else { changes };
        let Some(text) = text else { return Ok(()) };
        let applied = kernel::apply(&text).await;
        self.unsure = applied.is_err();
        applied
    }
}
