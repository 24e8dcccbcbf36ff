//! `metav1.Status`: every refusal the API gives, in upstream's words.
//!
//! Clients match on `reason` and `code`, people and scripts on `message`; all three follow `k8s.io/apimachinery/pkg/api/errors/errors.go`.

mod field;
mod refusals;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

pub use field::{Fault, FieldError, Path, quoted};
pub use refusals::MODIFIED;

/// What a request came to, when it did not come to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    #[serde(flatten, skip_deserializing)]
    type_meta: TypeMeta,
    #[serde(default)]
    pub metadata: ListMeta,
    #[serde(default)]
    pub status: Verdict,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// One word for machines: `NotFound`, `Conflict` … Empty when there is none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub reason: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<Details>>,
    /// The HTTP status code.
    #[serde(default)]
    pub code: u16,
}

/// Every Status is of the same kind and version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct TypeMeta;

impl Serialize for TypeMeta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("kind", "Status"), ("apiVersion", "v1")])
    }
}

/// Whether a Status tells of something done or of something refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    Success,
    #[default]
    Failure,
}

/// What a Status carries of a list's metadata: a way on, when a continue token has expired.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListMeta {
    #[serde(rename = "continue", skip_serializing_if = "String::is_empty")]
    pub continue_token: String,
}

/// `metav1.StatusDetails`. `kind` holds a kind or a resource, as upstream has it, whichever the message speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cause {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// A group with a resource (`deployments` of `apps`) or with a kind (`Deployment` of `apps`): what a message speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    pub group: &'a str,
    pub noun: &'a str,
}

impl<'a> Subject<'a> {
    #[must_use]
    pub const fn new(group: &'a str, noun: &'a str) -> Self {
        Subject { group, noun }
    }

    fn details(self, name: &str) -> Details {
        Details {
            name: name.to_owned(),
            group: self.group.to_owned(),
            kind: self.noun.to_owned(),
            ..Details::default()
        }
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group {
            "" => f.write_str(self.noun),
            group => write!(f, "{}.{group}", self.noun),
        }
    }
}

impl From<&FieldError> for Cause {
    fn from(error: &FieldError) -> Cause {
        Cause { reason: error.fault.code().into(), message: error.body(), field: error.field.clone() }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_reads_on_the_wire_as_upstreams_does() {
        let errors = vec![Path::of("spec.selector").invalid("x", "field is immutable")];
        let status = Status::invalid(Subject::new("apps", "Deployment"), "web", errors);
        assert_eq!(
            serde_json::to_value(&status).unwrap(),
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Invalid", "code": 422,
                "message": "Deployment.apps \"web\" is invalid: spec.selector: Invalid value: \"x\": field is immutable",
                "details": {"name": "web", "group": "apps", "kind": "Deployment", "causes": [
                    {"reason": "FieldValueInvalid", "message": "Invalid value: \"x\": field is immutable", "field": "spec.selector"}
                ]}
            })
        );
        assert_eq!(serde_json::from_value::<Status>(serde_json::to_value(&status).unwrap()).unwrap(), status);
    }

    #[test]
    fn a_status_of_few_words_can_be_read() {
        let status: Status = serde_json::from_str(r#"{"status":"Success"}"#).unwrap();
        assert!(!status.is_failure());
    }
}
