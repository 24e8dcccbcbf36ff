//! Port-forward: every connection of the user's is a pair of streams, data and error, that name a port of the pod.
//!
//! kubectl from 1.31 carries SPDY inside a WebSocket (`SPDY/3.1+portforward.k8s.io`, KEP-4006), older ones speak SPDY
//! (`portforward.k8s.io`); the WebSocket channel protocol (`v4.channel.k8s.io`, or as text `v4.base64.channel.k8s.io`;
//! ports in the query, two channels each) is what client libraries use.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use rutter_schemas::protocol::dial::{DialTarget, PodRef, channel};
use rutter_spdy::{self as spdy, Event, Headers};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::websocket::{self, Channeled};
use super::{Inbound, Link, Outbound, QUEUE};
use crate::node::dial::{Dialled, Dialler, Heard};

pub const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
pub const WEBSOCKET: [&str; 3] = [TUNNEL, "v4.base64.channel.k8s.io", "v4.channel.k8s.io"];
pub const SPDY: [&str; 1] = ["portforward.k8s.io"];

/// Connections at once through one port-forward.
const CONNECTIONS: usize = 1_000;

/// Where connections go.
#[derive(Debug, Clone)]
pub struct Destination {
    pub dialler: Dialler,
    pub node: String,
    pub pod: PodRef,
}

impl Destination {
    async fn dial(&self, port: u16) -> Result<Dialled, String> {
        let target = DialTarget::PortForward { pod: self.pod.clone(), port };
        let dialled = self.dialler.dial(&self.node, target).await;
        dialled.map_err(|status| format!("an error occurred forwarding to port {port}: {}", status.message))
    }
}

/// Serves SPDY, bare or tunnelled, until the client leaves.
pub async fn over_spdy(upgrade: OnUpgrade, tunnelled: bool, destination: Destination) {
    let Ok(upgraded) = upgrade.await else { return };
    if tunnelled {
        let tunnel = websocket::tunnel(websocket::accept(upgraded).await);
        forward(tunnel, destination).await;
    } else {
        forward(TokioIo::new(upgraded), destination).await;
    }
}

/// A pair of streams that is not complete yet.
#[derive(Default)]
struct Half {
    data: Option<u32>,
    error: Option<u32>,
}

async fn forward<T: AsyncRead + AsyncWrite + Send + 'static>(stream: T, destination: Destination) {
    let (mut events, sender) = spdy::speak(stream);
    let destination = Arc::new(destination);
    let mut halves: HashMap<String, Half> = HashMap::new();
    let mut connections: HashMap<u32, mpsc::Sender<Inbound>> = HashMap::new();
    while let Some(event) = events.recv().await {
        match event {
            Event::Opened { stream, headers } => {
                connections.retain(|_, connection| !connection.is_closed());
                if connections.len() + halves.len() >= CONNECTIONS {
                    sender.reset(stream).await;
                    continue;
                }
                sender.accept(stream).await;
                let Some((port, data, error)) = paired(&mut halves, stream, &headers) else { continue };
                let (said, inbound) = mpsc::channel(QUEUE);
                connections.insert(data, said);
                tokio::spawn(connection(
                    destination.clone(),
                    port,
                    Streams { data, error },
                    inbound,
                    sender.clone(),
                ));
            }
            Event::Data { stream, bytes } => {
                hand(&connections, stream, Inbound::Data { channel: channel::STDIN, bytes }).await;
            }
            Event::Finished { stream } => {
                hand(&connections, stream, Inbound::Eof { channel: channel::STDIN }).await
            }
            Event::Reset { stream } => drop(connections.remove(&stream)),
            Event::Accepted { .. } => {}
        }
    }
}

async fn hand(connections: &HashMap<u32, mpsc::Sender<Inbound>>, stream: u32, said: Inbound) {
    if let Some(connection) = connections.get(&stream) {
        let _ = connection.send(said).await;
    }
}

/// Completes a pair: port, data stream, error stream.
fn paired(halves: &mut HashMap<String, Half>, stream: u32, headers: &Headers) -> Option<(u16, u32, u32)> {
    let port: u16 = headers.get("port")?.parse().ok()?;
    // Clients of before 1.3 send no request id and open error and data streams in order.
    let request = headers.get("requestid").cloned().unwrap_or_else(|| port.to_string());
    let half = halves.entry(request.clone()).or_default();
    match headers.get("streamtype").map(String::as_str) {
        Some("data") => half.data = Some(stream),
        Some("error") => half.error = Some(stream),
        _ => return None,
    }
    let (data, error) = (half.data?, half.error?);
    halves.remove(&request);
    Some((port, data, error))
}

struct Streams {
    data: u32,
    error: u32,
}

async fn connection(
    destination: Arc<Destination>,
    port: u16,
    streams: Streams,
    inbound: mpsc::Receiver<Inbound>,
    sender: spdy::Sender,
) {
    match destination.dial(port).await {
        Ok(dialled) => carry(dialled, &streams, inbound, &sender).await,
        Err(words) => sender.data(streams.error, Bytes::from(words)).await,
    }
    sender.finish(streams.error).await;
    sender.finish(streams.data).await;
}

async fn carry(
    dialled: Dialled,
    streams: &Streams,
    mut inbound: mpsc::Receiver<Inbound>,
    sender: &spdy::Sender,
) {
    let (mut sending, mut hearing) = dialled.split();
    let upward = async {
        while let Some(said) = inbound.recv().await {
            let sent = match said {
                Inbound::Data { bytes, .. } => sending.data(channel::STDIN, bytes).await,
                Inbound::Eof { .. } => sending.eof(channel::STDIN).await,
            };
            if sent.is_err() {
                return std::future::pending().await;
            }
        }
        sending.end("the client has gone").await;
    };
    let downward = async {
        while let Some(heard) = hearing.next().await {
            match heard {
                Heard::Data { bytes, .. } => sender.data(streams.data, bytes).await,
                Heard::Eof { .. } => sender.finish(streams.data).await,
                Heard::End { reason } if reason.is_empty() => return,
                Heard::End { reason } => return sender.data(streams.error, Bytes::from(reason)).await,
            }
        }
    };
    tokio::select! {
        () = upward => {}
        () = downward => {}
    }
}

/// Serves the channel protocol: ports were named in the query; channel 2n carries the data of the nth, 2n+1 its error,
/// and each begins with the port in little endian (k8s.io/kubelet `pkg/cri/streaming/portforward/websocket.go`).
pub async fn over_channels(
    upgrade: OnUpgrade,
    protocol: Channeled,
    ports: Vec<u16>,
    destination: Destination,
) {
    let Ok(upgraded) = upgrade.await else { return };
    let socket = websocket::accept(upgraded).await;
    let Link { mut inbound, outbound, .. } = websocket::channels(socket, protocol, &[]);
    let mut connections = Vec::new();
    for (index, port) in ports.into_iter().enumerate() {
        let Ok(first) = u8::try_from(index * 2) else { break };
        for channel in [first, first + 1] {
            let greeting = Outbound::Data { channel, bytes: Bytes::copy_from_slice(&port.to_le_bytes()) };
            let _ = outbound.send(greeting).await;
        }
        let (said, queue) = mpsc::channel(QUEUE);
        connections.push(said);
        tokio::spawn(channel_connection(destination.clone(), port, first, queue, outbound.clone()));
    }
    drop(outbound);
    while let Some(said) = inbound.recv().await {
        let (Inbound::Data { channel, .. } | Inbound::Eof { channel }) = &said;
        let connection = connections.get(usize::from(*channel / 2)).filter(|_| channel % 2 == 0);
        if let Some(connection) = connection {
            let _ = connection.send(said).await;
        }
    }
}

async fn channel_connection(
    destination: Destination,
    port: u16,
    data: u8,
    inbound: mpsc::Receiver<Inbound>,
    outbound: mpsc::Sender<Outbound>,
) {
    match destination.dial(port).await {
        Ok(dialled) => {
            let (said, renamed) = mpsc::channel(QUEUE);
            let link = Link { inbound, outbound: said, reports_status: false };
            tokio::join!(super::bridge::run(link, dialled), rename(renamed, data, outbound));
        }
        Err(words) => {
            let _ = outbound.send(Outbound::Data { channel: data + 1, bytes: Bytes::from(words) }).await;
        }
    }
}

/// A dialled connection's channels are those of a command; here each port has a pair of its own.
async fn rename(mut from: mpsc::Receiver<Outbound>, data: u8, outbound: mpsc::Sender<Outbound>) {
    while let Some(order) = from.recv().await {
        let Outbound::Data { channel, bytes } = order else { continue };
        let channel = if channel == channel::ERROR { data + 1 } else { data };
        if outbound.send(Outbound::Data { channel, bytes }).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(kind: &str, port: &str, request: &str) -> Headers {
        [("streamtype", kind), ("port", port), ("requestid", request)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn a_connection_begins_when_both_of_its_streams_are_there() {
        let mut halves = HashMap::new();
        assert_eq!(paired(&mut halves, 1, &headers("error", "80", "0")), None);
        assert_eq!(paired(&mut halves, 3, &headers("error", "80", "1")), None);
        assert_eq!(paired(&mut halves, 5, &headers("data", "80", "0")), Some((80, 5, 1)));
        assert_eq!(paired(&mut halves, 7, &headers("data", "80", "1")), Some((80, 7, 3)));
        assert!(halves.is_empty());
    }
}
