//! containerd's own event stream: ends of containers within milliseconds, without polling. A broken stream means that
//! something may have been missed, and says so.

use std::time::Duration;

use jiff::Timestamp;
use prost::Message;
use rutter_cri::Containerd;
use rutter_cri::events::{Envelope, SubscribeRequest, TaskExit, TaskOom};
use tokio::sync::mpsc;

/// What the stream tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    Exited {
        id: String,
        code: i32,
        at: Timestamp,
    },
    OutOfMemory {
        id: String,
    },
    /// The stream begins (again): look at what there is.
    Following,
}

const RETRY: Duration = Duration::from_millis(200);

/// Follows the stream for ever; ends when nobody listens.
pub(crate) async fn follow(containerd: Containerd, out: mpsc::Sender<Happened>) {
    let mut said = false;
    while !out.is_closed() {
        let mut began = false;
        if let Err(why) = follow_once(containerd.clone(), &out, &mut began).await
            && (began || !said)
        {
            tracing::warn!(why = why.message(), "containerd's events broke off");
        }
        said = !began;
        tokio::time::sleep(RETRY).await;
    }
}

/// Follows until the stream breaks; says whether it had begun.
async fn follow_once(
    mut containerd: Containerd,
    out: &mpsc::Sender<Happened>,
    began: &mut bool,
) -> Result<(), rutter_cri::Status> {
    let filters = ["/tasks/exit", "/tasks/oom"];
    let filters = filters.iter().map(|topic| format!("topic==\"{topic}\",namespace==k8s.io")).collect();
    let mut stream = containerd.events.subscribe(SubscribeRequest { filters }).await?.into_inner();
    *began = true;
    let _ = out.send(Happened::Following).await;
    while let Some(envelope) = stream.message().await? {
        let Some(happened) = read(&envelope) else { continue };
        if out.send(happened).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The end of a container itself; ends of commands run in it are none of ours.
fn read(envelope: &Envelope) -> Option<Happened> {
    let event = envelope.event.as_ref()?;
    if event.type_url.ends_with("TaskOOM") {
        return Some(Happened::OutOfMemory { id: TaskOom::decode(&*event.value).ok()?.container_id });
    }
    let exit = TaskExit::decode(&*event.value).ok()?;
    if exit.id != exit.container_id {
        return None;
    }
    let at = exit.exited_at.as_ref().and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
    let at =
        at.or_else(|| envelope.timestamp.as_ref().and_then(|at| Timestamp::new(at.seconds, at.nanos).ok()))?;
    Some(Happened::Exited { id: exit.container_id, code: exit.exit_status.cast_signed(), at })
}
