//! The targets, one room each, and what they share: a target takes bytes and panics where something that always holds
//! does not. An input is text where it can be: its first line chooses, the rest is what a client sends.
//!
//! The suite `inputs` of the project's tests has these rooms, too, and gives them the corpus.

pub mod bodies;
pub mod expressions;
pub mod patches;
pub mod paths;
pub mod protobuf;
pub mod selectors;

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use rutter_apimachinery::registry::{Registry, Resource};
use rutter_apimachinery::write::{self, Draft, WriteCx};
use rutter_schemas::Revision;
use serde_json::Value;
use uuid::Uuid;

pub static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::builtin);

/// The first line, and what is behind it.
pub fn parted(data: &[u8]) -> (&str, &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    (std::str::from_utf8(&data[..end]).unwrap_or_default(), data.get(end + 1..).unwrap_or_default())
}

/// The resource that a plural names; for any other text, one that depends on it.
pub fn resource(word: &str) -> Arc<Resource> {
    let all = REGISTRY.resources();
    let named = all.iter().find(|resource| resource.plural == word);
    let by_chance = || &all[word.bytes().map(usize::from).sum::<usize>() % all.len()];
    named.unwrap_or_else(by_chance).clone()
}

pub fn cx(resource: &Resource) -> WriteCx<'static> {
    WriteCx {
        now: Timestamp::UNIX_EPOCH,
        uid: Uuid::from_u128(1),
        namespace: if resource.namespaced { "default" } else { "" },
        name: "",
        user: "someone",
        field_manager: "fuzz",
    }
}

/// The object as the API serves it after a draft was recorded.
pub fn stored(draft: &Draft) -> Value {
    serde_json::from_slice(&draft.event.splice(Revision(7))).expect("what is recorded is JSON")
}

/// A write that says what already stands changes nothing.
pub fn is_settled(resource: &Resource, object: &Value) {
    let again = write::update(resource, "", object, object.clone(), &cx(resource));
    match again {
        Ok(None) => {}
        other => panic!("{} written as it stands: {other:?}\n{object}", resource.plural),
    }
}
