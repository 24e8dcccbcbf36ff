//! A container's log as CRI writes it: `<RFC 3339> <stdout|stderr> <P|F> <text>`, where P is a part of a line.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Upstream's bounds of a termination message.
const MESSAGE_BYTES_MAX: u64 = 4096;
const MESSAGE_FROM_LOG_BYTES_MAX: u64 = 2048;

/// What a container left in its message file.
pub(crate) fn last_words(path: &Path) -> String {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MESSAGE_BYTES_MAX).read_to_end(&mut text));
    if read.is_err() {
        return String::new();
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The end of a log, without the times.
pub(crate) fn end_of_log(path: &Path) -> String {
    let text = tail_bytes(path, 2 * MESSAGE_FROM_LOG_BYTES_MAX).unwrap_or_default();
    let words: String = text.lines().filter_map(parse).map(|line| line.display()).collect();
    let from = words.len().saturating_sub(usize::try_from(MESSAGE_FROM_LOG_BYTES_MAX).unwrap_or(usize::MAX));
    let from = (from..words.len()).find(|at| words.is_char_boundary(*at)).unwrap_or(words.len());
    words[from..].to_owned()
}

fn tail_bytes(path: &Path, bytes: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A line of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) at: &'a str,
    pub(crate) stream: &'a str,
    pub(crate) is_whole: bool,
    pub(crate) text: &'a str,
}

impl Line<'_> {
    fn display(&self) -> String {
        let end = if self.is_whole { "\n" } else { "" };
        format!("{}{end}", self.text)
    }
}

/// Reads a line of the file; none if it has another form.
pub(crate) fn parse(line: &str) -> Option<Line<'_>> {
    let (at, rest) = line.split_once(' ')?;
    let (stream, rest) = rest.split_once(' ')?;
    let (tags, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let known = matches!(stream, "stdout" | "stderr") && at.contains('T');
    known.then(|| Line { at, stream, is_whole: tags.split(':').next() == Some("F"), text })
}
