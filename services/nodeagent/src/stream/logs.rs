//! A container's log, as `PodLogOptions` asks for it: from a time, the last lines, at most so many bytes, and on.

use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use rutter_schemas::protocol::dial::{LogOptions, PodRef, channel};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::Streams;
use super::flow::Flow;
use super::log::{Line, parse};

/// Which file.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) attempt: u32,
}

/// A log that is followed is looked at this often.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);
/// Read at a time.
const BLOCK: usize = 64 * 1024;

/// Sends the log; ends with it, or when nobody listens.
pub(super) async fn flow(pieces: impl Stream<Item = Bytes> + Send, flow: Flow) {
    let Flow { mut out, incoming, .. } = flow;
    let over = out.over();
    let mut pieces = pin!(pieces);
    let sent = async {
        while let Some(piece) = pieces.next().await {
            if out.send(channel::STDOUT, piece).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = sent => {}
        () = over.cancelled() => {}
    }
    drop(incoming);
    out.end("").await;
}

/// The log as the container wrote it; ends with it, which is the container's end for a log that is followed.
pub(super) fn pieces(
    source: Source,
    options: LogOptions,
    streams: Streams,
    pod: PodRef,
    container: String,
) -> impl Stream<Item = Bytes> + Send + use<> {
    let reader = Reader::new(&options);
    let reading = Reading {
        source,
        options,
        streams,
        pod,
        container,
        reader,
        file: None,
        has_begun: false,
        runs: false,
        block: vec![0; BLOCK],
    };
    futures::stream::unfold(reading, |mut reading| async move {
        let piece = reading.next().await?;
        Some((piece, reading))
    })
}

/// A log that is being read.
struct Reading {
    source: Source,
    options: LogOptions,
    streams: Streams,
    pod: PodRef,
    container: String,
    reader: Reader,
    /// None while the container has written nothing.
    file: Option<File>,
    has_begun: bool,
    /// More may come.
    runs: bool,
    block: Vec<u8>,
}

impl Reading {
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.look().await;
            if let Some(file) = &mut self.file {
                let from = start_of_tail(file, &self.options).await.unwrap_or(0);
                let _ = file.seek(std::io::SeekFrom::Start(from)).await;
            }
        }
        loop {
            if self.reader.is_full() {
                return None;
            }
            let count = match &mut self.file {
                Some(file) => file.read(&mut self.block).await.ok()?,
                None => 0,
            };
            if count > 0 {
                let text = self.reader.take(&self.block[..count]);
                if text.is_empty() {
                    continue;
                }
                return Some(text);
            }
            if !self.runs {
                return None;
            }
            tokio::time::sleep(FOLLOW_EVERY).await;
            self.look().await;
        }
    }

    /// Asked before reading: what is written until the end is read after it.
    async fn look(&mut self) {
        self.runs = self.options.follow
            && self.streams.is_running(&self.pod, &self.container, self.source.attempt).await;
        if self.file.is_none() {
            self.file = File::open(&self.source.path).await.ok();
        }
    }
}

/// Where the last `tail_lines` lines begin.
async fn start_of_tail(file: &mut File, options: &LogOptions) -> std::io::Result<u64> {
    let Some(wanted) = options.tail_lines else { return Ok(0) };
    let mut at = file.metadata().await?.len();
    if wanted == 0 {
        return Ok(at);
    }
    let mut seen = 0;
    let mut is_last = true;
    while at > 0 {
        let size = at.min(BLOCK as u64);
        at -= size;
        file.seek(std::io::SeekFrom::Start(at)).await?;
        let mut block = vec![0; usize::try_from(size).expect("a block is short")];
        file.read_exact(&mut block).await?;
        for (offset, byte) in block.iter().enumerate().rev() {
            // The end of the last line begins no line.
            if *byte == b'\n' && !std::mem::take(&mut is_last) {
                seen += 1;
                if seen == wanted {
                    return Ok(at + offset as u64 + 1);
                }
            }
            is_last = false;
        }
    }
    Ok(0)
}

/// Turns the file's lines into the container's words.
struct Reader {
    timestamps: bool,
    since: Option<Timestamp>,
    stream: Option<String>,
    left: Option<u64>,
    /// The beginning of a line whose end isn't written yet.
    rest: Vec<u8>,
    /// The line before was a part: what follows it gets no time.
    in_line: bool,
}

impl Reader {
    fn new(options: &LogOptions) -> Reader {
        let stream = options.stream.as_deref().filter(|stream| *stream != "All");
        Reader {
            timestamps: options.timestamps,
            since: options.since_time.as_deref().and_then(|at| at.parse().ok()),
            stream: stream.map(str::to_lowercase),
            left: options.limit_bytes,
            rest: Vec::new(),
            in_line: false,
        }
    }

    fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    fn take(&mut self, bytes: &[u8]) -> Bytes {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Bytes::new() };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        let mut out = String::new();
        for line in String::from_utf8_lossy(&whole).lines().filter_map(parse) {
            self.add(line, &mut out);
        }
        let mut bytes = out.into_bytes();
        if let Some(left) = &mut self.left {
            bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= bytes.len() as u64;
        }
        bytes.into()
    }

    fn add(&mut self, line: Line<'_>, out: &mut String) {
        let too_old = self.since.is_some_and(|since| line.at.parse::<Timestamp>().is_ok_and(|at| at < since));
        let other = self.stream.as_deref().is_some_and(|stream| stream != line.stream);
        if too_old || other {
            return;
        }
        if self.timestamps && !self.in_line {
            out.push_str(line.at);
            out.push(' ');
        }
        out.push_str(line.text);
        if line.is_whole {
            out.push('\n');
        }
        self.in_line = !line.is_whole;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-01-01T00:00:01.5Z stdout F one\n2026-01-01T00:00:02Z stderr P tw\n\
                       2026-01-01T00:00:02Z stderr F o\n2026-01-01T00:00:03Z stdout F three\n";

    fn read(options: LogOptions) -> String {
        let mut reader = Reader::new(&options);
        // In pieces, as it may be read while it is written.
        let (first, second) = LOG.as_bytes().split_at(50);
        let mut text = reader.take(first).to_vec();
        text.extend(reader.take(second));
        String::from_utf8(text).expect("it was text")
    }

    #[test]
    fn parts_of_a_line_come_together() {
        assert_eq!(read(LogOptions::default()), "one\ntwo\nthree\n");
        let timestamps = LogOptions { timestamps: true, ..LogOptions::default() };
        assert_eq!(
            read(timestamps),
            "2026-01-01T00:00:01.5Z one\n2026-01-01T00:00:02Z two\n2026-01-01T00:00:03Z three\n"
        );
    }

    #[test]
    fn times_streams_and_bytes_are_bounds() {
        let since = LogOptions { since_time: Some("2026-01-01T00:00:02Z".into()), ..LogOptions::default() };
        assert_eq!(read(since), "two\nthree\n");
        let errors = LogOptions { stream: Some("Stderr".into()), ..LogOptions::default() };
        assert_eq!(read(errors), "two\n");
        let short = LogOptions { limit_bytes: Some(5), ..LogOptions::default() };
        assert_eq!(read(short), "one\nt");
    }

    #[tokio::test]
    async fn the_last_lines_are_found_from_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        std::fs::write(&path, LOG).expect("it can be written");
        for (tail, expected) in [(0, ""), (1, "three\n"), (3, "two\nthree\n"), (9, "one\ntwo\nthree\n")] {
            let mut file = File::open(&path).await.expect("it is there");
            let options = LogOptions { tail_lines: Some(tail), ..LogOptions::default() };
            let at = start_of_tail(&mut file, &options).await.expect("it can be read");
            let mut reader = Reader::new(&options);
            let text = reader.take(&LOG.as_bytes()[usize::try_from(at).expect("it is short")..]);
            assert_eq!(String::from_utf8_lossy(&text), expected, "{tail}");
        }
    }
}
