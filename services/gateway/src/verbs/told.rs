//! What a write answers with: the object after it, as it will be served, or as it is.

use bytes::Bytes;
use http::{Response, StatusCode};
use rutter_apimachinery::status::Status;
use rutter_apimachinery::write::Draft;
use rutter_schemas::{Op, Revision, state};
use serde_json::Value;
use serde_json::value::RawValue;

use super::get;
use crate::body::Body;
use crate::chain::{self, Call};
use crate::convert;
use crate::convert::interpreter::Interpreter;
use crate::encode::respond;
use crate::store::{Intent, Plan, Written};

/// The object that a write will have made, in clear.
#[derive(Debug)]
pub enum Told {
    /// Gets the revision of its event.
    New { state: Box<RawValue>, warnings: Vec<String>, created: bool },
    /// Nothing changed.
    Same { object: Bytes },
}

impl Told {
    pub fn of(draft: &Draft) -> Told {
        Told::New {
            state: draft.event.state.clone(),
            warnings: draft.warnings.clone(),
            created: draft.event.op == Op::Create,
        }
    }

    pub fn same(object: &Value) -> Told {
        let revision = object
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok());
        Told::Same { object: state::splice(&state::encode(object), revision.unwrap_or_default()) }
    }

    /// The same as it reads back from storage, where it was converted for that.
    pub fn read_back(self, interpreter: &Interpreter) -> Told {
        match self {
            Told::New { state, warnings, created } => {
                let state = interpreter.read_back(&state).unwrap_or(state);
                Told::New { state, warnings, created }
            }
            same => same,
        }
    }

    /// The object as served after the write; one that was only rehearsed has the revision it had.
    pub fn object(&self, first: Option<Revision>) -> Bytes {
        match (self, first) {
            (Told::New { state, .. }, Some(revision)) => state::splice(state, revision),
            (Told::New { state, .. }, None) => Bytes::copy_from_slice(state.get().as_bytes()),
            (Told::Same { object }, _) => object.clone(),
        }
    }
}

impl Call {
    /// Who wants this written, and within which trace.
    pub fn intent(&self) -> Intent {
        let traceparent = chain::text(&self.headers, chain::TRACEPARENT).map(str::to_owned);
        Intent { traceparent, interpreter: self.interpreter.clone(), ..Intent::of(&self.user) }
    }

    /// Writes what was decided, and answers with the object after it.
    pub async fn write(
        &self,
        intent: Intent,
        warnings: Vec<String>,
        decide: impl FnMut(&rutter_projection::Snapshot) -> Result<Plan<Told>, Status>,
    ) -> Result<Response<Body>, Status> {
        let written = self.gateway.store.write(&intent, self.subject(), &self.info.name, decide).await?;
        answer(self, written, warnings)
    }

    /// Makes a draft fit to rest in the log: in the words that are stored, and what is sealed is sealed. Whoever answers with it has to take it before.
    pub fn sealed(&self, draft: Draft) -> Result<Draft, Status> {
        let mut draft = convert::stored(draft, &self.resource, &self.gateway.registry());
        if self.resource.sealed {
            draft.event.state = state::encode(&self.gateway.store.sealed(&draft.object)?);
        }
        Ok(draft)
    }

    /// A plan of one draft, sealed where it has to be, that answers with its object.
    pub fn plan(&self, draft: Draft, why: String) -> Result<Plan<Told>, Status> {
        let told = Told::of(&draft);
        Ok(Plan::one(self.sealed(draft)?, why, told))
    }

    /// What an operator reads of this request in `rutter why`.
    pub fn why(&self) -> String {
        let what = match self.info.subresource.as_str() {
            "" => String::new(),
            subresource => format!(" of its {subresource}"),
        };
        format!("{} asked for a {}{what}", self.user.name, self.info.verb.as_str())
    }
}

fn answer(call: &Call, written: Written<Told>, mut warnings: Vec<String>) -> Result<Response<Body>, Status> {
    let Written { first, answer } = written;
    let told = answer.read_back(&call.interpreter);
    let mut code = StatusCode::OK;
    if let Told::New { warnings: more, created, .. } = &told {
        warnings.extend(more.iter().cloned());
        if *created {
            code = StatusCode::CREATED;
        }
    }
    let mut response = get::answer(call, code, told.object(first))?;
    respond::warn(&mut response, &warnings);
    Ok(response)
}
