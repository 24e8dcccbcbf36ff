//! `/healthz`, in the words of upstream's health checks: `ping` is this answer, `syncloop` that the agent's loop answers.

use std::fmt::Write as _;
use std::time::Duration;

use hyper::{Response, StatusCode};

use super::{Body, of, text};
use crate::stream::Streams;

/// A loop that is busy for so long is stuck.
const LOOP_TIMEOUT: Duration = Duration::from_secs(2);

const CHECKS: [&str; 2] = ["ping", "syncloop"];

pub(super) async fn whole(streams: &Streams, query: &str) -> Response<Body> {
    let mut told = String::new();
    let mut is_well = true;
    for check in CHECKS {
        let passes = passes(streams, check).await;
        is_well &= passes;
        let line =
            if passes { format!("[+]{check} ok") } else { format!("[-]{check} failed: reason withheld") };
        let _ = writeln!(told, "{line}");
    }
    let is_verbose = query.split('&').any(|part| part == "verbose" || part.starts_with("verbose="));
    let plain = "text/plain; charset=utf-8";
    match (is_well, is_verbose) {
        (true, false) => of(StatusCode::OK, plain, "ok"),
        (true, true) => of(StatusCode::OK, plain, told + "healthz check passed\n"),
        (false, _) => of(StatusCode::INTERNAL_SERVER_ERROR, plain, told + "healthz check failed\n"),
    }
}

pub(super) async fn one(streams: &Streams, check: &str) -> Response<Body> {
    if !CHECKS.contains(&check) {
        return text(StatusCode::NOT_FOUND, "404 page not found");
    }
    match passes(streams, check).await {
        true => of(StatusCode::OK, "text/plain; charset=utf-8", "ok"),
        false => text(StatusCode::INTERNAL_SERVER_ERROR, "internal server error: the agent's loop is stuck"),
    }
}

async fn passes(streams: &Streams, check: &str) -> bool {
    match check {
        "syncloop" => {
            let answered = tokio::time::timeout(LOOP_TIMEOUT, streams.look(|_| ())).await;
            matches!(answered, Ok(Ok(())))
        }
        _ => true,
    }
}
