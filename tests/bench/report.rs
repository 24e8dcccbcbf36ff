//! The table of figures.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

/// One measured figure, beside its floor where there is one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    pub(crate) floor: Option<f64>,
    /// The bound it has to keep.
    pub(crate) bound: Bound,
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
    AtMost(f64),
    AtLeast(f64),
    /// Only reported.
    Free,
}

impl Row {
    /// Ours over the floor.
    fn ratio(&self) -> Option<f64> {
        self.floor.filter(|floor| *floor > 0.0).map(|floor| self.ours / floor)
    }

    fn keeps(&self) -> bool {
        match self.bound {
            Bound::Share(share) => self.ratio().is_some_and(|ratio| ratio >= share),
            Bound::Times(times) => self.ratio().is_some_and(|ratio| ratio <= times),
            Bound::Above(above) => self.floor.is_some_and(|floor| self.ours <= floor + above),
            Bound::AtMost(most) => self.ours <= most,
            Bound::AtLeast(least) => self.ours >= least,
            Bound::Free => true,
        }
    }
}

/// All figures of one run.
pub(crate) struct Report {
    rows: Vec<Row>,
    only: Option<String>,
}

impl Report {
    pub(crate) fn new(only: Option<String>) -> Report {
        Report { rows: Vec::new(), only }
    }

    /// Whether a group of rows is asked for.
    pub(crate) fn wants(&self, group: &str) -> bool {
        self.only.as_deref().is_none_or(|only| group.contains(only))
    }

    pub(crate) fn add(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        ours: f64,
        floor: Option<f64>,
        bound: Bound,
    ) {
        let row = Row { name: name.into(), unit, ours, floor, bound };
        eprintln!("  {}", line(&row));
        self.rows.push(row);
    }

    pub(crate) fn print(&self) {
        println!("{:<58} {:>12} {:>12} {:>7}  {:<16} unit", "row", "rutter", "floor", "ratio", "bound");
        for row in &self.rows {
            println!("{}", line(row));
        }
        let missed = self.rows.iter().filter(|row| !row.keeps()).count();
        println!("{} rows, {missed} miss their bound", self.rows.len());
    }

    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        Ok(fs::write(path, serde_json::to_vec_pretty(&self.rows)?)?)
    }
}

fn line(row: &Row) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), short);
    let ratio = row.ratio().map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    let bound = match row.bound {
        Bound::Share(share) => format!(">= {share} x"),
        Bound::Times(times) => format!("<= {times} x"),
        Bound::Above(above) => format!("<= floor + {above}"),
        Bound::AtMost(most) => format!("<= {most}"),
        Bound::AtLeast(least) => format!(">= {least}"),
        Bound::Free => String::new(),
    };
    let mark = if row.keeps() { ' ' } else { '!' };
    format!(
        "{:<58} {:>12} {:>12} {ratio:>7} {mark}{bound:<16} {}",
        row.name,
        short(row.ours),
        number(row.floor),
        row.unit
    )
}

fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
