//! Upstream's own bytes: the same filled-in object of every kind, in JSON and in protobuf.
//!
//! They lie outside the repository ([`published::find`]).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod published;

use std::fs;
use std::path::Path;

use rutter_apimachinery::protobuf;
use rutter_apimachinery::tables::GroupVersionKind;
use serde_json::Value;

#[test]
fn every_object_decodes_to_its_json() {
    for fixture in fixtures() {
        let decoded = protobuf::decode(&fixture.bytes, Some(&fixture.kind));
        let decoded = decoded.unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
        assert!(decoded == fixture.json, "{}: {}", fixture.name, difference(&decoded, &fixture.json, ""));
    }
}

#[test]
fn every_object_encodes_to_the_same_bytes() {
    for fixture in fixtures() {
        let encoded = protobuf::encode(&fixture.json);
        let encoded = encoded.unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
        let (ours, theirs) = (after_type(&encoded), after_type(&fixture.bytes));
        assert!(ours == theirs, "{}: {}", fixture.name, first_difference(ours, theirs));
        assert!(encoded == fixture.bytes || fixture.unnamed, "{}: the kind is told otherwise", fixture.name);
    }
}

#[test]
fn a_cut_object_is_an_error_or_a_smaller_object_but_never_a_panic() {
    for fixture in fixtures() {
        for length in (0..fixture.bytes.len()).step_by(97) {
            let _ = protobuf::decode(&fixture.bytes[..length], Some(&fixture.kind));
        }
    }
}

struct Fixture {
    name: String,
    kind: GroupVersionKind,
    bytes: Vec<u8>,
    json: Value,
    /// A WatchEvent names no kind in itself, and upstream's envelope of it is empty.
    unnamed: bool,
}

/// What follows the prefix and the type in an envelope.
fn after_type(bytes: &[u8]) -> &[u8] {
    &bytes[6 + usize::from(bytes[5])..]
}

fn fixtures() -> Vec<Fixture> {
    let Some(folder) = published::find("wire") else { return Vec::new() };
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".pb").map(str::to_owned))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "{} has no fixtures", folder.display());
    names.into_iter().map(|name| fixture(&folder, name)).collect()
}

fn fixture(folder: &Path, name: String) -> Fixture {
    let mut parts = name.rsplitn(3, '.').map(str::to_owned);
    let mut part = || parts.next().unwrap();
    let (kind, version, group) = (part(), part(), part());
    let group = if group == "core" { String::new() } else { group };
    let mut json: Value =
        serde_json::from_slice(&fs::read(folder.join(format!("{name}.json"))).unwrap()).unwrap();
    let kind = GroupVersionKind { group: group.into(), version: version.into(), kind: kind.into() };
    let unnamed = json.get("kind").is_none();
    if unnamed {
        json["kind"] = kind.kind.as_ref().into();
        json["apiVersion"] = kind.api_version().into();
    }
    Fixture { kind, bytes: fs::read(folder.join(format!("{name}.pb"))).unwrap(), json, name, unnamed }
}

fn difference(ours: &Value, theirs: &Value, path: &str) -> String {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            let differ = keys.filter(|key| a.get(*key) != b.get(*key));
            differ
                .map(|key| {
                    let absent = Value::from("(absent)");
                    let (a, b) = (a.get(key).unwrap_or(&absent), b.get(key).unwrap_or(&absent));
                    difference(a, b, &format!("{path}.{key}"))
                })
                .collect::<Vec<_>>()
                .join("\n")
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let differ = a.iter().zip(b).enumerate().filter(|(_, (a, b))| a != b);
            differ
                .map(|(at, (a, b))| difference(a, b, &format!("{path}[{at}]")))
                .collect::<Vec<_>>()
                .join("\n")
        }
        _ => format!("{path}: {ours} instead of {theirs}"),
    }
}

fn first_difference(ours: &[u8], theirs: &[u8]) -> String {
    let at = ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or(ours.len().min(theirs.len()));
    let near = |bytes: &[u8]| {
        String::from_utf8_lossy(&bytes[at.saturating_sub(24)..bytes.len().min(at + 24)]).into_owned()
    };
    format!("byte {at} of {}: {:?} instead of {:?}", theirs.len(), near(ours), near(theirs))
}
