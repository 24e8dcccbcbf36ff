//! Forgetting the past, where history isn't kept: whole commits, oldest first, as far as [`Retention`] says.
//!
//! How far is told by the log alone (times of frames, number of events), so two projections of one log forget the
//! same. One frame forgets at most [`CHANGES_PER_FRAME`], so that a frame after a quiet night isn't slow.

use jiff::{SignedDuration, Timestamp};
use rutter_schemas::{Op, Revision};

use crate::fold::Write;
use crate::snapshot::scan;
use crate::store::Store;
use crate::tables::changes::{self, ChangeRow};
use crate::tables::commits::{self, CommitRow};
use crate::tables::state::{self, Floor};
use crate::tables::{Table, ended, rows, versions};
use crate::{Error, Retention, codec};

/// More than any frame brings, so that forgetting keeps up.
const CHANGES_PER_FRAME: u64 = 8_192;

/// What to forget, given the time of the newest frame, and the floor afterwards.
pub(crate) fn prune(
    store: &Store,
    retention: &Retention,
    floor: Floor,
    at: &str,
) -> Result<(Floor, Vec<Write>), Error> {
    let (mut after, mut writes) = (floor, Vec::new());
    let deadline = deadline(at, retention.age_s);
    let db = store.db.snapshot();
    let above = commits::key(Revision(floor.revision).next());
    let mut commits = scan::scan(&db, store.table(Table::Commits), &above, None);
    while floor.kept - after.kept < CHANGES_PER_FRAME {
        let Some((key, value)) = commits.next()? else { break };
        let damaged = || Table::Commits.damaged(key);
        let last = commits::decode_key(key).ok_or_else(damaged)?;
        let commit = CommitRow::decode(value).ok_or_else(damaged)?;
        let too_old = deadline.is_some_and(|deadline| moment(&commit.at).is_some_and(|at| at < deadline));
        if !too_old && after.kept <= retention.changes {
            break;
        }
        forget(store, &db, commit.first, last, &mut writes)?;
        after = Floor { revision: last.0, kept: after.kept.saturating_sub(last.0 - commit.first.0 + 1) };
    }
    if after != floor {
        writes.push(Write::put(Table::State, state::FLOOR, codec::encode(&after)));
    }
    Ok((after, writes))
}

/// A version goes with the change that replaced it; a life's end with its deletion.
fn forget(
    store: &Store,
    db: &rocksdb::Snapshot<'_>,
    first: Revision,
    last: Revision,
    writes: &mut Vec<Write>,
) -> Result<(), Error> {
    let mut scan =
        scan::scan(db, store.table(Table::Changes), &changes::key(first), Some(changes::key(last.next())));
    while let Some((key, value)) = scan.next()? {
        let damaged = || Table::Changes.damaged(key);
        let revision = changes::decode_key(key).ok_or_else(damaged)?;
        let change = ChangeRow::decode(value).ok_or_else(damaged)?;
        let row = rows::key(&change.key);
        if change.prior != Revision::NONE {
            writes.push(Write::delete(Table::Versions, versions::key(&row, change.prior)));
        }
        if change.op == Op::Delete {
            writes.push(Write::delete(Table::Versions, versions::key(&row, revision)));
            writes.push(Write::delete(
                Table::Ended,
                ended::key(&change.key.group, &change.key.resource, revision),
            ));
        }
        writes.push(Write::delete(Table::Changes, key));
    }
    writes.push(Write::delete(Table::Commits, commits::key(last)));
    Ok(())
}

fn deadline(at: &str, age_s: u32) -> Option<Timestamp> {
    moment(at)?.checked_sub(SignedDuration::from_secs(i64::from(age_s))).ok()
}

fn moment(at: &str) -> Option<Timestamp> {
    at.parse().ok()
}
