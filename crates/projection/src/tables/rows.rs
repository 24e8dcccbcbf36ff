//! Rows: group, resource, namespace, name → record. In key order, so a namespace is a range, and so is a resource.
//!
//! The same key, with more behind it, is used by other tables.

use rutter_schemas::Key;

use crate::codec::{push_part, take_part};

pub(crate) fn key(key: &Key) -> Vec<u8> {
    let mut out =
        Vec::with_capacity(key.group.len() + key.resource.len() + key.namespace.len() + key.name.len() + 16);
    for part in [&key.group, &key.resource, &key.namespace, &key.name] {
        push_part(&mut out, part);
    }
    out
}

/// The key and what follows it.
pub(crate) fn take_key(rest: &mut &[u8]) -> Option<Key> {
    Some(Key {
        group: take_part(rest)?,
        resource: take_part(rest)?,
        namespace: take_part(rest)?,
        name: take_part(rest)?,
    })
}

pub(crate) fn decode_key(mut bytes: &[u8]) -> Option<Key> {
    take_key(&mut bytes).filter(|_| bytes.is_empty())
}

/// What all keys of a resource, or of one namespace of it, begin with.
pub(crate) fn prefix(group: &str, resource: &str, namespace: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(group.len() + resource.len() + 64);
    push_part(&mut out, group);
    push_part(&mut out, resource);
    if let Some(namespace) = namespace {
        push_part(&mut out, namespace);
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        pub(crate) fn any_key()(group in "[a-c.]{0,3}", resource in "[a-c]{1,3}", namespace in "[a-c\\x00-\\x02-]{0,3}",
                                name in "[a-c\\x00-\\x02.]{1,3}") -> Key {
            Key { group, resource, namespace, name }
        }
    }

    proptest! {
        #[test]
        fn keys_come_back(k in any_key()) {
            prop_assert_eq!(decode_key(&key(&k)), Some(k));
        }

        #[test]
        fn keys_sort_as_keys_do(a in any_key(), b in any_key()) {
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
        }

        #[test]
        fn a_prefix_holds_its_resource_and_namespace_only(a in any_key(), b in any_key()) {
            let within = key(&b).starts_with(&prefix(&a.group, &a.resource, Some(&a.namespace)));
            prop_assert_eq!(within, (&a.group, &a.resource, &a.namespace) == (&b.group, &b.resource, &b.namespace));
        }
    }
}
