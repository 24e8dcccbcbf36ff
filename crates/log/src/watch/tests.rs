use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn meta(label: &str) -> Meta {
    Meta { labels: BTreeMap::from([("app".into(), label.into())]), ..Meta::default() }
}

fn app(label: &'static str) -> impl Select {
    move |_: &Key, meta: &Meta| meta.labels.get("app").is_some_and(|app| app == label)
}

fn pods() -> Interest {
    Interest { resource: "pods".into(), ..Interest::default() }
}

fn key(name: &str) -> Key {
    Key::new("", "pods", "default", name)
}

/// An object as it was and is: its label, and a text that stands for the record.
type Side<'a> = Option<(&'a str, &'a str)>;

fn bring<S: Select>(
    watcher: &mut Watcher<String, S>,
    revision: u64,
    key: &Key,
    before: Side<'_>,
    after: Side<'_>,
) {
    let own = |side: Side<'_>| side.map(|(label, record)| (meta(label), record.to_owned()));
    let (before, after) = (own(before), own(after));
    fn sight(side: Option<&(Meta, String)>) -> Option<Sight<'_, String>> {
        side.map(|(meta, record)| Sight { meta, record })
    }
    let (before, after) = (sight(before.as_ref()), sight(after.as_ref()));
    watcher.change(&Change { revision: Revision(revision), key, before, after });
}

fn now(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
}

fn told(watcher: &mut Watcher<String, impl Select>) -> Vec<String> {
    std::iter::from_fn(|| watcher.next(now(0)))
        .map(|told| match told {
            Told::Object { kind, revision, record } => format!("{kind:?} r{revision} {record}"),
            Told::Bookmark { revision, initial_end } => format!("bookmark r{revision} {initial_end}"),
        })
        .collect()
}

#[test]
fn entering_a_selection_is_added_and_leaving_it_is_deleted_with_the_state_before() {
    let mut watcher = Watcher::after(Revision(1), pods(), app("web"), WatchLimits::default());
    let pod = key("a");
    bring(&mut watcher, 2, &pod, None, Some(("db", "db 2")));
    bring(&mut watcher, 3, &pod, Some(("db", "db 2")), Some(("web", "web 3")));
    bring(&mut watcher, 4, &pod, Some(("web", "web 3")), Some(("web", "web 4")));
    bring(&mut watcher, 5, &pod, Some(("web", "web 4")), Some(("db", "db 5")));
    bring(&mut watcher, 6, &pod, Some(("db", "db 5")), Some(("web", "web 6")));
    bring(&mut watcher, 7, &pod, Some(("web", "web 6")), None);
    assert_eq!(
        told(&mut watcher),
        ["Added r3 web 3", "Modified r4 web 4", "Deleted r5 web 4", "Added r6 web 6", "Deleted r7 web 6"]
    );
}

#[test]
fn what_happened_before_the_watch_began_and_repeats_are_not_told() {
    let mut watcher = Watcher::after(Revision(5), pods(), Everything, WatchLimits::default());
    bring(&mut watcher, 5, &key("a"), None, Some(("web", "old")));
    bring(&mut watcher, 6, &key("a"), None, Some(("web", "new")));
    bring(&mut watcher, 6, &key("a"), None, Some(("web", "new")));
    assert_eq!(told(&mut watcher), ["Added r6 new"]);
}

#[test]
fn other_resources_namespaces_and_names_are_not_told() {
    let one = Interest { namespace: Some("default".into()), name: Some("a".into()), ..pods() };
    let mut watcher = Watcher::after(Revision(0), one, Everything, WatchLimits::default());
    let keys =
        [key("b"), Key::new("", "pods", "other", "a"), Key::new("", "secrets", "default", "a"), key("a")];
    for (revision, key) in (1..).zip(&keys) {
        bring(&mut watcher, revision, key, None, Some(("web", "x")));
    }
    assert_eq!(told(&mut watcher), ["Added r4 x"]);
}

#[test]
fn changes_wait_while_the_snapshot_is_told_and_its_end_is_marked() {
    let mut watcher = Watcher::listing(Revision(4), pods(), app("web"), WatchLimits::default());
    assert!(watcher.selects(&key("a"), &meta("web")) && !watcher.selects(&key("a"), &meta("db")));
    bring(&mut watcher, 5, &key("a"), None, Some(("web", "new")));
    assert_eq!(watcher.next(now(0)), None);
    watcher.listed(Revision(4), true);
    assert_eq!(told(&mut watcher), ["bookmark r4 true", "Added r5 new"]);
}

#[test]
fn bookmarks_come_each_minute_after_what_was_told() {
    let mut watcher =
        Watcher::<String, _>::after(Revision(1), pods(), Everything, WatchLimits::default()).with_bookmarks();
    assert_eq!(watcher.next(now(0)), None);
    bring(&mut watcher, 7, &key("a"), None, Some(("web", "x")));
    watcher.progress(Revision(9));
    assert!(matches!(watcher.next(now(60)), Some(Told::Object { .. })));
    assert_eq!(watcher.next(now(60)), Some(Told::Bookmark { revision: Revision(9), initial_end: false }));
    assert_eq!(watcher.next(now(119)), None);
    assert!(matches!(watcher.next(now(120)), Some(Told::Bookmark { .. })));
}

#[test]
fn a_slow_watcher_is_ended_and_holds_nothing_more() {
    let limits = WatchLimits { queued: 2, ..WatchLimits::default() };
    let mut watcher = Watcher::after(Revision(0), pods(), Everything, limits);
    for revision in 1..=3 {
        bring(&mut watcher, revision, &key("a"), None, Some(("web", "x")));
    }
    assert_eq!(watcher.ended(), Some(Ended::Slow { queued: 2 }));
    assert_eq!(watcher.next(now(0)), None);
}

proptest! {
    /// Law: a watch from any revision, folded over the list at that revision, is the list at the end.
    #[test]
    fn a_watch_folded_over_the_list_is_the_list_at_the_end(
        writes in proptest::collection::vec((0_usize..4, 0_usize..3), 1..60),
        from in any::<proptest::sample::Index>(),
    ) {
        let names = ["a", "b", "c", "d"];
        let labels = [None, Some("web"), Some("db")];
        let selected = |state: &BTreeMap<&str, (&str, String)>| -> BTreeMap<String, String> {
            let web = state.iter().filter(|(_, (label, _))| *label == "web");
            web.map(|(name, (_, record))| ((*name).to_owned(), record.clone())).collect()
        };
        let from = from.index(writes.len());
        let mut state: BTreeMap<&str, (&str, String)> = BTreeMap::new();
        let mut watcher = Watcher::after(Revision(from as u64), pods(), app("web"), WatchLimits::default());
        let mut folded = BTreeMap::new();
        for (index, (name, label)) in writes.into_iter().enumerate() {
            if index == from {
                folded = selected(&state);
            }
            let (name, revision) = (names[name], index as u64 + 1);
            let before = state.get(name).cloned();
            let after = labels[label].map(|label| (label, format!("{name} {revision}")));
            match &after {
                Some(after) => state.insert(name, after.clone()),
                None => state.remove(name),
            };
            if before.is_none() && after.is_none() {
                continue;
            }
            let side = |side: &Option<(&'static str, String)>| side.clone();
            let (before, after) = (before.as_ref().map(|(l, r)| (*l, r.as_str())), side(&after));
            let after = after.as_ref().map(|(l, r)| (*l, r.as_str()));
            bring(&mut watcher, revision, &key(name), before, after);
        }
        while let Some(Told::Object { kind, record, .. }) = watcher.next(now(0)) {
            let name = record.split(' ').next().expect("a name").to_owned();
            match kind {
                Kind::Added => prop_assert!(folded.insert(name, record).is_none()),
                Kind::Modified => prop_assert!(folded.insert(name, record).is_some()),
                Kind::Deleted => prop_assert!(folded.remove(&name).is_some()),
            }
        }
        prop_assert_eq!(folded, selected(&state));
    }
}
