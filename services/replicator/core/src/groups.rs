//! Indexes of views: which keys belong to what.

use std::collections::{BTreeMap, BTreeSet};

use rutter_apimachinery::selector::{LabelSelector, Test};
use rutter_schemas::Key;

/// Keys by what they belong to: the sets of an owner, the dependents of an object. All are in one tree: most groups have
/// one member or two, and a tree of their own would take room for eleven.
#[derive(Debug, PartialEq)]
pub(crate) struct Groups<G>(BTreeSet<(G, Key)>);

impl<G: Ord> Default for Groups<G> {
    fn default() -> Self {
        Groups(BTreeSet::new())
    }
}

impl<G: Ord + Clone> Groups<G> {
    pub(crate) fn insert(&mut self, group: G, key: &Key) {
        self.0.insert((group, key.clone()));
    }

    pub(crate) fn remove(&mut self, group: G, key: &Key) {
        self.0.remove(&(group, key.clone()));
    }

    /// The members of a group, in order.
    pub(crate) fn of(&self, group: G) -> impl Iterator<Item = &Key> + use<'_, G> {
        let first = (group.clone(), Key::new("", "", "", ""));
        self.0.range(first..).take_while(move |(of, _)| *of == group).map(|(_, key)| key)
    }
}

/// A namespace, and a label's value there; or none, for everybody in it.
///
/// By marks, selectors and what they may select find each other without asking everybody: what has labels bears several
/// marks, a selector demands one, and nothing is selected that doesn't bear it.
pub(crate) type Mark = (String, Option<(String, String)>);

/// All marks of what has these labels.
pub(crate) fn borne<'a>(
    namespace: &'a str,
    labels: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = Mark> + 'a {
    let values = labels.iter().map(|(name, value)| Some((name.clone(), value.clone())));
    values.chain([None]).map(move |value| (namespace.to_owned(), value))
}

/// The mark that a selector demands: of several values the last, which for the sets of Deployments is the template's.
pub(crate) fn demanded(namespace: &str, selector: &LabelSelector) -> Mark {
    let value = selector.requirements().iter().rev().find_map(|requirement| match &requirement.test {
        Test::Equals(value) => Some((requirement.key.clone(), value.clone())),
        _ => None,
    });
    (namespace.to_owned(), value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(name: &str) -> Key {
        Key::new("", "pods", "d", name)
    }

    #[test]
    fn a_group_has_its_own_members_only() {
        let mut groups = Groups::default();
        for (group, name) in [("a", "1"), ("b", "2"), ("b", "3"), ("c", "4")] {
            groups.insert(group, &key(name));
        }
        groups.remove("b", &key("3"));
        groups.remove("c", &key("2"));
        let names = |group| groups.of(group).map(|key| key.name.clone()).collect::<Vec<_>>();
        assert_eq!((names("a"), names("b"), names("d")), (vec!["1".into()], vec!["2".into()], vec![]));
    }

    proptest! {
        #[test]
        fn whatever_a_selector_selects_bears_its_mark(
            labels in prop::collection::btree_map("[a-c]", "[x-z]", 0..4),
            wanted in prop::collection::vec(("[a-c]", prop::sample::select(vec!["=", "!="]), "[x-z]"), 0..3),
        ) {
            let text: Vec<String> = wanted.iter().map(|(name, how, value)| format!("{name}{how}{value}")).collect();
            let selector = LabelSelector::parse(&text.join(",")).unwrap();
            let mark = demanded("d", &selector);
            if selector.matches(&labels) {
                prop_assert!(borne("d", &labels).any(|borne| borne == mark));
            }
        }
    }
}
