//! The steps of a start, shown as they happen.
//!
//! A process in the background tells its steps through a pipe (the descriptor in `RUTTER_PROGRESS_FD`); one in the
//! foreground prints them.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{FromRawFd, RawFd};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

pub(super) const FD: &str = "RUTTER_PROGRESS_FD";
const READY: &str = "ready";

/// Where the steps of a start are told.
pub(super) struct Progress {
    pipe: Option<Mutex<File>>,
    began: Instant,
}

impl Progress {
    pub(super) fn open() -> Progress {
        let fd: Option<RawFd> = std::env::var(FD).ok().and_then(|fd| fd.parse().ok());
        #[allow(unsafe_code)]
        // SAFETY: our own parent made this pipe for us alone and named it; nothing else in this process knows it.
        let pipe = fd.map(|fd| unsafe { File::from_raw_fd(fd) });
        // Our children must not hold it open: its end tells that this process died.
        if let Some(pipe) = &pipe {
            let _ = fcntl(pipe, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
        }
        Progress { pipe: pipe.map(Mutex::new), began: Instant::now() }
    }

    pub(super) fn step(&self, text: &str) {
        match &self.pipe {
            Some(_) => self.tell(text),
            None => eprintln!("  {:>6.2}s  {text}", self.began.elapsed().as_secs_f64()),
        }
    }

    /// The cluster is ready; nothing follows.
    pub(super) fn ready(&self) {
        match &self.pipe {
            Some(_) => self.tell(READY),
            None => eprintln!("  {:>6.2}s  ready", self.began.elapsed().as_secs_f64()),
        }
    }

    fn tell(&self, line: &str) {
        let Some(pipe) = &self.pipe else { return };
        let mut pipe = pipe.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Nobody may listen any more; the cluster doesn't depend on it.
        let _ = writeln!(pipe, "{line}");
    }
}

/// How a watched start ended.
pub(super) enum Ended {
    Ready,
    /// The pipe closed first: the process died.
    Died,
}

/// Shows the steps that come through the pipe until the cluster is ready.
pub(super) fn show(pipe: File) -> Ended {
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("  {spinner} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(120));
    let began = Instant::now();
    for line in BufReader::new(pipe).lines().map_while(Result::ok) {
        if line == READY {
            bar.finish_and_clear();
            return Ended::Ready;
        }
        bar.suspend(|| eprintln!("  {:>6.2}s  {line}", began.elapsed().as_secs_f64()));
        bar.set_message(line);
    }
    bar.finish_and_clear();
    Ended::Died
}
