//! `rutter ledger verify`: is the log whole, and does everything made of it equal what it would be made of it now?
//!
//! It changes nothing that counts: no ledger is started, so nothing is appended.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use rutter_ledger::verify::{self, Report};
use rutter_projection::{OpenError, Options, Projection};
use rutter_runtime::nats::{self, NatsConfig};
use rutter_runtime::roles::Role;
use rutter_runtime::server::{EmbeddedServer, ServerConfig};
use rutter_runtime::stream::LogStream;

use super::args::CommonArgs;
use crate::print;
use crate::up::{self, Home};

/// No bound that a log which is there already could meet.
const ANY_SIZE: u64 = 1 << 50;

pub(crate) async fn verify(common: &CommonArgs, cluster: Option<&Path>) -> Result<()> {
    match cluster {
        Some(dir) => stopped(dir).await,
        None => running(common).await,
    }
}

/// A one-machine cluster that doesn't run: nats-server is started for as long as it takes.
async fn stopped(dir: &Path) -> Result<()> {
    let home = Home::existing(dir).with_context(|| format!("there is no {}", dir.display()))?;
    if !home.root().join("nats/store").is_dir() {
        bail!("{} holds no log: is it the data directory of a one-machine cluster?", home.root().display());
    }
    let _held = up::hold(&home)?;
    let server = EmbeddedServer::start(ServerConfig {
        data_dir: home.root().to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        binary: None,
        max_store_bytes: ANY_SIZE,
    });
    let server = server.await?;
    let connection = server.connection(&Role::Gateway);
    let outcome = against(&connection, &Role::Gateway, &home.projection(), &home.root().join("run")).await;
    server.stop().await;
    outcome
}

/// The log of a cluster that runs, with what this machine keeps of it, unless a service is using that.
async fn running(common: &CommonArgs) -> Result<()> {
    let connection =
        super::connection(&common.nats, common.nats_creds.as_deref(), common.nats_ca.as_deref())?;
    // Beside what is compared, a copy of it costs nothing.
    let room = if common.data.is_dir() { common.data.clone() } else { std::env::temp_dir() };
    against(&connection, &Role::Ledger, &common.data.join("projection"), &room).await
}

/// Verifies the log of a connection and the projection in a directory; works in a directory of its own below `room`.
async fn against(connection: &NatsConfig, role: &Role, projection: &Path, room: &Path) -> Result<()> {
    let client = nats::connect(connection, role).await?;
    let stream = LogStream::open(client).await.context("the log can't be opened")?;
    let scratch = Scratch::make(room)?;
    let bar = bar();
    let progress = |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    };
    let kept = kept(projection)?;
    let report = match &kept {
        Kept::Here(kept, options) => verify::verify(&stream, kept, *options, scratch.path(), progress).await,
        Kept::Nothing | Kept::InUse => verify::verify_log(&stream, scratch.path(), progress).await,
    };
    bar.finish_and_clear();
    told(&report?, &kept, projection)
}

/// What there is to compare with.
enum Kept {
    Here(Box<Projection>, Options),
    InUse,
    Nothing,
}

fn kept(dir: &Path) -> Result<Kept> {
    if !fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Ok(Kept::Nothing);
    }
    let mut options = Options::with_history();
    let mut opened = Projection::open(dir, options);
    if let Err(OpenError::OtherHistory { .. }) = opened {
        options = Options::default();
        opened = Projection::open(dir, options);
    }
    match opened {
        Ok(projection) => Ok(Kept::Here(Box::new(projection), options)),
        Err(OpenError::Held { .. }) => Ok(Kept::InUse),
        Err(error) => Err(error.into()),
    }
}

/// Prints what came out; an error if that isn't well.
fn told(report: &Report, kept: &Kept, projection: &Path) -> Result<()> {
    let Report { frames, events, revision, hash, rows, .. } = report;
    print::line(&format!(
        "log         the chain holds: {frames} frames, {events} events, up to revision {revision}"
    ))?;
    print::line(&format!("last frame  sha256:{hash}"))?;
    let place = projection.display();
    match kept {
        Kept::Nothing => {
            print::line(&format!("projection  none in {place}; one was made of the log: {rows} rows"))
        }
        Kept::InUse => print::line(&format!(
            "projection  {place} is in use, so it was not compared: stop its service first"
        )),
        Kept::Here(..) if report.differs.is_empty() => {
            let behind = frames - report.kept_at;
            let at = if behind == 0 {
                String::new()
            } else {
                format!(", at frame {} ({behind} behind)", report.kept_at)
            };
            print::line(&format!("projection  {place} equals the log byte for byte: {rows} rows{at}"))
        }
        Kept::Here(..) => {
            for difference in &report.differs {
                print::line(&format!("projection  differs first in {difference}"))?;
            }
            bail!("{place} is not what the log says: delete it, and the next start makes it anew");
        }
    }
}

fn bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("  {bar:40} {human_pos}/{human_len} frames, {per_sec}, {eta} to go");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A directory that goes when this does.
struct Scratch(PathBuf);

impl Scratch {
    fn make(room: &Path) -> Result<Scratch> {
        let path = room.join(format!("verify-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("{} can't be made", path.display()))?;
        Ok(Scratch(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("  {} is left over: {error}", self.0.display());
        }
    }
}
