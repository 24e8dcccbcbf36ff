//! A command in a container, through containerd's own task service: pipes of ours, with nothing between the command and
//! the stream.

use std::path::{Path, PathBuf};

use bytes::BytesMut;
use nix::sys::stat::Mode;
use rutter_cri::containers::GetContainerRequest;
use rutter_cri::tasks as api;
use rutter_cri::{Any, Containerd, Status, in_k8s};
use rutter_schemas::protocol::dial::{CHUNK, channel};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use super::flow::{Flow, Got, Incoming, Outgoing};
use crate::disk::Paths;
use crate::runtime::Cri;

/// What to run, and which of its streams are wanted.
pub(super) struct Wanted {
    pub(super) id: String,
    pub(super) command: Vec<String>,
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) tty: bool,
}

/// A command that runs.
pub(super) struct Session {
    containerd: Containerd,
    id: String,
    exec_id: String,
    pipes: Pipes,
    sent: Sent,
    /// The directory of the pipes.
    dir: PathBuf,
}

#[derive(Default)]
struct Pipes {
    stdin: Option<pipe::Sender>,
    stdout: Option<pipe::Receiver>,
    stderr: Option<pipe::Receiver>,
}

/// Which of what the command writes is sent; the rest is read and forgotten.
struct Sent {
    stdout: bool,
    stderr: bool,
}

/// Starts it.
///
/// # Errors
/// containerd's words, such as that the program isn't there.
pub(super) async fn start(cri: &Cri, paths: &Paths, wanted: Wanted) -> Result<Session, String> {
    let exec_id = uuid::Uuid::now_v7().simple().to_string();
    let dir = paths.run().join("exec").join(&exec_id);
    let containerd = cri.containerd();
    let spec = process(&containerd, &wanted).await.map_err(words)?;
    let pipes = make_pipes(&dir, &wanted).map_err(|why| format!("the command's pipes: {why}"))?;
    let name = |stream: &str, is_wanted: bool| match is_wanted {
        true => dir.join(stream).display().to_string(),
        false => String::new(),
    };
    let request = api::ExecProcessRequest {
        container_id: wanted.id.clone(),
        stdin: name("stdin", wanted.stdin),
        stdout: name("stdout", true),
        stderr: name("stderr", !wanted.tty),
        terminal: wanted.tty,
        spec: Some(spec),
        exec_id: exec_id.clone(),
    };
    let sent = Sent { stdout: wanted.stdout, stderr: wanted.stderr };
    let session = Session { containerd, id: wanted.id, exec_id, pipes, sent, dir };
    if let Err(status) = session.containerd.clone().tasks.exec(in_k8s(request)).await {
        session.clean_up().await;
        return Err(words(status));
    }
    let request = api::StartRequest { container_id: session.id.clone(), exec_id: session.exec_id.clone() };
    if let Err(status) = session.containerd.clone().tasks.start(in_k8s(request)).await {
        session.delete().await;
        session.clean_up().await;
        return Err(words(status));
    }
    Ok(session)
}

/// The container's own process, with another command: its environment, user and rights.
async fn process(containerd: &Containerd, wanted: &Wanted) -> Result<Any, Status> {
    let request = in_k8s(GetContainerRequest { id: wanted.id.clone() });
    let container =
        containerd.clone().containers.get(request).await?.into_inner().container.unwrap_or_default();
    let spec: Value = serde_json::from_slice(&container.spec.unwrap_or_default().value).unwrap_or_default();
    let mut process = spec["process"].clone();
    process["args"] = json!(wanted.command);
    process["terminal"] = json!(wanted.tty);
    if wanted.tty {
        let env = process["env"].as_array_mut();
        if let Some(env) =
            env.filter(|env| !env.iter().any(|one| one.as_str().is_some_and(|one| one.starts_with("TERM="))))
        {
            env.push(json!("TERM=xterm"));
        }
    }
    let value = serde_json::to_vec(&process).expect("plain data");
    Ok(Any { type_url: "types.containerd.io/opencontainers/runtime-spec/1/Process".to_owned(), value })
}

fn make_pipes(dir: &Path, wanted: &Wanted) -> std::io::Result<Pipes> {
    std::fs::create_dir_all(dir)?;
    let make = |name: &str| {
        let path = dir.join(name);
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).map(|()| path)
    };
    let mut pipes = Pipes::default();
    if wanted.stdin {
        // Read and write: opening doesn't wait for the reader.
        pipes.stdin = Some(pipe::OpenOptions::new().read_write(true).open_sender(make("stdin")?)?);
    }
    // containerd's shim copies both streams of a command without a terminal, whether or not anybody wants them.
    pipes.stdout = Some(pipe::OpenOptions::new().open_receiver(make("stdout")?)?);
    if !wanted.tty {
        pipes.stderr = Some(pipe::OpenOptions::new().open_receiver(make("stderr")?)?);
    }
    Ok(pipes)
}

impl Session {
    /// Carries the streams until the command has ended and all it wrote is sent, then tells how it ended.
    pub(super) async fn flow(mut self, flow: Flow) {
        let Flow { mut out, mut incoming, .. } = flow;
        let over = out.over();
        let pipes = std::mem::take(&mut self.pipes);
        let (lines, output) = mpsc::channel::<Piece>(PIECES_WAITING);
        let readers = [
            (channel::STDOUT, pipes.stdout, self.sent.stdout),
            (channel::STDERR, pipes.stderr, self.sent.stderr),
        ];
        for (number, pipe, is_sent) in readers {
            match pipe {
                Some(pipe) if is_sent => drop(tokio::spawn(read(pipe, number, lines.clone()))),
                Some(pipe) => drop(tokio::spawn(forget(pipe))),
                None => {}
            }
        }
        drop(lines);
        let mut tasks = self.containerd.tasks.clone();
        let wait = api::WaitRequest { container_id: self.id.clone(), exec_id: self.exec_id.clone() };
        let work = async {
            let ended = tasks.wait(in_k8s(wait));
            tokio::join!(ended, send(output, &mut out)).0.map_or(1, |answer| answer.into_inner().exit_status)
        };
        let input = self.take_input(pipes.stdin, &mut incoming);
        let code = tokio::select! {
            code = work => Some(code),
            () = over.cancelled() => None,
            () = input => None,
        };
        match code {
            Some(code) => tell_end(&mut out, code).await,
            // Nobody listens any more: the command must not go on for ever.
            None => self.kill().await,
        }
        out.end("").await;
        self.delete().await;
        self.clean_up().await;
    }

    /// Never ends by itself.
    async fn take_input(&self, mut stdin: Option<pipe::Sender>, incoming: &mut Incoming) {
        while let Some(got) = incoming.next().await {
            match got {
                Got::Data { channel: channel::STDIN, payload } => {
                    if let Some(pipe) = &mut stdin
                        && pipe.write_all(&payload).await.is_err()
                    {
                        stdin = None;
                    }
                }
                Got::Eof { channel: channel::STDIN } if stdin.take().is_some() => self.close_input().await,
                Got::Data { channel: channel::RESIZE, payload } => self.resize(&payload).await,
                Got::Data { .. } | Got::Eof { .. } => {}
            }
        }
        std::future::pending().await
    }

    async fn close_input(&self) {
        let request =
            api::CloseIoRequest { container_id: self.id.clone(), exec_id: self.exec_id.clone(), stdin: true };
        let _ = self.containerd.clone().tasks.close_io(in_k8s(request)).await;
    }

    async fn resize(&self, payload: &[u8]) {
        let Ok(size) = serde_json::from_slice::<Size>(payload) else { return };
        let request = api::ResizePtyRequest {
            container_id: self.id.clone(),
            exec_id: self.exec_id.clone(),
            width: size.width,
            height: size.height,
        };
        let _ = self.containerd.clone().tasks.resize_pty(in_k8s(request)).await;
    }

    async fn kill(&self) {
        const SIGKILL: u32 = 9;
        let request = api::KillRequest {
            container_id: self.id.clone(),
            exec_id: self.exec_id.clone(),
            signal: SIGKILL,
            all: false,
        };
        let _ = self.containerd.clone().tasks.kill(in_k8s(request)).await;
        let wait = api::WaitRequest { container_id: self.id.clone(), exec_id: self.exec_id.clone() };
        let _ = self.containerd.clone().tasks.wait(in_k8s(wait)).await;
    }

    async fn delete(&self) {
        let request =
            api::DeleteProcessRequest { container_id: self.id.clone(), exec_id: self.exec_id.clone() };
        let _ = self.containerd.clone().tasks.delete_process(in_k8s(request)).await;
    }

    async fn clean_up(&self) {
        let _ = tokio::fs::remove_dir_all(&self.dir).await;
    }
}

/// `{"Width":80,"Height":24}`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Size {
    width: u32,
    height: u32,
}

/// What a command wrote at once, and where.
type Piece = (u8, BytesMut);

/// Pieces of a command that writes in small ones wait here and are sent together.
const PIECES_WAITING: usize = 64;

/// Sends all there is, until the pipes are closed or nobody listens.
async fn send(mut output: mpsc::Receiver<Piece>, out: &mut Outgoing) {
    let mut next = output.recv().await;
    while let Some((number, mut bytes)) = next.take() {
        while let Ok((other, more)) = output.try_recv() {
            if other != number || bytes.len() + more.len() > CHUNK {
                next = Some((other, more));
                break;
            }
            bytes.unsplit(more);
        }
        if out.send(number, bytes.freeze()).await.is_err() {
            return;
        }
        if next.is_none() {
            next = output.recv().await;
        }
    }
}

/// Reads what nobody wants, so that the command is not held up by it.
async fn forget(mut pipe: pipe::Receiver) {
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
}

async fn read(mut pipe: pipe::Receiver, number: u8, to: mpsc::Sender<Piece>) {
    let mut buffer = BytesMut::with_capacity(CHUNK);
    loop {
        buffer.reserve(CHUNK / 4);
        match pipe.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                if to.send((number, buffer.split())).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The `metav1.Status` of a remote command (`k8s.io/apimachinery`, `remotecommand`).
async fn tell_end(out: &mut Outgoing, code: u32) {
    let status = match code {
        0 => json!({"metadata": {}, "status": "Success"}),
        code => json!({
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: error executing command, exit code {code}"),
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
    };
    let _ = out.send(channel::ERROR, status.to_string().into()).await;
}

fn words(status: Status) -> String {
    status.message().to_owned()
}
