//! Carries a link to a dialled stream and back, until the node or the client ends it.

use bytes::Bytes;
use rutter_apimachinery::status::Status;
use rutter_schemas::protocol::dial::channel;

use super::{Inbound, Link, Outbound};
use crate::node::dial::{Dialled, Heard, Sending};

/// Runs both directions. The node's end ends the link; a client that leaves ends the dialled stream.
pub async fn run(link: Link, dialled: Dialled) {
    let Link { mut inbound, outbound, reports_status } = link;
    let (mut sending, mut hearing) = dialled.split();
    let upward = async {
        while let Some(said) = inbound.recv().await {
            if forward(&mut sending, said).await.is_err() {
                return std::future::pending().await;
            }
        }
        sending.end("the client has gone").await;
    };
    let downward = async {
        let mut reported = false;
        while let Some(heard) = hearing.next().await {
            reported |= matches!(heard, Heard::Data { channel: channel::ERROR, .. });
            if !deliver(&outbound, heard, reports_status, reported).await {
                return;
            }
        }
    };
    tokio::select! {
        () = upward => {}
        () = downward => {}
    }
}

async fn forward(sending: &mut Sending, said: Inbound) -> Result<(), crate::node::dial::Closed> {
    match said {
        Inbound::Data { channel, bytes } => sending.data(channel, bytes).await,
        Inbound::Eof { channel } => sending.eof(channel).await,
    }
}

/// Hands one piece to the client; false when the link is over.
async fn deliver(
    outbound: &tokio::sync::mpsc::Sender<Outbound>,
    heard: Heard,
    reports_status: bool,
    reported: bool,
) -> bool {
    let order = match heard {
        Heard::Data { channel: channel::ERROR, bytes } if !reports_status => {
            let Some(bytes) = plain_words(&bytes) else { return true };
            Outbound::Data { channel: channel::ERROR, bytes }
        }
        Heard::Data { channel, bytes } => Outbound::Data { channel, bytes },
        Heard::Eof { channel } => Outbound::Eof { channel },
        Heard::End { reason } => {
            if !reason.is_empty() && !reported {
                let bytes = if reports_status { status_of(&reason) } else { Bytes::from(reason) };
                let _ = outbound.send(Outbound::Data { channel: channel::ERROR, bytes }).await;
            }
            return false;
        }
    };
    outbound.send(order).await.is_ok()
}

fn status_of(reason: &str) -> Bytes {
    serde_json::to_vec(&Status::internal(reason)).expect("a Status can be written").into()
}

/// For clients of before v4: nothing on success, else the message.
fn plain_words(status: &Bytes) -> Option<Bytes> {
    let status: Status = serde_json::from_slice(status).ok()?;
    status.is_failure().then(|| Bytes::from(status.message))
}
