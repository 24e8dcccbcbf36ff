//! How long a request may take (`k8s.io/apiserver/pkg/endpoints/filters/request_deadline.go`).

use std::time::Duration;

use rutter_apimachinery::duration;

use super::info::Target;
use super::{Query, Verb};

/// What upstream's `--request-timeout` allows unless it is told otherwise.
const MOST: Duration = Duration::from_secs(60);
/// Subresources that go on for as long as their clients want (`BasicLongRunningRequestCheck`).
const STREAMS: [&str; 5] = ["attach", "exec", "log", "portforward", "proxy"];

/// What a request may take: what it asks for where that is less than what anyone may, which `0` and nothing stand for.
/// None for one that may go on.
///
/// # Errors
/// The message of a 400 when what it asks for is no duration.
pub fn of(target: &Target, query: &Query) -> Result<Option<Duration>, String> {
    if goes_on(target) {
        return Ok(None);
    }
    let Some(asked) = query.get("timeout") else { return Ok(Some(MOST)) };
    let nanos = duration::parse(asked).ok_or_else(|| {
        format!("invalid timeout specified in the request URL - time: invalid duration {asked:?}")
    })?;
    let asked = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
    Ok(Some(if asked.is_zero() { MOST } else { asked.min(MOST) }))
}

fn goes_on(target: &Target) -> bool {
    let Target::Resource(info) = target else { return false };
    info.verb == Verb::Watch || STREAMS.contains(&info.subresource.as_str())
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::super::info;
    use super::*;

    fn shown(uri: &str) -> Result<Option<u64>, String> {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let query = Query::parse(query);
        let limit = of(&info::read(&Method::GET, path, &query), &query)?;
        Ok(limit.map(|limit| u64::try_from(limit.as_millis()).unwrap()))
    }

    #[test]
    fn a_request_may_ask_for_less_than_a_minute() {
        for (uri, limit) in [
            ("/api/v1/pods", Some(60_000)),
            ("/api/v1/pods?timeout=32s", Some(32_000)),
            ("/version?timeout=1500ms", Some(1_500)),
            ("/api/v1/pods?timeout=3m", Some(60_000)),
            ("/api/v1/pods?timeout=0s", Some(60_000)),
            ("/api/v1/pods?timeout=-1s", Some(60_000)),
            ("/api/v1/pods?watch=1&timeout=later", None),
            ("/api/v1/namespaces/n/pods/p/log?follow=1", None),
        ] {
            assert_eq!(shown(uri), Ok(limit), "{uri}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        let why = "invalid timeout specified in the request URL - time: invalid duration \"invalid\"";
        assert_eq!(shown("/version?timeout=invalid"), Err(why.to_owned()));
    }
}
