//! `componentstatuses`: what the readiness checks say, as old clients ask for it (`pkg/registry/core/componentstatus`).
//! Computed for each question, never stored.

use http::{Response, StatusCode};
use rutter_apimachinery::kind::{Column, Kind, Plain};
use rutter_apimachinery::status::Status;
use rutter_apimachinery::table::{self, Asked};
use serde_json::{Value, json};

use crate::body::Body;
use crate::chain::Call;
use crate::encode::{object, respond};
use crate::pages::health;
use crate::request::{Shape, Verb};

pub(crate) const KIND: Kind = Kind {
    group: "",
    version: "v1",
    kind: "ComponentStatus",
    plural: "componentstatuses",
    strategy: &Plain,
    columns: &[
        Column { format: "name", ..column("Name", |component, _| component["metadata"]["name"].clone()) },
        column("Status", |component, _| match component["conditions"][0]["status"].as_str() {
            Some("True") => json!("Healthy"),
            Some("False") => json!("Unhealthy"),
            _ => json!("Unknown"),
        }),
        column("Message", |component, _| component["conditions"][0]["message"].clone()),
        column("Error", |component, _| component["conditions"][0]["error"].clone()),
    ],
    sealed: false,
};

const fn column(name: &'static str, cell: fn(&Value, jiff::Timestamp) -> Value) -> Column {
    Column { name, data_type: "string", format: "", priority: 0, description: "Of the component.", cell }
}

pub(crate) fn is_asked(call: &Call) -> bool {
    call.resource.group.is_empty() && call.resource.plural == KIND.plural
}

/// # Errors
/// 404 for a component that there isn't, 405 for what is neither get nor list.
pub(crate) fn serve(call: &Call) -> Result<Response<Body>, Status> {
    let mut components = health::ready(&call.gateway).into_iter().map(described);
    let include = object::include(&call.query)?;
    let media_type = object::media_type(call.accept);
    match call.info.verb {
        Verb::Get => {
            let found = components.find(|component| component["metadata"]["name"] == *call.info.name);
            let found = found.ok_or_else(|| call.not_found())?.to_string().into();
            let bytes = object::encode(call.accept, &call.resource, found, include)?;
            Ok(respond::bytes(StatusCode::OK, &media_type, bytes))
        }
        Verb::List => {
            let items: Vec<Value> = components.collect();
            let list = match call.accept.shape {
                Shape::Table(version) => {
                    let asked = Asked { version, include, now: jiff::Timestamp::now() };
                    table::table(&call.resource, items, json!({}), &asked)
                }
                Shape::PartialList(version) => table::partial_list(items, json!({}), version),
                Shape::Object | Shape::Partial(_) => {
                    json!({"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": items})
                }
            };
            Ok(respond::bytes(StatusCode::OK, &media_type, object::write(call.accept, &list)?))
        }
        _ => Err(call.not_allowed()),
    }
}

fn described((name, state): health::Check) -> Value {
    let mut condition = json!({"type": "Healthy", "status": "True", "message": "ok"});
    if let Err(why) = state {
        condition = json!({"type": "Healthy", "status": "False", "message": why, "error": why});
    }
    json!({"kind": "ComponentStatus", "apiVersion": "v1", "metadata": {"name": name}, "conditions": [condition]})
}
