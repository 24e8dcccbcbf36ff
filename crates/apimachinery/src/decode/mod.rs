//! From bytes to an object, as strictly as the client asked.
//!
//! First text becomes JSON, and keys given twice are noted; then the schema decides: wrong types are refused, unknown
//! fields noted and left out, and what Go would not keep (nulls, empty lists and maps) dropped, so that equal objects
//! look equal. Upstream: `k8s.io/apimachinery/pkg/runtime/serializer/json`, `sigs.k8s.io/json`,
//! `k8s.io/apiserver/pkg/endpoints/handlers/rest.go` (transformDecodeError).

mod parse;
pub(crate) mod shape;

use serde_json::Value;

use crate::json::text;
use crate::patch::undeclared;
use crate::registry::Resource;
use crate::status::{FieldError, Path, Status, Subject};
use crate::tables::{Type, split_api_version};
pub use shape::TypeError;

/// What to do about fields that the schema doesn't know and about fields given twice (`fieldValidation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

impl FieldValidation {
    /// Reads the query parameter; empty is the default.
    ///
    /// # Errors
    /// 422 for an unknown word (`metav1validation.ValidateFieldValidation`).
    pub fn parse(word: &str) -> Result<FieldValidation, Status> {
        match word {
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Ignore" => Ok(FieldValidation::Ignore),
            "Strict" => Ok(FieldValidation::Strict),
            other => {
                let error =
                    Path::of("fieldValidation").not_supported(other, &["", "Ignore", "Strict", "Warn"]);
                Err(Status::invalid(Subject::new("meta.k8s.io", "CreateOptions"), "", vec![error]))
            }
        }
    }
}

/// An object, and what to tell the client about it (one `Warning` header each).
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    pub object: Value,
    pub warnings: Vec<String>,
}

/// Decodes a JSON body of a request for `resource`.
///
/// # Errors
/// 400 in upstream's words: no JSON, another kind, a wrong type, or an unknown or repeated field where that is refused.
pub fn from_json(body: &[u8], resource: &Resource, validation: FieldValidation) -> Result<Decoded, Status> {
    decode(body, parse::json(body), resource, validation, parse::in_document_order)
}

/// Decodes a YAML body of a request for `resource`.
///
/// # Errors
/// As [`from_json`].
pub fn from_yaml(body: &[u8], resource: &Resource, validation: FieldValidation) -> Result<Decoded, Status> {
    // Upstream reads YAML into JSON first, and finds there what is given twice; then it looks at the rest.
    decode(body, parse::yaml(body), resource, validation, |_, findings| findings)
}

/// Decodes a JSON or YAML body that is of a type no resource has (DeleteOptions, Scale, Binding, Eviction …), leniently.
///
/// # Errors
/// 400 when it does not parse or has wrong types.
pub fn loosely(body: &[u8], is_yaml: bool, kind: &str, schema: &Type) -> Result<Value, Status> {
    let parsed = if is_yaml { parse::yaml(body) } else { parse::json(body) };
    let refuse = |why: String| Status::bad_request(format!("{kind} could not be decoded: {why}"));
    let mut object = parsed.map_err(refuse)?.object;
    shape::conform(&mut object, schema).map_err(|error| refuse(error.to_string()))?;
    Ok(object)
}

/// Brings a patched object into the shape of its schema; a patch can bring in anything.
///
/// # Errors
/// 422 that points at the patch, as upstream's `patch.go` has it.
pub fn patched(
    mut object: Value,
    resource: &Resource,
    validation: FieldValidation,
) -> Result<Decoded, Status> {
    let refuse = |object: &Value, why: &str| {
        let error: FieldError = Path::of("patch").invalid(object.to_string(), why);
        Status::invalid(Subject::new("", ""), "", vec![error])
    };
    match conform(&mut object, resource) {
        Err(why) => Err(refuse(&object, &why)),
        Ok(unknown) => settle(object, unknown, validation, |object, why| refuse(object, &why)),
    }
}

/// Reads what is applied: YAML, and so JSON, too. Upstream: `applyPatcher` in `patch.go`.
///
/// # Errors
/// 400 when it does not parse, or gives a key twice where that is refused; elsewhere the last one counts.
pub fn apply_body(body: &[u8], validation: FieldValidation) -> Result<Value, Status> {
    let refuse = |what: &str, why: String| Status::bad_request(format!("error {what} YAML: {why}"));
    let parsed = parse::yaml(body).map_err(|why| refuse("decoding", why))?;
    match parse::repeated_in_yaml(body) {
        Some(why) if validation == FieldValidation::Strict => Err(refuse("strict decoding", why)),
        _ => Ok(parsed.object),
    }
}

/// Brings an applied object into the shape of its schema.
///
/// # Errors
/// 500 for fields that the schema doesn't declare, and 422 for values of a wrong type.
pub fn applied(object: Value, resource: &Resource) -> Result<Value, Status> {
    let mut shaped = object.clone();
    let Ok(unknown) = conform(&mut shaped, resource) else {
        return patched(object, resource, FieldValidation::Ignore).map(|decoded| decoded.object);
    };
    if unknown.is_empty() {
        return Ok(shaped);
    }
    let bare = |told: &String| told.trim_start_matches("unknown field ").trim_matches('"').to_owned();
    let paths: Vec<String> = unknown.iter().map(bare).collect();
    Err(undeclared::refuse(resource, &object, &paths))
}

/// Brings an object that somebody made, and nobody decoded, into the shape of its schema: whatever is written has it.
pub(crate) fn settled(object: &mut Value, resource: &Resource) -> Result<(), Status> {
    shape::settle(object, resource.schema()).map_err(|error| cannot_be_handled(resource, &error.to_string()))
}

/// What a text held: an object, and the fields it gave twice, as `duplicate field "…"`.
struct Parsed {
    object: Value,
    repeated: Vec<String>,
}

fn decode(
    body: &[u8],
    parsed: Result<Parsed, String>,
    resource: &Resource,
    validation: FieldValidation,
    order: fn(&[u8], Vec<String>) -> Vec<String>,
) -> Result<Decoded, Status> {
    let parsed = parsed.map_err(|why| unrecognized(body, resource, &why))?;
    if !parsed.object.is_object() {
        let why = format!(
            "json: cannot unmarshal {} into Go value of type runtime.TypeMeta",
            shape::name_of(&parsed.object)
        );
        return Err(unrecognized(body, resource, &why));
    }
    check_kind(&parsed.object, resource)?;
    let mut object = parsed.object;
    let unknown = conform(&mut object, resource).map_err(|why| cannot_be_handled(resource, &why))?;
    let findings = match (parsed.repeated, unknown) {
        (repeated, unknown) if repeated.is_empty() || unknown.is_empty() => [repeated, unknown].concat(),
        (repeated, unknown) => order(body, [repeated, unknown].concat()),
    };
    settle(object, findings, validation, |_, why| cannot_be_handled(resource, &why))
}

/// Brings an object into the shape of its schema and gives what was unknown, or why it can't.
fn conform(object: &mut Value, resource: &Resource) -> Result<Vec<String>, String> {
    match &resource.custom {
        None => shape::conform(object, resource.schema()).map_err(|error| error.to_string()),
        Some(custom) => custom.conform(object).map_err(|error| error.to_string()),
    }
}

/// Warns, refuses or is silent about unknown and repeated fields.
fn settle(
    object: Value,
    findings: Vec<String>,
    validation: FieldValidation,
    refuse: impl Fn(&Value, String) -> Status,
) -> Result<Decoded, Status> {
    match validation {
        FieldValidation::Strict if !findings.is_empty() => {
            Err(refuse(&object, format!("strict decoding error: {}", findings.join(", "))))
        }
        FieldValidation::Warn => Ok(Decoded { object, warnings: findings }),
        FieldValidation::Ignore | FieldValidation::Strict => Ok(Decoded { object, warnings: Vec::new() }),
    }
}

/// A body may leave its kind and version out; it may not be of others.
fn check_kind(object: &Value, resource: &Resource) -> Result<(), Status> {
    let (kind, version) = (text(object, "kind"), text(object, "apiVersion"));
    let wanted = resource.api_version();
    if !version.is_empty() && version != wanted {
        return Err(Status::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({wanted})"
        )));
    }
    if kind.is_empty() || kind == resource.kind {
        return Ok(());
    }
    let version = if version.is_empty() { &wanted } else { version };
    Err(Status::bad_request(format!(
        "{kind} in version \"{}\" cannot be handled as a {}: no kind \"{kind}\" is registered for version \
         \"{version}\" of this resource",
        split_api_version(version).1,
        resource.kind
    )))
}

fn cannot_be_handled(resource: &Resource, why: &str) -> Status {
    let (kind, version) = (&resource.kind, &resource.version);
    Status::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"))
}

fn unrecognized(body: &[u8], resource: &Resource, why: &str) -> Status {
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {}): couldn't get version/kind; json parse error: \
         {why} ({})",
        resource.kind,
        summary(body)
    ))
}

/// The beginning of a body: as text when it begins like JSON, else in hexadecimal.
fn summary(body: &[u8]) -> String {
    const SHOWN: usize = 30;
    let head = &body[..body.len().min(SHOWN)];
    let shown = match head.first() {
        None => return "<empty>".into(),
        Some(b'{') => String::from_utf8_lossy(head).into_owned(),
        Some(_) => head.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    if body.len() > SHOWN { format!("{shown} ...") } else { shown }
}
