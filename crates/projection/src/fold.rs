//! What frames change: the one reading of events that both the frame-by-frame path and the bulk load share, so that
//! they can't disagree.

use std::collections::HashMap;

use rutter_schemas::{Event, Frame, Op, Recorded, Revision};

use crate::projection::Change;
use crate::tables::changes::{self, ChangeRow};
use crate::tables::commits::{self, CommitRow};
use crate::tables::ended::Ended;
use crate::tables::{Table, index, rows, state, versions};
use crate::{Cursor, Error, Record};

/// A put, or (without a value) a deletion.
pub(crate) struct Write {
    pub(crate) table: Table,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Write {
    pub(crate) fn put(table: Table, key: impl Into<Vec<u8>>, value: Vec<u8>) -> Write {
        Write { table, key: key.into(), value: Some(value) }
    }

    pub(crate) fn delete(table: Table, key: impl Into<Vec<u8>>) -> Write {
        Write { table, key: key.into(), value: None }
    }
}

/// A row before the first frame of a fold and after its last.
#[derive(Default)]
struct Slot {
    was: Option<Record>,
    now: Option<Record>,
}

/// One frame, or a bounded stretch of them.
#[derive(Default)]
pub(crate) struct Fold {
    rows: HashMap<Vec<u8>, Slot>,
    past: Vec<Write>,
    /// What it holds, about; in bytes.
    pub(crate) bytes: usize,
    pub(crate) events: u64,
}

impl Fold {
    /// Takes a frame in. `read` answers with a row as it stands in the database.
    pub(crate) fn take(
        &mut self,
        sequence: u64,
        frame: &Frame,
        read: &dyn Fn(&[u8]) -> Result<Option<Record>, Error>,
    ) -> Result<Vec<Change>, Error> {
        let mut changes = Vec::with_capacity(frame.header.events as usize);
        for commit in &frame.commits {
            for (revision, event) in commit.numbered() {
                changes.push(self.event(commit, revision, event, read)?);
            }
            let row = CommitRow::of(sequence, &frame.header, commit);
            self.past.push(Write::put(Table::Commits, commits::key(commit.last()), row.encode()));
        }
        if let Some((first, last)) = frame.header.skipped {
            let (key, value) = state::encode_skipped(first, last);
            self.past.push(Write::put(Table::State, key, value));
        }
        Ok(changes)
    }

    fn event(
        &mut self,
        commit: &Recorded,
        revision: Revision,
        event: &Event,
        read: &dyn Fn(&[u8]) -> Result<Option<Record>, Error>,
    ) -> Result<Change, Error> {
        let key = event.object.key();
        let row = rows::key(&key);
        let slot = self.rows.entry(row.clone()).or_default();
        if slot.was.is_none() && slot.now.is_none() && event.prior != Revision::NONE {
            slot.was = read(&row)?;
            slot.now = slot.was.clone();
        }
        let before = slot.now.take();
        let found = before.as_ref().map_or(Revision::NONE, |record| record.revision);
        if found != event.prior {
            return Err(Error::Diverged { key: key.to_string(), revision, prior: event.prior, found });
        }
        let born = before.as_ref().map_or(revision, |record| record.born);
        let record = Record::of(event, revision, born);
        let (after, last) = match event.op {
            Op::Create | Op::Update => (Some(record.clone()), None),
            Op::Delete => (None, Some(record.clone())),
        };
        slot.now.clone_from(&after);

        let version = versions::encode(event.op, &record);
        self.bytes += version.len() + 3 * row.len() + 256;
        self.events += 1;
        self.past.push(Write::put(Table::Versions, versions::key(&row, revision), version));
        self.past.push(Write::put(Table::Changes, changes::key(revision), ChangeRow::of(event).encode()));
        if event.op == Op::Delete {
            let (at, life) = Ended { key: key.clone(), born, died: revision }.encode();
            self.past.push(Write::put(Table::Ended, at, life));
        }
        let event_type = event.event_type.clone();
        Ok(Change {
            revision,
            commit_last: commit.last(),
            key,
            op: event.op,
            event_type,
            before,
            after,
            last,
        })
    }

    /// All writes, each key once, in no order; the cursor among them.
    pub(crate) fn writes(self, cursor: &Cursor) -> Vec<Write> {
        let mut writes = self.past;
        for (row, slot) in self.rows {
            write_index(&mut writes, &row, &slot);
            write_row(&mut writes, row, &slot);
        }
        writes.push(Write::put(Table::State, state::CURSOR, state::encode_cursor(cursor)));
        writes
    }
}

fn write_row(writes: &mut Vec<Write>, row: Vec<u8>, slot: &Slot) {
    match (&slot.was, &slot.now) {
        (None, None) => {}
        (Some(_), None) => writes.push(Write::delete(Table::Rows, row)),
        (_, Some(now)) => {
            let mut value = Vec::new();
            now.encode(&mut value);
            writes.push(Write::put(Table::Rows, row, value));
        }
    }
}

/// Only entries that changed are written: an update of a status costs none.
fn write_index(writes: &mut Vec<Write>, row: &[u8], slot: &Slot) {
    if let (Some(was), Some(now)) = (&slot.was, &slot.now)
        && (&was.meta.labels, &was.meta.owners, &was.meta.fields)
            == (&now.meta.labels, &now.meta.owners, &now.meta.fields)
    {
        return;
    }
    let entries =
        |record: &Option<Record>| record.as_ref().map(|r| index::entries(&r.meta, row)).unwrap_or_default();
    let (was, now) = (entries(&slot.was), entries(&slot.now));
    writes.extend(was.difference(&now).map(|entry| Write::delete(Table::Index, entry.as_slice())));
    writes.extend(now.difference(&was).map(|entry| Write::put(Table::Index, entry.as_slice(), Vec::new())));
}
