//! What a shell would do, for images that have none.

use std::io::{self, Write};
use std::time::Duration;
use std::{env, fs, thread};

use crate::http;

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
