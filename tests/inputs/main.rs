//! The fuzzing targets over the inputs that are kept for them: they build, and what once failed holds.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails where it stands")]

use std::path::Path;

#[allow(unreachable_pub, reason = "it is a library there")]
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

/// Gives a target every file of its corpus.
fn all(target: &str, one: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files = std::fs::read_dir(&corpus).unwrap();
    let mut given = 0;
    for file in files {
        let path = file.unwrap().path();
        println!("{}", path.display());
        one(&std::fs::read(&path).unwrap());
        given += 1;
    }
    assert!(given > 0, "{} has no inputs", corpus.display());
}

#[test]
fn bodies() {
    all("bodies", fuzz::bodies::one);
}

#[test]
fn patches() {
    all("patches", fuzz::patches::one);
}

#[test]
fn selectors() {
    all("selectors", fuzz::selectors::one);
}

#[test]
fn protobuf() {
    all("protobuf", fuzz::protobuf::one);
}

#[test]
fn paths() {
    all("paths", fuzz::paths::one);
}

#[test]
fn expressions() {
    all("expressions", fuzz::expressions::one);
}
