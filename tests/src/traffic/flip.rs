//! One byte, flipped where data rests: verifying has to find it.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::verify::{Verified, verify};
use crate::apart::Apart;

/// A byte that was flipped, and what verifying said of it.
#[derive(Debug)]
pub struct Flipped {
    pub file: PathBuf,
    pub at: u64,
    pub verified: Verified,
}

impl Flipped {
    /// Whether it was noticed.
    #[must_use]
    pub fn is_found(&self) -> bool {
        !self.verified.holds
    }
}

impl fmt::Display for Flipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_found() { "found" } else { "NOT FOUND" };
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        write!(f, "byte {} of {name}: {word}\n{}", self.at, self.verified.said.trim_end())
    }
}

/// Where a byte is flipped.
#[derive(Debug)]
pub(super) struct Flip {
    file: PathBuf,
    at: u64,
}

/// Flips a byte in the middle of the largest file of the log; nats-server must not run.
pub(super) fn log(cluster: &Apart) -> Result<Flip> {
    Flip::make(&cluster.store(), "blk")
}

/// Flips a byte in the middle of the largest file of a kept projection, verifies, and flips it back.
pub(super) async fn projection(cluster: &Apart, keeper: &str) -> Result<Flipped> {
    let flip = Flip::make(&cluster.data(keeper).join("projection"), "sst")?;
    flip.found(cluster, keeper).await
}

impl Flip {
    fn make(dir: &Path, extension: &str) -> Result<Flip> {
        let (size, file) = files(dir)?
            .into_iter()
            .filter(|(_, file)| file.extension().is_some_and(|is| is == extension))
            .max()
            .with_context(|| format!("{} holds no file *.{extension}", dir.display()))?;
        let flip = Flip { file, at: size / 2 };
        flip.flip()?;
        Ok(flip)
    }

    /// Verifies with the flipped byte, and flips it back.
    pub(super) async fn found(self, cluster: &Apart, keeper: &str) -> Result<Flipped> {
        let verified = verify(cluster, keeper).await?;
        self.flip()?;
        Ok(Flipped { file: self.file, at: self.at, verified })
    }

    fn flip(&self) -> Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(&self.file)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, self.at)?;
        byte[0] ^= 0b0000_0100;
        file.write_all_at(&byte, self.at)?;
        Ok(file.sync_all()?)
    }
}

/// Every file below a directory, with its size.
fn files(dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("{} can't be read", dir.display()))? {
        let entry = entry?;
        match entry.metadata()? {
            meta if meta.is_dir() => found.extend(files(&entry.path())?),
            meta => found.push((meta.len(), entry.path())),
        }
    }
    Ok(found)
}
