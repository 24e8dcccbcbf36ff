//! Fields that come in any order, and the order in which the wire has them.

use std::ops::Range;
use std::sync::LazyLock;

use serde_json::Map;

use super::error::ProtobufError;
use super::from_json;
use super::wire::put_nested;
use crate::tables::{self, MessageField, MessageRef};

/// How a message's fields stand on the wire, those of inlined messages in their places.
pub(super) struct Layout {
    steps: Vec<Step>,
    /// The fields alone, in the same order: a field's place is its index here.
    pub(super) fields: Vec<&'static MessageField>,
    /// JSON names and places, the shorter names first, so that most comparisons are of two numbers.
    names: Vec<(&'static str, usize)>,
}

enum Step {
    Field(&'static MessageField),
    /// An inlined message begins here.
    Open(u32),
    Close,
}

impl Layout {
    pub(super) fn of(message: MessageRef) -> &'static Layout {
        static LAYOUTS: LazyLock<Vec<Layout>> =
            LazyLock::new(|| tables::messages().iter().map(Layout::make).collect());
        &LAYOUTS[message.index()]
    }

    fn make(message: MessageRef) -> Layout {
        let mut layout = Layout { steps: Vec::new(), fields: Vec::new(), names: Vec::new() };
        layout.add(message);
        layout.names = layout.fields.iter().map(|field| field.name).zip(0..).collect();
        layout.names.sort_unstable_by_key(|(name, _)| (name.len(), *name));
        layout
    }

    fn add(&mut self, message: MessageRef) {
        for field in &message.get().fields {
            match field.inlined() {
                Some(inner) => {
                    self.steps.push(Step::Open(field.number));
                    self.add(inner);
                    self.steps.push(Step::Close);
                }
                None => {
                    self.fields.push(field);
                    self.steps.push(Step::Field(field));
                }
            }
        }
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        let index =
            self.names.binary_search_by(|(known, _)| (known.len(), *known).cmp(&(name.len(), name))).ok()?;
        Some(self.names[index].1)
    }
}

/// The fields of one message, encoded in the order they came.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) bytes: Vec<u8>,
    /// Where each field's bytes are; empty for one that did not come or is null.
    pub(super) spans: Vec<Range<usize>>,
}

impl Parts {
    /// Forgets what was there, and expects the fields of this layout.
    pub(super) fn begin(&mut self, layout: &Layout) {
        self.bytes.clear();
        self.spans.clear();
        self.spans.resize(layout.fields.len(), 0..0);
    }

    /// Appends the message: every field in its place, with zeros where upstream writes them.
    pub(super) fn put_together(
        &self,
        layout: &Layout,
        out: &mut Vec<u8>,
        depth: u32,
    ) -> Result<(), ProtobufError> {
        let mut spans = self.spans.iter();
        self.put_steps(&mut layout.steps.iter(), &mut spans, out, depth)
    }

    fn put_steps(
        &self,
        steps: &mut std::slice::Iter<'_, Step>,
        spans: &mut std::slice::Iter<'_, Range<usize>>,
        out: &mut Vec<u8>,
        depth: u32,
    ) -> Result<(), ProtobufError> {
        while let Some(step) = steps.next() {
            match step {
                Step::Close => return Ok(()),
                Step::Open(number) => {
                    put_nested(out, *number, |out| self.put_steps(steps, spans, out, depth))?
                }
                Step::Field(field) => match spans.next() {
                    Some(span) if !span.is_empty() => out.extend_from_slice(&self.bytes[span.clone()]),
                    _ => from_json::encode_field(field, &Map::new(), out, depth)?,
                },
            }
        }
        Ok(())
    }
}
