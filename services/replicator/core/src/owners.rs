//! Owner references: who controls an object, and how to say so.

use rutter_schemas::{Meta, Owner};
use serde_json::{Value, json};

/// The owner that controls the object; there is at most one.
pub(crate) fn controller_of(meta: &Meta) -> Option<&Owner> {
    meta.owners.iter().find(|owner| owner.controller)
}

/// The uid of the controlling owner, when it is of this kind and group.
pub(crate) fn controlled_by<'a>(meta: &'a Meta, group: &str, kind: &str) -> Option<&'a str> {
    let owner = controller_of(meta)?;
    let of_group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    (owner.kind == kind && of_group == group).then_some(owner.uid.as_str())
}

/// A reference to the object that controls.
pub(crate) fn controlling(api_version: &str, kind: &str, name: &str, uid: &str) -> Owner {
    Owner {
        uid: uid.to_owned(),
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        controller: true,
        block: true,
    }
}

/// `metadata.ownerReferences` as JSON.
pub(crate) fn references<'a>(owners: impl IntoIterator<Item = &'a Owner>) -> Value {
    owners.into_iter().map(reference).collect()
}

fn reference(owner: &Owner) -> Value {
    let mut reference = json!({
        "apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid,
    });
    if owner.controller {
        reference["controller"] = json!(true);
    }
    if owner.block {
        reference["blockOwnerDeletion"] = json!(true);
    }
    reference
}
