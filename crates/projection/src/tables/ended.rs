//! Ended: group, resource, revision of death → namespace, name and birth of a life that ended. What lived at N is
//! what lives now and was born by then, and what ended after N and was born by then: the past's lists start here.

use bincode::{Decode, Encode};
use rutter_schemas::{Key, Revision};

use crate::codec::{BINCODE, encode, push_part, push_revision, take_part, take_revision};

pub(crate) fn key(group: &str, resource: &str, died: Revision) -> Vec<u8> {
    let mut out = Vec::with_capacity(group.len() + resource.len() + 12);
    push_part(&mut out, group);
    push_part(&mut out, resource);
    push_revision(&mut out, died);
    out
}

/// A life that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) key: Key,
    pub(crate) born: Revision,
    pub(crate) died: Revision,
}

#[derive(Encode, Decode)]
struct Stored {
    namespace: String,
    name: String,
    born: u64,
}

impl Ended {
    pub(crate) fn encode(self) -> (Vec<u8>, Vec<u8>) {
        let at = key(&self.key.group, &self.key.resource, self.died);
        (at, encode(&Stored { namespace: self.key.namespace, name: self.key.name, born: self.born.0 }))
    }

    pub(crate) fn decode(mut at: &[u8], value: &[u8]) -> Option<Ended> {
        let (group, resource) = (take_part(&mut at)?, take_part(&mut at)?);
        let died = take_revision(&mut at).filter(|_| at.is_empty())?;
        let (row, _) = bincode::decode_from_slice::<Stored, _>(value, BINCODE).ok()?;
        let key = Key { group, resource, namespace: row.namespace, name: row.name };
        Some(Ended { key, born: Revision(row.born), died })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::any_key;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lives_come_back(key in any_key(), born: u64, died: u64) {
            let life = Ended { key, born: Revision(born), died: Revision(died) };
            let (at, value) = life.clone().encode();
            prop_assert_eq!(Ended::decode(&at, &value), Some(life));
        }

        #[test]
        fn deaths_of_a_resource_stand_in_order(a in any_key(), b in any_key(), x: u64, y: u64) {
            let of = |k: &Key, n| key(&k.group, &k.resource, Revision(n));
            let expected = (&a.group, &a.resource, x).cmp(&(&b.group, &b.resource, y));
            prop_assert_eq!(of(&a, x).cmp(&of(&b, y)), expected);
        }
    }
}
