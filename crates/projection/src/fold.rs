//! What frames change: the one reading of events that both the frame-by-frame path and the bulk load share, so that
//! they can't disagree.

use std::collections::HashMap;

use bytes::Bytes;
use rutter_schemas::{Event, Frame, Key, Op, Recorded, Revision};

use crate::projection::Change;
use crate::tables::changes::{self, ChangeRow};
use crate::tables::commits::{self, CommitRow};
use crate::tables::counters::{Counted, Counters};
use crate::tables::ended::Ended;
use crate::tables::{Table, index, rows, state, versions};
use crate::{Cursor, Error, Record};

/// A put, or (without a value) a deletion.
pub(crate) struct Write {
    pub(crate) table: Table,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Bytes>,
}

impl Write {
    pub(crate) fn put(table: Table, key: impl Into<Vec<u8>>, value: impl Into<Bytes>) -> Write {
        Write { table, key: key.into(), value: Some(value.into()) }
    }

    pub(crate) fn delete(table: Table, key: impl Into<Vec<u8>>) -> Write {
        Write { table, key: key.into(), value: None }
    }
}

/// A row before the first frame of a fold and after its last.
#[derive(Default)]
struct Slot {
    was: Option<Record>,
    now: Option<Stored>,
    known: bool,
}

/// A record with its bytes, which are encoded once for the version and the row.
#[derive(Clone)]
struct Stored {
    record: Record,
    bytes: Bytes,
}

/// Rows as a fold leaves them.
#[derive(Default)]
pub(crate) struct Rows(HashMap<Vec<u8>, Slot>);

impl Rows {
    /// The row as it is afterwards; none if it was not touched.
    pub(crate) fn after(&self, row: &[u8]) -> Option<Option<Record>> {
        self.0.get(row).map(|slot| slot.now.as_ref().map(|stored| stored.record.clone()))
    }
}

/// One frame, or a bounded stretch of them.
#[derive(Default)]
pub(crate) struct Fold {
    pub(crate) rows: Rows,
    pub(crate) past: Vec<Write>,
    pub(crate) counted: Counted,
    /// What it holds, about; in bytes.
    pub(crate) bytes: usize,
    pub(crate) events: u64,
}

/// Answers with a row as it stands in the database.
pub(crate) type Read<'a> = &'a dyn Fn(&[u8]) -> Result<Option<Record>, Error>;

impl Fold {
    /// Takes a frame in, and tells each event to `each`. `counters` are those before the fold.
    pub(crate) fn take(
        &mut self,
        sequence: u64,
        frame: &Frame,
        read: Read<'_>,
        counters: &Counters,
        mut each: impl FnMut(&Recorded, Revision, &Event, Folded),
    ) -> Result<(), Error> {
        for commit in &frame.commits {
            for (revision, event) in commit.numbered() {
                let folded = self.event(revision, event, read)?;
                each(commit, revision, event, folded);
            }
            self.counted.take(counters, commit);
            let row = CommitRow::of(sequence, &frame.header, commit);
            self.past.push(Write::put(Table::Commits, commits::key(commit.last()), row.encode()));
        }
        if let Some((first, last)) = frame.header.skipped {
            let (key, value) = state::encode_skipped(first, last);
            self.past.push(Write::put(Table::State, key, value));
        }
        Ok(())
    }

    fn event(&mut self, revision: Revision, event: &Event, read: Read<'_>) -> Result<Folded, Error> {
        let key = event.object.key();
        let row = rows::key(&key);
        let slot = self.rows.0.entry(row.clone()).or_default();
        let mut before = slot.now.take().map(|stored| stored.record);
        if !slot.known && event.prior != Revision::NONE {
            before = read(&row)?;
            slot.was.clone_from(&before);
        }
        slot.known = true;
        let found = before.as_ref().map_or(Revision::NONE, |record| record.revision);
        if found != event.prior {
            return Err(Error::Diverged { key: key.to_string(), revision, prior: event.prior, found });
        }
        let born = before.as_ref().map_or(revision, |record| record.born);
        let record = Record::of(event, revision, born);
        let version = Bytes::from(versions::encode(event.op, &record));
        self.bytes += version.len() + 3 * row.len() + 256;
        self.events += 1;
        if event.op != Op::Delete {
            slot.now = Some(Stored { record: record.clone(), bytes: version.slice(versions::RECORD_AT..) });
        } else {
            let (at, life) = Ended { key: key.clone(), born, died: revision }.encode();
            self.past.push(Write::put(Table::Ended, at, life));
        }
        self.past.push(Write::put(Table::Versions, versions::key(&row, revision), version));
        self.past.push(Write::put(Table::Changes, changes::key(revision), ChangeRow::of(event).encode()));
        Ok(Folded { key, before, record })
    }
}

/// What one event came to.
pub(crate) struct Folded {
    pub(crate) key: Key,
    pub(crate) before: Option<Record>,
    /// The state that the event carries; of a deletion, the last one.
    pub(crate) record: Record,
}

impl Folded {
    pub(crate) fn change(self, commit: &Recorded, revision: Revision, event: &Event) -> Change {
        let Folded { key, before, record } = self;
        let (after, last) = match event.op {
            Op::Create | Op::Update => (Some(record), None),
            Op::Delete => (None, Some(record)),
        };
        let event_type = event.event_type.clone();
        Change { revision, commit_last: commit.last(), key, op: event.op, event_type, before, after, last }
    }
}

/// All writes, each key once, in no order; the cursor among them.
pub(crate) fn writes(rows: &Rows, past: Vec<Write>, counted: &Counted, cursor: &Cursor) -> Vec<Write> {
    let mut writes = past;
    writes.extend(counted.writes());
    for (row, slot) in &rows.0 {
        write_index(&mut writes, row, slot);
        write_row(&mut writes, row, slot);
    }
    writes.push(Write::put(Table::State, state::CURSOR, state::encode_cursor(cursor)));
    writes
}

fn write_row(writes: &mut Vec<Write>, row: &[u8], slot: &Slot) {
    match (&slot.was, &slot.now) {
        (None, None) => {}
        (Some(_), None) => writes.push(Write::delete(Table::Rows, row)),
        (_, Some(now)) => writes.push(Write::put(Table::Rows, row, now.bytes.clone())),
    }
}

/// Only entries that changed are written: an update of a status costs none.
fn write_index(writes: &mut Vec<Write>, row: &[u8], slot: &Slot) {
    let (was, now) = (slot.was.as_ref(), slot.now.as_ref().map(|stored| &stored.record));
    if let (Some(was), Some(now)) = (was, now)
        && (&was.meta.labels, &was.meta.owners, &was.meta.fields)
            == (&now.meta.labels, &now.meta.owners, &now.meta.fields)
    {
        return;
    }
    let entries = |record: Option<&Record>| record.map(|r| index::entries(&r.meta, row)).unwrap_or_default();
    let (was, now) = (entries(was), entries(now));
    writes.extend(was.difference(&now).map(|entry| Write::delete(Table::Index, entry.as_slice())));
    writes.extend(now.difference(&was).map(|entry| Write::put(Table::Index, entry.as_slice(), Bytes::new())));
}
