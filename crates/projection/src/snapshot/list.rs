//! Lists, in key order: of a resource or one namespace of it, all or picked by an index.

use bytes::Bytes;
use rutter_schemas::Key;

use super::scan::Scan;
use super::{Snapshot, View};
use crate::codec::end_of;
use crate::tables::{Table, index, rows};
use crate::{Error, IndexKey, Record};

/// What to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    pub group: String,
    pub resource: String,
    /// None: all namespaces, or a cluster-scoped resource.
    pub namespace: Option<String>,
    /// Begin behind this key, which may be gone.
    pub after: Option<Key>,
    /// Only what this picks.
    pub index: Option<IndexKey>,
}

impl ListQuery {
    /// All objects of a resource.
    pub fn of(group: &str, resource: &str) -> ListQuery {
        ListQuery {
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: None,
            after: None,
            index: None,
        }
    }

    pub fn namespace(mut self, namespace: &str) -> ListQuery {
        self.namespace = Some(namespace.to_owned());
        self
    }

    pub fn after(mut self, key: Key) -> ListQuery {
        self.after = Some(key);
        self
    }

    pub fn index(mut self, index: IndexKey) -> ListQuery {
        self.index = Some(index);
        self
    }

    pub(super) fn prefix(&self) -> Vec<u8> {
        rows::prefix(&self.group, &self.resource, self.namespace.as_deref())
    }

    /// First and last (excluded) key, both behind `lead`.
    pub(super) fn range(&self, lead: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
        let prefix = [lead, &self.prefix()].concat();
        let end = end_of(&prefix);
        match &self.after {
            // No key is a prefix of another, so the least key behind one is it and a zero.
            Some(after) => ([lead, &rows::key(after), &[0]].concat().max(prefix), end),
            None => (prefix, end),
        }
    }
}

impl Snapshot {
    /// Objects in key order, whole.
    pub fn list(&self, query: &ListQuery) -> impl Iterator<Item = Result<(Key, Record), Error>> + '_ {
        let mut walk = Walk::new(&self.0, query);
        std::iter::from_fn(move || walk.next(decode_entry).transpose())
    }

    /// Objects in key order, only the bytes to serve.
    pub fn list_objects(&self, query: &ListQuery) -> impl Iterator<Item = Result<Bytes, Error>> + '_ {
        let mut walk = Walk::new(&self.0, query);
        std::iter::from_fn(move || walk.next(|_, value| Record::decode_object(value)).transpose())
    }

    /// How many objects the query lists.
    pub fn count(&self, query: &ListQuery) -> Result<u64, Error> {
        let mut walk = Walk::new(&self.0, query);
        let mut count = 0;
        while walk.next(|_, _| Some(()))?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// What an owner owns, in all resources and namespaces, in key order.
    pub fn owned_by(&self, uid: &str) -> impl Iterator<Item = Result<(Key, Record), Error>> + '_ {
        let prefix = IndexKey::owner(uid).prefix();
        let mut walk =
            Walk::Index { view: &self.0, entries: self.0.scan(Table::Index, &prefix, end_of(&prefix)) };
        std::iter::from_fn(move || walk.next(decode_entry).transpose())
    }
}

fn decode_entry(row: &[u8], value: &[u8]) -> Option<(Key, Record)> {
    Some((rows::decode_key(row)?, Record::decode(value)?))
}

/// Three ways to the same answer.
enum Walk<'a> {
    Rows {
        rows: Scan<'a>,
    },
    Index {
        view: &'a View,
        entries: Scan<'a>,
    },
    /// For an index that isn't kept.
    Picked {
        rows: Scan<'a>,
        index: IndexKey,
    },
}

impl<'a> Walk<'a> {
    fn new(view: &'a View, query: &ListQuery) -> Walk<'a> {
        match &query.index {
            Some(index) if index.is_kept() => {
                let (start, end) = query.range(&index.prefix());
                Walk::Index { view, entries: view.scan(Table::Index, &start, end) }
            }
            index => {
                let (start, end) = query.range(&[]);
                let rows = view.scan(Table::Rows, &start, end);
                match index {
                    Some(index) => Walk::Picked { rows, index: index.clone() },
                    None => Walk::Rows { rows },
                }
            }
        }
    }

    fn next<T>(&mut self, decode: impl Fn(&[u8], &[u8]) -> Option<T>) -> Result<Option<T>, Error> {
        match self {
            Walk::Rows { rows } => match rows.next()? {
                Some((row, value)) => decode(row, value).map(Some).ok_or_else(|| Table::Rows.damaged(row)),
                None => Ok(None),
            },
            Walk::Index { view, entries } => match entries.next()? {
                Some((entry, _)) => pointed_to(view, entry, decode).map(Some),
                None => Ok(None),
            },
            Walk::Picked { rows, index } => next_picked(rows, index, decode),
        }
    }
}

/// An entry without its row can't be: they are written together.
fn pointed_to<T>(view: &View, entry: &[u8], decode: impl Fn(&[u8], &[u8]) -> Option<T>) -> Result<T, Error> {
    let damaged = || Table::Index.damaged(entry);
    let row = index::row_of(entry).ok_or_else(damaged)?;
    view.row(row, |value| decode(row, value))?.ok_or_else(damaged)
}

fn next_picked<T>(
    rows: &mut Scan<'_>,
    index: &IndexKey,
    decode: impl Fn(&[u8], &[u8]) -> Option<T>,
) -> Result<Option<T>, Error> {
    while let Some((row, value)) = rows.next()? {
        let damaged = || Table::Rows.damaged(row);
        let facts = Record::decode_header(value).ok_or_else(damaged)?;
        if index.picks(&facts.meta) {
            return decode(row, value).map(Some).ok_or_else(damaged);
        }
    }
    Ok(None)
}
