//! Watches: which events a change of an object becomes for a watcher that selects some of them.
//!
//! What it keeps true:
//! - An object that comes into the selection is ADDED, one that leaves it is DELETED (with its previous state), whether
//!   it was created, relabelled or deleted.
//! - Every change is told once, in order of revision; a bookmark never runs ahead of what was told.
//! - A watcher holds a bounded number of events. One that doesn't read is ended; nobody waits for it.
//!
//! Records are shared: `R` is a cheap handle on bytes encoded once for all watchers.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use rutter_schemas::{Key, Meta, Revision};

/// What a watch is about, apart from its selectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    pub group: String,
    pub resource: String,
    /// None: all namespaces, or a cluster-scoped resource.
    pub namespace: Option<String>,
    /// `metadata.name=…`: one object.
    pub name: Option<String>,
}

impl Interest {
    pub fn covers(&self, key: &Key) -> bool {
        self.group == key.group
            && self.resource == key.resource
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
            && self.name.as_ref().is_none_or(|name| *name == key.name)
    }
}

/// Label and field selectors: a function of an object's key and meta alone, so that selecting parses nothing.
pub trait Select {
    fn selects(&self, key: &Key, meta: &Meta) -> bool;
}

impl<F: Fn(&Key, &Meta) -> bool> Select for F {
    fn selects(&self, key: &Key, meta: &Meta) -> bool {
        self(key, meta)
    }
}

/// Selects everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everything;

impl Select for Everything {
    fn selects(&self, _: &Key, _: &Meta) -> bool {
        true
    }
}

/// An object as it was or is.
#[derive(Debug)]
pub struct Sight<'a, R> {
    pub meta: &'a Meta,
    pub record: &'a R,
}

impl<R> Clone for Sight<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Sight<'_, R> {}

/// What one event did to one object. At least one side is there.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a, R> {
    pub revision: Revision,
    pub key: &'a Key,
    pub before: Option<Sight<'a, R>>,
    pub after: Option<Sight<'a, R>>,
}

/// The type of a watch event, in upstream's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Added,
    Modified,
    Deleted,
}

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told<R> {
    /// `record` is the state after the event; for [`Kind::Deleted`] the one before, to be served with `revision`.
    Object { kind: Kind, revision: Revision, record: R },
    /// Everything up to `revision` was told. `initial_end`: and that was the last of the initial events
    /// (`k8s.io/initial-events-end`).
    Bookmark { revision: Revision, initial_end: bool },
}

/// What a change is to someone who selects by `selector`; none if it doesn't concern them.
pub fn verdict<'a, R>(selector: &impl Select, change: &Change<'a, R>) -> Option<(Kind, Sight<'a, R>)> {
    let selected = |sight: &Sight<'a, R>| selector.selects(change.key, sight.meta);
    match (change.before.filter(selected), change.after.filter(selected)) {
        (None, None) => None,
        (None, Some(after)) => Some((Kind::Added, after)),
        (Some(_), Some(after)) => Some((Kind::Modified, after)),
        (Some(before), None) => Some((Kind::Deleted, before)),
    }
}

/// The bounds of one watcher.
#[derive(Clone, Copy, Debug)]
pub struct WatchLimits {
    /// Events that may wait for the reader.
    pub queued: usize,
    /// How often a bookmark is told to one who asked for them.
    pub bookmark_every: SignedDuration,
}

impl Default for WatchLimits {
    fn default() -> WatchLimits {
        WatchLimits { queued: 4096, bookmark_every: SignedDuration::from_secs(60) }
    }
}

/// Why a watch is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its reader fell behind: more events waited than may.
    Slow { queued: usize },
}

/// One watch. Feed it changes in order; take what is to be told.
#[derive(Debug)]
pub struct Watcher<R, S> {
    interest: Interest,
    selector: S,
    limits: WatchLimits,
    /// Up to here everything was told, or waits in the queue.
    at: Revision,
    queue: VecDeque<Told<R>>,
    /// Whether the snapshot that the watch begins with is still being told.
    listing: bool,
    bookmarks: bool,
    next_bookmark: Option<Timestamp>,
    ended: Option<Ended>,
}

impl<R: Clone, S: Select> Watcher<R, S> {
    /// A watch of everything after `from`.
    pub fn after(from: Revision, interest: Interest, selector: S, limits: WatchLimits) -> Watcher<R, S> {
        Watcher {
            interest,
            selector,
            limits,
            at: from,
            queue: VecDeque::new(),
            listing: false,
            bookmarks: false,
            next_bookmark: None,
            ended: None,
        }
    }

    /// A watch that begins with the state at `snapshot`: whoever drives it tells those objects from the snapshot, as
    /// slowly as the reader takes them, and then says [`Watcher::listed`]. Changes wait meanwhile.
    pub fn listing(
        snapshot: Revision,
        interest: Interest,
        selector: S,
        limits: WatchLimits,
    ) -> Watcher<R, S> {
        Watcher { listing: true, ..Watcher::after(snapshot, interest, selector, limits) }
    }

    /// `allowWatchBookmarks`.
    pub fn with_bookmarks(mut self) -> Watcher<R, S> {
        self.bookmarks = true;
        self
    }

    pub fn interest(&self) -> &Interest {
        &self.interest
    }

    /// Whether an object of the snapshot is to be told as ADDED.
    pub fn selects(&self, key: &Key, meta: &Meta) -> bool {
        self.interest.covers(key) && self.selector.selects(key, meta)
    }

    /// The snapshot was told. `say_so`: a bookmark marks its end (`sendInitialEvents`).
    pub fn listed(&mut self, snapshot: Revision, say_so: bool) {
        self.listing = false;
        if say_so {
            self.queue.push_front(Told::Bookmark { revision: snapshot, initial_end: true });
        }
    }

    /// A change happened. Repeats are dropped.
    pub fn change(&mut self, change: &Change<'_, R>) {
        if self.ended.is_some() || change.revision <= self.at {
            return;
        }
        self.at = change.revision;
        if !self.interest.covers(change.key) {
            return;
        }
        let Some((kind, sight)) = verdict(&self.selector, change) else { return };
        if self.queue.len() >= self.limits.queued {
            self.ended = Some(Ended::Slow { queued: self.queue.len() });
            self.queue = VecDeque::new();
            return;
        }
        self.queue.push_back(Told::Object { kind, revision: change.revision, record: sight.record.clone() });
    }

    /// All changes up to `revision` were brought here, or don't concern this watch's resource.
    pub fn progress(&mut self, revision: Revision) {
        self.at = self.at.max(revision);
    }

    /// What to tell next. `now` only decides when a bookmark is due.
    pub fn next(&mut self, now: Timestamp) -> Option<Told<R>> {
        if self.listing || self.ended.is_some() {
            return None;
        }
        self.queue.pop_front().or_else(|| self.bookmark(now))
    }

    /// Set once, when the watch is over. What waited is dropped with it.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    fn bookmark(&mut self, now: Timestamp) -> Option<Told<R>> {
        if !self.bookmarks {
            return None;
        }
        let due = *self.next_bookmark.get_or_insert(now + self.limits.bookmark_every);
        if now < due {
            return None;
        }
        self.next_bookmark = Some(now + self.limits.bookmark_every);
        Some(Told::Bookmark { revision: self.at, initial_end: false })
    }
}

#[cfg(test)]
mod tests;
