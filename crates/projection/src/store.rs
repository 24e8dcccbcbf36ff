//! The one place that opens RocksDB: directories, tuning, and errors told apart.
//!
//! Memory is bounded whatever the size of the data: memtables together by [`MEMTABLES_BYTES`], blocks with their
//! indexes and filters by [`Options::cache_bytes`]. The write-ahead log isn't synced: after a power cut the projection
//! stands at an earlier frame, whole, and follows the log from there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBPinnableSlice,
    DBRecoveryMode, ErrorKind, LogLevel, WriteBatch,
};

use crate::codec::encode;
use crate::fold::Write;
use crate::tables::{LAYOUT, Table, state};
use crate::{Error, OpenError, Options};

/// All memtables of one projection together, in bytes.
const MEMTABLES_BYTES: usize = 16 << 20;
/// Beyond this the oldest memtable is flushed, so that a restart replays little of the write-ahead log.
const WAL_BYTES: u64 = 64 << 20;

/// An open database.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) db: Arc<DB>,
    pub(crate) path: Arc<Path>,
    cache: Arc<Cache>,
}

/// Where the data of this layout lies; other layouts lie beside it.
pub(crate) fn path_in(dir: &Path) -> PathBuf {
    dir.join(format!("layout-{LAYOUT}"))
}

impl Store {
    pub(crate) fn open(dir: &Path, options: &Options) -> Result<Store, OpenError> {
        let path = path_in(dir);
        fs::create_dir_all(&path).map_err(|source| OpenError::Io { path: path.clone(), source })?;
        let cache = Cache::new_lru_cache(options.cache_bytes);
        let tables =
            Table::ALL.map(|table| ColumnFamilyDescriptor::new(table.name(), table_options(table, &cache)));
        let db = DB::open_cf_descriptors(&database_options(), &path, tables)
            .map_err(|error| told_apart(&path, error))?;
        let store = Store { db: Arc::new(db), path: path.into(), cache: Arc::new(cache) };
        store.check(options)?;
        Ok(store)
    }

    /// A new directory gets its mark; an old one must bear the same.
    fn check(&self, options: &Options) -> Result<(), OpenError> {
        let ours = state::Made { layout: LAYOUT, history: options.history };
        let path = self.path.to_path_buf();
        let Some(found) = self.mark(state::MADE)? else {
            let mut batch = WriteBatch::default();
            batch.put_cf(self.table(Table::State), state::MADE, encode(&ours));
            return self.db.write(batch).map_err(|error| told_apart(&path, error));
        };
        let found: state::Made = state::decode(&found).ok_or_else(|| OpenError::Corrupt {
            path: path.clone(),
            source: "its mark can't be read".into(),
        })?;
        if found.layout != LAYOUT {
            return Err(OpenError::Layout { path, found: found.layout, ours: LAYOUT });
        }
        if found.history != options.history {
            return Err(OpenError::OtherHistory { path, found: found.history, asked: options.history });
        }
        if self.mark(state::LOADING)?.is_some() {
            return Err(OpenError::Unfinished { path });
        }
        Ok(())
    }

    fn mark(&self, key: &[u8]) -> Result<Option<Vec<u8>>, OpenError> {
        self.db.get_cf(self.table(Table::State), key).map_err(|error| told_apart(&self.path, error))
    }

    pub(crate) fn table(&self, table: Table) -> &ColumnFamily {
        self.db.cf_handle(table.name()).expect("opening creates every table")
    }

    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, Error> {
        Ok(self.db.get_pinned_cf(self.table(table), key)?)
    }

    /// Writes all or nothing.
    pub(crate) fn write(&self, writes: Vec<Write>) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        for Write { table, key, value } in writes {
            match value {
                Some(value) => batch.put_cf(self.table(table), key, value),
                None => batch.delete_cf(self.table(table), key),
            }
        }
        Ok(self.db.write(batch)?)
    }

    /// The options of a table's files, for files written outside the database.
    pub(crate) fn file_options(&self, table: Table) -> rocksdb::Options {
        table_options(table, &self.cache)
    }
}

/// What a failure to open means for the caller: wait, look at the disk, or make the projection anew.
fn told_apart(path: &Path, error: rocksdb::Error) -> OpenError {
    let path = path.to_path_buf();
    let text = error.to_string();
    let of_the_disk = ["No space left", "Permission denied", "Too many open files", "Read-only file system"];
    if error.kind() == ErrorKind::IOError && text.contains("lock") {
        return OpenError::Held { path };
    }
    if error.kind() == ErrorKind::IOError && of_the_disk.iter().any(|cause| text.contains(cause)) {
        return OpenError::Io { path, source: std::io::Error::other(error) };
    }
    OpenError::Corrupt { path, source: error.into() }
}

fn database_options() -> rocksdb::Options {
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_max_background_jobs(2);
    options.set_db_write_buffer_size(MEMTABLES_BYTES);
    options.set_max_total_wal_size(WAL_BYTES);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_max_open_files(512);
    options.set_bytes_per_sync(1 << 20);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options
}

fn table_options(table: Table, cache: &Cache) -> rocksdb::Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut options = rocksdb::Options::default();
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_arena_block_size(64 << 10);
    options.set_write_buffer_size(1 << 20);
    match table {
        Table::Rows => {
            options.set_write_buffer_size(8 << 20);
            blocks.set_bloom_filter(10.0, false);
            blocks.set_block_size(8 << 10);
        }
        Table::Index => {
            options.set_write_buffer_size(4 << 20);
            blocks.set_block_size(4 << 10);
        }
        Table::Versions => {
            options.set_write_buffer_size(8 << 20);
            options.set_bottommost_compression_type(DBCompressionType::Zstd);
            blocks.set_block_size(32 << 10);
        }
        Table::Changes | Table::Commits | Table::Ended | Table::State | Table::Counters => {
            blocks.set_block_size(16 << 10);
        }
    }
    options.set_block_based_table_factory(&blocks);
    options
}
