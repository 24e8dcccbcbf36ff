//! Reading: everything as it was at the end of one frame, for as long as the snapshot is held.

mod list;
mod past;
pub(crate) mod scan;

use std::sync::Arc;

use bytes::Bytes;
use rocksdb::{DB, DBPinnableSlice, ReadOptions, SnapshotWithThreadMode};
use rutter_schemas::{Key, Revision};
use self_cell::self_cell;

pub use list::ListQuery;
pub use past::{EventInfo, Version};

use crate::store::Store;
use crate::tables::{Table, counters, rows, state};
use crate::{Cursor, Error, Record};
use scan::Scan;

type Pin<'a> = SnapshotWithThreadMode<'a, DB>;

self_cell!(
    /// A snapshot and the database that it is of.
    struct Pinned {
        owner: Store,
        #[covariant]
        dependent: Pin,
    }
);

/// A view at a commit's end. Cheap to clone, and may cross threads. While one is held, the disk keeps what it shows.
#[derive(Clone)]
pub struct Snapshot(Arc<View>);

struct View {
    pinned: Pinned,
    cursor: Cursor,
    floor: Revision,
    history: bool,
}

impl Snapshot {
    pub(crate) fn take(store: &Store, history: bool) -> Result<Snapshot, Error> {
        let pinned = Pinned::new(store.clone(), |store| store.db.snapshot());
        let mut cursor = Cursor::default();
        if let Some(bytes) = read(&pinned, Table::State, state::CURSOR)? {
            cursor = state::decode_cursor(&bytes).ok_or_else(|| Table::State.damaged(state::CURSOR))?;
        }
        let mut floor = state::Floor::default();
        if let Some(bytes) = read(&pinned, Table::State, state::FLOOR)? {
            floor = state::decode(&bytes).ok_or_else(|| Table::State.damaged(state::FLOOR))?;
        }
        Ok(Snapshot(Arc::new(View { pinned, cursor, floor: Revision(floor.revision), history })))
    }

    /// The revision it shows, which is a list's resourceVersion: the end of the last commit.
    pub fn revision(&self) -> Revision {
        self.0.cursor.revision
    }

    /// The frame it stands on.
    pub fn cursor(&self) -> &Cursor {
        &self.0.cursor
    }

    /// The oldest revision that can be read "as of", and after which changes are known; 0 with history.
    pub fn floor(&self) -> Revision {
        self.0.floor
    }

    /// Whether every version of every object is here.
    pub fn has_history(&self) -> bool {
        self.0.history
    }

    pub fn get(&self, key: &Key) -> Result<Option<Record>, Error> {
        self.0.row(&rows::key(key), Record::decode)
    }

    /// What a counter stands at; what was never added to stands at zero.
    pub fn counter(&self, name: &str) -> Result<i64, Error> {
        let Some(value) = self.0.get(Table::Counters, name.as_bytes())? else { return Ok(0) };
        counters::decode_value(&value).ok_or_else(|| Table::Counters.damaged(name.as_bytes()))
    }

    /// All counters that don't stand at zero, by name.
    pub fn counters(&self) -> Result<Vec<(String, i64)>, Error> {
        let mut rows = self.0.scan(Table::Counters, &[], None);
        let mut counters = Vec::new();
        while let Some((key, value)) = rows.next()? {
            counters.push(counters::decode(key, value).ok_or_else(|| Table::Counters.damaged(key))?);
        }
        Ok(counters)
    }

    /// Only the bytes to serve, without the facts.
    pub fn get_object(&self, key: &Key) -> Result<Option<Bytes>, Error> {
        self.0.row(&rows::key(key), Record::decode_object)
    }
}

impl View {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, Error> {
        read(&self.pinned, table, key)
    }

    fn row<T>(&self, row: &[u8], decode: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, Error> {
        let Some(value) = self.get(Table::Rows, row)? else { return Ok(None) };
        decode(&value).map(Some).ok_or_else(|| Table::Rows.damaged(row))
    }

    fn scan(&self, table: Table, start: &[u8], end: Option<Vec<u8>>) -> Scan<'_> {
        let store = self.pinned.borrow_owner();
        scan::scan(self.pinned.borrow_dependent(), store.table(table), start, end)
    }
}

fn read<'a>(pinned: &'a Pinned, table: Table, key: &[u8]) -> Result<Option<DBPinnableSlice<'a>>, Error> {
    let table = pinned.borrow_owner().table(table);
    Ok(pinned.borrow_dependent().get_pinned_cf_opt(table, key, ReadOptions::default())?)
}
