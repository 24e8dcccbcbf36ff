//! Makes the tables of the Kubernetes API from its published facts.
//!
//! The tables are bare facts in lines of text, checked in beside the generator; `crates/apimachinery` reads them at run
//! time. The same facts always give the same bytes, so that `--check` can say whether the tables are current.

mod descriptions;
mod go_fields;
mod messages;
mod operations;
mod resources;
mod types;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::Value;

/// What the schemas and field numbers leave unsaid; see the head of the file.
const GO_FIELDS: &str = include_str!("../facts/go-fields.txt");

/// Makes the tables of the Kubernetes API from its published facts.
#[derive(Parser)]
struct Args {
    /// The folder that holds schemas-1.36.json, protobuf-1.36.json, discovery-1.36.json and operations-1.36.json.
    #[arg(long, env = "RUTTER_SPEC")]
    spec: PathBuf,
    /// The folder the tables are in.
    #[arg(long, default_value = "schemas/tables")]
    out: PathBuf,
    /// The folder that holds Kubernetes' Go modules side by side (its staging/src/k8s.io). Remakes the facts that only the Go
    /// types tell, and nothing else.
    #[arg(long)]
    go: Option<PathBuf>,
    /// The folder of one version in the sources of the crate k8s-openapi (its src/v1_36). Remakes the table of descriptions,
    /// and nothing else.
    #[arg(long)]
    k8s_openapi: Option<PathBuf>,
    /// Writes nothing; fails when a table is not what would be written.
    #[arg(long)]
    check: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(sources) = &args.go {
        let facts = go_fields::facts(&fact(&args.spec, "protobuf-1.36.json")?, sources)?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("facts/go-fields.txt");
        return fs::write(&path, facts).with_context(|| format!("writing {}", path.display()));
    }
    if let Some(sources) = &args.k8s_openapi {
        let path = args.out.join("descriptions.txt");
        return fs::write(&path, descriptions::table(sources)?)
            .with_context(|| format!("writing {}", path.display()));
    }
    for (name, text) in tables(&args.spec)? {
        let path = args.out.join(name);
        if args.check {
            check(&path, &text)?;
        } else {
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    Ok(())
}

/// Every table's file name and text.
fn tables(spec: &Path) -> Result<[(&'static str, String); 4]> {
    let schemas = fact(spec, "schemas-1.36.json")?;
    let protobuf = fact(spec, "protobuf-1.36.json")?;
    let discovery = fact(spec, "discovery-1.36.json")?;
    let published = fact(spec, "operations-1.36.json")?;
    Ok([
        ("types.txt", types::table(&schemas)?),
        ("messages.txt", messages::table(&protobuf, &schemas, GO_FIELDS)?),
        ("resources.txt", resources::table(&discovery)?),
        ("operations.txt", operations::table(&published)?),
    ])
}

fn fact(spec: &Path, name: &str) -> Result<Value> {
    let path = spec.join(name);
    let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", path.display()))
}

fn check(path: &Path, expected: &str) -> Result<()> {
    let actual = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    if actual != expected {
        bail!(
            "{} is not current: run `cargo run -p rutter-schemas-generator -- --spec <folder>`",
            path.display()
        );
    }
    Ok(())
}

/// `group/version/Kind` of a published group-version-kind.
fn gvk(value: &Value) -> Result<String> {
    let part = |name: &str| value[name].as_str().with_context(|| format!("{value} has no {name}"));
    Ok(format!("{}/{}/{}", part("group")?, part("version")?, part("kind")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_checked_in_are_those_the_published_facts_give() {
        let spec = std::env::var("RUTTER_SPEC").map(PathBuf::from).ok();
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/spec");
        let Some(spec) = spec.or_else(|| beside.is_dir().then_some(beside)) else {
            eprintln!("SKIPPED: the published facts are not here; RUTTER_SPEC names their folder");
            return;
        };
        let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tables");
        for (name, text) in tables(&spec).unwrap() {
            check(&out.join(name), &text).unwrap();
        }
    }
}
