//! `serviceaccounts/token`: mints a token for a ServiceAccount (pkg/registry/core/serviceaccount/storage/token.go).

use http::{Response, StatusCode};
use rutter_apimachinery::status::{Path, Status, Subject};
use rutter_apimachinery::write;
use rutter_schemas::{Key, Uuid};
use serde_json::{Value, json};

use crate::Gateway;
use crate::authn::token::{Minted, Named, Wish};
use crate::body::Body;
use crate::chain::Call;
use crate::encode::{object, respond};
use crate::request::{Accept, Shape};

const DEFAULT_SECONDS: i64 = 3600;
const SHORTEST_SECONDS: i64 = 600;
const LONGEST_SECONDS: i64 = 1 << 32;

/// # Errors
/// 404 for an account or a bound object that is not there, 409 for one of another uid, 422 for a time out of bounds.
pub async fn serve(mut call: Call) -> Result<Response<Body>, Status> {
    let mut request = call.sent().await?.value()?;
    let spec = &request["spec"];
    let seconds = spec["expirationSeconds"].as_i64().unwrap_or(DEFAULT_SECONDS);
    check(seconds)?;
    let audiences = spec["audiences"]
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    let mut wish = Wish {
        namespace: call.info.namespace.clone(),
        account: Named { name: call.info.name.clone(), uid: String::new() },
        audiences: audiences.unwrap_or_default(),
        seconds,
        pod: None,
        secret: None,
        node: None,
    };
    // What was made just before is looked up below.
    call.gateway.store.current().await?;
    bind(&call.gateway, &mut wish, &spec["boundObjectRef"])?;
    let minted = mint(&call.gateway, wish)?;
    request["kind"] = json!("TokenRequest");
    request["apiVersion"] = json!("authentication.k8s.io/v1");
    request["spec"]["expirationSeconds"] = json!(seconds);
    request["metadata"] = json!({ "name": call.info.name, "namespace": call.info.namespace });
    request["status"] = json!({ "token": minted.token, "expirationTimestamp": write::time(minted.expires) });
    let accept = Accept { shape: Shape::Object, ..call.accept };
    Ok(respond::bytes(StatusCode::CREATED, accept.format.media_type(), object::write(accept, &request)?))
}

fn check(seconds: i64) -> Result<(), Status> {
    let path = Path::of("spec.expirationSeconds");
    let error = match seconds {
        ..SHORTEST_SECONDS => path.invalid(seconds, "may not specify a duration less than 10 minutes"),
        SHORTEST_SECONDS..=LONGEST_SECONDS => return Ok(()),
        _ => path.invalid(seconds, "may not specify a duration larger than 2^32 seconds"),
    };
    Err(Status::invalid(Subject::new("authentication.k8s.io", "TokenRequest"), "", vec![error]))
}

/// Binds the token to what it is for; a pod's token says the pod's node as well.
fn bind(gateway: &Gateway, wish: &mut Wish, bound: &Value) -> Result<(), Status> {
    if bound.is_null() {
        return Ok(());
    }
    let text = |field: &str| bound[field].as_str().unwrap_or_default();
    let (resource, namespace) = match text("kind") {
        "Pod" => ("pods", wish.namespace.clone()),
        "Secret" => ("secrets", wish.namespace.clone()),
        "Node" => ("nodes", String::new()),
        other => {
            return Err(Status::bad_request(format!(
                "cannot bind token for serviceaccount to object of type {other:?}"
            )));
        }
    };
    let named = stands(gateway, resource, &namespace, text("name"), text("uid"))?;
    match resource {
        "pods" => {
            wish.node = node_of(gateway, &namespace, &named.name);
            wish.pod = Some(named);
        }
        "secrets" => wish.secret = Some(named),
        _ => wish.node = Some(named),
    }
    Ok(())
}

fn node_of(gateway: &Gateway, namespace: &str, pod: &str) -> Option<Named> {
    let pod = gateway.store.record(&Key::new("", "pods", namespace, pod))?;
    let node = pod.meta.fields.get("spec.nodeName").filter(|name| !name.is_empty())?;
    let record = gateway.store.record(&Key::new("", "nodes", "", node))?;
    Some(Named { name: node.clone(), uid: record.uid.to_string() })
}

/// The object, if it is there with this uid; an empty one means any.
fn stands(
    gateway: &Gateway,
    resource: &str,
    namespace: &str,
    name: &str,
    uid: &str,
) -> Result<Named, Status> {
    let subject = Subject::new("", resource);
    let record = gateway.store.record(&Key::new("", resource, namespace, name));
    let record = record.ok_or_else(|| Status::not_found(subject, name))?;
    if !uid.is_empty() && *record.uid != *uid {
        let why = format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(Status::conflict(subject, name, &why));
    }
    Ok(Named { name: name.to_owned(), uid: record.uid.to_string() })
}

/// Mints a token for an account that is there.
///
/// # Errors
/// 404 for the account, 500 when the key fails.
pub fn mint(gateway: &Gateway, mut wish: Wish) -> Result<Minted, Status> {
    wish.account = stands(gateway, "serviceaccounts", &wish.namespace, &wish.account.name, "")?;
    gateway
        .tokens
        .mint(wish, jiff::Timestamp::now(), Uuid::new_v4())
        .map_err(|error| crate::store::failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lives_ten_minutes_at_least() {
        assert!(check(600).is_ok());
        assert_eq!(
            check(599).expect_err("too short").message,
            "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes"
        );
        assert!(check(LONGEST_SECONDS + 1).is_err());
    }
}
