//! What types and fields are for, in the words of the Kubernetes API, as the crate `k8s-openapi` carries them
//! (Apache-2.0): its sources hold the schema of each type as one Rust literal.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The words about a type, and about its fields.
#[derive(Default)]
struct Words {
    of_type: String,
    of_fields: BTreeMap<String, String>,
}

/// The table: a line for each type, with a line for each field behind it; name, tab, words with `\n` for a line's end.
///
/// # Errors
/// When the sources can't be read.
pub(crate) fn table(sources: &Path) -> Result<String> {
    let mut types = BTreeMap::new();
    read_dir(sources, &mut types)?;
    let mut table = String::new();
    let written = |words: &str| words.trim().replace('\\', "\\\\").replace('\n', "\\n");
    for (name, words) in types {
        table.push_str(&format!("{name}\t{}\n", written(&words.of_type)));
        for (field, words) in words.of_fields {
            table.push_str(&format!(" {field}\t{}\n", written(&words)));
        }
    }
    Ok(table)
}

fn read_dir(dir: &Path, types: &mut BTreeMap<String, Words>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            read_dir(&path, types)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            types.extend(read(&fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

/// The one type of a file, if it has a schema.
fn read(source: &str) -> Option<(String, Words)> {
    let (_, schema) = source.split_once("fn schema_name()")?;
    let (_, named) = schema.split_once('"')?;
    let (name, body) = named.split_once('"')?;
    let (mut words, mut field) = (Words::default(), None);
    for line in body.lines() {
        let depth = line.len() - line.trim_start().len();
        let line = line.trim_start();
        match depth {
            12 if line.starts_with("\"description\":") => words.of_type = literal(line, "\"description\":")?,
            16 if line.starts_with('"') => field = line[1..].split_once('"').map(|(name, _)| name.to_owned()),
            20 => {
                let before =
                    ["\"description\":", "schema_obj.ensure_object().insert(\"description\".into(),"];
                let Some(before) = before.into_iter().find(|before| line.starts_with(before)) else {
                    continue;
                };
                if let Some(field) = field.take() {
                    words.of_fields.insert(field, literal(line, before)?);
                }
            }
            _ => {}
        }
    }
    Some((name.to_owned(), words))
}

/// The string literal behind `before`. Rust escapes as JSON does where these texts need it.
fn literal(line: &str, before: &str) -> Option<String> {
    let text = line.strip_prefix(before)?.trim_start();
    let end = text.rfind('"')?;
    serde_json::from_str(&text[..=end]).ok()
}
