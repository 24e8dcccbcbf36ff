//! Patches: a change said as a document of its own.
//!
//! Each function takes the current object and the patch and gives the patched object; whether that is a right object
//! is for [`crate::decode::patched`] and [`crate::write`] to say. Upstream:
//! `k8s.io/apiserver/pkg/endpoints/handlers/patch.go`.

mod apply;
mod json;
mod merge;
mod strategic;

pub(crate) use apply::undeclared;
pub use apply::{Applying, SameNames, Versions, apply, apply_over};
pub(crate) use apply::{track_birth, track_update};
pub use json::json;
pub use merge::merge;
pub use strategic::strategic;
