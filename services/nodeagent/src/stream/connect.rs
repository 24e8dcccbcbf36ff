//! Connections into pods: to an address from the node, or to the loopback from inside the pod's network.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use nix::sched::{CloneFlags, setns};
use rutter_cri::in_k8s;
use rutter_cri::tasks::GetRequest;
use rutter_schemas::protocol::dial::{CHUNK, channel};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::flow::{Flow, Got, Incoming, Outgoing};
use crate::runtime::Cri;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// From the node.
pub(super) async fn outside(address: IpAddr, port: u16) -> Result<TcpStream, String> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((address, port))).await;
    let failed = |why: &dyn std::fmt::Display| format!("dial tcp {address}:{port}: {why}");
    connected.map_err(|_| failed(&"i/o timeout"))?.map_err(|why| failed(&why))
}

/// From inside the sandbox's network namespace, to its loopback.
pub(super) async fn inside(cri: &Cri, sandbox: &str, port: u16) -> Result<TcpStream, String> {
    let request = GetRequest { container_id: sandbox.to_owned(), exec_id: String::new() };
    let task = cri.containerd().tasks.get(in_k8s(request)).await.map_err(|why| why.message().to_owned())?;
    let pid = task.into_inner().process.map_or(0, |process| process.pid);
    let connected = tokio::task::spawn_blocking(move || connect_in_namespace(pid, port)).await;
    let stream = connected.map_err(|why| why.to_string())??;
    stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)).map_err(|why| why.to_string())
}

/// In a thread of its own that ends with the call, since it can't be trusted to come back.
fn connect_in_namespace(pid: u32, port: u16) -> Result<std::net::TcpStream, String> {
    let thread = std::thread::Builder::new().name("pod-network".to_owned()).spawn(move || {
        let namespace =
            File::open(format!("/proc/{pid}/ns/net")).map_err(|why| format!("the pod's network: {why}"))?;
        setns(namespace, CloneFlags::CLONE_NEWNET).map_err(|why| format!("the pod's network: {why}"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        std::net::TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)
            .map_err(|why| format!("failed to connect to localhost:{port} inside the pod: {why}"))
    });
    let thread = thread.map_err(|why| why.to_string())?;
    thread.join().map_err(|_| "the thread that connects has failed".to_owned())?
}

/// Copies both ways until the other side has said all. A caller that has ended still gets the rest of the answer.
pub(super) async fn flow((mut from, mut to): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin), flow: Flow) {
    let Flow { mut out, mut incoming, .. } = flow;
    let over = out.over();
    let input = async {
        write(&mut incoming, &mut to).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = read(&mut from, &mut out) => {}
        () = input => {}
        () = over.cancelled() => {}
    }
    out.end("").await;
}

async fn read(from: &mut (impl AsyncReadExt + Unpin), out: &mut Outgoing) {
    loop {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        match from.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {
                if out.send(channel::STDOUT, buffer.freeze()).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = out.eof(channel::STDOUT).await;
}

async fn write(incoming: &mut Incoming, to: &mut (impl AsyncWriteExt + Unpin)) {
    while let Some(Got::Data { payload, .. }) = incoming.next().await {
        if to.write_all(&payload).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
