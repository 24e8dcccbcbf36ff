//! The group flowcontrol.apiserver.k8s.io (`pkg/registry/flowcontrol`, `pkg/apis/flowcontrol/v1/defaults.go`,
//! `pkg/apis/flowcontrol/validation/validation.go`).

mod flow_schema;
mod priority_level;

pub(super) use flow_schema::FLOW_SCHEMA;
pub(super) use priority_level::PRIORITY_LEVEL_CONFIGURATION;

use serde_json::Value;

use crate::json::{items, text};
use crate::status::{FieldError, Path};

const GROUP: &str = "flowcontrol.apiserver.k8s.io";

/// A status says each condition once.
fn conditions(object: &Value, errors: &mut Vec<FieldError>) {
    let list = Path::of("status.conditions");
    let mut seen = Vec::new();
    for (index, condition) in items(&object["status"]["conditions"]).iter().enumerate() {
        let (path, kind) = (list.index(index), text(condition, "type"));
        if seen.contains(&kind) {
            errors.push(path.child("type").duplicate(kind));
        }
        seen.push(kind);
        if kind.is_empty() {
            errors.push(path.child("type").required(""));
        }
    }
}
