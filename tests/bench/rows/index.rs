//! What the sequencer keeps in memory for a million objects. Measured in a process of its own, which holds nothing else.

use std::process::Command;

use anyhow::{Context, Result};
use rutter_ledger::core::{Proving, Sequencer, Settings};
use rutter_schemas::{Frame, Hash};
use serde::{Deserialize, Serialize};

use crate::cluster::{Bench, resident_kb};
use crate::events;
use crate::report::{Bound, Report};

const OBJECTS: u64 = 1_000_000;
const FRAME_COMMITS: u64 = 100;

#[derive(Serialize, Deserialize)]
struct Memory {
    index_mb: f64,
    resident_mb: f64,
}

pub(crate) fn measure(_: &Bench, report: &mut Report) -> Result<()> {
    let said = Command::new(std::env::current_exe()?).arg("index").output()?;
    let memory: Memory = serde_json::from_slice(&said.stdout).context("the measuring process failed")?;
    report.add("sequencer's index, 1 M objects", "MB", memory.index_mb, None, Bound::AtMost(64.0));
    let name = "sequencer whole, 1 M objects and 1 M recent commits";
    report.add(name, "MB", memory.resident_mb, None, Bound::Free);
    Ok(())
}

/// The measuring process: replays a log of a million births and says what that took.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn tell() -> Result<()> {
    let pid = std::process::id();
    let mut sequencer = Sequencer::new(Settings::new("bench", Proving::Owned));
    let before = resident_kb(pid)?;
    let mut prev = Hash::NONE;
    for number in 1..=OBJECTS / FRAME_COMMITS {
        let first = (number - 1) * FRAME_COMMITS + 1;
        let births = (first..first + FRAME_COMMITS).map(|event| events::short_commit(&format!("c{event}")));
        let text = events::frame(number, prev, first, &births.collect::<Vec<_>>());
        prev = text.hash;
        sequencer.replay(number, &Frame::decode(&text.text)?, text.hash)?;
    }
    let resident_mb = (resident_kb(pid)? - before) / 1024.0;
    let memory = Memory { index_mb: sequencer.index_bytes() as f64 / f64::from(1 << 20), resident_mb };
    println!("{}", serde_json::to_string(&memory)?);
    Ok(())
}
