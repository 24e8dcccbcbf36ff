//! The tables of a projection: one file per table says what its keys and values are. All names and shapes here are
//! persisted: a change of one moves [`LAYOUT`].

pub(crate) mod changes;
pub(crate) mod commits;
pub(crate) mod counters;
pub(crate) mod ended;
pub(crate) mod index;
pub(crate) mod rows;
pub(crate) mod state;
pub(crate) mod versions;

use crate::Error;

/// The number of this arrangement of tables, keys and values. A directory with another is rebuilt beside.
pub const LAYOUT: u32 = 2;

/// A table, which is a column family of RocksDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Key → the object as it is.
    Rows,
    /// Label, owner or field → keys.
    Index,
    /// Key and revision → the object as it was.
    Versions,
    /// Revision → what happened.
    Changes,
    /// Last revision of a commit → who did it, when, why and in answer to what.
    Commits,
    /// Resource and revision of death → a life that ended.
    Ended,
    /// Cursor, floor, skipped revisions.
    State,
    /// Name → value, of the counters that commits add to.
    Counters,
}

impl Table {
    pub const ALL: [Table; 8] = [
        Table::Rows,
        Table::Index,
        Table::Versions,
        Table::Changes,
        Table::Commits,
        Table::Ended,
        Table::State,
        Table::Counters,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Table::Rows => "rows",
            Table::Index => "index",
            Table::Versions => "versions",
            Table::Changes => "changes",
            Table::Commits => "commits",
            Table::Ended => "ended",
            Table::State => "state",
            Table::Counters => "counters",
        }
    }

    /// The error for bytes that this table's codec can't read.
    pub(crate) fn damaged(self, key: &[u8]) -> Error {
        Error::Damaged { table: self.name(), problem: format!("at key {}", key.escape_ascii()) }
    }
}
