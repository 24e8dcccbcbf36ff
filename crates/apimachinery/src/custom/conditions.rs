//! The conditions of a definition, and what they are computed from (`pkg/apihelpers/helpers.go`,
//! `pkg/controller/{status,establish,apiapproval,nonstructuralschema}`).

use serde_json::Value;

use crate::json::{items, text};

pub const ESTABLISHED: &str = "Established";
pub const NAMES_ACCEPTED: &str = "NamesAccepted";
pub const TERMINATING: &str = "Terminating";
pub const NON_STRUCTURAL: &str = "NonStructuralSchema";
pub const API_APPROVED: &str = "KubernetesAPIApprovalPolicyConformant";

/// Deletes a definition's objects before it goes.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// The annotation that the API's own community groups need.
pub const APPROVAL: &str = "api-approved.kubernetes.io";

/// Whether a condition is true.
#[must_use]
pub fn holds(definition: &Value, kind: &str) -> bool {
    find(definition, kind).is_some_and(|condition| condition["status"] == "True")
}

#[must_use]
pub fn find<'d>(definition: &'d Value, kind: &str) -> Option<&'d Value> {
    items(&definition["status"]["conditions"]).iter().find(|condition| condition["type"] == kind)
}

/// Whether the group is one of Kubernetes' own, in which nobody else may define anything without approval.
#[must_use]
pub fn is_protected(group: &str) -> bool {
    group == "k8s.io"
        || group.ends_with(".k8s.io")
        || group == "kubernetes.io"
        || group.ends_with(".kubernetes.io")
}

/// What the annotation says of an API's approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    Approved,
    Bypassed,
    Missing,
    Invalid,
}

/// The state of approval with upstream's reason for it.
#[must_use]
pub fn approval(definition: &Value) -> (Approval, String) {
    match text(&definition["metadata"]["annotations"], APPROVAL) {
        "" => {
            let why = format!(
                "protected groups must have approval annotation {APPROVAL:?}, see https://github.com/kubernetes/enhancements/pull/1111"
            );
            (Approval::Missing, why)
        }
        given if given.starts_with("unapproved") => {
            (Approval::Bypassed, format!("not approved: {}", crate::status::quoted(given)))
        }
        given if is_absolute_url(given) => (Approval::Approved, format!("approved in {given}")),
        _ => {
            let why = format!(
                "protected groups must have approval annotation {APPROVAL:?} with either a URL or a reason starting \
                 with \"unapproved\", see https://github.com/kubernetes/enhancements/pull/1111"
            );
            (Approval::Invalid, why)
        }
    }
}

fn is_absolute_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    !scheme.is_empty()
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        && rest.chars().next().is_some_and(|c| !matches!(c, '/' | '?' | '#'))
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}
