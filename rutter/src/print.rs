//! What is printed: data to stdout, talk to stderr; `-o json` and `-o yaml` hold the same facts as the table.

use std::io::{self, Write};

use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use crate::cli::Output;

/// Prints rows under a header, or the values they came from.
pub(crate) fn rows<T: Serialize>(
    output: Output,
    values: &[T],
    header: &[&str],
    row: impl Fn(&T) -> Vec<String>,
) -> Result<()> {
    match output {
        Output::Json | Output::Yaml => document(output, &values),
        Output::Table | Output::Wide => {
            let mut table = Table::new();
            table
                .load_preset(NOTHING)
                .set_content_arrangement(ContentArrangement::Disabled)
                .set_header(header);
            table.add_rows(values.iter().map(row));
            for column in table.column_iter_mut() {
                column.set_padding((0, 3));
            }
            line(&table.trim_fmt())
        }
    }
}

/// Prints one document as JSON, or as YAML when that was asked for.
pub(crate) fn document(output: Output, value: &impl Serialize) -> Result<()> {
    match output {
        Output::Yaml => line(serde_saphyr::to_string(value)?.trim_end()),
        _ => line(&serde_json::to_string_pretty(value)?),
    }
}

/// Writes one line of data. A reader that went away (`| head`) ends the program quietly.
pub(crate) fn line(text: &str) -> Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}
