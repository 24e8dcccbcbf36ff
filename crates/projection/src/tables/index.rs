//! Index: tag, name, value, then a row's key → nothing. One row has an entry for each of its labels, owners and
//! indexed fields; entries are written and deleted only as these change.
//!
//! Labels, owners and fields are in the record too, so an entry is never more than a way to find it: a list by an
//! index that isn't kept gives the same answer by looking at every row.

use std::collections::BTreeSet;

use rutter_schemas::Meta;

use crate::codec::{push_part, take_part};

/// Fields that pick few among many. The others (`spec.restartPolicy`, `spec.schedulerName`, …) would cost an entry
/// per object and pick nearly all.
const INDEXED_FIELDS: [&str; 3] = ["spec.nodeName", "involvedObject.uid", "involvedObject.name"];

/// What a list may be picked by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndexKey {
    /// A label with this value.
    Label { name: String, value: String },
    /// An owner with this uid.
    Owner { uid: String },
    /// A selectable field with this value; an absent field counts as empty.
    Field { path: String, value: String },
}

impl IndexKey {
    pub fn label(name: &str, value: &str) -> IndexKey {
        IndexKey::Label { name: name.to_owned(), value: value.to_owned() }
    }

    pub fn owner(uid: &str) -> IndexKey {
        IndexKey::Owner { uid: uid.to_owned() }
    }

    pub fn field(path: &str, value: &str) -> IndexKey {
        IndexKey::Field { path: path.to_owned(), value: value.to_owned() }
    }

    /// The pods bound to a node.
    pub fn node(name: &str) -> IndexKey {
        IndexKey::field("spec.nodeName", name)
    }

    /// Whether an object with these facts is picked.
    pub fn picks(&self, meta: &Meta) -> bool {
        match self {
            IndexKey::Label { name, value } => meta.labels.get(name) == Some(value),
            IndexKey::Owner { uid } => meta.owners.iter().any(|owner| owner.uid == *uid),
            IndexKey::Field { path, value } => meta.fields.get(path).map_or("", String::as_str) == value,
        }
    }

    /// Whether entries are kept for it. Empty values are not: they are the many.
    pub(crate) fn is_kept(&self) -> bool {
        match self {
            IndexKey::Label { .. } | IndexKey::Owner { .. } => true,
            IndexKey::Field { path, value } => !value.is_empty() && INDEXED_FIELDS.contains(&path.as_str()),
        }
    }

    /// What all its entries begin with.
    pub(crate) fn prefix(&self) -> Vec<u8> {
        let (tag, name, value) = match self {
            IndexKey::Label { name, value } => (b'l', name.as_str(), value.as_str()),
            IndexKey::Owner { uid } => (b'o', uid.as_str(), ""),
            IndexKey::Field { path, value } => (b'f', path.as_str(), value.as_str()),
        };
        let mut out = Vec::with_capacity(name.len() + value.len() + 96);
        out.push(tag);
        push_part(&mut out, name);
        push_part(&mut out, value);
        out
    }
}

/// All entries that a row with these facts has, under its row key.
pub(crate) fn entries(meta: &Meta, row: &[u8]) -> BTreeSet<Vec<u8>> {
    let labels = meta.labels.iter().map(|(name, value)| IndexKey::label(name, value));
    let owners = meta.owners.iter().map(|owner| IndexKey::owner(&owner.uid));
    let fields = meta.fields.iter().map(|(path, value)| IndexKey::field(path, value));
    labels.chain(owners).chain(fields).filter(IndexKey::is_kept).map(|index| entry(&index, row)).collect()
}

fn entry(index: &IndexKey, row: &[u8]) -> Vec<u8> {
    let mut out = index.prefix();
    out.extend_from_slice(row);
    out
}

/// The row key that an entry points to.
pub(crate) fn row_of(entry: &[u8]) -> Option<&[u8]> {
    let mut rest = entry.get(1..)?;
    take_part(&mut rest)?;
    take_part(&mut rest)?;
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::super::rows;
    use super::super::rows::tests::any_key;
    use super::*;
    use proptest::prelude::*;

    fn index() -> impl Strategy<Value = IndexKey> {
        prop_oneof![
            ("[a-c/\\x00]{1,3}", "[a-c\\x00]{0,3}").prop_map(|(name, value)| IndexKey::Label { name, value }),
            "[a-c]{1,3}".prop_map(|uid| IndexKey::Owner { uid }),
            "[a-c]{0,3}".prop_map(|value| IndexKey::node(&value)),
        ]
    }

    proptest! {
        #[test]
        fn an_entry_leads_back_to_its_row(index in index(), key in any_key()) {
            let row = rows::key(&key);
            let entry = entry(&index, &row);
            prop_assert_eq!(row_of(&entry), Some(&row[..]));
        }

        #[test]
        fn entries_of_one_index_key_stand_together_in_row_order(a in index(), b in index(), x in any_key(), y in any_key()) {
            let (ax, by) = (entry(&a, &rows::key(&x)), entry(&b, &rows::key(&y)));
            prop_assert_eq!(by.starts_with(&a.prefix()), a == b);
            if a == b {
                prop_assert_eq!(ax.cmp(&by), x.cmp(&y));
            }
        }
    }

    #[test]
    fn fields_that_pick_nearly_all_have_no_entries() {
        let fields = [("spec.nodeName", "n1"), ("spec.restartPolicy", "Always")];
        let meta = Meta { fields: fields.map(|(p, v)| (p.into(), v.into())).into(), ..Meta::default() };
        assert_eq!(entries(&meta, b"row"), [entry(&IndexKey::node("n1"), b"row")].into());
    }
}
