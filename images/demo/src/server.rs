//! The server: a thread for each connection, a bounded number of them.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

use crate::tools::host;

const CONNECTIONS: usize = 256;
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Serves until SIGTERM, which a first process has to wait for itself: the kernel drops it otherwise.
pub(crate) fn serve() -> Result<(), String> {
    let mut stop = SigSet::empty();
    stop.add(Signal::SIGTERM);
    stop.add(Signal::SIGINT);
    stop.thread_block().map_err(|error| format!("signals: {error}"))?;
    thread::spawn(move || {
        if let Ok(signal) = stop.wait() {
            println!("{signal} came: good-bye");
            std::process::exit(0);
        }
    });
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let listener =
        TcpListener::bind(format!("0.0.0.0:{port}")).map_err(|error| format!("port {port}: {error}"))?;
    println!("{} listens on port {port}", host());
    for stream in listener.incoming().flatten() {
        if OPEN.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            OPEN.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        thread::spawn(move || {
            // A client that goes away has nothing more to be told.
            let _ = answer(stream);
            OPEN.fetch_sub(1, Ordering::Relaxed);
        });
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let target = first.split_whitespace().nth(1).unwrap_or("/").to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    if path != "/healthz" {
        println!("{} {target}", first.split_whitespace().next().unwrap_or_default());
    }
    let (status, body) = page(path, query);
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()?;
    match path {
        "/quit" => std::process::exit(1),
        "/exit" => {
            std::process::exit(query.strip_prefix("code=").and_then(|code| code.parse().ok()).unwrap_or(0))
        }
        _ => {}
    }
    Ok(())
}

fn page(path: &str, query: &str) -> (&'static str, String) {
    match path {
        "/" => ("200 OK", format!("{}{}\n", host(), greeting())),
        "/healthz" => ("200 OK", "ok\n".to_owned()),
        "/env" => ("200 OK", std::env::vars().map(|(name, value)| format!("{name}={value}\n")).collect()),
        "/burn" => ("200 OK", burn(query)),
        "/quit" | "/exit" => ("200 OK", "good-bye\n".to_owned()),
        _ => ("404 Not Found", format!("there is nothing at {path}\n")),
    }
}

fn greeting() -> String {
    std::env::var("GREETING").map(|greeting| format!(" {greeting}")).unwrap_or_default()
}

/// Works for `ms` milliseconds, ten seconds at most.
fn burn(query: &str) -> String {
    let ms = query.strip_prefix("ms=").and_then(|ms| ms.parse().ok()).unwrap_or(100).min(10_000);
    let (began, mut rounds) = (Instant::now(), 0_u64);
    while began.elapsed() < Duration::from_millis(ms) {
        rounds = std::hint::black_box(rounds.wrapping_add(1));
    }
    format!("burned {ms} ms in {rounds} rounds\n")
}
