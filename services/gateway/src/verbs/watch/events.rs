//! One change, as watches see it: what it is to each of them, and its encodings, each made once.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::Status;
use rutter_log::watch::{self as rules, Kind, Select, Sight};
use rutter_projection::{Change, Record};
use rutter_schemas::Revision;

use super::encoding::{self, Encoding};
use crate::store::Store;

/// A change and what it was encoded to so far.
#[derive(Debug)]
pub struct Event {
    change: Change,
    encodings: Mutex<Vec<(Kind, Encoding, Bytes)>>,
}

impl Event {
    pub fn new(change: Change) -> Event {
        Event { change, encodings: Mutex::default() }
    }

    pub fn change(&self) -> &Change {
        &self.change
    }

    pub fn revision(&self) -> Revision {
        self.change.revision
    }

    /// What the change is to someone who is interested and selects; none if it doesn't concern them.
    pub fn concerns(&self, interest: &rules::Interest, selector: &impl Select) -> Option<Kind> {
        if !interest.covers(&self.change.key) {
            return None;
        }
        let seen = rules::Change {
            revision: self.change.revision,
            key: &self.change.key,
            before: self.change.before.as_ref().map(sight),
            after: self.change.after.as_ref().map(sight),
        };
        rules::verdict(selector, &seen).map(|(kind, _)| kind)
    }

    /// The event's text for a watch, made now or before.
    pub fn encoded(
        &self,
        kind: Kind,
        encoding: Encoding,
        resource: &Resource,
        store: &Store,
    ) -> Result<Bytes, Status> {
        if let Some(known) = self.known(kind, encoding) {
            return Ok(known);
        }
        let object = store.served(resource, &self.object(kind))?;
        let text = encoding::event(word(kind), object, encoding, resource)?;
        self.lock().push((kind, encoding, text.clone()));
        Ok(text)
    }

    fn known(&self, kind: Kind, encoding: Encoding) -> Option<Bytes> {
        let encodings = self.lock();
        let found = encodings.iter().find(|(of, how, _)| *of == kind && *how == encoding);
        found.map(|(_, _, text)| text.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Kind, Encoding, Bytes)>> {
        self.encodings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state after; for who no longer sees the object, the state before at this event's revision.
    fn object(&self, kind: Kind) -> Bytes {
        let Change { before, after, last, revision, .. } = &self.change;
        match kind {
            Kind::Added | Kind::Modified => {
                after.as_ref().map(|record| record.object.clone()).unwrap_or_default()
            }
            Kind::Deleted => match (last, before) {
                (Some(last), _) => last.object.clone(),
                (None, Some(before)) => at_revision(&before.object, *revision),
                (None, None) => Bytes::new(),
            },
        }
    }
}

fn sight(record: &Record) -> Sight<'_, ()> {
    Sight { meta: &record.meta, record: &() }
}

/// The event's type, as clients read it.
pub(super) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Added => "ADDED",
        Kind::Modified => "MODIFIED",
        Kind::Deleted => "DELETED",
    }
}

/// Stored bytes under another resourceVersion. It stands first in the metadata: it was spliced in there.
fn at_revision(object: &Bytes, revision: Revision) -> Bytes {
    const LEAD: &[u8] = b"\"metadata\":{\"resourceVersion\":\"";
    let Some(found) = object.windows(LEAD.len()).position(|window| window == LEAD) else {
        return object.clone();
    };
    let from = found + LEAD.len();
    let digits = object[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut text = Vec::with_capacity(object.len() + 20);
    text.extend_from_slice(&object[..from]);
    text.extend_from_slice(revision.to_string().as_bytes());
    text.extend_from_slice(&object[from + digits..]);
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_told_at_the_revision_of_the_event_that_hid_it() {
        let object = Bytes::from_static(
            br#"{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"a"}}"#,
        );
        assert_eq!(
            at_revision(&object, Revision(1234)),
            r#"{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"1234","name":"a"}}"#
        );
    }
}
