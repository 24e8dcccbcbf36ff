//! Replay into an empty projection, next to a bare consumer of the same stream.
//!
//! `replay [events] [event bytes] [data directory]`: writes the log, then reads it twice.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use rutter_projection::Options;
use rutter_runtime::executor::Letterhead;
use rutter_runtime::nats;
use rutter_runtime::roles::Role;
use rutter_runtime::server::{EmbeddedServer, ServerConfig};
use rutter_runtime::shutdown::Shutdown;
use rutter_runtime::stream::{Appended, Delivery, LogStream, Replicas, StreamSettings};
use rutter_runtime::view::{View, ViewOptions};
use rutter_schemas::{Event, FrameHeader, FrameText, Hash, Meta, ObjectRef, Op, Revision, Uuid, state};
use serde_json::json;

/// Commits in a frame, one event each: a busy ledger's.
const FRAME_COMMITS: u64 = 64;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let events: u64 = arguments.next().map_or(Ok(200_000), |text| text.parse())?;
    let bytes: usize = arguments.next().map_or(Ok(1_100), |text| text.parse())?;
    let dir = arguments.next().map_or_else(|| PathBuf::from("target/bench-replay"), PathBuf::from);
    let _ = std::fs::remove_dir_all(&dir);
    let server = serve(&dir).await?;
    let client = nats::connect(&server.connection(&Role::Ledger), &Role::Ledger).await?;
    let settings = StreamSettings { replicas: Replicas::One, max_bytes: 32 << 30 };
    let stream = LogStream::ensure(client, &settings).await?;
    let frames = write(&stream, events, bytes).await?;

    let bare = rate(events, consume(&stream, frames).await);
    println!("bare consumer            {bare:>10.0} events/s");
    for (name, options) in
        [("projection", Options::default()), ("projection, history", Options::with_history())]
    {
        let replayed = rate(events, replay(&stream, &dir.join(name), options).await?);
        println!("{name:<24} {replayed:>10.0} events/s  {:>5.2}x", replayed / bare);
    }
    server.stop().await;
    Ok(())
}

async fn write(stream: &LogStream, events: u64, bytes: usize) -> anyhow::Result<u64> {
    let (mut number, mut prev) = (0, Hash::NONE);
    for first in (1..=events).step_by(usize::try_from(FRAME_COMMITS)?) {
        let last = events.min(first + FRAME_COMMITS - 1);
        let frame = frame(number + 1, prev, first, last, bytes);
        let appended = stream.append(frame.text, number).await;
        anyhow::ensure!(matches!(appended, Appended::Acked(_)), "the stream says {appended:?}");
        (number, prev) = (number + 1, frame.hash);
    }
    Ok(number)
}

fn frame(number: u64, prev: Hash, first: u64, last: u64, bytes: usize) -> FrameText {
    let commits: Vec<bytes::Bytes> = (first..=last)
        .map(|event| {
            let letterhead = Letterhead { writer: "bench/0".into(), ..Letterhead::default() };
            letterhead.commit(Uuid::now_v7(), Revision(event - 1), 0, vec![birth(event, bytes)]).encode()
        })
        .collect();
    let count = u32::try_from(commits.len()).expect("a frame holds few");
    let header = FrameHeader {
        id: Uuid::new_v4(),
        number,
        epoch: 1,
        ledger: "bench".into(),
        incarnation: 0,
        first: Revision(first),
        events: count,
        commits: count,
        prev,
        at: "2026-01-01T00:00:00.000000Z".into(),
        skipped: None,
    };
    FrameText::join(header, &commits)
}

fn birth(number: u64, bytes: usize) -> Event {
    let (name, uid) = (format!("c{number}"), Uuid::new_v4().to_string());
    let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"text": "x".repeat(bytes)},
                        "metadata": {"name": name, "namespace": "default", "uid": uid}});
    Event {
        event_type: "ConfigMapCreated".into(),
        op: Op::Create,
        object: ObjectRef {
            version: "v1".into(),
            kind: "ConfigMap".into(),
            resource: "configmaps".into(),
            namespace: "default".into(),
            name,
            uid,
            ..ObjectRef::default()
        },
        prior: Revision::NONE,
        meta: Meta::default(),
        touches: Vec::new(),
        state: state::encode(&object),
    }
}

async fn consume(stream: &LogStream, frames: u64) -> Duration {
    let begun = Instant::now();
    let mut follow = stream.follow(1);
    loop {
        if let Delivery::Frame(sequence, _) = follow.next().await
            && sequence == frames
        {
            return begun.elapsed();
        }
    }
}

async fn replay(stream: &LogStream, dir: &Path, options: Options) -> anyhow::Result<Duration> {
    let mut shutdown = Shutdown::new();
    let begun = Instant::now();
    let options = ViewOptions { dir: dir.to_path_buf(), projection: options };
    let view = View::start(stream.clone(), options, &shutdown.stage("view")).await?;
    view.ready().await.context("the view")?;
    let took = begun.elapsed();
    shutdown.finish().await;
    Ok(took)
}

fn rate(events: u64, took: Duration) -> f64 {
    events as f64 / took.as_secs_f64()
}

async fn serve(dir: &Path) -> anyhow::Result<EmbeddedServer> {
    let cached = Path::new(".cache/bin/nats-server");
    let config = ServerConfig {
        data_dir: std::path::absolute(dir)?,
        listen: "127.0.0.1:0".parse()?,
        binary: cached.is_file().then(|| std::path::absolute(cached)).transpose()?,
        max_store_bytes: 64 << 30,
    };
    std::fs::create_dir_all(dir)?;
    Ok(EmbeddedServer::start(config).await?)
}
