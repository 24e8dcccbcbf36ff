//! The table of figures, in Markdown, and as JSON.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use serde::Serialize;

/// The groups of rows, in the order they are measured.
pub(crate) const GROUPS: [&str; 13] = [
    "api",
    "apart",
    "lists",
    "patches",
    "definitions",
    "commits",
    "watch",
    "replay",
    "pods",
    "pod",
    "start",
    "index",
    BESIDE,
];

/// The group that stands beside another server, not beside floors; measured by itself.
pub(crate) const BESIDE: &str = "beside";

/// One measured figure, beside its floor where there is one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    pub(crate) floor: Option<f64>,
    /// Ours over the floor.
    pub(crate) ratio: Option<f64>,
    /// The bound it has to keep.
    pub(crate) bound: Bound,
    pub(crate) kept: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    /// At least this share of the floor.
    Share(f64),
    /// At most this multiple of the floor.
    Times(f64),
    /// At most this much above the floor, in the row's unit.
    Above(f64),
    /// At most this multiple of the floor, and this much above that.
    TimesAndAbove(f64, f64),
    AtMost(f64),
    AtLeast(f64),
    /// Only reported.
    Free,
}

impl Bound {
    fn keeps(self, ours: f64, floor: Option<f64>) -> bool {
        match (self, floor) {
            (Bound::Share(share), Some(floor)) => ours >= share * floor,
            (Bound::Times(times), Some(floor)) => ours <= times * floor,
            (Bound::Above(above), Some(floor)) => ours <= floor + above,
            (Bound::TimesAndAbove(times, above), Some(floor)) => ours <= times * floor + above,
            (Bound::AtMost(most), _) => ours <= most,
            (Bound::AtLeast(least), _) => ours >= least,
            (Bound::Free, _) => true,
            (_, None) => false,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Bound::Share(share) => write!(f, "≥ {share} ×"),
            Bound::Times(times) => write!(f, "≤ {times} ×"),
            Bound::Above(above) => write!(f, "≤ floor + {above}"),
            Bound::TimesAndAbove(times, above) => write!(f, "≤ {times} × + {above}"),
            Bound::AtMost(most) => write!(f, "≤ {most}"),
            Bound::AtLeast(least) => write!(f, "≥ {least}"),
            Bound::Free => Ok(()),
        }
    }
}

/// All figures of one run.
pub(crate) struct Report {
    rows: Vec<Row>,
    skipped: Vec<String>,
    only: Vec<String>,
}

impl Report {
    pub(crate) fn new(only: Vec<String>) -> Result<Report> {
        for group in &only {
            ensure!(GROUPS.contains(&group.as_str()), "{group:?} is no group of rows; there are {GROUPS:?}");
        }
        Ok(Report { rows: Vec::new(), skipped: Vec::new(), only })
    }

    /// Whether a group of rows is asked for.
    pub(crate) fn wants(&self, group: &str) -> bool {
        let all = self.only.is_empty() && group != BESIDE;
        all || self.only.iter().any(|only| only == group)
    }

    pub(crate) fn add(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        ours: f64,
        floor: Option<f64>,
        bound: Bound,
    ) {
        let ratio = floor.filter(|floor| *floor > 0.0).map(|floor| ours / floor);
        let row = Row { name: name.into(), unit, ours, floor, ratio, bound, kept: bound.keeps(ours, floor) };
        eprintln!("{}", line(&row));
        self.rows.push(row);
    }

    /// Says that rows could not be measured here.
    pub(crate) fn skip(&mut self, rows: &str, why: &str) {
        let said = format!("not measured: {rows}: {why}");
        eprintln!("{said}");
        self.skipped.push(said);
    }

    pub(crate) fn print(&self) {
        let beside = if self.only == [BESIDE] { "other" } else { "floor" };
        println!("{}", cells(["row", "rutter", beside, "ratio", "bound", "", "unit"].map(str::to_owned)));
        println!(
            "|{}|{}:|{}:|{}:|{}|{}|{}|",
            dashes(58),
            dashes(10),
            dashes(10),
            dashes(7),
            dashes(16),
            dashes(5),
            dashes(5)
        );
        for row in &self.rows {
            println!("{}", line(row));
        }
        for skipped in &self.skipped {
            println!("{skipped}");
        }
        let missed = self.rows.iter().filter(|row| !row.kept).count();
        println!("{} rows, {missed} miss their bound", self.rows.len());
    }

    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        Ok(fs::write(path, serde_json::to_vec_pretty(&self.rows)?)?)
    }
}

fn line(row: &Row) -> String {
    let number = |value: Option<f64>| value.map_or_else(String::new, short);
    let ratio = row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    let verdict = match (row.bound, row.kept) {
        (Bound::Free, _) => "",
        (_, true) => "kept",
        (_, false) => "miss",
    };
    let (name, bound, unit) = (row.name.clone(), row.bound.to_string(), row.unit.to_owned());
    cells([name, short(row.ours), number(row.floor), ratio, bound, verdict.to_owned(), unit])
}

fn cells([name, ours, floor, ratio, bound, verdict, unit]: [String; 7]) -> String {
    format!("| {name:<56} | {ours:>9} | {floor:>9} | {ratio:>6} | {bound:<14} | {verdict:<4}| {unit:<4}|")
}

fn dashes(count: usize) -> String {
    "-".repeat(count)
}

fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
