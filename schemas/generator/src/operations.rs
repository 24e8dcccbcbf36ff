//! `operations.txt`: every path of the API and what each HTTP method does there.
//!
//! ```text
//! /api/v1/pods get:list:/v1/Pod
//! ```
//!
//! A method, the Kubernetes action (`-` where it has none), and the group-version-kind (`-` likewise).

use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::Value;

pub(crate) fn table(operations: &Value) -> Result<String> {
    let mut text = String::from(
        "# Every operation of Kubernetes 1.36. Made by schemas/generator; its operations.rs tells the format.\n",
    );
    for (path, methods) in operations.as_object().context("the operations are not an object")? {
        text.push_str(path);
        for (method, operation) in methods.as_object().with_context(|| format!("{path} has no methods"))? {
            let action = operation[0].as_str().unwrap_or("-");
            let kind = if operation[1].is_null() { "-".to_owned() } else { crate::gvk(&operation[1])? };
            write!(text, " {method}:{action}:{kind}")?;
        }
        text.push('\n');
    }
    Ok(text)
}
