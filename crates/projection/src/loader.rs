//! Bulk load: folds many frames in memory and adds each stretch as sorted files, which skips write-ahead log,
//! memtables and the keys that a later frame overwrites.
//!
//! The files of one stretch don't become visible together, so a directory under load bears a mark, nobody reads it,
//! and one that is found so is made anew. What comes out is equal to the frame-by-frame path, byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rocksdb::{IngestExternalFileOptions, SstFileWriter};
use rutter_schemas::{Frame, Hash};

use crate::fold::{Fold, Write};
use crate::tables::{Table, state};
use crate::{Cursor, Error, Projection, Record, codec};

/// A stretch is added when it holds about this many bytes.
const STRETCH_BYTES: usize = 64 << 20;

/// A projection that is being loaded.
pub struct Loader {
    projection: Projection,
    fold: Fold,
    cursor: Cursor,
    stretch_bytes: usize,
}

impl Loader {
    pub(crate) fn start(projection: Projection) -> Result<Loader, Error> {
        projection.write(vec![Write::put(Table::State, state::LOADING, Vec::new())])?;
        let cursor = projection.cursor();
        Ok(Loader { projection, fold: Fold::default(), cursor, stretch_bytes: STRETCH_BYTES })
    }

    /// Smaller stretches use less memory and take longer. Bytes.
    pub fn with_stretch(mut self, bytes: usize) -> Loader {
        self.stretch_bytes = bytes;
        self
    }

    /// Where the load stands.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Takes the next frame in. After an error the load can't go on: discard the directory.
    pub fn apply(&mut self, sequence: u64, frame: &Frame, hash: Hash) -> Result<(), Error> {
        self.cursor.follow(sequence, frame)?;
        let store = &self.projection.store;
        self.fold.take(sequence, frame, &|row| {
            let Some(value) = store.get(Table::Rows, row)? else { return Ok(None) };
            Record::decode_header(&value).map(Some).ok_or_else(|| Table::Rows.damaged(row))
        })?;
        self.cursor = Cursor::after(sequence, frame, hash);
        if self.fold.bytes >= self.stretch_bytes { self.add_stretch() } else { Ok(()) }
    }

    /// Adds what is left; from here on the projection can be read.
    pub fn finish(mut self) -> Result<Projection, Error> {
        self.add_stretch()?;
        self.projection.write(vec![Write::delete(Table::State, state::LOADING)])?;
        self.projection.settle()?;
        Ok(self.projection)
    }

    fn add_stretch(&mut self) -> Result<(), Error> {
        let fold = std::mem::take(&mut self.fold);
        let mut writer = self.projection.writing().clone();
        writer.cursor = self.cursor.clone();
        writer.floor.kept += fold.events;

        let (small, large) = split(fold.writes(&writer.cursor));
        for (table, writes) in large {
            self.add_file(table, writes)?;
        }
        let mut small = small;
        small.push(Write::put(Table::State, state::FLOOR, codec::encode(&writer.floor)));
        self.projection.write(small)?;
        *self.projection.writing() = writer;
        Ok(())
    }

    fn add_file(&self, table: Table, mut writes: Vec<Write>) -> Result<(), Error> {
        writes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let path = self.file_path(table);
        let options = self.projection.store.file_options(table);
        let mut file = SstFileWriter::create(&options);
        file.open(&path)?;
        for Write { key, value, .. } in writes {
            match value {
                Some(value) => file.put(key, value)?,
                None => file.delete(key)?,
            }
        }
        file.finish()?;
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        let store = &self.projection.store;
        store.db.ingest_external_file_cf_opts(store.table(table), &options, vec![&path])?;
        // Moving is a hard link: the name we gave it stays.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn file_path(&self, table: Table) -> PathBuf {
        self.projection.store.path.join(format!("loading-{}.sst", table.name()))
    }
}

/// Single facts, which go through a batch, and tables, which go through files.
fn split(writes: Vec<Write>) -> (Vec<Write>, BTreeMap<Table, Vec<Write>>) {
    let (mut small, mut large) = (Vec::new(), BTreeMap::<Table, Vec<Write>>::new());
    for write in writes {
        match write.table {
            Table::State => small.push(write),
            table => large.entry(table).or_default().push(write),
        }
    }
    (small, large)
}
