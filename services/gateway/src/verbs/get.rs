//! GET of one object: stored bytes are the answer. Without a revision it is linearizable; with an exact one it is
//! answered from history, also of what is gone.

use bytes::Bytes;
use http::{Response, StatusCode};
use rutter_apimachinery::status::Status;
use rutter_projection::Error;
use rutter_schemas::protocol::ledger::{HistoryAnswer, HistoryQuery};
use rutter_schemas::{Key, Revision};

use crate::body::Body;
use crate::chain::Call;
use crate::convert::webhook;
use crate::encode::object;
use crate::encode::respond;
use crate::request::options::{self, At};
use crate::store::{Store, failed, read};

/// # Errors
/// 404, and what reading may refuse.
pub async fn serve(call: Call) -> Result<Response<Body>, Status> {
    let found = find(&call).await?;
    answer(&call, StatusCode::OK, found)
}

/// The object that the path names, as served, at the revision that the query asks for.
pub async fn find(call: &Call) -> Result<Bytes, Status> {
    let store = &call.gateway.store;
    let at = options::of_get(&call.query)?;
    let snapshot = store.read(at).await?;
    let key = call.key();
    let found = match at {
        At::Exact(revision) => match snapshot.get_at(&key, revision) {
            Ok(record) => record.map(|record| record.object),
            Err(Error::BelowFloor { .. }) => from_ledger(store, key, revision).await?,
            Err(error) => return Err(read::refused(error)),
        },
        At::Latest | At::Any | At::NotOlderThan(_) => {
            snapshot.get_object(&key).map_err(|error| failed(&error))?
        }
    };
    let found = found.ok_or_else(|| call.not_found())?;
    let spoken = webhook::spoken_one(&call.gateway.webhooks, &call.resource, found).await?;
    store.served(&call.resource, &spoken)
}

/// An object in the form the client reads.
pub fn answer(call: &Call, code: StatusCode, object: Bytes) -> Result<Response<Body>, Status> {
    let include = object::include(&call.query)?;
    let bytes = object::encode(call.accept, &call.resource, object, include)?;
    Ok(respond::bytes(code, &object::media_type(call.accept), bytes))
}

/// Asks a ledger, which keeps every version of every object.
async fn from_ledger(store: &Store, key: Key, revision: Revision) -> Result<Option<Bytes>, Status> {
    match store.history(HistoryQuery::GetAt { key, revision }).await? {
        HistoryAnswer::Object { object, .. } => {
            Ok(object.map(|object| Bytes::copy_from_slice(object.get().as_bytes())))
        }
        HistoryAnswer::Unknown { reason } => Err(Status::expired(reason)),
        HistoryAnswer::Facts { .. } | HistoryAnswer::Objects { .. } | HistoryAnswer::Behind { .. } => {
            Err(Status::internal("the ledger answered another question"))
        }
    }
}
