//! Walking a range of a table, borrowing what it meets.

use rocksdb::{ColumnFamily, DB, DBRawIterator, ReadOptions};

use crate::Error;

/// A walk in key order. Reads one snapshot.
pub(crate) struct Scan<'a> {
    rows: DBRawIterator<'a>,
    fresh: bool,
}

/// From `start` (included) to `end` (excluded; none: to the table's end).
pub(crate) fn scan<'a>(
    db: &'a rocksdb::SnapshotWithThreadMode<'_, DB>,
    table: &ColumnFamily,
    start: &[u8],
    end: Option<Vec<u8>>,
) -> Scan<'a> {
    let mut options = ReadOptions::default();
    if let Some(end) = end {
        options.set_iterate_upper_bound(end);
    }
    let mut rows = db.raw_iterator_cf_opt(table, options);
    rows.seek(start);
    Scan { rows, fresh: true }
}

/// A key and its value.
type Item<'a> = (&'a [u8], &'a [u8]);

impl Scan<'_> {
    /// The next key and value.
    pub(crate) fn next(&mut self) -> Result<Option<Item<'_>>, Error> {
        if !self.fresh && self.rows.valid() {
            self.rows.next();
        }
        self.fresh = false;
        if !self.rows.valid() {
            self.rows.status()?;
        }
        Ok(self.rows.item())
    }
}
