//! `facts/go-fields.txt`: what a protobuf field is in Go, read from the struct tags of Kubernetes' sources.
//!
//! Only declarations of the form these sources have are read: one field a line, tags in backquotes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

const HEAD: &str = "\
# What the published schemas and field numbers leave unsaid about a protobuf field, read from the struct tags of the Go types
# (k8s.io/api, apimachinery, apiextensions-apiserver, kube-aggregator, metrics, apiserver; v0.36).
# Made by schemas/generator with --go.
# A line is a message and, for each field that differs from the common case, its number and one letter:
#   p  a pointer: on the wire, and in JSON, only when it is set
#   z  a value that JSON shows even when it is zero
#   o  a value that JSON leaves out when it is zero, although its type is a struct (omitzero)
#   i  inlined: in JSON its fields stand among those of the message around it
#   e  (the common case, written only with a name) a value that JSON leaves out when it is zero
# and =name where JSON has another name than protobuf.
";

/// The facts of every message. `sources` holds the modules side by side, as Kubernetes' `staging/src/k8s.io` does.
pub(crate) fn facts(protobuf: &Value, sources: &Path) -> Result<String> {
    let mut text = String::from(HEAD);
    let mut packages = BTreeMap::new();
    for (name, fields) in protobuf.as_object().context("the messages are not an object")? {
        let (package, kind) = name.rsplit_once('.').with_context(|| format!("{name} has no package"))?;
        let folder = folder(sources, package);
        let Some(tagged) = tagged(&mut packages, &folder, kind, sources)? else { continue };
        let mut line = String::new();
        for (number, field) in by_number(fields)? {
            if let Some(go) = tagged.iter().find(|go| go.number == number) {
                line.push_str(&go.fact(field[0].as_str().unwrap_or_default()));
            }
        }
        if !line.is_empty() {
            writeln!(text, "{name}{line}")?;
        }
    }
    Ok(text)
}

fn by_number(fields: &Value) -> Result<BTreeMap<u32, &Value>> {
    let fields = fields.as_object().context("the fields are not an object")?;
    fields.iter().map(|(number, field)| Ok((number.parse()?, field))).collect()
}

/// `k8s.io.apiextensions_apiserver.pkg.apis…` lies in `apiextensions-apiserver/pkg/apis/…`.
fn folder(sources: &Path, package: &str) -> PathBuf {
    let mut parts = package.trim_start_matches("k8s.io.").split('.');
    let module = parts.next().unwrap_or_default().replace('_', "-");
    parts.fold(sources.join(module), |path, part| path.join(part))
}

/// The declarations of one Go package.
#[derive(Clone, Default)]
struct Package {
    structs: BTreeMap<String, Vec<GoField>>,
    /// Types that are another package's: name → import path and name there.
    aliases: BTreeMap<String, (String, String)>,
}

#[derive(Clone)]
struct GoField {
    number: u32,
    json_name: String,
    options: Vec<String>,
    is_pointer: bool,
    is_embedded: bool,
}

impl GoField {
    fn has(&self, option: &str) -> bool {
        self.options.iter().any(|known| known == option)
    }

    /// ` 3p`, ` 4z=name`; nothing for the common case.
    fn fact(&self, proto_name: &str) -> String {
        let inlined = self.has("inline") || (self.is_embedded && self.json_name.is_empty());
        let letter = match () {
            () if inlined => 'i',
            () if self.is_pointer => 'p',
            () if self.has("omitzero") => 'o',
            () if self.has("omitempty") => 'e',
            () => 'z',
        };
        let renamed = !inlined && !["", "-", proto_name].contains(&self.json_name.as_str());
        match (letter, renamed) {
            ('e', false) => String::new(),
            (_, false) => format!(" {}{letter}", self.number),
            (_, true) => format!(" {}{letter}={}", self.number, self.json_name),
        }
    }
}

fn tagged(
    packages: &mut BTreeMap<PathBuf, Package>,
    folder: &Path,
    kind: &str,
    sources: &Path,
) -> Result<Option<Vec<GoField>>> {
    if !packages.contains_key(folder) {
        packages.insert(folder.to_owned(), read(folder)?);
    }
    let package = &packages[folder];
    if let Some(fields) = package.structs.get(kind) {
        return Ok(Some(fields.clone()));
    }
    let Some((import, name)) = package.aliases.get(kind).cloned() else { return Ok(None) };
    let Some(path) = import.strip_prefix("k8s.io/") else { return Ok(None) };
    tagged(packages, &sources.join(path), &name, sources)
}

fn read(folder: &Path) -> Result<Package> {
    let mut package = Package::default();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".go") && !name.contains("generated") && !name.ends_with("_test.go") {
            package.learn(&fs::read_to_string(&path)?);
        }
    }
    Ok(package)
}

impl Package {
    fn learn(&mut self, source: &str) {
        let mut imports = BTreeMap::new();
        let mut current: Option<String> = None;
        for line in without_comments(source).lines().map(str::trim) {
            if let Some((alias, path)) = import(line) {
                imports.insert(alias, path);
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match (&current, &words[..]) {
                (None, ["type", name, "struct", "{"]) => {
                    self.structs.insert((*name).to_owned(), Vec::new());
                    current = Some((*name).to_owned());
                }
                (None, ["type", name, "=", other] | ["type", name, other]) => {
                    if let Some((alias, other)) = other.split_once('.')
                        && let Some(path) = imports.get(alias)
                    {
                        self.aliases.insert((*name).to_owned(), (path.clone(), other.to_owned()));
                    }
                }
                (Some(_), ["}"]) => current = None,
                (Some(name), _) => {
                    let fields = self.structs.get_mut(name).into_iter();
                    fields.zip(field(line)).for_each(|(fields, field)| fields.push(field));
                }
                _ => {}
            }
        }
    }
}

/// Line comments go first: some of them speak of `*/*`.
fn without_comments(source: &str) -> String {
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let source: String = lines.flat_map(|line| [line, "\n"]).collect();
    let mut kept = String::new();
    let mut rest = source.as_str();
    while let Some((before, after)) = rest.split_once("/*") {
        kept.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept
}

/// `metav1 "k8s.io/…/meta/v1"`, or the path alone.
fn import(line: &str) -> Option<(String, String)> {
    let (alias, rest) = line.split_once('"')?;
    let path = rest.strip_suffix('"')?;
    let alias = match alias.trim().trim_start_matches("import").trim() {
        "" => path.rsplit('/').next()?,
        alias => alias,
    };
    path.starts_with("k8s.io/").then(|| (alias.to_owned(), path.to_owned()))
}

fn field(line: &str) -> Option<GoField> {
    let (declared, tags) = line.split_once('`')?;
    let mut json = tag(tags, "json")?.split(',').map(str::to_owned);
    let number = tag(tags, "protobuf")?.split(',').nth(1)?.parse().ok()?;
    let mut declared = declared.split_whitespace();
    let (name, kind) = (declared.next()?, declared.next());
    Some(GoField {
        number,
        json_name: json.next()?,
        options: json.collect(),
        is_pointer: kind.unwrap_or(name).starts_with('*'),
        is_embedded: kind.is_none(),
    })
}

fn tag<'a>(tags: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tags.split_once(&format!("{name}:\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_what_its_declaration_and_tags_say() {
        let fact = |line: &str, name| field(line).unwrap().fact(name);
        let replicas = r#"Replicas *int32 `json:"replicas,omitempty" protobuf:"varint,1,opt,name=replicas"`"#;
        assert_eq!(fact(replicas, "replicas"), " 1p");
        assert_eq!(fact(r#"Name string `json:"name" protobuf:"bytes,1,opt,name=name"`"#, "name"), " 1z");
        assert_eq!(
            fact(r#"Name string `json:"name,omitempty" protobuf:"bytes,1,opt,name=name"`"#, "name"),
            ""
        );
        assert_eq!(
            fact(r#"Ref *string `json:"$ref,omitempty" protobuf:"bytes,3,opt,name=ref"`"#, "ref"),
            " 3p=$ref"
        );
        let source = r#"VolumeSource `json:",inline" protobuf:"bytes,2,opt,name=volumeSource"`"#;
        assert_eq!(fact(source, "volumeSource"), " 2i");
    }

    #[test]
    fn what_is_not_in_protobuf_is_no_field() {
        assert!(field(r#"metav1.TypeMeta `json:",inline"`"#).is_none());
        assert!(field(r#"time.Time `protobuf:"-"`"#).is_none());
    }
}
