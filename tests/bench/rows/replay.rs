//! Replay of a large log into an empty projection, beside a bare consumer of the same stream.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use rutter_projection::Options;
use rutter_runtime::shutdown::Shutdown;
use rutter_runtime::stream::{Appended, Delivery, LogStream};
use rutter_runtime::view::{View, ViewOptions};
use rutter_schemas::{Hash, Revision};

use crate::broker::Broker;
use crate::cluster::Bench;
use crate::events;
use crate::report::{Bound, Report};

/// Commits in a frame, one event each: a busy ledger's.
const FRAME_COMMITS: u64 = 64;

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let dir = bench.file("replay");
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    let broker = Broker::alone(&dir).await?;
    let stream = broker.stream().await?;
    let frames = write(&stream, bench.events).await?;
    let bare = rate(bench.events, consume(&stream, frames).await);
    let millions = millions(bench.events);
    for (what, options, bound) in [
        ("a projection", Options::default(), Bound::Share(0.4)),
        ("a projection with history", Options::with_history(), Bound::Share(0.4)),
    ] {
        let took = replay(&stream, &dir.join("view"), options).await?;
        let name = format!("replay of {millions} M events into {what}");
        report.add(name, "1/s", rate(bench.events, took), Some(bare), bound);
        std::fs::remove_dir_all(dir.join("view"))?;
    }
    broker.stop().await;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

async fn write(stream: &LogStream, events: u64) -> Result<u64> {
    let (mut number, mut prev) = (0, Hash::NONE);
    for first in (1..=events).step_by(usize::try_from(FRAME_COMMITS)?) {
        let last = events.min(first + FRAME_COMMITS - 1);
        let commit = |event| events::commit(&format!("c{event}"), Revision(event - 1));
        let commits: Vec<Bytes> = (first..=last).map(commit).collect();
        let frame = events::frame(number + 1, prev, first, &commits);
        let appended = stream.append(frame.text, number).await;
        ensure!(matches!(appended, Appended::Acked(_)), "the stream says {appended:?}");
        (number, prev) = (number + 1, frame.hash);
    }
    Ok(number)
}

async fn consume(stream: &LogStream, frames: u64) -> Duration {
    let began = Instant::now();
    let mut follow = stream.follow(1);
    loop {
        if let Delivery::Frame(sequence, _) = follow.next().await
            && sequence == frames
        {
            return began.elapsed();
        }
    }
}

async fn replay(stream: &LogStream, dir: &Path, options: Options) -> Result<Duration> {
    let mut shutdown = Shutdown::new();
    let began = Instant::now();
    let options = ViewOptions::new(dir, options);
    let view = View::start(stream.clone(), options, &shutdown.stage("view")).await?;
    view.ready().await.context("the view")?;
    let took = began.elapsed();
    shutdown.finish().await;
    Ok(took)
}

#[allow(clippy::cast_precision_loss)]
fn rate(events: u64, took: Duration) -> f64 {
    events as f64 / took.as_secs_f64()
}

#[allow(clippy::cast_precision_loss)]
fn millions(events: u64) -> f64 {
    events as f64 / 1e6
}
