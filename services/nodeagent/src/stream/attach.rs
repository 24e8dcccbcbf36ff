//! Joining a container's first process, through the CRI's streaming server on the node's loopback, over SPDY/3.1 as
//! upstream's kubelet does: a stream per channel, and each ends by itself. The runtime does with the end of the input
//! what the container asks for: `stdinOnce` without a terminal ends the process's input and goes on with its output;
//! otherwise the process keeps its input, and the joining ends.

use std::collections::BTreeMap;
use std::time::Duration;

use rutter_cri::runtime::AttachRequest;
use rutter_schemas::protocol::dial::channel;
use rutter_spdy::{Event, Headers, Sender};
use tokio::sync::mpsc;

use super::flow::{Flow, Got, Incoming, Outgoing};
use super::upgrade;
use crate::runtime::Cri;

/// The streaming server tells the end of a session in a `metav1.Status`.
const PROTOCOL: &str = "v4.channel.k8s.io";

/// How long the streaming server may take to accept the streams (upstream's, of its clients: 30 s).
const STREAMS_TIMEOUT: Duration = Duration::from_secs(30);

/// A container that was joined.
pub(super) struct Session {
    events: mpsc::Receiver<Event>,
    sender: Sender,
    streams: Streams,
}

/// Stream by channel.
type Streams = BTreeMap<u8, u32>;

/// Joins it.
///
/// # Errors
/// containerd's words.
pub(super) async fn open(cri: &Cri, wanted: AttachRequest) -> Result<Session, String> {
    let channels = channels(&wanted);
    let url = cri.attach_url(wanted).await?;
    let connection = upgrade::to_spdy(&url, PROTOCOL).await?;
    let (mut events, sender) = rutter_spdy::speak(connection);
    let numbers = (1..).step_by(2);
    let streams: Streams =
        channels.iter().zip(numbers).map(|((channel, _), stream)| (*channel, stream)).collect();
    for (channel, kind) in channels {
        let headers: Headers = [("streamtype".to_owned(), kind.to_owned())].into();
        sender.open(streams[&channel], headers).await;
    }
    let accepting = all_accepted(&mut events, streams.len());
    match tokio::time::timeout(STREAMS_TIMEOUT, accepting).await {
        Ok(true) => Ok(Session { events, sender, streams }),
        Ok(false) => Err("the runtime's streaming server has ended the connection".to_owned()),
        Err(_) => Err("the runtime's streaming server took too long to open the streams".to_owned()),
    }
}

/// The streams of a session, in the order in which client-go opens them, with their names.
fn channels(wanted: &AttachRequest) -> Vec<(u8, &'static str)> {
    let all = [
        (true, channel::ERROR, "error"),
        (wanted.stdin, channel::STDIN, "stdin"),
        (wanted.stdout, channel::STDOUT, "stdout"),
        (wanted.stderr, channel::STDERR, "stderr"),
        (wanted.tty, channel::RESIZE, "resize"),
    ];
    all.into_iter().filter(|(is_wanted, ..)| *is_wanted).map(|(_, channel, kind)| (channel, kind)).collect()
}

/// Data before a stream is accepted would be lost.
async fn all_accepted(events: &mut mpsc::Receiver<Event>, count: usize) -> bool {
    for _ in 0..count {
        match events.recv().await {
            Some(Event::Accepted { .. }) => {}
            // Output begins when the last stream is accepted, not before.
            _ => return false,
        }
    }
    true
}

impl Session {
    /// Carries it until the container or the caller ends it.
    pub(super) async fn flow(self, flow: Flow) {
        let Session { events, sender, streams } = self;
        let Flow { mut out, incoming, .. } = flow;
        let over = out.over();
        tokio::select! {
            () = carry_output(events, &streams, &mut out) => {}
            () = carry_input(incoming, &streams, &sender) => {}
            () = over.cancelled() => {}
        }
        out.end("").await;
    }
}

/// Ends when the streaming server has: it tells how on the error channel, then resets every stream.
async fn carry_output(mut events: mpsc::Receiver<Event>, streams: &Streams, out: &mut Outgoing) {
    let channel_of =
        |wanted: u32| streams.iter().find(|(_, stream)| **stream == wanted).map(|(channel, _)| *channel);
    while let Some(event) = events.recv().await {
        match event {
            Event::Data { stream, bytes } => {
                let Some(channel) = channel_of(stream) else { continue };
                if out.send(channel, bytes).await.is_err() {
                    return;
                }
            }
            Event::Reset { .. } => return,
            Event::Finished { .. } | Event::Accepted { .. } | Event::Opened { .. } => {}
        }
    }
}

/// Never ends by itself: output may still come.
async fn carry_input(mut incoming: Incoming, streams: &Streams, sender: &Sender) {
    while let Some(got) = incoming.next().await {
        match got {
            Got::Data { channel: channel @ (channel::STDIN | channel::RESIZE), payload } => {
                if let Some(stream) = streams.get(&channel) {
                    sender.data(*stream, payload).await;
                }
            }
            Got::Eof { channel: channel::STDIN } => {
                if let Some(stream) = streams.get(&channel::STDIN) {
                    sender.finish(*stream).await;
                }
            }
            Got::Data { .. } | Got::Eof { .. } => {}
        }
    }
    std::future::pending().await
}
