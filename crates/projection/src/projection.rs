//! Keeping a projection: frames in, snapshots out.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rutter_schemas::{Frame, Hash, Key, Op, Revision};

use crate::fold::{self, Fold, Write};
use crate::snapshot::Snapshot;
use crate::store::{Store, path_in};
use crate::tables::Table;
use crate::tables::counters::{self, Counters};
use crate::tables::state::{self, Floor};
use crate::{Cursor, Error, Loader, OpenError, Options, Record, prune};

/// One event, as watches and views need it. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub revision: Revision,
    /// Where its commit ends: below that, readers would see half of it.
    pub commit_last: Revision,
    pub key: Key,
    pub op: Op,
    pub event_type: String,
    /// The object that this replaced; none for a creation.
    pub before: Option<Record>,
    /// The object as it is now; none for a deletion.
    pub after: Option<Record>,
    /// For a deletion, the object's last state at the deletion's revision: what a watch sends.
    pub last: Option<Record>,
}

/// A projection of the log, owned by one process. Writes are one at a time; reads are from [`Snapshot`]s.
pub struct Projection {
    pub(crate) store: Store,
    pub(crate) options: Options,
    pub(crate) writer: Mutex<Writer>,
    /// The snapshot of the last frame, shared by all readers until the next.
    current: Mutex<Option<Snapshot>>,
}

/// What the next frame needs to know of the last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    pub(crate) cursor: Cursor,
    pub(crate) floor: Floor,
    pub(crate) counters: Counters,
}

impl Projection {
    /// Opens the projection in `dir`, or makes an empty one.
    ///
    /// # Errors
    /// If [`OpenError::is_rebuildable`], say so, [`discard`](Projection::discard), open again and replay the log.
    pub fn open(dir: &Path, options: Options) -> Result<Projection, OpenError> {
        let store = Store::open(dir, &options)?;
        let writer = Writer::read(&store)
            .map_err(|error| OpenError::Corrupt { path: store.path.to_path_buf(), source: error.into() })?;
        Ok(Projection { store, options, writer: Mutex::new(writer), current: Mutex::new(None) })
    }

    /// Opens `dir`; if what lies there can't be used but can be made anew, empties it and says why.
    pub fn open_or_discard(
        dir: &Path,
        options: Options,
    ) -> Result<(Projection, Option<OpenError>), OpenError> {
        match Projection::open(dir, options) {
            Ok(projection) => Ok((projection, None)),
            Err(why) if why.is_rebuildable() => {
                Projection::discard(dir)?;
                Ok((Projection::open(dir, options)?, Some(why)))
            }
            Err(error) => Err(error),
        }
    }

    /// Removes what lies in `dir` under this program's layout. The log has everything.
    pub fn discard(dir: &Path) -> Result<(), OpenError> {
        let path = path_in(dir);
        match fs::remove_dir_all(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(OpenError::Io { path, source })
            }
            _ => Ok(()),
        }
    }

    /// Whether `dir` holds a projection of another layout and none of ours: what is opened there begins anew.
    pub fn is_of_another_layout(dir: &Path) -> bool {
        let is_layout = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("layout-");
        let mut found = fs::read_dir(dir).into_iter().flatten().flatten();
        !path_in(dir).exists() && found.any(|entry| is_layout(&entry))
    }

    /// Removes the directories of other layouts, once this one has caught up. How many there were.
    pub fn remove_other_layouts(dir: &Path) -> std::io::Result<usize> {
        let mut removed = 0;
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let is_layout =
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("layout-"));
            if is_layout && path != path_in(dir) {
                fs::remove_dir_all(&path)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Where it stands in the log.
    pub fn cursor(&self) -> Cursor {
        self.writing().cursor.clone()
    }

    /// Applies the next frame: all of it, cursor included, or nothing.
    ///
    /// # Errors
    /// A frame that doesn't follow the cursor, or whose events don't fit the rows, changes nothing.
    pub fn apply(&self, sequence: u64, frame: &Frame, hash: Hash) -> Result<Vec<Change>, Error> {
        let mut writer = self.writing();
        writer.cursor.follow(sequence, frame)?;
        let mut fold = Fold::default();
        let mut changes = Vec::with_capacity(frame.header.events as usize);
        let read = |row: &[u8]| self.row(row);
        fold.take(sequence, frame, &read, &writer.counters, |commit, revision, event, folded| {
            changes.push(folded.change(commit, revision, event));
        })?;
        let (cursor, mut floor) = (Cursor::after(sequence, frame, hash), writer.floor);
        floor.kept += u64::from(frame.header.events);
        let mut writes = fold::writes(&fold.rows, fold.past, &fold.counted, &cursor);
        writes.push(Write::put(Table::State, state::FLOOR, crate::codec::encode(&floor)));
        if !self.options.history {
            let (above, forgotten) = prune::prune(&self.store, &self.options.retention, floor, &cursor.at)?;
            floor = above;
            writes.extend(forgotten);
        }
        self.write(writes)?;
        (writer.cursor, writer.floor) = (cursor, floor);
        fold.counted.settle(&mut writer.counters);
        Ok(changes)
    }

    /// A view of everything at the last applied frame. Cheap: readers of the same frame share one.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(snapshot) = &*current {
            return Ok(snapshot.clone());
        }
        let snapshot = Snapshot::take(&self.store, self.options.history)?;
        *current = Some(snapshot.clone());
        Ok(snapshot)
    }

    /// Starts a bulk load, for when there is much to replay and nobody reads. Until [`Loader::finish`] the directory
    /// is marked unfinished.
    pub fn load(self) -> Result<Loader, Error> {
        Loader::start(self)
    }

    /// Makes a copy in `dir` (hard links where the file system allows), openable like any projection's directory.
    pub fn checkpoint(&self, dir: &Path) -> Result<Cursor, Error> {
        let writer = self.writing();
        fs::create_dir_all(dir)?;
        rocksdb::checkpoint::Checkpoint::new(&self.store.db)?.create_checkpoint(path_in(dir))?;
        Ok(writer.cursor.clone())
    }

    /// Writes all or nothing; later snapshots see it.
    pub(crate) fn write(&self, writes: Vec<Write>) -> Result<(), Error> {
        self.store.write(writes)?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    fn row(&self, row: &[u8]) -> Result<Option<Record>, Error> {
        let Some(value) = self.store.get(Table::Rows, row)? else { return Ok(None) };
        Record::decode(&value).map(Some).ok_or_else(|| Table::Rows.damaged(row))
    }

    /// A panic while writing leaves the old cursor in place, and the batch unwritten.
    pub(crate) fn writing(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    fn read(store: &Store) -> Result<Writer, Error> {
        let mut writer = Writer::default();
        if let Some(bytes) = store.get(Table::State, state::CURSOR)? {
            writer.cursor =
                state::decode_cursor(&bytes).ok_or_else(|| Table::State.damaged(state::CURSOR))?;
        }
        if let Some(bytes) = store.get(Table::State, state::FLOOR)? {
            writer.floor = state::decode(&bytes).ok_or_else(|| Table::State.damaged(state::FLOOR))?;
        }
        writer.counters = counters::read(store)?;
        Ok(writer)
    }
}
