//! The node's network: where pods get their addresses, how they reach those of other nodes, and how Services are reached.

mod cni;
mod dns;
mod kernel;
pub(crate) mod leftovers;
mod routes;
mod services;

pub(crate) use cni::Network;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use rutter_nodeagent_core::dns::Zone;
use rutter_nodeagent_core::nft::{Proxy, Ranges, table_name};
use rutter_nodeagent_core::objects::Objects;
use rutter_nodeagent_core::plan::NodeFacts;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Config;
use services::Services;

/// Between two looks for what is not there yet, or was refused.
const AGAIN: Duration = Duration::from_millis(250);

/// Between two attempts to listen for the pods' questions.
const DNS_AGAIN: Duration = Duration::from_secs(5);

/// Starts what keeps the kernel and the resolver in step with Services, until `end`.
pub(crate) fn start(
    cfg: &Config,
    facts: &NodeFacts,
    network: Arc<Network>,
    services: watch::Receiver<Arc<Objects>>,
    end: &CancellationToken,
) {
    let zone = Arc::new(RwLock::new(Zone::new(&cfg.cluster_domain)));
    if cfg.dns {
        let (address, zone, stop) = (cfg.cluster_dns, zone.clone(), end.clone());
        // Whoever has the address may go: an agent before this one, or another cluster of this machine.
        tokio::spawn(async move {
            while let Err(error) = dns::run(address, zone.clone(), stop.clone()).await {
                tracing::error!(%error, "pods of this node have no DNS, trying again");
                if stop.run_until_cancelled(tokio::time::sleep(DNS_AGAIN)).await.is_none() {
                    return;
                }
            }
        });
    }
    let ways = routes::keep(facts.name.clone(), facts.host_ips.clone(), services.clone());
    tokio::spawn(end.clone().run_until_cancelled_owned(ways));
    let (cfg, node) = (cfg.clone(), facts.name.clone());
    tokio::spawn(end.clone().run_until_cancelled_owned(async move {
        let proxy = if cfg.proxy { Some(proxy(&cfg, &node, &network).await) } else { None };
        keep(Services::new(zone, proxy), services).await;
    }));
}

/// Takes away what this node has in the kernel.
pub(crate) async fn remove(cfg: &Config) {
    if cfg.proxy
        && let Err(error) = kernel::remove(&table_name(&cfg.node_name)).await
    {
        tracing::warn!(%error, "the table of Services is left behind");
    }
    if cfg.dns {
        dns::forget_address(cfg.cluster_dns).await;
    }
    routes::remove().await;
}

/// Waits until the pods' range is known.
async fn proxy(cfg: &Config, node: &str, network: &Network) -> Proxy {
    while let Err(error) = kernel::allow_forwarding() {
        tracing::error!(%error, "this node can't forward");
        tokio::time::sleep(AGAIN).await;
    }
    loop {
        if let Some(pods) = network.range() {
            return Proxy::new(node, Ranges { pods, cluster: cfg.cluster_cidr.clone() });
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Carries every change of the shared feed to the zone and the kernel.
async fn keep(mut services: Services, mut objects: watch::Receiver<Arc<Objects>>) {
    let mut known = Arc::new(Objects::default());
    loop {
        let now = objects.borrow_and_update().clone();
        for (key, object) in now.iter() {
            if known.raw(key).is_none_or(|had| !Arc::ptr_eq(had, object)) {
                services.changed(key, Some(object));
            }
        }
        for (key, _) in known.iter().filter(|(key, _)| !now.contains(key)) {
            services.changed(key, None);
        }
        known = now;
        let refused = services
            .apply()
            .await
            .inspect_err(|error| tracing::error!(%error, "Services are not up to date"))
            .is_err();
        tokio::select! {
            changed = objects.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(AGAIN), if refused => {}
        }
    }
}
