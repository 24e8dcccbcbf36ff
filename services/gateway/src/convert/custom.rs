//! Custom objects between the version that they rest in and the one that is asked for.

use bytes::Bytes;
use rutter_apimachinery::custom::{Conversion, Custom};
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::write::Draft;
use rutter_schemas::{Revision, state};
use serde_json::{Value, json};

/// An object from storage, in the version that was asked for.
pub(crate) fn spoken(mut object: Value, custom: &Custom, resource: &Resource) -> Value {
    custom.restored(&mut object);
    if object["apiVersion"].as_str() != Some(&resource.api_version()) {
        custom.renamed(&mut object, resource);
        custom.fitted(&mut object);
    }
    object
}

/// The bytes of an object from storage. What was written in this version since its definition last changed is already as
/// its schema has it: those bytes are the answer.
pub(crate) fn bytes(object: &Bytes, custom: &Custom, resource: &Resource) -> serde_json::Result<Bytes> {
    if super::speaks(object, resource) && revision_in(object) > custom.definition.revision {
        return Ok(object.clone());
    }
    let value = spoken(serde_json::from_slice(object)?, custom, resource);
    Ok(state::splice(&state::encode(&value), revision_in(object)))
}

/// The resourceVersion that was spliced in: it stands first in the metadata.
pub(super) fn revision_in(object: &[u8]) -> Revision {
    const LEAD: &[u8] = b"\"metadata\":{\"resourceVersion\":\"";
    let Some(found) = object.windows(LEAD.len()).position(|window| window == LEAD) else {
        return Revision::NONE;
    };
    let digits = object[found + LEAD.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    Revision(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// A draft that was made in the version of the request, in the storage version. Where somebody has to be asked for that,
/// it waits for the request's interpreter.
pub(super) fn stored(mut draft: Draft, custom: &Custom, resource: &Resource) -> Draft {
    let storage = &custom.definition.storage;
    let is_asked = custom.definition.conversion != Conversion::None;
    if is_asked || storage.is_empty() || *storage == resource.version {
        return draft;
    }
    draft.object["apiVersion"] = json!(format!("{}/{storage}", resource.group));
    custom.stowed(&mut draft.object);
    draft.event.object.version.clone_from(storage);
    draft.event.state = state::encode(&draft.object);
    draft
}
