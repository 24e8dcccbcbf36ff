//! Reading the past: objects and lists as of a revision, versions, changes, and who caused what.
//!
//! "As of N" inside a commit answers at that commit's end. A list as of N costs one read for each object that lives
//! now or whose life ended after N: it grows with how far back N lies, not with all that ever was.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use rutter_schemas::{Actor, Key, Op, Revision, Uuid};

use super::scan::Scan;
use super::{ListQuery, Snapshot, View};
use crate::codec::end_of;
use crate::projection::Change;
use crate::tables::changes::{self, ChangeRow};
use crate::tables::commits::{self, CommitRow};
use crate::tables::ended::{self, Ended};
use crate::tables::{Table, rows, state, versions};
use crate::{Error, Record};

/// An object as one event left it.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    pub op: Op,
    /// For a deletion, the object's last state at the deletion's revision.
    pub record: Record,
}

/// An event without its object: what happened, and who did it, when, why and in answer to what.
#[derive(Clone, Debug, PartialEq)]
pub struct EventInfo {
    pub revision: Revision,
    pub key: Key,
    pub op: Op,
    pub event_type: String,
    /// The revision this replaced; 0 for a creation.
    pub prior: Revision,
    /// First and last revision of its commit.
    pub commit: RangeInclusive<Revision>,
    pub commit_id: Uuid,
    /// Stream sequence of its frame.
    pub sequence: u64,
    /// RFC 3339.
    pub at: String,
    pub actor: Actor,
    /// The revision this answered.
    pub cause: Option<Revision>,
    pub why: String,
    pub traceparent: Option<String>,
    pub writer: String,
}

impl Snapshot {
    /// Where "as of `revision`" is answered: the end of the commit that holds it.
    pub fn as_of(&self, revision: Revision) -> Result<Revision, Error> {
        self.0.within(revision)?;
        if revision == self.revision() || revision == self.floor() {
            return Ok(revision);
        }
        match self.0.commit_of(revision)? {
            Some((last, _)) => Ok(last),
            None => self.0.between_commits(revision).map(|()| revision),
        }
    }

    /// The object as it was at a revision; none if it wasn't.
    pub fn get_at(&self, key: &Key, revision: Revision) -> Result<Option<Record>, Error> {
        let at = self.as_of(revision)?;
        self.0.version_at(&rows::key(key), at)
    }

    /// All versions of the object that are kept, over all its lives, newest first.
    pub fn versions(&self, key: &Key) -> impl Iterator<Item = Result<Version, Error>> + '_ {
        let row = rows::key(key);
        let end = end_of(&row);
        let mut scan = self.0.scan(Table::Versions, &row, end);
        std::iter::from_fn(move || next_version(&mut scan).transpose())
    }

    /// The list as it was at a revision, in key order.
    pub fn list_at(
        &self,
        query: &ListQuery,
        revision: Revision,
    ) -> Result<impl Iterator<Item = Result<(Key, Record), Error>> + '_, Error> {
        let at = self.as_of(revision)?;
        let index = query.index.clone();
        let mut lives = Lives::new(&self.0, query, at)?;
        let objects = std::iter::from_fn(move || lives.next().transpose());
        Ok(objects.filter(move |found| match (found, &index) {
            (Ok((_, record)), Some(index)) => index.picks(&record.meta),
            _ => true,
        }))
    }

    /// What happened after `revision` (excluded), in order. A watch begins here.
    ///
    /// # Errors
    /// [`Error::BelowFloor`], [`Error::Skipped`] and [`Error::Future`], as for [`as_of`](Self::as_of).
    pub fn changes_since(
        &self,
        revision: Revision,
    ) -> Result<impl Iterator<Item = Result<Change, Error>> + '_, Error> {
        self.0.within(revision)?;
        let known = [self.revision(), self.floor(), Revision::NONE].contains(&revision);
        if !known && self.0.commit_of(revision)?.is_none() {
            self.0.between_commits(revision)?;
        }
        Ok(self.changes(revision.next()..=self.revision()))
    }

    /// What happened from one revision to another, both included, as far as it is kept.
    pub fn changes(
        &self,
        range: RangeInclusive<Revision>,
    ) -> impl Iterator<Item = Result<Change, Error>> + '_ {
        let end = changes::key(range.end().next());
        let mut scan = self.0.scan(Table::Changes, &changes::key(*range.start()), Some(end));
        let mut commit_last = Revision::NONE;
        std::iter::from_fn(move || self.0.next_change(&mut scan, &mut commit_last).transpose())
    }

    /// Who did what at a revision, and why; none if no event has that number.
    pub fn event(&self, revision: Revision) -> Result<Option<EventInfo>, Error> {
        let Some(value) = self.0.get(Table::Changes, &changes::key(revision))? else { return Ok(None) };
        let change =
            ChangeRow::decode(&value).ok_or_else(|| Table::Changes.damaged(&changes::key(revision)))?;
        let Some((last, commit)) = self.0.commit_of(revision)? else { return Ok(None) };
        Ok(Some(event_info(revision, change, last, commit)))
    }
}

impl View {
    fn within(&self, asked: Revision) -> Result<(), Error> {
        let (head, floor) = (self.cursor.revision, self.floor);
        match asked {
            _ if asked > head => Err(Error::Future { asked, head }),
            _ if asked < floor => Err(Error::BelowFloor { asked, floor }),
            _ => Ok(()),
        }
    }

    /// The commit that holds a revision, with its last one.
    fn commit_of(&self, revision: Revision) -> Result<Option<(Revision, CommitRow)>, Error> {
        let mut scan = self.scan(Table::Commits, &commits::key(revision), None);
        let Some((key, value)) = scan.next()? else { return Ok(None) };
        let damaged = || Table::Commits.damaged(key);
        let last = commits::decode_key(key).ok_or_else(damaged)?;
        let commit = CommitRow::decode(value).ok_or_else(damaged)?;
        Ok(Some((last, commit)).filter(|(_, commit)| commit.first <= revision))
    }

    /// A revision that belongs to no commit: a new incarnation stands on the last skipped one, the others never were.
    fn between_commits(&self, asked: Revision) -> Result<(), Error> {
        let mut scan = self.scan(Table::State, state::SKIPPED, end_of(state::SKIPPED));
        while let Some((key, value)) = scan.next()? {
            let (first, last) = state::decode_skipped(key, value).ok_or_else(|| Table::State.damaged(key))?;
            if (first..last).contains(&asked) {
                return Err(Error::Skipped { asked, first, last });
            }
        }
        Ok(())
    }

    /// One seek: the newest version not above `at`.
    fn version_at(&self, row: &[u8], at: Revision) -> Result<Option<Record>, Error> {
        let mut scan = self.scan(Table::Versions, &versions::key(row, at), end_of(row));
        let Some(Version { op, record }) = next_version(&mut scan)? else { return Ok(None) };
        Ok(Some(record).filter(|_| op != Op::Delete))
    }

    fn version(&self, row: &[u8], revision: Revision) -> Result<Option<Record>, Error> {
        let key = versions::key(row, revision);
        let Some(value) = self.get(Table::Versions, &key)? else { return Ok(None) };
        let (_, record) = versions::decode(&value).ok_or_else(|| Table::Versions.damaged(&key))?;
        Ok(Some(record))
    }

    /// `commit_last` is remembered between events of one commit.
    fn next_change(&self, scan: &mut Scan<'_>, commit_last: &mut Revision) -> Result<Option<Change>, Error> {
        let Some((key, value)) = scan.next()? else { return Ok(None) };
        let damaged = || Table::Changes.damaged(key);
        let revision = changes::decode_key(key).ok_or_else(damaged)?;
        let change = ChangeRow::decode(value).ok_or_else(damaged)?;
        if revision > *commit_last {
            *commit_last = self.commit_of(revision)?.ok_or_else(damaged)?.0;
        }
        let row = rows::key(&change.key);
        let before = if change.prior == Revision::NONE { None } else { self.version(&row, change.prior)? };
        let version = self.version(&row, revision)?.ok_or_else(damaged)?;
        let (after, last) = match change.op {
            Op::Create | Op::Update => (Some(version), None),
            Op::Delete => (None, Some(version)),
        };
        let ChangeRow { key, op, event_type, .. } = change;
        Ok(Some(Change { revision, commit_last: *commit_last, key, op, event_type, before, after, last }))
    }
}

fn next_version(scan: &mut Scan<'_>) -> Result<Option<Version>, Error> {
    let Some((key, value)) = scan.next()? else { return Ok(None) };
    let (op, record) = versions::decode(value).ok_or_else(|| Table::Versions.damaged(key))?;
    Ok(Some(Version { op, record }))
}

fn event_info(revision: Revision, change: ChangeRow, last: Revision, commit: CommitRow) -> EventInfo {
    EventInfo {
        revision,
        key: change.key,
        op: change.op,
        event_type: change.event_type,
        prior: change.prior,
        commit: commit.first..=last,
        commit_id: commit.id,
        sequence: commit.sequence,
        at: commit.at,
        actor: commit.actor,
        cause: commit.cause,
        why: commit.why,
        traceparent: commit.traceparent,
        writer: commit.writer,
    }
}

/// What lived at a revision: a merge of what lives now and of what has ended since, both in key order.
struct Lives<'a> {
    view: &'a View,
    at: Revision,
    living: Scan<'a>,
    ended: BTreeMap<Vec<u8>, Revision>,
    /// A living one that waits for its turn.
    held: Option<(Vec<u8>, Record)>,
}

impl<'a> Lives<'a> {
    fn new(view: &'a View, query: &ListQuery, at: Revision) -> Result<Lives<'a>, Error> {
        let (start, end) = query.range(&[]);
        let ended = ended_since(view, query, &start, at)?;
        let mut lives = Lives { view, at, living: view.scan(Table::Rows, &start, end), ended, held: None };
        lives.held = lives.next_living()?;
        Ok(lives)
    }

    fn next(&mut self) -> Result<Option<(Key, Record)>, Error> {
        let ended_first = match (self.ended.first_key_value(), &self.held) {
            (Some((ended, _)), Some((living, _))) => ended < living,
            (ended, _) => ended.is_some(),
        };
        let found = if ended_first { self.next_ended()? } else { self.take_living()? };
        let Some((row, record)) = found else { return Ok(None) };
        let key = rows::decode_key(&row).ok_or_else(|| Table::Rows.damaged(&row))?;
        Ok(Some((key, record)))
    }

    fn next_ended(&mut self) -> Result<Option<(Vec<u8>, Record)>, Error> {
        let Some((row, _)) = self.ended.pop_first() else { return Ok(None) };
        let record = self.view.version_at(&row, self.at)?.ok_or_else(|| Table::Ended.damaged(&row))?;
        Ok(Some((row, record)))
    }

    fn take_living(&mut self) -> Result<Option<(Vec<u8>, Record)>, Error> {
        let found = self.held.take();
        self.held = self.next_living()?;
        Ok(found)
    }

    /// The next one that was born by then, as it was then.
    fn next_living(&mut self) -> Result<Option<(Vec<u8>, Record)>, Error> {
        while let Some((row, value)) = self.living.next()? {
            let damaged = || Table::Rows.damaged(row);
            let facts = Record::decode_header(value).ok_or_else(damaged)?;
            if facts.born > self.at {
                continue;
            }
            let record = match facts.revision <= self.at {
                true => Record::decode(value),
                false => self.view.version_at(row, self.at)?,
            };
            return Ok(Some((row.to_vec(), record.ok_or_else(damaged)?)));
        }
        Ok(None)
    }
}

/// Lives of the query that hold `at` and are over.
fn ended_since(
    view: &View,
    query: &ListQuery,
    start: &[u8],
    at: Revision,
) -> Result<BTreeMap<Vec<u8>, Revision>, Error> {
    let (from, prefix) = (ended::key(&query.group, &query.resource, at.next()), query.prefix());
    let end = end_of(&rows::prefix(&query.group, &query.resource, None));
    let mut scan = view.scan(Table::Ended, &from, end);
    let mut lives = BTreeMap::new();
    while let Some((key, value)) = scan.next()? {
        let life = Ended::decode(key, value).ok_or_else(|| Table::Ended.damaged(key))?;
        let row = rows::key(&life.key);
        if life.born <= at && row.starts_with(&prefix) && row.as_slice() >= start {
            lives.insert(row, life.died);
        }
    }
    Ok(lives)
}
