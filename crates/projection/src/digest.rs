//! Comparing projections byte for byte.

use rutter_schemas::Hash;
use sha2::{Digest as _, Sha256};

use crate::snapshot::scan;
use crate::tables::Table;
use crate::{Error, Projection, prune};

/// The content of a projection in a few lines: equal when every byte of every table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    pub tables: Vec<TableDigest>,
}

/// The content of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDigest {
    pub table: Table,
    pub rows: u64,
    pub hash: Hash,
}

impl Digest {
    /// The tables in which two projections differ.
    pub fn differences(&self, other: &Digest) -> Vec<Table> {
        let pairs = self.tables.iter().zip(&other.tables);
        pairs.filter(|(a, b)| a != b).map(|(a, _)| a.table).collect()
    }
}

impl Projection {
    /// Reads everything. Forgets first what is due, so that the answer depends on the log alone.
    pub fn digest(&self) -> Result<Digest, Error> {
        let mut hashes = Table::ALL.map(|table| (table, 0, Sha256::new()));
        self.dump(|table, key, value| {
            let (_, rows, hash) = &mut hashes[table as usize];
            for part in [key, value] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
            *rows += 1;
        })?;
        let tables =
            hashes.map(|(table, rows, hash)| TableDigest { table, rows, hash: Hash(hash.finalize().into()) });
        Ok(Digest { tables: tables.into() })
    }

    /// Every key and value of every table, in order, as of one frame. Forgets first what is due.
    pub fn dump(&self, mut each: impl FnMut(Table, &[u8], &[u8])) -> Result<(), Error> {
        self.settle()?;
        let db = self.store.db.snapshot();
        for table in Table::ALL {
            let mut rows = scan::scan(&db, self.store.table(table), &[], None);
            while let Some((key, value)) = rows.next()? {
                each(table, key, value);
            }
        }
        Ok(())
    }

    /// Forgets all that is due, however much.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        if self.options.history {
            return Ok(());
        }
        let mut writer = self.writing();
        loop {
            let (floor, forgotten) =
                prune::prune(&self.store, &self.options.retention, writer.floor, &writer.cursor.at)?;
            if forgotten.is_empty() {
                return Ok(());
            }
            self.write(forgotten)?;
            writer.floor = floor;
        }
    }
}
