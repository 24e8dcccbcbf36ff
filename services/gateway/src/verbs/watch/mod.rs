//! WATCH: from any revision, over the history, the change table or the live end of the log, to as many as want it.
//!
//! ```text
//!   nothing or 0, sendInitialEvents ─► the state as ADDED ─┐
//!   a revision ─► what changed since ──────────────────────┴─► live, from the hub
//! ```
//! A watch is a task with one short queue to its client. A client that reads too slowly misses frames at the hub; the
//! watch is then ended with an error that says so, and the client goes on from its last revision.

mod convert;
mod encoding;
mod events;
pub mod hub;
mod live;
mod past;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use rutter_apimachinery::status::Status;
use rutter_apimachinery::table::Include;
use rutter_log::watch::Interest;
use rutter_projection::Snapshot;
use rutter_schemas::Revision;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use super::list::Selection;
use crate::body::{self, Body, BodyError};
use crate::chain::Call;
use crate::convert::stored_group;
use crate::encode::{object, respond};
use crate::request::accept::SUPPORTED;
use crate::request::options::{At, ListOptions};
use crate::request::{Format, Shape};
use crate::stream::upgrade::{self, Wanted};
use crate::stream::websocket;
use encoding::Encoding;

/// Pieces that wait for the client.
const WAITING: usize = 8;
/// Watches without `timeoutSeconds` end after half an hour to an hour (upstream: `--min-request-timeout`).
const SHORTEST: Duration = Duration::from_secs(1800);

/// One watch, ready to run.
pub struct Watch {
    pub call: Call,
    pub encoding: Encoding,
    /// Whether nothing was told yet.
    pub first: AtomicBool,
    pub selection: Selection,
    pub interest: Interest,
    pub bookmarks: bool,
    pub begin: Begin,
    pub deadline: Instant,
    pub out: Out,
}

/// What comes before the live events.
pub enum Begin {
    /// The state of this snapshot; with a bookmark behind it, if the client asked for one.
    State { snapshot: Snapshot, say_when_done: bool },
    /// What changed after a revision, up to this snapshot.
    Since { revision: Revision, snapshot: Snapshot },
}

impl Watch {
    /// How the next event is encoded.
    fn next_encoding(&self) -> Encoding {
        let is_table = matches!(self.encoding.accept.shape, Shape::Table(_));
        let columns = is_table && self.first.swap(false, Ordering::Relaxed);
        Encoding { columns, ..self.encoding }
    }
}

/// The way to the client.
pub type Out = mpsc::Sender<Result<Bytes, BodyError>>;

/// # Errors
/// What the options and the revision may refuse; later failures are ERROR events.
pub async fn serve(mut call: Call) -> Result<Response<Body>, Status> {
    let mut options = ListOptions::of_watch(&call.query)?;
    options.fields.convert(&call.resource)?;
    let include = object::include(&call.query)?;
    let encoding = encoding(&call, include)?;
    let selection = Selection::of(&call, &options);
    let interest = interest(&call, &options);
    // Subscribed before the snapshot is taken, so that nothing falls between them.
    let live = call.gateway.hub.subscribe(stored_group(&call.resource), &call.resource.plural);
    let begin = begin(&call, &options).await?;

    let (out, chunks) = mpsc::channel(WAITING);
    let deadline = Instant::now() + options.timeout.unwrap_or_else(lifetime);
    let socket = upgrade::wanted(&call.headers).zip(call.upgrade.take());
    let headers = call.headers.clone();
    let watch = Watch {
        call,
        encoding,
        first: AtomicBool::new(true),
        selection,
        interest,
        bookmarks: options.bookmarks,
        begin,
        deadline,
        out,
    };
    tokio::spawn(live::run(watch, live));
    match socket {
        Some((Wanted::WebSocket, upgrade)) => websocket::events(&headers, upgrade, chunks),
        _ => {
            let body = body::stream(ReceiverStream::new(chunks));
            Ok(respond::with_body(StatusCode::OK, respond::watch_media_type(encoding.accept.format), body))
        }
    }
}

fn encoding(call: &Call, include: Include) -> Result<Encoding, Status> {
    let readable = match (call.accept.format, call.accept.shape) {
        (Format::Yaml, _) | (_, Shape::PartialList(_)) | (Format::Protobuf, Shape::Table(_)) => false,
        (Format::Json | Format::Protobuf, _) => true,
    };
    match readable {
        true => Ok(Encoding {
            accept: call.accept,
            include,
            spoken: encoding::spoken(&call.resource),
            columns: false,
        }),
        false => Err(Status::not_acceptable(&SUPPORTED)),
    }
}

fn interest(call: &Call, options: &ListOptions) -> Interest {
    let namespaced = call.resource.namespaced && !call.info.namespace.is_empty();
    let name = match call.info.name.as_str() {
        "" => options.fields.required("metadata.name").map(str::to_owned),
        name => Some(name.to_owned()),
    };
    Interest {
        group: stored_group(&call.resource).to_owned(),
        resource: call.resource.plural.to_string(),
        namespace: namespaced.then(|| call.info.namespace.clone()),
        name,
    }
}

async fn begin(call: &Call, options: &ListOptions) -> Result<Begin, Status> {
    let store = &call.gateway.store;
    let asked_for_state = options.send_initial_events.unwrap_or(false);
    let snapshot = store.read(options.at).await?;
    match options.at {
        At::NotOlderThan(revision) if !asked_for_state => {
            past::check(&snapshot, revision)?;
            Ok(Begin::Since { revision, snapshot })
        }
        // Without a revision, who refuses the state wants only what comes.
        At::Latest | At::Any if options.send_initial_events == Some(false) => {
            Ok(Begin::Since { revision: snapshot.revision(), snapshot })
        }
        _ => Ok(Begin::State { snapshot, say_when_done: asked_for_state && options.bookmarks }),
    }
}

/// Spread over half an hour, so that the clients of a gateway don't all come back at once.
fn lifetime() -> Duration {
    let spread = uuid::Uuid::new_v4().as_u128() % u128::from(SHORTEST.as_millis() as u64);
    SHORTEST + Duration::from_millis(u64::try_from(spread).unwrap_or_default())
}
