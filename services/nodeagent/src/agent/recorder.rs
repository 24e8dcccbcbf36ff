//! What a node tells operators, as Events. Telling never waits: one task writes them down, in order, and what comes while
//! too many wait is lost.

use jiff::Timestamp;
use rutter_apimachinery::recorder::{Correlator, Note, Recording, Source};
use rutter_schemas::protocol::node::NodeCommand;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Commands;
use super::commands::CommandError;

/// Notes that wait (upstream's `maxQueuedEvents`).
const WAITING: usize = 1_000;

/// Takes notes; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    to: mpsc::Sender<Note>,
}

/// Where notes arrive that are to be written down.
pub(crate) struct Notes(mpsc::Receiver<Note>);

impl Recorder {
    pub(crate) fn new() -> (Recorder, Notes) {
        let (to, notes) = mpsc::channel(WAITING);
        (Recorder { to }, Notes(notes))
    }

    pub(crate) fn tell(&self, note: Note) {
        if self.to.try_send(note).is_err() {
            tracing::debug!("an Event is dropped: too many wait to be recorded");
        }
    }
}

impl Notes {
    /// Writes them down in the name of `node`, for as long as anybody takes notes.
    pub(crate) async fn write_down(mut self, node: String, commands: Commands) {
        let source = Source { component: "kubelet".to_owned(), host: node.clone() };
        let mut correlator = Correlator::new(source);
        while let Some(note) = self.0.recv().await {
            let Some(recording) = correlator.note(&note, Timestamp::now()) else { continue };
            let event = said(recording, &node);
            let name = event["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            match commands.send(NodeCommand::RecordEvent { event }).await {
                Ok(_) => {}
                // It has expired: the next one like it is a new one.
                Err(CommandError::Refused { code: 404, .. }) => correlator.forget(&name),
                Err(why) => tracing::debug!(%why, "an Event was not recorded"),
            }
        }
    }
}

/// A recording in the words of the command: an Event whole, or the fields of one that is there.
fn said(recording: Recording, node: &str) -> Value {
    match recording {
        Recording::New(event) => event,
        Recording::Again { namespace, name, fields } => {
            let mut event = fields;
            event["metadata"] = json!({ "namespace": namespace, "name": name });
            event["source"] = json!({ "component": "kubelet", "host": node });
            event
        }
    }
}
