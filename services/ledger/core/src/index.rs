//! Key → revision, for every object there is: 24 bytes an entry.
//!
//! The table is cut into shards so that growing copies a 64th of it at a time: no pause, no moment at which twice the
//! memory is needed.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;
use rutter_schemas::{KeyHash, Revision};

const SHARDS: usize = 64;

/// Hashes 16 bytes that are a hash already.
pub(crate) type ByHash<V> = HashMap<KeyHash, V, BuildHasherDefault<FirstBytes>>;

/// Takes the first eight bytes of what it is given, and not the length that comes before them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        let first = bytes.first_chunk().expect("a key's hash has 16 bytes");
        self.0 = u64::from_le_bytes(*first);
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Index {
    shards: Vec<ByHash<Revision>>,
}

impl Default for Index {
    fn default() -> Index {
        Index { shards: vec![ByHash::default(); SHARDS] }
    }
}

impl Index {
    pub(crate) fn get(&self, key: &KeyHash) -> Option<Revision> {
        self.shards[shard(key)].get(key).copied()
    }

    /// Sets or removes; gives what was there.
    pub(crate) fn set(&mut self, key: KeyHash, revision: Option<Revision>) -> Option<Revision> {
        let shard = &mut self.shards[shard(&key)];
        match revision {
            Some(revision) => shard.insert(key, revision),
            None => shard.remove(&key),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(HashMap::len).sum()
    }

    /// Bytes allocated.
    pub(crate) fn memory(&self) -> usize {
        self.shards.iter().map(HashMap::allocation_size).sum()
    }

    /// All entries in one order, whatever the history of the tables.
    pub(crate) fn sorted(&self) -> impl Iterator<Item = (KeyHash, Revision)> {
        self.shards.iter().flat_map(|shard| {
            let mut entries: Vec<_> = shard.iter().map(|(key, revision)| (*key, *revision)).collect();
            entries.sort_unstable();
            entries
        })
    }
}

/// By another byte than those that place an entry within its shard.
fn shard(key: &KeyHash) -> usize {
    usize::from(key[15]) % SHARDS
}
