//! What claims use: of volumes (`pkg/quota/v1/evaluator/core/persistent_volume_claims.go`) and of devices
//! (`resource_claims.go`).

use serde_json::Value;

use super::amount::{Amounts, DECIMAL};
use super::names::{BY_DEVICE_CLASS, BY_STORAGE_CLASS};
use super::service::pieces;
use crate::json::{items, text};
use crate::quantity::Quantity;

/// The most devices that one claim can get (`AllocationResultsMaxSize`).
const MOST_DEVICES: i64 = 32;

/// The claim and its storage, by themselves and for its storage class.
pub(super) fn of_volume(claim: &Value) -> Amounts {
    let mut used = Amounts::from([("persistentvolumeclaims".to_owned(), pieces(1))]);
    if let Some(storage) = storage(claim) {
        used.insert("requests.storage".to_owned(), storage);
    }
    let class = storage_class(claim);
    if !class.is_empty() {
        let of_class =
            used.iter().map(|(name, amount)| (format!("{class}{BY_STORAGE_CLASS}{name}"), *amount));
        let of_class: Amounts = of_class.collect();
        used.extend(of_class);
    }
    used
}

/// What is requested, or more where more is allocated already; in whole bytes.
fn storage(claim: &Value) -> Option<Quantity> {
    let requested = Quantity::from_value(&claim["spec"]["resources"]["requests"]["storage"]).ok()?;
    let allocated = Quantity::from_value(&claim["status"]["allocatedResources"]["storage"]);
    let amount = allocated.unwrap_or(requested).max(requested);
    Some(if amount.is_whole() { amount } else { Quantity::from_units(amount.units(), amount.format()) })
}

/// An annotation named it before there was a field.
fn storage_class(claim: &Value) -> &str {
    match text(&claim["metadata"]["annotations"], "volume.beta.kubernetes.io/storage-class") {
        "" => text(&claim["spec"], "storageClassName"),
        class => class,
    }
}

/// The most devices of each class that a claim may come to have.
pub(super) fn of_devices(claim: &Value) -> Amounts {
    let mut used = Amounts::new();
    for request in items(&claim["spec"]["devices"]["requests"]) {
        let mut most = Amounts::new();
        for one in items(&request["firstAvailable"]).iter().chain([&request["exactly"]]) {
            let class = text(one, "deviceClassName");
            if !class.is_empty() {
                let known = most.entry(format!("{class}{BY_DEVICE_CLASS}")).or_insert(Quantity::ZERO);
                *known = (*known).max(devices(one));
            }
        }
        for (name, amount) in most {
            let sum = used.entry(name).or_insert(Quantity::ZERO);
            *sum = *sum + amount;
        }
    }
    used
}

fn devices(request: &Value) -> Quantity {
    let number = match text(request, "allocationMode") {
        "All" => MOST_DEVICES,
        "" | "ExactCount" => request["count"].as_i64().unwrap_or(1),
        _ => 0,
    };
    Quantity::from_units(number, DECIMAL)
}
