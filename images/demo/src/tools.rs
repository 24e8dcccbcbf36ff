//! What a shell would do, for images that have none.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs, thread};

use crate::{api, dns, http};

/// The host's name: in a pod, the pod's.
pub(crate) fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| env::var("HOSTNAME").map_err(io::Error::other));
    name.map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

pub(crate) fn hostname() -> Result<(), String> {
    println!("{}", host());
    Ok(())
}

pub(crate) fn get(url: &str) -> Result<(), String> {
    let body = http::get(url)?;
    io::stdout().write_all(&body).map_err(|error| error.to_string())
}

pub(crate) fn api(path: &str, host: Option<&str>) -> Result<(), String> {
    let body = api::get(path, host)?;
    io::stdout().write_all(&body).map_err(|error| error.to_string())
}

pub(crate) fn env(name: &str) -> Result<(), String> {
    let value = env::var(name).map_err(|_| format!("{name} is not set"))?;
    println!("{value}");
    Ok(())
}

pub(crate) fn cat(file: Option<&str>) -> Result<(), String> {
    let mut out = io::stdout().lock();
    let copied = match file {
        Some(file) => fs::File::open(file).and_then(|mut file| io::copy(&mut file, &mut out)),
        None => io::copy(&mut io::stdin().lock(), &mut out),
    };
    copied.map(drop).map_err(|error| format!("{}: {error}", file.unwrap_or("stdin")))
}

pub(crate) fn sleep(seconds: &str) -> Result<(), String> {
    let seconds: f64 = seconds.parse().map_err(|_| format!("{seconds} is not a number of seconds"))?;
    thread::sleep(Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?);
    Ok(())
}

pub(crate) fn resolve(name: &str) -> Result<(), String> {
    println!("{}", dns::resolve(name)?);
    Ok(())
}

pub(crate) fn echo(words: &[&str]) -> Result<(), String> {
    println!("{}", words.join(" "));
    Ok(())
}

pub(crate) fn lines(count: &str) -> Result<(), String> {
    let count: u64 = count.parse().map_err(|_| format!("{count} is not a number of lines"))?;
    let mut out = io::stdout().lock();
    (0..count).try_for_each(|line| writeln!(out, "line {line}")).map_err(|error| error.to_string())
}

/// Ends with a code, after leaving words where Kubernetes looks for a container's last ones.
pub(crate) fn exit(code: &str, words: &[&str]) -> ExitCode {
    if !words.is_empty() {
        println!("{}", words.join(" "));
        // There is no such file outside of a container.
        let _ = fs::write("/dev/termination-log", words.join(" "));
    }
    code.parse::<u8>().map_or(ExitCode::FAILURE, ExitCode::from)
}
