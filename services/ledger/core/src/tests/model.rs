//! What the log means, told naively: every commit is checked again as its proposer understood it.

use std::collections::BTreeMap;

use rutter_log::{Followed, Follower};
use rutter_schemas::{Count, Expect, Key, Op, Recorded, Rejection, Revision, Scope, Uuid};

/// The log's meaning at a commit's end.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub(super) revision: Revision,
    pub(super) incarnation: u32,
    pub(super) objects: BTreeMap<Key, Revision>,
    touched: BTreeMap<Scope, Revision>,
    deleted: BTreeMap<Key, Revision>,
    counters: BTreeMap<String, i64>,
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    follower: Follower,
    /// After each commit, the first before any.
    pub(super) views: Vec<View>,
    /// After each frame: an index into `views`.
    frames: Vec<usize>,
    pub(super) recorded: BTreeMap<Uuid, (Revision, Revision)>,
}

impl Default for Model {
    fn default() -> Model {
        Model {
            follower: Follower::default(),
            views: vec![View::default()],
            frames: vec![0],
            recorded: BTreeMap::new(),
        }
    }
}

impl Model {
    pub(super) fn last(&self) -> &View {
        self.views.last().expect("there is a first")
    }

    /// The last frame that was checked.
    pub(super) fn sequence(&self) -> u64 {
        self.follower.cursor().sequence
    }

    /// What a reader sees who lags by so many frames.
    pub(super) fn lagging(&self, frames: usize) -> &View {
        let frame = self.frames.len().saturating_sub(frames + 1);
        &self.views[self.frames[frame]]
    }

    /// A frame was written. Says which law it breaks.
    pub(super) fn written(&mut self, sequence: u64, bytes: &[u8]) -> Result<(), String> {
        let followed = self.follower.follow(sequence, bytes);
        let Followed::Next(frame) = followed.map_err(|error| format!("the log: {error}"))? else {
            return Err(format!("frame {sequence} was there before"));
        };
        if frame.header.incarnation != self.last().incarnation {
            let revision = Revision(frame.header.first.0 - 1);
            let view = View { revision, incarnation: frame.header.incarnation, ..self.last().clone() };
            self.views.push(view);
        }
        for commit in &frame.commits {
            self.commit(commit)?;
        }
        self.frames.push(self.views.len() - 1);
        Ok(())
    }

    /// Whether a rejection was true of some moment in this stretch of views.
    pub(super) fn justifies(
        &self,
        rejection: &Rejection,
        base: Revision,
        incarnation: u32,
        from: usize,
    ) -> bool {
        self.views[from.min(self.views.len() - 1)..].iter().any(|view| match rejection {
            Rejection::Stale { key, actual } => view.objects.get(key) == actual.as_ref(),
            Rejection::Touched { scope, actual } => {
                let deleted = || {
                    let key = scope.0.strip_prefix("absent:")?;
                    view.deleted.iter().find(|(deleted, _)| deleted.to_string() == key)
                };
                let touched = view.touched.get(scope).or_else(|| Some(deleted()?.1));
                touched == Some(actual) && *actual > base
            }
            Rejection::WrongIncarnation { current } => {
                view.incarnation == *current && incarnation != *current
            }
            Rejection::Exhausted { counter, left } => {
                let value = view.counters.get(counter).copied().unwrap_or_default();
                u64::try_from(value).is_ok_and(|value| left + value == super::world::MAX_COUNT)
            }
            Rejection::TooOld { floor } => base < *floor,
            // The disk is no part of the log.
            Rejection::StorageFull { .. } => true,
            _ => false,
        })
    }

    fn commit(&mut self, commit: &Recorded) -> Result<(), String> {
        let mut view = self.last().clone();
        let header = &commit.header;
        let broken = |what: String| Err(format!("commit {} at r{}: {what}", header.id, commit.first));
        if header.incarnation != view.incarnation {
            return broken(format!("was decided in incarnation {}", header.incarnation));
        }
        for scope in &header.guards {
            if let Some(touched) = view.touched.get(scope).filter(|touched| **touched > header.base) {
                return broken(format!("{scope} was touched at r{touched}, after r{}", header.base));
            }
        }
        for count in &header.counters {
            let value = view.counters.entry(count.name.clone()).or_default();
            *value += count.delta;
            if count.delta > 0 && count.max.is_some_and(|max| *value > max.cast_signed()) {
                return broken(format!("{} exceeds its maximum", count.name));
            }
        }
        for ((revision, event), expect) in commit.numbered().zip(&header.expects) {
            let key = event.object.key();
            let actual = view.objects.get(&key).copied();
            let expected = match expect {
                Expect::Absent => None,
                Expect::At(revision) => Some(*revision),
            };
            if actual != expected {
                return broken(format!("{key} was {actual:?}, expected {expected:?}"));
            }
            if event.op == Op::Delete {
                view.objects.remove(&key);
                let own = Count::name_of(&event.object.uid, "");
                view.counters.retain(|name, _| !name.starts_with(&own));
                view.deleted.insert(key, revision);
            } else {
                view.objects.insert(key, revision);
            }
            view.touched.extend(event.touches.iter().map(|scope| (scope.clone(), revision)));
        }
        if self.recorded.insert(header.id, (commit.first, commit.last())).is_some() {
            return broken("it was recorded before".into());
        }
        view.revision = commit.last();
        self.views.push(view);
        Ok(())
    }
}
