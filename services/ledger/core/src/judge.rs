//! Whether a proposal may be recorded, given everything that was decided before it.

use rutter_schemas::{
    CommitHeader, Count, Expect, KeyHash, Proposal, Rejection, Revision, Scope, WriteHead, limits,
};

use crate::marks::scope_hash;
use crate::mutant::Mutant;
use crate::sequencer::Room;
use crate::state::State;

/// What is known besides the state.
pub(crate) struct Circumstances<'a> {
    pub(crate) room: &'a Room,
    pub(crate) planted: Option<Mutant>,
}

/// The hashes of its keys, if it may be recorded. Ids were compared before.
pub(crate) fn judge(
    state: &State,
    proposal: &Proposal,
    circumstances: &Circumstances<'_>,
) -> Result<Vec<KeyHash>, Rejection> {
    check_size(proposal)?;
    check_base(state, &proposal.header, circumstances.planted)?;
    check_room(proposal, circumstances.room)?;
    let keys: Vec<KeyHash> = proposal.writes.iter().map(|write| write.key.hash()).collect();
    check_distinct(&keys)?;
    for (write, key) in proposal.writes.iter().zip(&keys) {
        check_expectation(state, write, key, proposal.header.base)?;
    }
    if circumstances.planted != Some(Mutant::NoGuard) {
        proposal
            .header
            .guards
            .iter()
            .try_for_each(|scope| check_guard(state, scope, proposal.header.base))?;
    }
    check_counters(state, &proposal.header.counters)?;
    Ok(keys)
}

fn check_size(proposal: &Proposal) -> Result<(), Rejection> {
    let within = |size, limit| {
        if size > limit { Err(Rejection::TooLarge { size, limit }) } else { Ok(()) }
    };
    within(proposal.text.len(), limits::FRAME - crate::flight::HEADER_BYTES)?;
    within(proposal.writes.len(), limits::COMMIT_OBJECTS)?;
    if proposal.writes.is_empty() {
        return Err(malformed("a commit writes at least one object"));
    }
    Ok(())
}

/// The view that it was decided on has to be one of this log, and not older than what is remembered.
fn check_base(state: &State, header: &CommitHeader, planted: Option<Mutant>) -> Result<(), Rejection> {
    if header.incarnation != state.incarnation && planted != Some(Mutant::ForeignBase) {
        return Err(Rejection::WrongIncarnation { current: state.incarnation });
    }
    if header.base < state.floor {
        return Err(Rejection::TooOld { floor: state.floor });
    }
    if header.base > state.last && planted != Some(Mutant::ForeignBase) {
        return Err(malformed(&format!(
            "its base r{} is ahead of the log, which stands at r{}",
            header.base, state.last
        )));
    }
    Ok(())
}

fn check_room(proposal: &Proposal, room: &Room) -> Result<(), Rejection> {
    match room {
        Room::Scarce { reason } if !proposal.writes.iter().all(|write| write.yields_space) => {
            Err(Rejection::StorageFull { reason: reason.clone() })
        }
        _ => Ok(()),
    }
}

fn check_distinct(keys: &[KeyHash]) -> Result<(), Rejection> {
    if keys.len() < 2 {
        return Ok(());
    }
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(malformed("a commit writes each object once"));
    }
    Ok(())
}

/// An object has to be as the proposer saw it. Absence has to have lasted since its base: else a creation that was
/// refused, or a late copy of it, could succeed after the object was deleted.
fn check_expectation(
    state: &State,
    write: &WriteHead,
    key: &KeyHash,
    base: Revision,
) -> Result<(), Rejection> {
    let actual = state.index.get(key);
    match (write.expect, actual) {
        (Expect::At(expected), Some(actual)) if expected == actual => Ok(()),
        (Expect::Absent, None) => match state.marks.get(key) {
            Some(deleted) if deleted > base => {
                Err(Rejection::Touched { scope: absence(write), actual: deleted })
            }
            _ => Ok(()),
        },
        _ => Err(Rejection::Stale { key: write.key.clone(), actual }),
    }
}

/// The premise of a creation, for the proposer to read.
fn absence(write: &WriteHead) -> Scope {
    Scope(format!("absent:{}", write.key))
}

fn check_guard(state: &State, scope: &Scope, base: Revision) -> Result<(), Rejection> {
    match state.marks.get(&scope_hash(scope)) {
        Some(actual) if actual > base => Err(Rejection::Touched { scope: scope.clone(), actual }),
        _ => Ok(()),
    }
}

/// Additions have to stay within their maximum; subtractions always pass. A counter named twice counts twice.
fn check_counters(state: &State, counters: &[Count]) -> Result<(), Rejection> {
    for (index, count) in counters.iter().enumerate() {
        let value = state.counters.get(&count.name).copied().unwrap_or_default();
        let mut earlier = counters[..index].iter().filter(|earlier| earlier.name == count.name);
        let value = earlier.try_fold(value, |value, earlier| value.checked_add(earlier.delta));
        let Some((value, sum)) = value.and_then(|value| Some((value, value.checked_add(count.delta)?)))
        else {
            return Err(malformed("a counter would overflow"));
        };
        if count.delta > 0 && count.max.is_some_and(|max| i128::from(sum) > i128::from(max)) {
            let left = count.max.unwrap_or_default().saturating_sub(u64::try_from(value).unwrap_or_default());
            return Err(Rejection::Exhausted { counter: count.name.clone(), left });
        }
    }
    Ok(())
}

fn malformed(reason: &str) -> Rejection {
    Rejection::Malformed { reason: reason.to_owned() }
}
