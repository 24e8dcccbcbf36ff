//! The options that writes have in common: `dryRun`, `fieldManager`, `fieldValidation`
//! (k8s.io/apimachinery/pkg/apis/meta/v1/validation).

use http::HeaderMap;
use http::header::USER_AGENT;
use rutter_apimachinery::decode::FieldValidation;
use rutter_apimachinery::status::{Path, Status, Subject};

use crate::request::Query;

/// How a write is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions {
    /// Decide everything, record nothing.
    pub dry_run: bool,
    pub validation: FieldValidation,
}

/// Reads them for `kind` of options: `CreateOptions`, `UpdateOptions`, `PatchOptions`.
///
/// # Errors
/// 422 in upstream's words.
pub fn of(query: &Query, kind: &str) -> Result<WriteOptions, Status> {
    let mut errors = Vec::new();
    let dry_run: Vec<&str> = query.all("dryRun").filter(|word| !word.is_empty()).collect();
    if dry_run.iter().any(|word| *word != "All") {
        errors.push(Path::of("dryRun").not_supported(dry_run.clone(), &["All"]));
    }
    let validation = match query.get("fieldValidation") {
        None | Some("Warn") => FieldValidation::Warn,
        Some("Ignore") => FieldValidation::Ignore,
        Some("Strict") => FieldValidation::Strict,
        Some(other) => {
            errors.push(Path::of("fieldValidation").not_supported(other, &["Ignore", "Strict", "Warn"]));
            FieldValidation::Warn
        }
    };
    if query.get("fieldManager").is_some_and(|manager| manager.len() > 128) {
        errors.push(Path::of("fieldManager").too_long(128));
    }
    match errors.is_empty() {
        true => Ok(WriteOptions { dry_run: !dry_run.is_empty(), validation }),
        false => Err(Status::invalid(Subject::new("meta.k8s.io", kind), "", errors)),
    }
}

/// Who manages the fields that are set: as named, or the client's program name (upstream: `managerOrUserAgent`).
pub fn field_manager<'a>(query: &'a Query, headers: &'a HeaderMap) -> &'a str {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let program = agent.split('/').next().unwrap_or_default();
    query.get("fieldManager").unwrap_or(if program.is_empty() { "unknown" } else { program })
}
