//! Bulk load: folds many frames in memory and adds each stretch as sorted files, which skips write-ahead log,
//! memtables and the keys that a later frame overwrites. While one stretch is written, the next is folded.
//!
//! The files of one stretch don't become visible together, so a directory under load bears a mark, nobody reads it,
//! and one that is found so is made anew. What comes out is equal to the frame-by-frame path, byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rocksdb::{IngestExternalFileOptions, SstFileWriter};
use rutter_schemas::{Frame, Hash};

use crate::fold::{self, Fold, Rows, Write};
use crate::projection::Writer;
use crate::store::Store;
use crate::tables::counters::Counted;
use crate::tables::{Table, state};
use crate::{Cursor, Error, Projection, Record, codec};

/// A stretch is added when it holds about this many bytes; two are in memory at a time.
const STRETCH_BYTES: usize = 32 << 20;

/// A projection that is being loaded.
pub struct Loader {
    projection: Projection,
    fold: Fold,
    /// Where the load stands, what is folded included.
    writer: Writer,
    adding: Option<Adding>,
    stretch_bytes: usize,
}

/// A stretch on its way to disk: its rows are not in the database yet.
struct Adding {
    rows: Arc<Rows>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Adding {
    fn end(&mut self) -> Result<(), Error> {
        let ended = self.thread.take().map(|thread| thread.join());
        ended.unwrap_or(Ok(Ok(()))).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Nobody writes on in a directory whose load was given up.
impl Drop for Adding {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Loader {
    pub(crate) fn start(projection: Projection) -> Result<Loader, Error> {
        projection.write(vec![Write::put(Table::State, state::LOADING, Vec::new())])?;
        let writer = projection.writing().clone();
        Ok(Loader { projection, fold: Fold::default(), writer, adding: None, stretch_bytes: STRETCH_BYTES })
    }

    /// Smaller stretches use less memory and take longer. Bytes.
    pub fn with_stretch(mut self, bytes: usize) -> Loader {
        self.stretch_bytes = bytes;
        self
    }

    /// Where the load stands.
    pub fn cursor(&self) -> &Cursor {
        &self.writer.cursor
    }

    /// Takes the next frame in. After an error the load can't go on: discard the directory.
    pub fn apply(&mut self, sequence: u64, frame: &Frame, hash: Hash) -> Result<(), Error> {
        self.writer.cursor.follow(sequence, frame)?;
        let (store, adding) = (&self.projection.store, self.adding.as_ref());
        let read = |row: &[u8]| match adding.and_then(|adding| adding.rows.after(row)) {
            Some(record) => Ok(record),
            None => read(store, row),
        };
        self.fold.take(sequence, frame, &read, &self.writer.counters, |_, _, _, _| {})?;
        self.writer.cursor = Cursor::after(sequence, frame, hash);
        if self.fold.bytes >= self.stretch_bytes { self.add_stretch() } else { Ok(()) }
    }

    /// Adds what is left; from here on the projection can be read.
    pub fn finish(mut self) -> Result<Projection, Error> {
        self.add_stretch()?;
        self.await_added()?;
        *self.projection.writing() = self.writer;
        self.projection.write(vec![Write::delete(Table::State, state::LOADING)])?;
        self.projection.settle()?;
        Ok(self.projection)
    }

    /// Has the stretch written by a thread, once the one before is.
    fn add_stretch(&mut self) -> Result<(), Error> {
        self.await_added()?;
        let fold = std::mem::take(&mut self.fold);
        self.writer.floor.kept += fold.events;
        fold.counted.settle(&mut self.writer.counters);
        let rows = Arc::new(fold.rows);
        let (store, writer, known) = (self.projection.store.clone(), self.writer.clone(), Arc::clone(&rows));
        let thread = thread::spawn(move || add(&store, &writer, &known, fold.past, &fold.counted));
        self.adding = Some(Adding { rows, thread: Some(thread) });
        Ok(())
    }

    fn await_added(&mut self) -> Result<(), Error> {
        self.adding.take().map_or(Ok(()), |mut adding| adding.end())
    }
}

/// Only the facts of a row: a load never asks for the object before.
fn read(store: &Store, row: &[u8]) -> Result<Option<Record>, Error> {
    let Some(value) = store.get(Table::Rows, row)? else { return Ok(None) };
    Record::decode_header(&value).map(Some).ok_or_else(|| Table::Rows.damaged(row))
}

fn add(
    store: &Store,
    writer: &Writer,
    rows: &Rows,
    past: Vec<Write>,
    counted: &Counted,
) -> Result<(), Error> {
    let (mut small, large) = split(fold::writes(rows, past, counted, &writer.cursor));
    for (table, writes) in large {
        add_file(store, table, writes)?;
    }
    small.push(Write::put(Table::State, state::FLOOR, codec::encode(&writer.floor)));
    store.write(small)
}

fn add_file(store: &Store, table: Table, mut writes: Vec<Write>) -> Result<(), Error> {
    writes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let path = store.path.join(format!("loading-{}.sst", table.name()));
    let options = store.file_options(table);
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
    store.db.ingest_external_file_cf_opts(store.table(table), &options, vec![&path])?;
    // Moving is a hard link: the name we gave it stays.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Single facts, which go through a batch, and tables, which go through files.
fn split(writes: Vec<Write>) -> (Vec<Write>, BTreeMap<Table, Vec<Write>>) {
    let (mut small, mut large) = (Vec::new(), BTreeMap::<Table, Vec<Write>>::new());
    for write in writes {
        match write.table {
            Table::State | Table::Counters => small.push(write),
            table => large.entry(table).or_default().push(write),
        }
    }
    (small, large)
}
