//! What a cluster has from its first moment: the namespaces that it stands on, and the Service `kubernetes` with this
//! gateway among its endpoints. Several gateways may start at once; each adds what is missing.

use std::time::Duration;

use rutter_apimachinery::registry::Registry;
use rutter_apimachinery::status::{Status, Subject};
use rutter_apimachinery::write::{self, Draft, WriteCx};
use rutter_projection::Snapshot;
use rutter_schemas::{Key, Uuid};
use serde_json::{Value, json};

use crate::Gateway;
use crate::admission::defaults;
use crate::advertise::{self, Ports};
use crate::authn::User;
use crate::service::Claim;
use crate::store::{Intent, Plan, failed};

const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
const USER: &str = "system:gateway";

/// Tries until everything is there.
pub(crate) async fn run(gateway: &Gateway) {
    let intent = Intent::of(&User::service("gateway"));
    loop {
        let done = gateway
            .store
            .write(&intent, Subject::new("", "namespaces"), "", |snapshot| decide(gateway, snapshot))
            .await;
        match done {
            Ok(_) => return,
            Err(status) => tracing::warn!(why = %status.message, "the first objects are not there yet"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn decide(gateway: &Gateway, snapshot: &Snapshot) -> Result<Plan<()>, Status> {
    let mut drafts = namespaces(gateway, snapshot)?;
    drafts.extend(service(gateway, snapshot)?);
    drafts.extend(endpoints(gateway, snapshot)?);
    Ok(Plan::many(drafts, "a cluster begins with these", ()))
}

fn namespaces(gateway: &Gateway, snapshot: &Snapshot) -> Result<Vec<Draft>, Status> {
    let registry = gateway.registry();
    let mut drafts = Vec::new();
    for name in NAMESPACES {
        if !exists(snapshot, &Key::new("", "namespaces", "", name))? {
            drafts.push(born(&registry, "", "namespaces", "", json!({ "metadata": { "name": name } }))?);
        }
        drafts.extend(defaults::of_namespace(gateway, snapshot, name)?);
    }
    Ok(drafts)
}

fn service(gateway: &Gateway, snapshot: &Snapshot) -> Result<Vec<Draft>, Status> {
    if exists(snapshot, &Key::new("", "services", "default", "kubernetes"))? {
        return Ok(Vec::new());
    }
    let registry = gateway.registry();
    let address = gateway.ranges.api_server();
    let service = json!({
        "metadata": { "name": "kubernetes", "labels": { "component": "apiserver", "provider": "kubernetes" } },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address.to_string(),
            "clusterIPs": [address.to_string()],
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "ports": [{ "name": "https", "port": 443, "protocol": "TCP", "targetPort": gateway.port }],
        },
    });
    let claim = Claim::Address(address);
    let mut drafts = vec![born(&registry, "", "services", "default", service)?];
    if claim.is_free(snapshot)? {
        drafts.push(claim.taken_for(&registry, "default", "kubernetes")?);
    }
    Ok(drafts)
}

/// This gateway among the endpoints of that Service, with those that are listed already.
fn endpoints(gateway: &Gateway, snapshot: &Snapshot) -> Result<Vec<Draft>, Status> {
    if !advertise::is_worth_listing(gateway) {
        return Ok(Vec::new());
    }
    advertise::drafts(gateway, snapshot, Ports::Own, |listed| {
        listed.iter().copied().chain([gateway.address]).collect()
    })
}

fn exists(snapshot: &Snapshot, key: &Key) -> Result<bool, Status> {
    Ok(snapshot.get(key).map_err(|error| failed(&error))?.is_some())
}

/// A new object by the rules of its kind.
pub(crate) fn born(
    registry: &Registry,
    group: &str,
    plural: &str,
    namespace: &str,
    object: Value,
) -> Result<Draft, Status> {
    let resource = registry.resource(group, "v1", plural);
    let resource = resource.ok_or_else(|| Status::internal(&format!("the registry has no {plural}")))?;
    write::create(&resource, "", object, &cx(namespace))
}

pub(crate) fn cx(namespace: &str) -> WriteCx<'_> {
    WriteCx {
        now: jiff::Timestamp::now(),
        uid: Uuid::new_v4(),
        namespace,
        name: "",
        user: USER,
        field_manager: "gateway",
    }
}
