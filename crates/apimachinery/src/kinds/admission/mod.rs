//! The group admissionregistration.k8s.io (`pkg/registry/admissionregistration`,
//! `pkg/apis/admissionregistration/v1/defaults.go`, `pkg/apis/admissionregistration/validation/validation.go`).

mod bindings;
mod matching;
mod policies;
mod webhooks;

pub(super) use bindings::{MUTATING_ADMISSION_POLICY_BINDING, VALIDATING_ADMISSION_POLICY_BINDING};
pub(super) use policies::{MUTATING_ADMISSION_POLICY, VALIDATING_ADMISSION_POLICY};
pub(super) use webhooks::{MUTATING_WEBHOOK_CONFIGURATION, VALIDATING_WEBHOOK_CONFIGURATION};

use crate::kind::{Column, Kind, Strategy};

const GROUP: &str = "admissionregistration.k8s.io";

const fn declared(
    kind: &'static str,
    plural: &'static str,
    strategy: &'static dyn Strategy,
    columns: &'static [Column],
) -> Kind {
    Kind { group: GROUP, version: "v1", kind, plural, strategy, columns, sealed: false }
}
