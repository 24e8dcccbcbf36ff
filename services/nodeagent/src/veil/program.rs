//! The program that stands in for runc. It knows three of runc's commands and leaves the others alone.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use super::{PROGRAM, VALUES, Values};

/// Options before runc's command that take a word of their own.
const WITH_VALUE: [&str; 4] = ["--root", "--log", "--log-format", "--criu"];

/// Whether this process was called in place of runc.
#[must_use]
pub fn is_called() -> bool {
    std::env::args_os()
        .next()
        .is_some_and(|called| Path::new(&called).file_name() == Some(OsStr::new(PROGRAM)))
}

/// Puts the values in their places and becomes runc; returns only when that can't be done.
#[must_use]
pub fn run() -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next().map(PathBuf::from).unwrap_or_default();
    let values = called.parent().unwrap_or(Path::new("/")).join(VALUES);
    let failed = match prepared(words.collect(), &values) {
        Ok(words) => Command::new("runc").args(words).exec(),
        Err(error) => error,
    };
    eprintln!("{PROGRAM}: {failed}");
    ExitCode::FAILURE
}

/// runc's own words, after what has to be done for them: the container's id is always the last one.
fn prepared(mut words: Vec<OsString>, values: &Path) -> io::Result<Vec<OsString>> {
    let (Some(at), Some(id)) = (command_at(&words), words.last().cloned()) else { return Ok(words) };
    let file = values.join(&id);
    match words[at].as_bytes() {
        b"create" => {
            let Some(values) = read(&file)? else { return Ok(words) };
            let bundle = option(&words, at, "--bundle")
                .map_or_else(|| PathBuf::from("."), |at| PathBuf::from(&words[at]));
            let config = bundle.join("config.json");
            // The bundle lies in memory, as all of a node's running state does.
            fs::write(&config, put_in(&fs::read(&config)?, &values)?)?;
        }
        b"exec" => {
            let Some(values) = read(&file)? else { return Ok(words) };
            if let Some(at) = option(&words, at, "--process") {
                let process = put_in(&fs::read(&words[at])?, &values)?;
                words[at] = in_memory(&process)?;
            }
        }
        b"delete" => match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        },
        _ => {}
    }
    Ok(words)
}

/// Where runc's command stands, behind the options for all commands.
fn command_at(words: &[OsString]) -> Option<usize> {
    let mut at = 0;
    while words.get(at)?.as_bytes().starts_with(b"-") {
        at += if WITH_VALUE.iter().any(|option| words[at] == *option) { 2 } else { 1 };
    }
    Some(at)
}

/// Where an option's word stands.
fn option(words: &[OsString], from: usize, name: &str) -> Option<usize> {
    let at = words.iter().skip(from).position(|word| word == name)? + from + 1;
    (at < words.len()).then_some(at)
}

fn read(file: &Path) -> io::Result<Option<Values>> {
    match fs::read(file) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// JSON with values in the places of placeholders, which stand inside its texts.
fn put_in(json: &[u8], values: &Values) -> io::Result<Vec<u8>> {
    let mut text = String::from_utf8(json.to_vec()).map_err(io::Error::other)?;
    for (placeholder, value) in values {
        let quoted = serde_json::to_string(value)?;
        text = text.replace(placeholder.as_str(), &quoted[1..quoted.len() - 1]);
    }
    Ok(text.into_bytes())
}

/// A file that lies on no disk, by the path at which runc finds it when we have become runc.
fn in_memory(bytes: &[u8]) -> io::Result<OsString> {
    let file = rustix::fs::memfd_create(c"process", rustix::fs::MemfdFlags::empty())?;
    let mut file = fs::File::from(file);
    file.write_all(bytes)?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // It has to be open still when we are runc.
    let _ = file.into_raw_fd();
    Ok(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_process_gets_the_values_and_no_other_file_does() {
        let dir = tempfile::tempdir().expect("a directory");
        let config = dir.path().join("config.json");
        fs::write(&config, r#"{"process":{"args":["a","p:0;"],"env":["X=<p:0;>","Y=p:1;"]}}"#)
            .expect("written");
        let values = Values::from([("p:0;".into(), "q\"\n".into()), ("p:1;".into(), "ü".into())]);
        super::super::put(dir.path(), "c1", &values).expect("put down");
        let line = format!(
            "--root /r --log /l --log-format json create --bundle {} --pid-file p c1",
            dir.path().display()
        );
        assert_eq!(prepared(words(&line), dir.path()).expect("prepared"), words(&line));
        let process: serde_json::Value =
            serde_json::from_slice(&fs::read(&config).expect("read")).expect("JSON");
        assert_eq!(
            process["process"],
            serde_json::json!({"args": ["a", "q\"\n"], "env": ["X=<q\"\n>", "Y=ü"]})
        );
    }

    #[test]
    fn a_command_in_a_container_gets_them_by_memory() {
        let dir = tempfile::tempdir().expect("a directory");
        let process = dir.path().join("process");
        fs::write(&process, r#"{"env":["X=p:0;"]}"#).expect("written");
        super::super::put(dir.path(), "c1", &Values::from([("p:0;".into(), "hush".into())]))
            .expect("put down");
        let line = format!("--systemd-cgroup exec --process {} --detach c1", process.display());
        let prepared = prepared(words(&line), dir.path()).expect("prepared");
        assert_eq!(fs::read_to_string(&prepared[3]).expect("it is open"), r#"{"env":["X=hush"]}"#);
        assert_eq!(fs::read_to_string(&process).expect("it is there"), r#"{"env":["X=p:0;"]}"#);
    }

    #[test]
    fn what_is_deleted_is_forgotten_and_other_containers_are_left_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        super::super::put(dir.path(), "c1", &Values::from([("p".into(), "v".into())])).expect("put down");
        for line in ["delete --force c2", "kill c1 15", "--version", "create --bundle /nowhere c2"] {
            assert_eq!(prepared(words(line), dir.path()).expect("prepared"), words(line));
        }
        assert!(dir.path().join("c1").exists());
        prepared(words("delete --force c1"), dir.path()).expect("prepared");
        assert!(!dir.path().join("c1").exists());
    }
}
