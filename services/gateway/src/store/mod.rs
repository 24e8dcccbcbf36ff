//! What the verbs stand on: the gateway's own view of the log for reading, and the executor for writing. A verb never
//! sees a broker, a stream or a retry.

pub mod history;
pub mod read;
pub mod write;

use rutter_apimachinery::registry::Resource;
use rutter_apimachinery::status::Status;
use rutter_projection::{Record, Snapshot};
use rutter_runtime::executor::Writer;
use rutter_runtime::seal::SealKey;
use rutter_runtime::view::{View, ViewError};
use rutter_schemas::{Key, state};
use serde_json::Value;

pub use write::{Intent, Plan, Written};

use crate::convert;
use bytes::Bytes;

/// The view, the way to the ledger, and the key of what is sealed. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    nats: async_nats::Client,
    seal: SealKey,
}

impl Store {
    pub fn new(writer: Writer, nats: async_nats::Client, seal: SealKey) -> Store {
        Store { writer, nats, seal }
    }

    pub fn view(&self) -> &View {
        &self.writer.view
    }

    /// The state as this gateway has it now.
    pub fn snapshot(&self) -> Result<Snapshot, Status> {
        self.view().snapshot().map_err(unready)
    }

    /// An object as this gateway has it now; a view that can't be read has none.
    pub fn record(&self, key: &Key) -> Option<Record> {
        self.snapshot().ok()?.get(key).ok()?
    }

    /// An object's bytes as the API serves them: stored bytes, unsealed where they are sealed.
    pub fn served(&self, resource: &Resource, object: &Bytes) -> Result<Bytes, Status> {
        check_spoken(resource, object)?;
        if let Some(custom) = &resource.custom {
            return convert::custom::bytes(object, custom, resource).map_err(|error| failed(&error));
        }
        if !convert::speaks(object, resource) {
            return convert::respoken(object, resource).map_err(|error| failed(&error));
        }
        if !resource.sealed {
            return Ok(object.clone());
        }
        let object = self.parsed(resource, object)?;
        let revision = object
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok());
        Ok(state::splice(&state::encode(&object), revision.unwrap_or_default()))
    }

    /// An object as a value, unsealed, with its resourceVersion.
    pub fn parsed(&self, resource: &Resource, object: &Bytes) -> Result<Value, Status> {
        check_spoken(resource, object)?;
        let value: Value = serde_json::from_slice(object).map_err(|error| failed(&error))?;
        if let Some(custom) = &resource.custom {
            return Ok(convert::custom::spoken(value, custom, resource));
        }
        match resource.sealed {
            true => self.opened(value),
            false if convert::speaks(object, resource) => Ok(value),
            false => Ok(convert::spoken(value, resource)),
        }
    }

    fn opened(&self, value: Value) -> Result<Value, Status> {
        if !rutter_runtime::seal::is_sealed(&value) {
            return Ok(value);
        }
        self.seal.open_sealed(&value).map_err(|error| failed(&error))
    }

    /// The object as it may rest in the log.
    pub fn sealed(&self, object: &Value) -> Result<Value, Status> {
        self.seal.seal(object).map_err(|error| failed(&error))
    }
}

/// What somebody has to be asked about was asked about before (`convert::webhook`): nobody renames it for them.
fn check_spoken(resource: &Resource, object: &Bytes) -> Result<(), Status> {
    match convert::webhook::is_foreign(object, resource) {
        true => Err(Status::internal("an object was read before it was converted")),
        false => Ok(()),
    }
}

/// While the view catches up, or must not be served, there is no answer but "later".
pub fn unready(error: ViewError) -> Status {
    match error {
        ViewError::NotReady(_) => Status::unavailable(error.to_string()),
        other => failed(&other),
    }
}

/// Something of ours failed; the client can only be told so.
pub fn failed(error: &dyn std::error::Error) -> Status {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    tracing::error!(error = %words, "a request failed for a reason of ours");
    Status::internal(&words)
}
