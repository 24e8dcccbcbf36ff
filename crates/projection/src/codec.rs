//! The alphabet of all keys: parts of text, and revisions up or down, encoded so that the order of the bytes is the
//! order of the values. Persisted, so keep stable (or move [`LAYOUT`](crate::LAYOUT)).
//!
//! A part ends in a zero byte; a zero inside it becomes `1 1` and a one becomes `1 2`, so no part is a prefix of
//! another and `a` stands before `a/b` as its text does.

use bincode::config::Configuration;
use rutter_schemas::Revision;

const END: u8 = 0;
const ESCAPE: u8 = 1;

pub(crate) const BINCODE: Configuration = bincode::config::standard();

pub(crate) fn push_part(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            END => out.extend([ESCAPE, 1]),
            ESCAPE => out.extend([ESCAPE, 2]),
            _ => out.push(byte),
        }
    }
    out.push(END);
}

/// None if what stands there is not a part.
pub(crate) fn take_part(rest: &mut &[u8]) -> Option<String> {
    let end = rest.iter().position(|byte| *byte == END)?;
    let (coded, after) = (&rest[..end], &rest[end + 1..]);
    *rest = after;
    String::from_utf8(unescape(coded)?).ok()
}

fn unescape(coded: &[u8]) -> Option<Vec<u8>> {
    if !coded.contains(&ESCAPE) {
        return Some(coded.to_vec());
    }
    let mut text = Vec::with_capacity(coded.len());
    let mut bytes = coded.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            ESCAPE => text.push(bytes.next()?.checked_sub(1)?),
            _ => text.push(byte),
        }
    }
    Some(text)
}

/// Ascending.
pub(crate) fn push_revision(out: &mut Vec<u8>, revision: Revision) {
    out.extend(revision.0.to_be_bytes());
}

pub(crate) fn take_revision(rest: &mut &[u8]) -> Option<Revision> {
    let (head, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    Some(Revision(u64::from_be_bytes(*head)))
}

/// Descending: the newest comes first, so "as of N" is the first entry at or after N.
pub(crate) fn push_descending(out: &mut Vec<u8>, revision: Revision) {
    out.extend((!revision.0).to_be_bytes());
}

#[cfg(test)]
pub(crate) fn take_descending(rest: &mut &[u8]) -> Option<Revision> {
    take_revision(rest).map(|inverted| Revision(!inverted.0))
}

/// The least key above all keys that begin with `prefix`.
pub(crate) fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

pub(crate) fn encode(value: &impl bincode::Encode) -> Vec<u8> {
    bincode::encode_to_vec(value, BINCODE).expect("plain structs encode to memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        push_part(&mut out, text);
        out
    }

    proptest! {
        #[test]
        fn a_part_comes_back_and_leaves_the_rest(text in "[\\x00-\\x03a-c\u{e9}]{0,8}", rest: Vec<u8>) {
            let coded = [part(&text), rest.clone()].concat();
            let mut left = &coded[..];
            prop_assert_eq!(take_part(&mut left), Some(text));
            prop_assert_eq!(left, &rest[..]);
        }

        #[test]
        fn parts_sort_as_their_texts(a in "[\\x00-\\x03a-c]{0,6}", b in "[\\x00-\\x03a-c]{0,6}") {
            prop_assert_eq!(part(&a).cmp(&part(&b)), a.as_bytes().cmp(b.as_bytes()));
        }

        #[test]
        fn no_part_is_a_prefix_of_another(a in "[\\x00-\\x02a]{0,6}", b in "[\\x00-\\x02a]{0,6}") {
            prop_assert!(a == b || !part(&b).starts_with(&part(&a)));
        }

        #[test]
        fn revisions_sort_up_and_down(a: u64, b: u64) {
            let up = |n| { let mut out = vec![]; push_revision(&mut out, Revision(n)); out };
            let down = |n| { let mut out = vec![]; push_descending(&mut out, Revision(n)); out };
            prop_assert_eq!(up(a).cmp(&up(b)), a.cmp(&b));
            prop_assert_eq!(down(a).cmp(&down(b)), b.cmp(&a));
            prop_assert_eq!(take_descending(&mut &down(a)[..]), Some(Revision(a)));
            prop_assert_eq!(take_revision(&mut &up(a)[..]), Some(Revision(a)));
        }

        #[test]
        fn the_end_of_a_prefix_bounds_it(prefix in prop::collection::vec(250u8.., 0..4), tail: Vec<u8>) {
            let key = [prefix.clone(), tail].concat();
            if let Some(end) = end_of(&prefix) {
                prop_assert!(key < end && end > prefix);
            }
        }
    }
}
