//! Appending in frames: all that waited is written and synced at once, then answered.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use rutter_runtime::stream::{Appended, LogStream};
use tokio::sync::{mpsc, oneshot};

/// Appends that may wait.
const WAITING: usize = 4_096;
/// As many bytes as a frame of the log may have, about.
const FRAME_BYTES: usize = 3 << 20;

type Waiting = (Bytes, oneshot::Sender<()>);

/// The way to a writer of frames.
#[derive(Clone)]
pub(crate) struct Frames(mpsc::Sender<Waiting>);

impl Frames {
    /// Returns what it was given, once that is durable.
    pub(crate) async fn append(&self, body: Bytes) -> Bytes {
        let (done, written) = oneshot::channel();
        if self.0.send((body.clone(), done)).await.is_ok() {
            // The writer answers each, or the process ends.
            let _ = written.await;
        }
        body
    }
}

/// Frames are messages of the stream, one in flight.
pub(crate) fn on_stream(stream: LogStream) -> Frames {
    let (frames, mut waiting) = mpsc::channel::<Waiting>(WAITING);
    tokio::spawn(async move {
        let mut last = 0;
        while let Some(first) = waiting.recv().await {
            let frame = gather(first, &mut waiting);
            let appended = stream.append(joined(&frame), last).await;
            let Appended::Acked(sequence) = appended else {
                return eprintln!("the floor's stream says {appended:?}");
            };
            last = sequence;
            answer(frame);
        }
    });
    Frames(frames)
}

/// Frames are one write and one fdatasync of a bare file.
pub(crate) fn in_file(path: &Path) -> Result<Frames> {
    let (frames, mut waiting) = mpsc::channel(WAITING);
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    std::thread::spawn(move || {
        while let Some(first) = waiting.blocking_recv() {
            let frame = gather(first, &mut waiting);
            if let Err(error) = write(&mut file, &joined(&frame)) {
                return eprintln!("the floor's file: {error}");
            }
            answer(frame);
        }
    });
    Ok(Frames(frames))
}

fn gather(first: Waiting, waiting: &mut mpsc::Receiver<Waiting>) -> Vec<Waiting> {
    let mut size = first.0.len();
    let mut frame = vec![first];
    while size < FRAME_BYTES
        && let Ok(next) = waiting.try_recv()
    {
        size += next.0.len();
        frame.push(next);
    }
    frame
}

fn joined(frame: &[Waiting]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(frame.iter().map(|(body, _)| body.len()).sum());
    frame.iter().for_each(|(body, _)| bytes.extend_from_slice(body));
    bytes.freeze()
}

fn write(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    file.write_all(bytes)?;
    file.sync_data()
}

fn answer(frame: Vec<Waiting>) {
    for (_, done) in frame {
        // Who no longer waits needs no answer.
        let _ = done.send(());
    }
}
