//! Counters: name → value. What stands at zero has no row.

use std::collections::BTreeMap;

use rutter_schemas::{Count, Op, Recorded};

use crate::codec::{BINCODE, encode};
use crate::fold::Write;
use crate::store::Store;
use crate::tables::Table;
use crate::{Error, snapshot::scan};

/// All counters of a log; few, so whoever writes keeps them in memory. None stands at zero.
pub(crate) type Counters = BTreeMap<String, i64>;

/// Counters as a fold leaves them: those that it changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted(BTreeMap<String, i64>);

impl Counted {
    /// Takes a commit in: first what it adds, then what ends with the objects that it removes.
    pub(crate) fn take(&mut self, known: &Counters, commit: &Recorded) {
        for count in &commit.header.counters {
            let value = self.value(known, &count.name).wrapping_add(count.delta);
            self.0.insert(count.name.clone(), value);
        }
        for event in commit.events.iter().filter(|event| event.op == Op::Delete) {
            self.end(known, &event.object.uid);
        }
    }

    /// Carries what was changed over.
    pub(crate) fn settle(&self, known: &mut Counters) {
        for (name, value) in &self.0 {
            match value {
                0 => drop(known.remove(name)),
                value => drop(known.insert(name.clone(), *value)),
            }
        }
    }

    pub(crate) fn writes(&self) -> impl Iterator<Item = Write> + '_ {
        self.0.iter().map(|(name, value)| match value {
            0 => Write::delete(Table::Counters, name.as_bytes()),
            value => Write::put(Table::Counters, name.as_bytes(), encode(value)),
        })
    }

    fn value(&self, known: &Counters, name: &str) -> i64 {
        self.0.get(name).or_else(|| known.get(name)).copied().unwrap_or_default()
    }

    fn end(&mut self, known: &Counters, uid: &str) {
        if known.is_empty() && self.0.is_empty() {
            return;
        }
        let first = Count::name_of(uid, "");
        let of_it = |names: &BTreeMap<String, i64>| -> Vec<String> {
            let names = names.range(first.clone()..).map(|(name, _)| name);
            names.take_while(|name| name.starts_with(&first)).cloned().collect()
        };
        for name in [of_it(known), of_it(&self.0)].concat() {
            self.0.insert(name, 0);
        }
    }
}

/// All that are stored.
pub(crate) fn read(store: &Store) -> Result<Counters, Error> {
    let db = store.db.snapshot();
    let mut rows = scan::scan(&db, store.table(Table::Counters), &[], None);
    let mut counters = Counters::new();
    while let Some((key, value)) = rows.next()? {
        let (name, value) = decode(key, value).ok_or_else(|| Table::Counters.damaged(key))?;
        counters.insert(name, value);
    }
    Ok(counters)
}

pub(crate) fn decode(key: &[u8], value: &[u8]) -> Option<(String, i64)> {
    Some((std::str::from_utf8(key).ok()?.to_owned(), decode_value(value)?))
}

pub(crate) fn decode_value(value: &[u8]) -> Option<i64> {
    bincode::decode_from_slice(value, BINCODE).ok().map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_come_back(name in "[a-z0-9/.-]{1,20}", value: i64) {
            prop_assert_eq!(decode(name.as_bytes(), &encode(&value)), Some((name, value)));
        }
    }
}
