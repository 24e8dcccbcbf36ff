//! Exec and attach: an upgraded connection becomes a link with the channels that the request asked for.
//!
//! | client | upgrade | protocol |
//! | --- | --- | --- |
//! | kubectl from 1.30, client libraries | WebSocket | `v5.channel.k8s.io`, `v4.channel.k8s.io`, `channel.k8s.io`; the last two as text |
//! | kubectl before | SPDY/3.1 | `v4.channel.k8s.io` … `channel.k8s.io`, one SPDY stream per channel |

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use rutter_schemas::protocol::dial::channel;
use rutter_spdy::{self as spdy, Event};
use tokio::sync::mpsc;

use super::upgrade::Wanted;
use super::websocket::{self, Channeled};
use super::{Inbound, Link, Outbound, QUEUE};

/// The protocols we speak, best first; who names none speaks the last.
pub const WEBSOCKET: [&str; 5] = [
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "base64.channel.k8s.io",
    "channel.k8s.io",
];
pub const SPDY: [&str; 5] =
    ["v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];

/// How long a SPDY client may take to open its streams (upstream: `streamCreationTimeout`).
const STREAMS_TIMEOUT: Duration = Duration::from_secs(30);

/// Which channels a session has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channels {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
}

/// Waits for the upgrade that the 101 started, and speaks what was agreed on.
pub async fn link(upgrade: OnUpgrade, wanted: Wanted, protocol: &str, channels: Channels) -> Option<Link> {
    let upgraded = upgrade.await.ok()?;
    match wanted {
        Wanted::WebSocket => Some(over_websocket(upgraded, protocol, channels).await),
        Wanted::Spdy => over_spdy(upgraded, protocol, channels).await,
    }
}

async fn over_websocket(upgraded: Upgraded, protocol: &str, channels: Channels) -> Link {
    let socket = websocket::accept(upgraded).await;
    let greeted = match (channels.stdout, channels.stderr) {
        (true, _) => channel::STDOUT,
        (false, true) => channel::STDERR,
        (false, false) => channel::ERROR,
    };
    websocket::channels(socket, Channeled::named(protocol), &[greeted])
}

async fn over_spdy(upgraded: Upgraded, protocol: &str, channels: Channels) -> Option<Link> {
    let (mut events, sender) = spdy::speak(TokioIo::new(upgraded));
    let resizes = channels.tty && !matches!(protocol, "v2.channel.k8s.io" | "channel.k8s.io");
    let expected = [true, channels.stdin, channels.stdout, channels.stderr && !channels.tty, resizes];
    let expected = expected.into_iter().filter(|wanted| *wanted).count();
    let opening = opened(&mut events, &sender, expected);
    let streams = tokio::time::timeout(STREAMS_TIMEOUT, opening).await.ok().flatten()?;

    let (said, inbound) = mpsc::channel(QUEUE);
    let (outbound, orders) = mpsc::channel(QUEUE);
    tokio::spawn(read(events, streams.clone(), said));
    tokio::spawn(write(orders, streams, sender));
    let reports_status = matches!(protocol, "v5.channel.k8s.io" | "v4.channel.k8s.io");
    Some(Link { inbound, outbound, reports_status })
}

/// Stream by channel.
type Streams = BTreeMap<u8, u32>;

async fn opened(
    events: &mut mpsc::Receiver<Event>,
    sender: &spdy::Sender,
    expected: usize,
) -> Option<Streams> {
    let mut streams = Streams::new();
    while streams.len() < expected {
        match events.recv().await? {
            Event::Opened { stream, headers } => {
                let Some(channel) = headers.get("streamtype").and_then(|kind| channel_of(kind)) else {
                    sender.reset(stream).await;
                    continue;
                };
                sender.accept(stream).await;
                streams.insert(channel, stream);
            }
            Event::Reset { .. } => return None,
            Event::Data { .. } | Event::Finished { .. } | Event::Accepted { .. } => {}
        }
    }
    Some(streams)
}

fn channel_of(stream_type: &str) -> Option<u8> {
    match stream_type {
        "stdin" => Some(channel::STDIN),
        "stdout" => Some(channel::STDOUT),
        "stderr" => Some(channel::STDERR),
        "error" => Some(channel::ERROR),
        "resize" => Some(channel::RESIZE),
        _ => None,
    }
}

async fn read(mut events: mpsc::Receiver<Event>, streams: Streams, said: mpsc::Sender<Inbound>) {
    let channel_of =
        |stream| streams.iter().find(|(_, known)| **known == stream).map(|(channel, _)| *channel);
    while let Some(event) = events.recv().await {
        let inbound = match event {
            Event::Data { stream, bytes } => {
                channel_of(stream).map(|channel| Inbound::Data { channel, bytes })
            }
            Event::Finished { stream } | Event::Reset { stream } => {
                channel_of(stream).map(|channel| Inbound::Eof { channel })
            }
            Event::Opened { .. } | Event::Accepted { .. } => None,
        };
        // Clients half-close what they only read; only the end of stdin says something.
        let Some(inbound) =
            inbound.filter(|said| !matches!(said, Inbound::Eof { channel } if *channel != channel::STDIN))
        else {
            continue;
        };
        if said.send(inbound).await.is_err() {
            return;
        }
    }
}

async fn write(mut orders: mpsc::Receiver<Outbound>, streams: Streams, sender: spdy::Sender) {
    while let Some(order) = orders.recv().await {
        match order {
            Outbound::Data { channel, bytes } if !bytes.is_empty() => {
                send(&sender, &streams, channel, bytes).await
            }
            Outbound::Data { .. } => {}
            Outbound::Eof { channel } => {
                if let Some(stream) = streams.get(&channel) {
                    sender.finish(*stream).await;
                }
            }
        }
    }
    for stream in streams.values() {
        sender.finish(*stream).await;
    }
}

async fn send(sender: &spdy::Sender, streams: &Streams, channel: u8, bytes: Bytes) {
    if let Some(stream) = streams.get(&channel) {
        sender.data(*stream, bytes).await;
    }
}
