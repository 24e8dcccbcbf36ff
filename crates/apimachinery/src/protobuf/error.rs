//! Why a body could not be decoded or encoded, and at which field.

use std::fmt;

use thiserror::Error;

/// A failure and where it was met.
#[derive(Debug, PartialEq, Eq)]
pub struct ProtobufError {
    pub reason: Reason,
    /// The fields around it, innermost first.
    steps: Vec<String>,
}

/// What is wrong.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Reason {
    #[error("provided data does not appear to be a protobuf message, expected prefix {:?}", super::PREFIX)]
    NoPrefix,
    #[error("the data ends within a field")]
    Truncated,
    #[error("a number has more than 64 bits")]
    Overflow,
    #[error("message {message} has no field number {number}")]
    UnknownField { message: &'static str, number: u32 },
    #[error("wire type {0} is not the field's")]
    WireType(u8),
    #[error("the text is not UTF-8")]
    NotUtf8,
    #[error("messages nest too deeply")]
    TooDeep,
    #[error("Object 'Kind' is missing")]
    NoKind,
    #[error("no kind \"{kind}\" is registered for version \"{api_version}\"")]
    UnknownKind { api_version: String, kind: String },
    #[error("raw JSON does not parse: {0}")]
    RawJson(String),
    #[error("{0} is not a time that can be told")]
    Time(String),
    #[error("expected {expected}, found {found}")]
    Type { expected: &'static str, found: String },
}

impl ProtobufError {
    /// The same failure, seen from the field around it.
    pub(super) fn within(mut self, step: &str) -> ProtobufError {
        self.steps.push(step.to_owned());
        self
    }

    /// Where: `spec.containers.ports`; empty when it is the body itself.
    #[must_use]
    pub fn path(&self) -> String {
        self.steps.iter().rev().map(String::as_str).collect::<Vec<_>>().join(".")
    }
}

impl From<Reason> for ProtobufError {
    fn from(reason: Reason) -> ProtobufError {
        ProtobufError { reason, steps: Vec::new() }
    }
}

impl fmt::Display for ProtobufError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.steps.is_empty() {
            write!(f, "{}: ", self.path())?;
        }
        write!(f, "{}", self.reason)
    }
}

impl std::error::Error for ProtobufError {}
