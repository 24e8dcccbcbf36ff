//! A gateway: what a request can reach. Cheap to clone; one per process.

use std::net::IpAddr;
use std::sync::Arc;

use rutter_apimachinery::registry::Registry;
use rutter_runtime::metrics::Metrics as Readiness;
use rutter_runtime::served::Served;

use crate::authn::token::Tokens;
use crate::metrics::Metrics;
use crate::node::addresses::PodRange;
use crate::node::dial::Dialler;
use crate::pages::rutter::tokens::Joining;
use crate::pins::Pins;
use crate::service::Ranges;
use crate::store::Store;
use crate::verbs::watch::hub::Hub;
use crate::webhook::Webhooks;

/// Everything that requests share.
#[derive(Clone)]
pub struct Gateway(Arc<Parts>);

pub struct Parts {
    pub store: Store,
    /// What is served, as it changes with the log.
    pub served: Served,
    pub tokens: Tokens,
    pub nats: async_nats::Client,
    pub dialler: Dialler,
    /// Who converts custom resources.
    pub webhooks: Webhooks,
    pub hub: Hub,
    pub pins: Pins,
    pub openapi: crate::pages::OpenApi,
    pub ranges: Ranges,
    pub pod_range: PodRange,
    pub metrics: Metrics,
    pub readiness: Readiness,
    /// Whom clients may trust, PEM: for every namespace's `kube-root-ca.crt`.
    pub ca_pem: String,
    /// Where clients reach us: for `kubernetes` Service's endpoints and discovery.
    pub address: IpAddr,
    pub port: u16,
    /// With it, nodes may join by tokens.
    pub joining: Option<Joining>,
}

impl Gateway {
    pub fn new(parts: Parts) -> Gateway {
        Gateway(Arc::new(parts))
    }

    pub fn registry(&self) -> Arc<Registry> {
        self.0.served.now()
    }

    /// The registry with every definition in it that this gateway's view shows.
    pub async fn latest_registry(&self) -> Arc<Registry> {
        self.0.served.caught_up(self.0.store.view()).await
    }
}

impl std::ops::Deref for Gateway {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
