//! Errors of reading what others wrote.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Event;

/// Bytes that are not what they should be. The reader's words; the cause is the source.
#[derive(Debug, Error)]
pub enum WireError {
    #[error("line {line} is not a {what}")]
    Json {
        what: &'static str,
        line: usize,
        #[source]
        source: serde_json::Error,
    },
    #[error("the text ends before {missing}")]
    Short { missing: &'static str },
    #[error("{extra} bytes follow the last event")]
    Long { extra: usize },
    #[error("{what} is {size}, the limit is {limit}")]
    TooLarge { what: &'static str, size: usize, limit: usize },
    #[error("write {index} of {key}: {problem}")]
    Write { index: usize, key: String, problem: &'static str },
    #[error("{0}")]
    Header(&'static str),
}

/// Appends a value as one line of JSON.
pub(crate) fn json_line(text: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(&mut *text, value).expect("plain structs write to memory");
    text.push(b'\n');
}

/// Reads a text line by line.
pub(crate) fn lines(text: &[u8]) -> Lines<'_> {
    Lines { rest: text, line: 0 }
}

pub(crate) struct Lines<'a> {
    rest: &'a [u8],
    line: usize,
}

impl<'a> Lines<'a> {
    /// The next line, as a `T`.
    pub(crate) fn take<T: Deserialize<'a>>(&mut self, what: &'static str) -> Result<T, WireError> {
        let end =
            self.rest.iter().position(|byte| *byte == b'\n').ok_or(WireError::Short { missing: what })?;
        let (line, rest) = (&self.rest[..end], &self.rest[end + 1..]);
        self.line += 1;
        self.rest = rest;
        serde_json::from_slice(line).map_err(|source| WireError::Json { what, line: self.line, source })
    }

    pub(crate) fn take_events(&mut self, count: usize) -> Result<Vec<Event>, WireError> {
        (0..count).map(|_| self.take("event")).collect()
    }

    /// Nothing may follow.
    pub(crate) fn end(&self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(WireError::Long { extra: self.rest.len() }) }
    }
}
