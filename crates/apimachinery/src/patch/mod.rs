//! Patches: a change said as a document of its own.
//!
//! Each function takes the current object and the patch and gives the patched object; whether that is a right object
//! is for [`crate::decode::patched`] and [`crate::write`] to say. Upstream:
//! `k8s.io/apiserver/pkg/endpoints/handlers/patch.go`.

mod apply;
mod json;
mod merge;
mod strategic;

pub(crate) use apply::track_update;
pub use apply::{Applying, apply};
pub use json::json;
pub use merge::merge;
pub use strategic::strategic;

use crate::status::Status;

/// 422 for a patch that reads well but cannot be carried out.
fn failed(why: &str) -> Status {
    Status::unprocessable(why)
}
