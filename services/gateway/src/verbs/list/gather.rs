//! Lists of objects that somebody has to be asked about: what is read together is asked about together, and selectors
//! look at what the answer says. All that is found is held until it is told, as upstream holds it.

use rutter_apimachinery::status::Status;
use rutter_projection::{Error, Record, Snapshot};
use rutter_schemas::{Key, Revision};

use super::page::{LARGEST_PAGE, Selection};
use crate::chain::Call;
use crate::convert::webhook;
use crate::store::read;

/// Objects in the version of the request.
#[derive(Default)]
pub struct Gathered {
    pub found: Vec<(Key, Record)>,
    /// The last key, if more follow.
    pub more_behind: Option<Key>,
}

/// The chosen objects of a resource that somebody is asked about, up to a limit if it is not 0.
///
/// # Errors
/// What reading may refuse, and 500 for what can't be converted.
pub async fn gathered(
    call: &Call,
    snapshot: &Snapshot,
    revision: Revision,
    selection: &Selection,
    limit: usize,
) -> Result<Gathered, Status> {
    let mut all = Gathered::default();
    let mut from = selection.clone();
    let mut size = 0;
    loop {
        // One more than is wanted tells whether any follow.
        let most = if limit == 0 { usize::MAX } else { limit + 1 - all.found.len() };
        let batch = batch(snapshot.clone(), revision, from.clone(), most).await?;
        let (keys, records): (Vec<Key>, Vec<Record>) = batch.found.into_iter().unzip();
        let records = webhook::seen(&call.gateway.webhooks, &call.resource, records).await?;
        for (key, record) in keys.into_iter().zip(records) {
            if !selection.selects(&key, &record.meta) {
                continue;
            }
            if limit > 0 && (all.found.len() == limit || size > LARGEST_PAGE) {
                all.more_behind = all.found.last().map(|(key, _)| key.clone());
                return Ok(all);
            }
            size += record.object.len();
            all.found.push((key, record));
        }
        match batch.more_behind {
            Some(last) => from = from.after(last),
            None => return Ok(all),
        }
    }
}

/// What is asked about together, as it is stored.
async fn batch(
    snapshot: Snapshot,
    revision: Revision,
    selection: Selection,
    most: usize,
) -> Result<Gathered, Status> {
    let reading = move || {
        let mut batch = Gathered::default();
        let mut size = 0;
        for found in selection.walk_unseen(&snapshot, revision)? {
            let (key, record) = found?;
            if batch.found.len() == most || size > webhook::TOGETHER_BYTES {
                batch.more_behind = batch.found.last().map(|(key, _)| key.clone());
                break;
            }
            size += record.object.len();
            batch.found.push((key, record));
        }
        Ok(batch)
    };
    let found: Result<Gathered, Error> =
        tokio::task::spawn_blocking(reading).await.map_err(|error| Status::internal(&error.to_string()))?;
    found.map_err(read::refused)
}
